//! How the client gets on with connections that fall silent, fill up, change their limits, go away or end with an
//! alert.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Waker};
use std::time::Duration;

use bytes::Bytes;
use d1_facade::retry::ExponentialBackoff;
use d1_facade::{
    Client, ClientBuilder, Environment, Error, ErrorKind, Identity, Outcome, Receipt, Response,
};
use d1_sandbox::Sandbox;
use d1_tests::CARD;
use d1_tests::fault_server::goaway;
use d1_tests::hostile_server::scripted::{accept, answer, builder_at, read};
use d1_tests::hostile_server::{Protocol, ScriptedServer, Tls, Wire, settings};
use futures_util::StreamExt as _;
use futures_util::future::join_all;
use futures_util::stream::FuturesUnordered;
use h2::server::{Builder, SendResponse};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, Semaphore};

/// Enough for a call that is answered, on a machine that is busy.
const LONG: Duration = Duration::from_secs(60);

/// Suspends this many cards at once.
async fn suspend(client: &Client, cards: usize) -> Vec<Result<Response<Receipt>, Error>> {
    let one = |n: usize| {
        let card = client.card(format!("Card{n}").parse().unwrap());
        let id = format!("change-{n}").parse().unwrap();
        card.suspend().correlation_id(id).into_future()
    };
    join_all((0..cards).map(one)).await
}

/// A relay before a server, which can make the connections that it has fall silent: it swallows the answers.
struct Relay {
    port: u16,
    silent: Arc<Mutex<Arc<AtomicBool>>>,
    connections: Arc<AtomicUsize>,
}

impl Relay {
    async fn before(sandbox: &Sandbox) -> Self {
        let server = sandbox.base_url().rsplit_once(':').unwrap().1.to_owned();
        let server: u16 = server.trim_end_matches('/').parse().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let silent = Arc::new(Mutex::new(Arc::<AtomicBool>::default()));
        let connections = Arc::<AtomicUsize>::default();
        let (now, counted) = (silent.clone(), connections.clone());
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::SeqCst);
                let silent = now.lock().unwrap().clone();
                let server = TcpStream::connect(("127.0.0.1", server)).await.unwrap();
                let (mut from_client, mut to_client) = client.into_split();
                let (mut from_server, mut to_server) = server.into_split();
                tokio::spawn(async move {
                    let _ = tokio::io::copy(&mut from_client, &mut to_server).await;
                });
                tokio::spawn(async move {
                    let mut space = [0; 4096];
                    while let Ok(count @ 1..) = from_server.read(&mut space).await {
                        if !silent.load(Ordering::SeqCst) {
                            let _ = to_client.write_all(&space[..count]).await;
                        }
                    }
                });
            }
        });
        Self {
            port,
            silent,
            connections,
        }
    }

    /// Has what is connected now fall silent.
    fn silence(&self) {
        let mut silent = self.silent.lock().unwrap();
        std::mem::take(&mut *silent).store(true, Ordering::SeqCst);
    }

    fn builder(&self, sandbox: &Sandbox) -> ClientBuilder {
        let url = format!("https://localhost:{}", self.port);
        let key = d1_facade::SigningKey::from_pem(sandbox.signing_key_pem(), sandbox.signing_kid());
        Client::builder(
            Environment::Custom(url),
            sandbox.issuer_id().parse().unwrap(),
        )
        .root_certificate(sandbox.ca_pem())
        .client_identity(
            Identity::from_pem(sandbox.client_certificate_pem(), sandbox.client_key_pem()).unwrap(),
        )
        .without_system_roots()
        .signer(key.unwrap())
        .retry(ExponentialBackoff::default().max_attempts(1))
    }
}

#[tokio::test]
async fn at_most_one_call_is_lost_on_a_connection_that_falls_silent() {
    let sandbox = Sandbox::start().await.unwrap();
    let relay = Relay::before(&sandbox).await;
    let client = relay
        .builder(&sandbox)
        .timeout(Duration::from_secs(3))
        .build()
        .unwrap();
    let card = client.card(CARD.parse().unwrap());
    card.suspend().await.unwrap();
    relay.silence();
    let mut lost = 0;
    for n in 0..16 {
        let result = match n % 3 {
            0 => card.operations().await.map(drop),
            1 => card.resume().await.map(drop),
            _ => card.suspend().await.map(drop),
        };
        lost += usize::from(result.is_err());
    }
    assert!(lost <= 1, "{lost} calls lost");
    assert_eq!(relay.connections.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_token_that_is_lost_on_a_silent_connection_is_got_over_another_one() {
    // The first call ends by the time of the token exchange, or gives up before it.
    for timeout in [3000, 1500].map(Duration::from_millis) {
        let lost = lost_behind_a_token(timeout).await;
        assert!(lost.len() <= 1, "{timeout:?}: {lost:?}");
    }
}

/// Lets the connection fall silent while the first call waits for its token, and returns the calls that are lost.
async fn lost_behind_a_token(timeout: Duration) -> Vec<Error> {
    let sandbox = Sandbox::start().await.unwrap();
    let relay = Relay::before(&sandbox).await;
    let client = relay
        .builder(&sandbox)
        .timeout(Duration::from_secs(3))
        .retry(ExponentialBackoff::default())
        .build()
        .unwrap();
    let card = client.card(CARD.parse().unwrap());
    // The first call asks for a token, and gets none.
    let mut first = card.suspend().timeout(timeout).into_future();
    while sandbox.requests().is_empty() {
        let mut context = Context::from_waker(Waker::noop());
        let _ = first.as_mut().poll(&mut context);
        tokio::task::yield_now().await;
    }
    relay.silence();
    let mut lost = Vec::from_iter(first.await.err());
    for _ in 0..3 {
        lost.extend(card.resume().timeout(timeout).await.err());
    }
    lost
}

#[tokio::test]
async fn first_calls_that_come_at_once_share_a_connection() {
    let sandbox = Sandbox::start().await.unwrap();
    let relay = Relay::before(&sandbox).await;
    let client = relay.builder(&sandbox).timeout(LONG).build().unwrap();
    let card = client.card(CARD.parse().unwrap());
    let all = join_all((0..64).map(|_| card.operations().into_future())).await;
    assert!(all.iter().all(Result::is_ok));
    assert!(relay.connections.load(Ordering::SeqCst) <= 2);
}

#[tokio::test]
async fn what_waits_for_a_stream_is_not_sent_and_what_arrived_is_unknown() {
    let arrived = Arc::<Mutex<HashSet<String>>>::default();
    let seen = arrived.clone();
    let server = ScriptedServer::start(
        Protocol::Http2,
        |_| None,
        move |_, tls| {
            let seen = seen.clone();
            async move {
                let mut connection = accept(tls, 4).await;
                let mut held = Vec::new();
                while let Some(Ok((request, respond))) = connection.accept().await {
                    let id = request.headers()["x-correlation-id"].to_str().unwrap();
                    seen.lock().unwrap().insert(id.to_owned());
                    held.push((request, respond));
                }
            }
        },
    );
    let server = server.await;
    let client = builder_at(server.url())
        .timeout(Duration::from_secs(2))
        .build()
        .unwrap();
    let mut unknown = HashSet::new();
    for result in suspend(&client, 60).await {
        let error = result.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout);
        if error.outcome() != Outcome::NotSent {
            unknown.insert(error.correlation_id().unwrap().to_string());
        }
    }
    assert_eq!(unknown, *arrived.lock().unwrap());
    assert!(unknown.len() <= 4);
}

#[tokio::test]
async fn requests_that_are_dropped_give_their_streams_back() {
    let (arrived, opened) = (Arc::new(Notify::new()), Arc::new(AtomicBool::new(false)));
    let (seen, open) = (arrived.clone(), opened.clone());
    let server = ScriptedServer::start(
        Protocol::Http2,
        |_| None,
        move |_, tls| {
            let (seen, open) = (seen.clone(), open.clone());
            async move {
                let mut connection = accept(tls, 2).await;
                let mut held = Vec::new();
                while let Some(Ok((request, respond))) = connection.accept().await {
                    if open.load(Ordering::SeqCst) {
                        tokio::spawn(async move { answer((read(request).await, respond).1) });
                    } else {
                        held.push((request, respond));
                        seen.notify_one();
                    }
                }
            }
        },
    );
    let server = server.await;
    let client = builder_at(server.url()).build().unwrap();
    for _ in 0..10 {
        tokio::select! {
            _ = suspend(&client, 6) => unreachable!("the server does not answer"),
            () = arrived.notified() => {}
        }
    }
    opened.store(true, Ordering::SeqCst);
    for result in suspend(&client, 20).await {
        result.unwrap();
    }
    assert_eq!(server.connections(), 1);
}

/// Serves each request over `tls` with `serve`, which has a wire to put frames on.
async fn over_wire<F: Future<Output = ()> + Send + 'static>(
    tls: Tls,
    streams: Option<u32>,
    mut serve: impl FnMut(usize, Wire, SendResponse<Bytes>) -> F,
) {
    let wire = Wire::new(tls);
    if let Some(limit) = streams {
        wire.inject(&settings(limit)).await;
    }
    let mut connection = Builder::new().handshake(wire.clone()).await.unwrap();
    let mut number = 0;
    while let Some(Ok((request, respond))) = connection.accept().await {
        let served = serve(number, wire.clone(), respond);
        number += 1;
        tokio::spawn(async move {
            read(request).await;
            served.await;
        });
    }
}

#[tokio::test]
async fn a_limit_of_streams_that_changes_is_followed() {
    // The server's first limit, and those that it says before its first answer.
    for limits in [vec![1, 8], vec![8, 0, 8], vec![8, 1, 8], vec![2, 0, 1, 8]] {
        let server = ScriptedServer::start(
            Protocol::Http2,
            |_| None,
            move |_, tls| {
                let (first, later) = (limits[0], limits[1..].to_vec());
                let (open, all_open) = (Arc::<AtomicUsize>::default(), Arc::new(Semaphore::new(0)));
                over_wire(tls, Some(first), move |number, wire, respond| {
                    let (later, open, all_open) = (later.clone(), open.clone(), all_open.clone());
                    async move {
                        if number == 0 {
                            for limit in later {
                                wire.inject(&settings(limit)).await;
                            }
                            return answer(respond);
                        }
                        // The next ones are answered when eight of them are there.
                        if open.fetch_add(1, Ordering::SeqCst) == 7 {
                            all_open.close();
                        }
                        let _ = all_open.acquire().await;
                        answer(respond);
                    }
                })
            },
        );
        let server = server.await;
        let client = builder_at(server.url())
            .timeout(Duration::from_secs(20))
            .build()
            .unwrap();
        for result in suspend(&client, 9).await {
            result.unwrap();
        }
    }
}

#[tokio::test]
async fn a_connection_that_goes_away_is_replaced_by_one_while_it_ends() {
    const FIRST: usize = 10;
    let ends = Arc::new(Semaphore::new(0));
    let end = ends.clone();
    let server = ScriptedServer::start(
        Protocol::Http2,
        |_| None,
        move |connection, tls| {
            let (end, arrived) = (end.clone(), Arc::<AtomicUsize>::default());
            over_wire(tls, None, move |_, wire, respond| {
                let (end, arrived) = (end.clone(), arrived.clone());
                async move {
                    if connection == 0 {
                        if arrived.fetch_add(1, Ordering::SeqCst) + 1 < FIRST {
                            let _ = end.acquire().await;
                        } else {
                            wire.inject(&goaway(u32::MAX >> 1, 0, "")[9..]).await;
                        }
                    }
                    answer(respond);
                }
            })
        },
    );
    let server = server.await;
    let client = builder_at(server.url()).build().unwrap();
    let mut first = (0..FIRST)
        .map(|n| {
            let card = client.card(format!("Card{n}").parse().unwrap());
            card.suspend().into_future()
        })
        .collect::<FuturesUnordered<_>>();
    first.next().await.unwrap().unwrap();
    for result in suspend(&client, 30).await {
        result.unwrap();
    }
    assert_eq!(server.connections(), 2);
    ends.close();
    while let Some(result) = first.next().await {
        result.unwrap();
    }
}

#[tokio::test]
async fn what_waits_for_a_stream_goes_over_the_next_connection_when_the_first_is_closed() {
    let server = ScriptedServer::start(
        Protocol::Http2,
        |_| None,
        |number, tls| async move {
            let mut connection = accept(tls, 2).await;
            while let Some(Ok((request, respond))) = connection.accept().await {
                if number == 0 {
                    return;
                }
                tokio::spawn(async move { answer((read(request).await, respond).1) });
            }
        },
    );
    let server = server.await;
    let client = builder_at(server.url()).build().unwrap();
    let all = suspend(&client, 20).await;
    let lost: Vec<_> = all.into_iter().filter_map(Result::err).collect();
    assert!(lost.len() <= 2, "{lost:?}");
    assert_eq!(server.connections(), 2);
}
