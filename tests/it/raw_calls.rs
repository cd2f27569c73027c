//! Calls to paths that the client has no method for: what they may name, how they are sent again, what they return.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use d1_facade::test_util::Reply;
use d1_facade::{
    ApiOperation, Client, Environment, Error, ErrorKind, Method, Outcome, PendingChange, RawCall,
};
use d1_sandbox::Fault;
use d1_tests::{CARD, PAN, sandbox_client, strict_sandbox};
use serde_json::{Value, json};

use crate::listening::{keep_dropped_changes, outcome_of_dropped};

const PATH: &str = "/banking/v1/other";

/// A client whose n-th request gets the n-th reply, and the number of its requests.
fn scripted(replies: Vec<Reply>) -> (Client, Arc<AtomicUsize>) {
    let sent = Arc::new(AtomicUsize::new(0));
    let count = sent.clone();
    let builder = Client::builder(Environment::Staging, "ISSUER_A-1".parse().unwrap());
    let builder =
        builder.in_memory(move |_| replies[count.fetch_add(1, Ordering::Relaxed)].clone());
    (builder.build().unwrap(), sent)
}

#[tokio::test]
async fn a_path_of_d1_is_called_as_by_its_own_method() {
    let sandbox = strict_sandbox().await;
    let d1 = sandbox_client(&sandbox);
    let card = format!("/banking/v1/issuers/{}/cards/{CARD}", d1.issuer());
    let body = json!({"reasonCode": "ISSUER_DECISION", "reason": "raw"});
    let suspend = d1.request(Method::Post, format!("{card}/operations:suspend"));
    let suspended = suspend.body(body).await.unwrap();
    assert!((200..300).contains(&suspended.http_status()));
    // The token is replaced as for every call.
    sandbox.revoke_tokens();
    let list = d1.request(Method::Get, format!("{card}/operations?offset=0"));
    let id = "raw-1".parse().unwrap();
    let page = list.query("limit", "5").correlation_id(id).await.unwrap();
    assert_eq!(
        (page.attempts(), page.correlation_id().as_str()),
        (2, "raw-1")
    );
    assert_eq!(page["operations"][0]["operation"], "SUSPEND");
    assert_eq!(page["operations"][0]["reason"], "raw");
    assert!(page.header("content-type").unwrap().contains("json"));

    let unknown = d1.request(Method::Get, "/banking/v1/nothing/here").await;
    let error = unknown.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(error.operation(), ApiOperation::Raw(Method::Get));
    assert!(
        error
            .to_string()
            .starts_with("rawGet: not found (HTTP 404)"),
        "{error}"
    );
}

async fn sent(d1: &Client, method: Method) -> Result<u32, Error> {
    let call = d1.request(method, PATH).await;
    call.map(|response| response.attempts())
}

#[tokio::test(start_paused = true)]
async fn a_get_is_sent_again_like_a_read_and_all_else_like_a_change() {
    let (d1, count) = scripted(vec![Reply::lost(), Reply::status(503), Reply::status(200)]);
    assert_eq!(sent(&d1, Method::Get).await.unwrap(), 3);
    assert_eq!(count.load(Ordering::Relaxed), 3);
    for method in [Method::Post, Method::Put, Method::Patch, Method::Delete] {
        let (d1, count) = scripted(vec![Reply::not_sent(), Reply::lost()]);
        let error = sent(&d1, method).await.unwrap_err();
        assert_eq!(
            (error.outcome(), error.attempts()),
            (Outcome::Unknown, 2),
            "{method}"
        );
        assert!(!error.is_retryable() && error.pending_change().is_none());
        assert_eq!(count.load(Ordering::Relaxed), 2);
        let (d1, count) = scripted(vec![Reply::status(503), Reply::status(204)]);
        let error = sent(&d1, method).await.unwrap_err();
        assert_eq!(
            (error.outcome(), error.kind()),
            (Outcome::Unknown, ErrorKind::ServerError)
        );
        assert_eq!(count.load(Ordering::Relaxed), 1, "{method}");
    }
}

#[tokio::test]
async fn the_value_is_the_json_of_the_response_and_is_not_shown() {
    let pan = json!([{"pan": PAN}]);
    let read = async |method, reply: Reply| {
        let (d1, _) = scripted(vec![reply]);
        d1.request(method, PATH)
            .retry(d1_facade::retry::ExponentialBackoff::default().max_attempts(1))
            .await
    };
    let page = read(Method::Get, Reply::status(200).json(&pan))
        .await
        .unwrap();
    assert_eq!(**page, pan);
    assert!(!shows_digits(&format!("{page:?}")), "{page:?}");
    assert_eq!(page.into_value().0, pan);
    for empty in [Reply::status(204), Reply::status(200).body(" \n")] {
        assert_eq!(**read(Method::Delete, empty).await.unwrap(), Value::Null);
    }
    for body in ["<html>", "{\"a\":1,\"a\":2}", "{\"a\":"] {
        let error = read(Method::Put, Reply::status(200).body(body))
            .await
            .unwrap_err();
        assert_eq!(
            (error.kind(), error.outcome()),
            (ErrorKind::InvalidResponse, Outcome::Unknown)
        );
    }
}

#[tokio::test]
async fn a_change_that_is_dropped_is_logged_with_its_outcome() {
    keep_dropped_changes();
    let sandbox = strict_sandbox().await;
    let d1 = sandbox_client(&sandbox);
    d1.access_token().await.unwrap();
    sandbox.fail_next(Fault::stall());
    let path = format!(
        "/banking/v1/issuers/{}/cards/{CARD}/operations:suspend",
        d1.issuer()
    );
    let call = d1.request(Method::Post, path).body(json!({}));
    let call = tokio::spawn(
        call.correlation_id("raw-dropped".parse().unwrap())
            .into_future(),
    );
    while sandbox.pending_faults() > 0 {
        tokio::task::yield_now().await;
    }
    call.abort();
    call.await.unwrap_err();
    assert_eq!(outcome_of_dropped("raw-dropped"), Outcome::Unknown);
}

/// Whether a text has eight digits of the card number in a row, however they are written. Four of them stand in a random
/// correlation id now and then.
fn shows_digits(text: &str) -> bool {
    let digits = ["11111111", "1111 1111", "1111%201111"];
    digits.iter().any(|digits| text.contains(digits))
}

/// The field that a call is refused for; `None` where it is sent.
async fn refused(call: RawCall) -> Option<String> {
    let error = call.await.err()?;
    assert_eq!(
        (error.kind(), error.outcome()),
        (ErrorKind::InvalidInput, Outcome::NotSent)
    );
    assert!(!shows_digits(&error.to_string()), "{error}");
    Some(error.invalid_input().unwrap().field().to_owned())
}

#[tokio::test]
async fn a_path_that_is_none_or_leaves_its_place_is_refused() {
    let (d1, _) = scripted(vec![Reply::status(200); 9]);
    for path in [
        "",
        "banking/v1",
        "@evil.example/",
        ".evil.example/",
        ":8443/",
        "/a/../b",
        "/a/..",
        "/a/./b",
        "/a/%2E%2e/b",
        "/a/.%2e/b",
        "/a/..%2Fb",
        "/a/%5c..%5cb",
        "/a\\..\\b",
        "/a b",
        "/a\tb",
        "/a\n",
        "/ä",
        "/a#b",
        "/a?b=c d",
    ] {
        assert_eq!(
            refused(d1.request(Method::Get, path)).await,
            Some("path".to_owned()),
            "{path:?}"
        );
    }
    for path in ["/", "/a/b:c", "/a..b/c", "/a?b=../c", "/a%20b?c=%2F", "//a"] {
        assert_eq!(
            refused(d1.request(Method::Get, path)).await,
            None,
            "{path:?}"
        );
    }
}

#[tokio::test]
async fn a_card_number_is_refused_wherever_it_stands_unless_numbers_are_ids() {
    let (d1, count) = scripted(vec![Reply::status(200); 9]);
    let get = |path: &str| d1.request(Method::Get, path);
    let post = |body: Value| d1.request(Method::Post, PATH).body(body);
    let spaced = "/cards/4111%201111%201111%201111";
    for (call, field) in [
        (get(&format!("/cards/{PAN}")), "path"),
        (get(spaced), "path"),
        (get("/cards/%34111111111111111"), "path"),
        (get(&format!("/cards?pan={PAN}")), "path"),
        (get("/cards").query("pan", PAN), "query"),
        (get("/cards").query(PAN, "x"), "query"),
        (post(json!({"pan": PAN})), "body"),
        (
            post(json!({"a": [{"b": PAN.parse::<u64>().unwrap()}]})),
            "body",
        ),
        (post(json!({PAN: 1})), "body"),
        (post(json!("4111 1111 1111 1111")), "body"),
    ] {
        assert!(!shows_digits(&format!("{call:?}")), "{call:?}");
        assert_eq!(refused(call.clone()).await, Some(field.to_owned()));
        if field != "path" {
            assert_eq!(refused(call.without_pan_check()).await, None);
        }
    }
    assert_eq!(count.load(Ordering::Relaxed), 6);
    assert_eq!(refused(get(spaced).without_pan_check()).await, None);

    assert_eq!(
        refused(get("/a").body(json!({}))).await,
        Some("body".to_owned())
    );
    let long = "x".repeat(1024 * 1024);
    assert_eq!(refused(post(long.into())).await, Some("body".to_owned()));
    let header = get("/a").header("authorization", "Bearer x");
    assert_eq!(refused(header).await, Some("header".to_owned()));
}

#[test]
fn a_raw_call_is_an_operation_by_its_method_and_no_change_to_reconcile() {
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
        let operation = ApiOperation::Raw(method.parse().unwrap());
        assert_eq!(
            (operation.method(), operation.url_template()),
            (method, "/{path}")
        );
        assert_eq!(operation.operation_id().parse(), Ok(operation));
        assert_eq!(operation.changes_card(), method != "GET");
        assert_eq!(
            serde_json::from_value::<ApiOperation>(json!(operation)).unwrap(),
            operation
        );
        assert!(!ApiOperation::ALL.contains(&operation));
        let record = json!({
            "operation": operation, "baseUrl": "https://d1.example", "issuerId": "ISSUER_A-1", "cardId": CARD,
            "reasonCode": "ISSUER_DECISION", "sentAt": "2026-11-26T08:00:00Z", "endedAt": "2026-11-26T08:00:01Z",
        });
        let refused = serde_json::from_value::<PendingChange>(record).unwrap_err();
        assert!(
            refused.to_string().contains("must be a change of a card"),
            "{refused}"
        );
    }
    let refused = "get".parse::<Method>().unwrap_err();
    assert_eq!(refused.field(), "method");
}
