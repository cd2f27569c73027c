//! The service without sockets and without a database: a closure responds in place of D1, and each test takes
//! microseconds.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::io::{self, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode};
use d1_facade::auth::Unavailable;
use d1_facade::retry::ExponentialBackoff;
use d1_facade::test_util::Reply;
use d1_facade::{CardCredentials, CardId, Client, EncryptionKey, Environment, Error, Inconclusive};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::changes::{is_id, was_written};
use crate::outcome::{may_be_reconciled_later, of_change};
use crate::service::Service;
use crate::settings::Times;
use crate::store::{State, Store};
use crate::telemetry::{Metrics, json_log};
use crate::vault::{Vault, VaultError};
use crate::{api, inbound};

const PAN: &str = "4111111111111111";

/// A public key, as D1 gives one (RFC 7515, appendix A.3).
const JWK: &str = r#"{"kty":"EC","crv":"P-256","kid":"d1-key","use":"enc",
    "x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#;

/// A client that is answered by a closure, and tries each call once.
fn d1(responder: impl Fn() -> Reply + Send + Sync + 'static) -> Client {
    let builder = Client::builder(Environment::Staging, "ISSUER_A-1".parse().unwrap())
        .encryption_key(EncryptionKey::from_jwk(JWK).unwrap())
        .retry(ExponentialBackoff::default().max_attempts(1));
    builder.in_memory(move |_| responder()).build().unwrap()
}

/// A vault with one card, or one that does not answer.
struct OneCard(bool);

#[async_trait]
impl Vault for OneCard {
    async fn credentials(&self, card: &CardId) -> Result<Option<CardCredentials>, VaultError> {
        let credentials = CardCredentials::new(PAN, "1230").unwrap();
        match self.0 {
            true => Ok((card.as_str() == "ReplaceMe01").then_some(credentials)),
            false => Err(VaultError::Unavailable),
        }
    }
}

/// A service whose database does not answer.
fn service(d1: Client, vault: OneCard) -> Service {
    let second = Duration::from_secs(1);
    Service {
        d1,
        store: Store::new("host=/nonexistent user=none").unwrap(),
        vault: Arc::new(vault),
        metrics: Metrics::new().unwrap(),
        tasks: Default::default(),
        times: Times {
            call_timeout: second,
            settling_time: second,
            reconcile_every: second,
            read_timeout: second,
        },
        has_had_token: Arc::default(),
    }
}

async fn call(
    router: Router,
    request: &str,
    headers: &[(&str, &str)],
    body: Value,
) -> (StatusCode, HeaderMap, String) {
    let (method, path) = request.split_once(' ').unwrap();
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = router.oneshot(request.body(Body::from(body.to_string())).unwrap());
    let (head, body) = response.await.unwrap().into_parts();
    let body = to_bytes(body, 64 * 1024).await.unwrap();
    (
        head.status,
        head.headers,
        String::from_utf8(body.to_vec()).unwrap(),
    )
}

/// What is logged in this thread, at WARN and above.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    fn start() -> (Self, tracing::subscriber::DefaultGuard) {
        let log = Self::default();
        let writer = log.clone();
        let subscriber = json_log("warn", move || writer.clone());
        (log, tracing::subscriber::set_default(subscriber))
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

#[tokio::test]
async fn only_a_refusal_that_d1_documents_is_final() {
    let d1s = |status| Reply::status(status).json(&json!({"error": "as documented"}));
    let of_a_gateway = |status| Reply::status(status).body("<h1>No</h1>");
    for (reply, state, status) in [
        (Reply::status(204), State::Done, 200),
        (d1s(404), State::Refused, 404),
        (d1s(403), State::Refused, 409),
        (d1s(400), State::Refused, 422),
        (d1s(429), State::NotDone, 429),
        (d1s(401), State::NotDone, 502),
        (of_a_gateway(404), State::NotDone, 502),
        (of_a_gateway(403), State::NotDone, 502),
        (of_a_gateway(400), State::NotDone, 502),
        (Reply::not_sent(), State::NotDone, 503),
        // Nothing but a known end lets a change be made again.
        (d1s(500), State::Sending, 202),
        (of_a_gateway(504), State::Sending, 202),
        (Reply::lost(), State::Sending, 202),
    ] {
        let shown = format!("{reply:?}");
        let card = d1(move || reply.clone()).card("ReplaceMe01".parse().unwrap());
        let (found, code) = of_change(&card.suspend().await);
        assert_eq!((found, code.as_u16()), (state, status), "{shown}");
    }
}

#[test]
fn a_key_that_cannot_sign_at_the_moment_is_no_wrong_key() {
    let error = || io::Error::other("throttled");
    for (why, status) in [
        (Unavailable::transient(error()), 503),
        (Unavailable::permanent(error()), 502),
    ] {
        let (state, code) = of_change(&Err(Error::token_unavailable(why)));
        assert_eq!((state, code.as_u16()), (State::NotDone, status));
    }
}

#[test]
fn only_time_solves_what_time_can_solve() {
    assert!(may_be_reconciled_later(Inconclusive::TooEarly));
    assert!(!may_be_reconciled_later(Inconclusive::SeveralMatch));
}

#[test]
fn an_id_is_no_card_number() {
    for id in [
        "order-1",
        "9b2f4c1de0a84d6f8a31c57f0e4b2d19",
        "20261126_0001",
    ] {
        assert!(is_id(id), "{id}");
    }
    for id in ["", "a/b", PAN, "4111-1111-1111-1111", "a-4222222222222_b"] {
        assert!(!is_id(id), "{id}");
    }
}

#[test]
fn an_outcome_that_is_not_written_down_is_logged() {
    let (log, _guard) = Log::start();
    was_written(State::Done, Ok(true));
    assert_eq!(log.text(), "");
    was_written(State::Done, Ok(false));
    assert!(log.text().contains("ERROR") && log.text().contains("Done"));
}

#[tokio::test]
async fn a_list_is_that_of_d1() {
    let operations = json!({"operations": [{"operation": "SUSPEND", "status": "SUCCESSFUL"}]});
    let reply = Reply::status(200).json(&operations);
    let router = api::router(service(d1(move || reply.clone()), OneCard(true)));
    let path = "GET /cards/ReplaceMe01/operations";
    let (status, _, body) = call(router, path, &[], json!({})).await;
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(
        (status.as_u16(), &body["operations"][0]["operation"]),
        (200, &json!("SUSPEND"))
    );

    let busy = || Reply::status(429).header("retry-after", "7");
    let router = api::router(service(d1(busy), OneCard(true)));
    let (status, headers, _) = call(router, path, &[], json!({})).await;
    assert_eq!(
        (status.as_u16(), &headers["retry-after"]),
        (429, &"7".parse().unwrap())
    );
}

#[tokio::test]
async fn without_a_database_nothing_is_sent_and_the_metrics_are_shown() {
    let (log, _guard) = Log::start();
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = calls.clone();
    let d1 = d1(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        Reply::status(204)
    });
    let service = service(d1, OneCard(true));
    service.get_first_token().await;
    let router = api::router(service.clone());
    let ids = [
        ("x-channel", "web"),
        ("idempotency-key", "o1"),
        ("x-correlation-id", "case-1"),
    ];
    let of = async |request: &str| call(router.clone(), request, &ids, json!({})).await;
    for (request, expected) in [
        ("POST /cards/ReplaceMe01/suspend", 503),
        ("GET /changes/o1", 503),
        ("GET /health/ready", 503),
        ("GET /health/live", 204),
    ] {
        let (status, headers, body) = of(request).await;
        assert_eq!(status.as_u16(), expected, "{request} {body}");
        assert_eq!(headers["x-correlation-id"], "case-1");
    }
    assert_eq!(calls.load(Ordering::Relaxed), 0);
    let (status, _, text) = of("GET /metrics").await;
    assert_eq!(status, 200);
    assert!(text.contains("database_up 0"), "{text}");
    assert!(
        text.contains(r#"http_route="/cards/{card}/{verb}"} 1"#),
        "{text}"
    );
    // A line at ERROR has the ids of its request.
    let log = log.text();
    let line = log
        .lines()
        .find(|line| line.contains("the store failed"))
        .unwrap();
    assert!(line.contains("web/o1") && line.contains("case-1"), "{line}");

    let path = "POST /notifications/d1/v1/issuers/ISSUER_A-1/cards/ReplaceMe01/notifications";
    let (status, ..) = call(inbound::router(service), path, &[], json!({})).await;
    assert_eq!(status, 503, "D1 sends it again");
}

#[tokio::test]
async fn who_gives_a_card_number_away_says_so_and_a_vault_that_does_not_answer_is_asked_again() {
    let (log, _guard) = Log::start();
    let of = async |vault: bool, card: &str| {
        let service = service(d1(|| Reply::status(204)), OneCard(vault));
        let path = format!("GET /cms/api/v1/issuers/ISSUER_A-1/cards/{card}/credentials");
        call(inbound::router(service), &path, &[], json!({})).await
    };
    let (status, headers, body) = of(true, "ReplaceMe01").await;
    assert_eq!(
        (status.as_u16(), &headers["cache-control"]),
        (200, &"no-store".parse().unwrap())
    );
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(
        body["encryptedData"].as_str().unwrap().split('.').count(),
        5
    );
    let line = log.text();
    assert!(line.contains(r#""target":"audit""#), "{line}");
    assert!(line.contains("ReplaceMe01") && line.contains("d1-key") && !line.contains(PAN));

    assert_eq!(of(true, "None").await.0, 404);
    let other = "GET /cms/api/v1/issuers/ISSUER_B-2/cards/ReplaceMe01/credentials";
    let service = service(d1(|| Reply::status(204)), OneCard(true));
    assert_eq!(
        call(inbound::router(service), other, &[], json!({}))
            .await
            .0,
        404
    );
    let (status, headers, _) = of(false, "ReplaceMe01").await;
    assert!(status == 503 && headers.contains_key("retry-after"));
    assert_eq!(log.text().matches("audit").count(), 1);
}
