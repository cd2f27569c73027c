//! Clients without sockets: what a service's unit tests use, and what is the same for every client.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use d1_facade::retry::ExponentialBackoff;
use d1_facade::test_util::{self, Reply};
use d1_facade::{
    ApiOperation, Client, CorrelationId, Environment, Error, ErrorKind, Outcome, PreparedRequest,
    ReasonCode,
};
use d1_tests::CARD;
use serde_json::json;

const ISSUER: &str = "ISSUER_A-1";

fn client(responder: impl Fn(PreparedRequest) -> Reply + Send + Sync + 'static) -> Client {
    let builder = Client::builder(Environment::Staging, ISSUER.parse().unwrap());
    builder.in_memory(responder).build().unwrap()
}

/// A client whose n-th request gets the n-th reply, and the number of its requests.
fn scripted(replies: Vec<Reply>) -> (Client, Arc<AtomicU32>) {
    let sent = Arc::new(AtomicU32::new(0));
    let count = sent.clone();
    let d1 = client(move |_| replies[count.fetch_add(1, Ordering::Relaxed) as usize].clone());
    (d1, sent)
}

async fn suspend(d1: &Client) -> Result<u32, Error> {
    let response = d1.card(CARD.parse().unwrap()).suspend().await;
    response.map(|response| response.attempts())
}

#[tokio::test]
async fn a_closure_sees_what_is_sent_and_its_reply_is_read_as_one_of_d1() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let keep = seen.clone();
    let d1 = client(move |request| {
        keep.lock().unwrap().push(request);
        let page = json!({"operations": [{"operation": "SUSPEND"}], "remainingOperations": 0});
        Reply::status(200).header("x-gateway", "g1").json(&page)
    });
    assert_eq!(d1.issuer().as_str(), ISSUER);
    assert_eq!(d1.environment(), Environment::Staging);
    let id = CorrelationId::random();
    let operations = d1.card(CARD.parse().unwrap()).operations();
    let page = operations.correlation_id(id.clone()).await.unwrap();
    assert_eq!(page.operations().len(), 1);
    assert_eq!(page.header("X-Gateway"), Some("g1"));
    assert!(page.headers().any(|header| header == ("x-gateway", "g1")));
    let seen = seen.lock().unwrap();
    let [request] = seen.as_slice() else {
        unreachable!("{} requests: a token needs none", seen.len());
    };
    assert_eq!(request.method(), "GET");
    let url = request.url();
    assert!(
        url.starts_with(Environment::Staging.url()) && url.contains(CARD),
        "{url}"
    );
    assert!(
        request
            .headers()
            .any(|header| header == ("x-correlation-id", id.as_str()))
    );
}

#[tokio::test(start_paused = true)]
async fn a_change_is_sent_again_only_where_the_reply_proves_that_it_was_not_carried_out() {
    let (d1, sent) = scripted(vec![Reply::lost(), Reply::status(204)]);
    let error = suspend(&d1).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.outcome()),
        (ErrorKind::Transport, Outcome::Unknown)
    );
    assert!(error.pending_change().is_some());
    assert_eq!(sent.load(Ordering::Relaxed), 1);

    let busy = Reply::status(429).header("retry-after", "1");
    let (d1, sent) = scripted(vec![Reply::not_sent(), busy, Reply::status(204)]);
    assert_eq!(suspend(&d1).await.unwrap(), 3);
    assert_eq!(sent.load(Ordering::Relaxed), 3);
}

#[tokio::test]
async fn an_error_has_the_headers_of_its_response() {
    let body = json!({"errorCode": "UNKNOWN_CARD"});
    let d1 = client(move |_| Reply::status(404).header("x-request-id", "r7").json(&body));
    let error = suspend(&d1).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnknownCard);
    assert_eq!(error.header("X-Request-Id"), Some("r7"));
    assert_eq!(error.header("x-other"), None);
    assert!(!format!("{error:?}").contains("r7"));

    let d1 = client(|_| {
        Reply::status(200)
            .header("x-request-id", "r8")
            .body("<html>")
    });
    let error = suspend(&d1).await.unwrap_err();
    assert_eq!(
        (error.outcome(), error.header("x-request-id")),
        (Outcome::Unknown, Some("r8"))
    );
    assert_eq!(
        suspend(&client(|_| Reply::lost()))
            .await
            .unwrap_err()
            .header("date"),
        None
    );
}

#[tokio::test(start_paused = true)]
async fn calls_begin_with_the_options_of_their_client() {
    let headers = Arc::new(Mutex::new(Vec::new()));
    let keep = headers.clone();
    let d1 = client(move |request| {
        let own = request
            .headers()
            .filter(|(name, _)| name.starts_with("x-route"));
        let own: Vec<_> = own.map(|(_, value)| value.to_owned()).collect();
        keep.lock().unwrap().push(own);
        Reply::not_sent()
    });
    let once = ExponentialBackoff::default().max_attempts(1);
    let routed = d1.with(|calls| calls.header("x-route", "a").retry(once));
    let twice = routed.with(|calls| calls.header("x-route", "b"));
    assert_eq!(suspend(&routed).await.unwrap_err().attempts(), 1);
    assert_eq!(suspend(&twice).await.unwrap_err().attempts(), 1);
    let own = twice
        .card(CARD.parse().unwrap())
        .suspend()
        .header("x-route", "c");
    own.await.unwrap_err();
    assert!(
        suspend(&d1).await.unwrap_err().attempts() > 1,
        "the first client stays"
    );
    let seen = headers.lock().unwrap().clone();
    assert_eq!(seen[..3], [vec!["a"], vec!["a", "b"], vec!["a", "b", "c"]]);
    assert!(seen[3..].iter().all(Vec::is_empty));

    // What a call sets itself counts before the options of its client.
    let short = d1.with(|calls| calls.timeout(Duration::ZERO));
    assert_eq!(
        suspend(&short).await.unwrap_err().kind(),
        ErrorKind::Timeout
    );
    let card = short.card(CARD.parse().unwrap());
    let longer = card.suspend().timeout(Duration::from_secs(9)).await;
    assert_eq!(longer.unwrap_err().kind(), ErrorKind::Connect);
}

#[test]
fn what_calls_return_can_be_made() {
    let operation = ApiOperation::SuspendCard;
    let error = test_util::error(
        operation,
        ErrorKind::RateLimited,
        Outcome::Refused,
        Some(429),
    );
    assert_eq!((error.status(), error.attempts()), (Some(429), 1));
    assert!(error.is_retryable() && error.correlation_id().is_some());
    let receipt = test_util::response(test_util::receipt(operation, ReasonCode::CardLost));
    assert_eq!(
        (receipt.http_status(), receipt.operation()),
        (200, operation)
    );
    assert_eq!(receipt.reason_code(), &ReasonCode::CardLost);
}
