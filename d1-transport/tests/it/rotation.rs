//! Client certificates that change while connections are open.

use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use d1_transport::{HttpClient, OpenConnections};
use futures_util::FutureExt as _;
use futures_util::future::{join, join_all};
use h2::server::{Builder, SendResponse};
use http::Response;
use rustls::SignatureScheme;
use rustls::client::ResolvesClientCert;
use rustls::sign::CertifiedKey;
use rustls_pki_types::CertificateDer;
use tokio::io::AsyncWriteExt as _;
use tokio::sync::Semaphore;

use crate::http1::request;
use crate::server::{Server, Tls};

const TIME: Duration = Duration::from_secs(60);

/// A certificate that can be replaced.
#[derive(Debug)]
struct Replaceable(Mutex<Arc<CertifiedKey>>);

impl Replaceable {
    fn present(&self) -> Arc<CertifiedKey> {
        self.0.lock().unwrap().clone()
    }
}

impl ResolvesClientCert for Replaceable {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(self.present())
    }

    fn has_certs(&self) -> bool {
        true
    }
}

/// What a server has seen.
struct Seen {
    /// The client certificate of each request, in the order in which they arrived.
    requests: Mutex<Vec<CertificateDer<'static>>>,
    arrived: Semaphore,
    /// How many connections have ended.
    ended: Semaphore,
    /// How many requests may be answered.
    answers: Semaphore,
}

impl Seen {
    fn request(&self, client: &CertificateDer<'static>) {
        self.requests.lock().unwrap().push(client.clone());
        self.arrived.add_permits(1);
    }

    fn requests(&self) -> Vec<CertificateDer<'static>> {
        self.requests.lock().unwrap().clone()
    }
}

async fn take(semaphore: &Semaphore) {
    semaphore.acquire().await.unwrap().forget();
}

fn client_of(tls: &Tls) -> CertificateDer<'static> {
    tls.get_ref().1.peer_certificates().unwrap()[0].clone()
}

async fn serve_http1(mut tls: Tls, seen: &Seen) {
    let client = client_of(&tls);
    while request(&mut tls).await.is_some() {
        seen.request(&client);
        take(&seen.answers).await;
        let answer = b"HTTP/1.1 204 No Content\r\n\r\n";
        if tls.write_all(answer).await.is_err() {
            break;
        }
    }
}

async fn serve_http2(tls: Tls, seen: &Arc<Seen>) {
    let client = client_of(&tls);
    let mut builder = Builder::new();
    // One request holds the only stream.
    builder.max_concurrent_streams(1);
    let Ok(mut connection) = builder.handshake(tls).await else {
        return;
    };
    while let Some(Ok((_, respond))) = connection.accept().await {
        seen.request(&client);
        let seen = seen.clone();
        tokio::spawn(async move {
            take(&seen.answers).await;
            let mut respond: SendResponse<Bytes> = respond;
            let response = Response::builder().status(204).body(()).unwrap();
            let _ = respond.send_response(response, true);
        });
    }
}

struct World {
    server: Server,
    seen: Arc<Seen>,
    identity: Arc<Replaceable>,
    client: HttpClient,
}

impl World {
    async fn start(protocol: &'static str, answers: usize) -> Self {
        let seen = Arc::new(Seen {
            requests: Mutex::default(),
            arrived: Semaphore::new(0),
            ended: Semaphore::new(0),
            answers: Semaphore::new(answers),
        });
        let of_server = seen.clone();
        let server = Server::start(protocol, move |_, tls| {
            let seen = of_server.clone();
            async move {
                match protocol {
                    "h2" => serve_http2(tls, &seen).await,
                    _ => serve_http1(tls, &seen).await,
                }
                seen.ended.add_permits(1);
            }
        })
        .await;
        let first = Arc::new(server.authority.identity("client-0"));
        let identity = Arc::new(Replaceable(Mutex::new(first)));
        let client = server.client_with(identity.clone(), None);
        Self {
            server,
            seen,
            identity,
            client,
        }
    }

    /// Replaces the certificate.
    fn replace(&self, number: usize) {
        let next = self.server.authority.identity(&format!("client-{number}"));
        *self.identity.0.lock().unwrap() = Arc::new(next);
        self.client.replace_connections();
    }

    async fn post(&self) {
        let response = self.server.post_within(&self.client, TIME).await;
        assert_eq!(response.unwrap().status.as_u16(), 204);
    }

    fn present(&self) -> CertificateDer<'static> {
        self.identity.present().cert[0].clone()
    }
}

#[tokio::test]
async fn a_request_after_the_change_presents_the_new_certificate_and_resumes_no_session() {
    for protocol in ["http/1.1", "h2"] {
        let world = World::start(protocol, Semaphore::MAX_PERMITS).await;
        let mut expected = Vec::new();
        for number in 0..20 {
            world.replace(number);
            // The second one uses the connection of the first.
            for _ in 0..2 {
                world.post().await;
                expected.push(world.present());
            }
            // The connection of the certificate before has no requests.
            if number > 0 {
                take(&world.seen.ended).await;
            }
        }
        assert_eq!(world.seen.requests(), expected, "{protocol}");
        assert_eq!(world.server.connections(), 20, "{protocol}");
    }
}

#[tokio::test]
async fn a_request_on_its_way_ends_on_its_connection_which_is_closed_then() {
    for protocol in ["http/1.1", "h2"] {
        let world = World::start(protocol, 0).await;
        let old = world.present();
        let mut on_its_way = pin!(world.post());
        let arrived = take(&world.seen.arrived);
        let arrived = pin!(arrived);
        futures_util::future::select(on_its_way.as_mut(), arrived).await;
        world.replace(1);
        // It takes no stream of the old connection, of which there is one, and does not wait for it.
        let later = world.post();
        let second = async {
            take(&world.seen.arrived).await;
            assert!(world.seen.ended.try_acquire().is_err(), "{protocol}");
            world.seen.answers.add_permits(2);
        };
        join_all([
            on_its_way.boxed_local(),
            later.boxed_local(),
            second.boxed_local(),
        ])
        .await;
        take(&world.seen.ended).await;
        assert_eq!(world.seen.requests(), [old, world.present()], "{protocol}");
        let open = match protocol {
            "h2" => OpenConnections { http1: 0, http2: 1 },
            _ => OpenConnections { http1: 1, http2: 0 },
        };
        assert_eq!(world.client.open_connections(), open);
    }
}

#[tokio::test]
async fn a_request_that_waits_for_a_stream_takes_one_of_the_new_certificate() {
    let world = World::start("h2", 0).await;
    let old = world.present();
    let mut first = pin!(world.post());
    let mut waiting = pin!(world.post());
    let arrived = pin!(take(&world.seen.arrived));
    let both = join(first.as_mut(), waiting.as_mut());
    futures_util::future::select(pin!(both), arrived).await;
    world.replace(1);
    let answered = async {
        take(&world.seen.arrived).await;
        world.seen.answers.add_permits(2);
    };
    tokio::join!(first, waiting, answered);
    assert_eq!(world.seen.requests(), [old, world.present()]);
}
