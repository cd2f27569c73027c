//! What an error says of a change that got no response: whether it was sent, and how often.

use std::sync::{Arc, Mutex};
use std::task::{Context, Waker};
use std::time::Duration;

use d1_facade::retry::ExponentialBackoff;
use d1_facade::{Card, CardId, Client, ClientBuilder, Environment, ErrorKind, Identity, Outcome};
use d1_sandbox::Sandbox;
use d1_tests::fault_server::{Act, FaultServer, answer, goaway};
use d1_tests::http2_server::{Http2Act, Http2Server};
use d1_tests::{CARD, FixedToken, ISSUER, PAN, foreign_identity, refused, sandbox_client};
use tracing::field::{Field, Visit};
use tracing_subscriber::layer::Context as LayerContext;
use tracing_subscriber::{Layer, Registry};

use crate::listening::listen;

const REFUSED_STREAM: u32 = 7;
const NO_ERROR: u32 = 0;

fn builder_at(server: &Http2Server) -> ClientBuilder {
    let (certificate, key) = &server.identity;
    Client::builder(Environment::Custom(server.url()), ISSUER.parse().unwrap())
        .client_identity(Identity::from_pem(certificate, key).unwrap())
        .root_certificate(&server.root)
        .without_system_roots()
        .token_source(FixedToken)
        .retry(ExponentialBackoff::default().max_attempts(1))
}

fn card_of(builder: ClientBuilder) -> Card {
    builder.build().unwrap().card(CARD.parse().unwrap())
}

#[tokio::test]
async fn what_a_server_says_it_did_not_process_is_sent_once_and_not_sent() {
    for act in [
        Http2Act::Reset(REFUSED_STREAM),
        Http2Act::Frames(goaway(0, NO_ERROR, "")),
    ] {
        let server = Http2Server::start(act.clone()).await;
        let error = card_of(builder_at(&server)).suspend().await.unwrap_err();
        assert_eq!(
            (error.kind(), error.outcome(), error.attempts()),
            (ErrorKind::Transport, Outcome::NotSent, 1),
            "{act:?}"
        );
        assert_eq!(server.requests(), 1, "{act:?}");
    }
}

#[tokio::test]
async fn the_policy_decides_whether_it_is_sent_again_and_the_error_counts() {
    let server = Http2Server::start(Http2Act::Reset(REFUSED_STREAM)).await;
    let policy = ExponentialBackoff::default().initial_delay(Duration::from_millis(1));
    let card = card_of(builder_at(&server).retry(policy));
    let error = card.suspend().await.unwrap_err();
    assert_eq!((error.attempts(), server.requests()), (3, 3));
    assert_eq!(error.outcome(), Outcome::NotSent);
}

#[tokio::test]
async fn another_reset_leaves_the_outcome_unknown() {
    let server = Http2Server::start(Http2Act::Reset(2)).await;
    let error = card_of(builder_at(&server)).suspend().await.unwrap_err();
    assert_eq!((error.outcome(), server.requests()), (Outcome::Unknown, 1));
}

#[tokio::test]
async fn a_refused_client_certificate_is_named_each_time_and_nothing_was_sent() {
    let sandbox = Sandbox::start().await.unwrap();
    let (certificate, key) = foreign_identity();
    for _ in 0..20 {
        let builder = Client::builder(
            Environment::Custom(sandbox.base_url().to_owned()),
            ISSUER.parse().unwrap(),
        );
        let card = card_of(
            builder
                .client_identity(Identity::from_pem(&certificate, &key).unwrap())
                .root_certificate(sandbox.ca_pem())
                .without_system_roots()
                .token_source(FixedToken)
                .retry(ExponentialBackoff::default().max_attempts(1)),
        );
        for _ in 0..2 {
            let error = card.suspend().await.unwrap_err();
            assert_eq!(
                (error.kind(), error.outcome()),
                (ErrorKind::Connect, Outcome::NotSent),
                "{error}"
            );
            let line = error.to_string();
            assert!(line.contains("refuses the client certificate"), "{line}");
        }
    }
    assert!(sandbox.requests().is_empty());
}

#[tokio::test]
async fn a_proxy_that_asks_for_a_password_is_asked_once() {
    let proxy = FaultServer::start(|path, _| match path {
        "" => Act::Say(Vec::new()),
        _ => Act::Say(answer(407, "text/plain", "")),
    });
    let proxy = proxy.await;
    let server = Http2Server::start(Http2Act::Reset(REFUSED_STREAM)).await;
    let policy = ExponentialBackoff::default().initial_delay(Duration::from_millis(1));
    let card = card_of(builder_at(&server).proxy(proxy.url()).retry(policy));
    let error = card.suspend().await.unwrap_err();
    assert!(error.to_string().contains("the proxy asks for a user"));
    assert_eq!((error.outcome(), error.attempts()), (Outcome::NotSent, 1));
    assert_eq!((proxy.connections(), server.requests()), (1, 0));
}

#[tokio::test]
async fn a_proxy_that_cannot_be_used_is_refused_before_anything_is_sent() {
    let server = Http2Server::start(Http2Act::Reset(REFUSED_STREAM)).await;
    for (proxy, rule) in [
        ("htp://proxy:3128", "http:// or https://"),
        ("socks5://proxy:1080", "http:// or https://"),
        ("proxy:3128", "http://host:port"),
        ("http://proxy:3128/path", "no path"),
        ("http://user:pa@ss@proxy:3128", "percent-encoded"),
        ("", "http://host:port"),
    ] {
        refused(builder_at(&server).proxy(proxy).build(), "proxy", rule);
    }
    let plain = d1_tests::bare_builder_for("http://127.0.0.1:1")
        .root_certificate(d1_tests::any_root())
        .without_system_roots();
    refused(
        plain.proxy("http://127.0.0.1:3128").build(),
        "proxy",
        "https",
    );
}

/// Keeps what is logged as a warning.
#[derive(Clone, Default)]
struct Warnings(Arc<Mutex<Vec<String>>>);

struct Fields<'a>(&'a mut String);

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        *self.0 += &format!("{}={value:?} ", field.name());
    }
}

impl Layer<Registry> for Warnings {
    fn on_event(&self, event: &tracing::Event<'_>, _: LayerContext<'_, Registry>) {
        let metadata = event.metadata();
        if *metadata.level() == tracing::Level::WARN && metadata.target().starts_with("d1_facade") {
            let mut line = String::new();
            event.record(&mut Fields(&mut line));
            self.0.lock().unwrap().push(line);
        }
    }
}

#[tokio::test]
async fn a_change_that_is_dropped_leaves_a_warning_with_its_outcome() {
    let warnings = Warnings::default();
    let _guard = listen(warnings.clone());
    let server = FaultServer::start(|_, _| Act::SayAndStall(Vec::new())).await;
    let builder = d1_tests::bare_builder_for(&server.url())
        .root_certificate(d1_tests::any_root())
        .without_system_roots();
    let card = card_of(builder);
    let suspend = || {
        let id = "00000000-dropped".parse().unwrap();
        card.suspend().correlation_id(id).into_future()
    };

    // Never polled, it has not begun.
    drop(suspend());
    assert!(warnings.0.lock().unwrap().is_empty());

    // Before a connection was made, nothing was written.
    let mut begun = suspend();
    let mut context = Context::from_waker(Waker::noop());
    assert!(begun.as_mut().poll(&mut context).is_pending());
    drop(begun);
    let lines = std::mem::take(&mut *warnings.0.lock().unwrap());
    let [line] = lines.as_slice() else {
        unreachable!("{lines:?}")
    };
    for part in [
        "d1.operation=\"suspendCard\"",
        CARD,
        "00000000-dropped",
        "outcome=not sent",
    ] {
        assert!(line.contains(part), "{part}: {line}");
    }

    // The server has read it.
    tokio::select! {
        _ = suspend() => unreachable!("the server does not answer"),
        () = server.stalled() => {}
    }
    let lines = std::mem::take(&mut *warnings.0.lock().unwrap());
    assert_eq!(lines.len(), 1);
    assert!(
        lines[0].contains("outcome=the outcome is unknown"),
        "{lines:?}"
    );
}

#[tokio::test]
async fn the_warning_of_a_dropped_change_shows_no_card_number_and_one_that_ends_has_none() {
    let warnings = Warnings::default();
    let _guard = listen(warnings.clone());
    let sandbox = Sandbox::start().await.unwrap();
    let card = sandbox_client(&sandbox).card(CardId::without_pan_check(PAN).unwrap());
    let mut begun = card.suspend().into_future();
    let mut context = Context::from_waker(Waker::noop());
    assert!(begun.as_mut().poll(&mut context).is_pending());
    drop(begun);
    let lines = std::mem::take(&mut *warnings.0.lock().unwrap());
    assert!(lines.len() == 1 && !lines[0].contains(PAN), "{lines:?}");

    // One that ends is its caller's to report.
    let card = sandbox_client(&sandbox).card(CARD.parse().unwrap());
    card.suspend().await.unwrap();
    assert!(warnings.0.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_spawned_change_ends_although_its_handle_is_dropped() {
    let sandbox = Sandbox::start().await.unwrap();
    let card = sandbox_client(&sandbox).card(CARD.parse().unwrap());
    drop(card.suspend().spawn());
    let resumed = card.resume().spawn();
    drop(resumed);
    // The token exchange and both changes.
    let both = async {
        while sandbox.requests().len() < 3 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), both)
        .await
        .unwrap();
    let receipt = card.delete().spawn().await.unwrap();
    assert_eq!(receipt.http_status(), 200);
}
