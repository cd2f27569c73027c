//! A status of success alone proves nothing: what must be in the body, and what must not, before a change
//! counts as carried out, a list as ended, a token as given.
#![allow(clippy::expect_used)]

use d1_facade::{Card, Error, ErrorKind, Operation, Outcome, Receipt, Renewal, Response};
use d1_tests::fault_server::{Act, FaultServer, answer};
use d1_tests::{CARD, bare_builder_for, card_at};
use futures_util::TryStreamExt as _;
use serde_json::{Value, json};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

/// Answers the n-th request with the n-th body, and every later one with the last.
struct InTurn(Vec<Value>, std::sync::atomic::AtomicUsize);

impl Respond for InTurn {
    fn respond(&self, _: &Request) -> ResponseTemplate {
        let n = self.1.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        let body = self.0.get(n).or(self.0.last()).unwrap();
        ResponseTemplate::new(200).set_body_json(body)
    }
}

async fn serving(bodies: Vec<Value>) -> MockServer {
    let server = MockServer::start().await;
    let answers = InTurn(bodies, 0.into());
    Mock::given(any())
        .respond_with(answers)
        .mount(&server)
        .await;
    server
}

async fn stream(bodies: Vec<Value>) -> Result<Vec<Operation>, Error> {
    let server = serving(bodies).await;
    card_at(&server).operations().stream().try_collect().await
}

async fn raw_card(bytes: Vec<u8>) -> (FaultServer, Card) {
    let server = FaultServer::start(move |_, _| Act::Say(bytes.clone())).await;
    let client = bare_builder_for(&server.url())
        .root_certificate(d1_tests::any_root())
        .without_system_roots()
        .build();
    let card = client.unwrap().card(CARD.parse().unwrap());
    (server, card)
}

fn operations(ids: std::ops::Range<usize>) -> Value {
    ids.map(|n| json!({"operationId": format!("op-{n}"), "operation": "SUSPEND"}))
        .collect()
}

#[tokio::test]
async fn a_list_that_cannot_have_ended_is_an_error_for_a_page_and_for_the_stream() {
    for body in [
        json!({"remainingOperations": 3}),
        json!({"operations": [], "remainingOperations": 3}),
        json!({"operations": [], "remainingOperations": "3"}),
        json!({"operations": null, "remainingOperations": 4}),
        json!({"operations": [], "remainingOperations": -1}),
        json!({"operations": [], "remainingOperations": "many"}),
        json!({"operations": [], "remainingOperations": {}}),
        json!({"operations": null}),
        json!({"error": "try later"}),
        json!({"cardOperations": [{"operation": "SUSPEND"}]}),
        json!({"cardOperations": [{"operation": "SUSPEND"}], "remainingOperations": 0}),
        json!({"Operations": [{"operationId": "1"}], "remainingOperations": 0}),
        json!({"operations": [], "error": "try later"}),
        json!({"operations": [], "hasMore": true}),
        json!({"operations": [], "has_more": "true"}),
        json!({"operations": [], "RemainingOperations": 3}),
        json!({"operations": [], "remaining": "3"}),
        json!({"operations": [], "page": {"total": 3}}),
        json!({}),
        json!([]),
        json!(null),
        json!("none"),
    ] {
        let server = serving(vec![body.clone()]).await;
        let page = card_at(&server).operations().await;
        let error = page.expect_err(&body.to_string());
        assert_eq!(
            (error.kind(), error.outcome(), error.status()),
            (ErrorKind::InvalidResponse, Outcome::Unknown, Some(200)),
            "{body}"
        );
        let error = stream(vec![body.clone()])
            .await
            .expect_err(&body.to_string());
        assert_eq!(error.kind(), ErrorKind::InvalidResponse, "{body}");
    }
    // What says that there are none is an end.
    for body in [
        json!({"operations": []}),
        json!({"operations": [], "remainingOperations": 0}),
        json!({"operations": [], "remainingOperations": "0"}),
        json!({"operations": [], "remainingOperations": 0.0}),
        json!({"remainingOperations": 0}),
        json!({"operations": null, "remainingOperations": 0}),
        json!({"operations": [], "hasMore": false, "remaining": 0, "requestId": "1-a"}),
        json!({"operations": [], "new": 1, "remainingOperations": 0}),
        json!({"operations": [], "limit": 20, "offset": 40}),
    ] {
        assert_eq!(stream(vec![body]).await.unwrap().len(), 0);
    }
}

#[tokio::test]
async fn a_stream_that_ends_before_its_end_is_an_error() {
    let page = |ids, remaining: Value| json!({"operations": operations(ids), "remainingOperations": remaining});
    for (name, bodies) in [
        (
            "nothing follows, although three should",
            vec![
                page(0..2, json!(3)),
                json!({"operations": [], "remainingOperations": 3}),
            ],
        ),
        (
            "two are passed over",
            vec![page(0..2, json!(4)), page(4..6, json!(0))],
        ),
        (
            "the second page has no number",
            vec![page(0..2, json!(4)), json!({"operations": []})],
        ),
        (
            "an empty page whose number cannot be read",
            vec![page(0..2, json!(-1)), page(2..2, json!(-1))],
        ),
    ] {
        let error = stream(bodies).await.expect_err(name);
        assert_eq!(error.kind(), ErrorKind::InvalidResponse, "{name}");
        assert!(error.correlation_id().is_some(), "{name}");
    }
    // Without a number, pages that bring something go on to the first empty one.
    let bodies = vec![
        json!({"operations": operations(0..10)}),
        json!({"operations": operations(10..12)}),
        json!({"operations": []}),
    ];
    assert_eq!(stream(bodies).await.unwrap().len(), 12);
}

#[tokio::test]
async fn a_number_of_remaining_operations_that_never_falls_ends_the_stream_with_an_error() {
    let bodies = (0..100)
        .map(|n| json!({"operations": operations(n..n + 1), "remainingOperations": 7}))
        .chain([json!({"operations": [], "remainingOperations": 0})]);
    let error = stream(bodies.collect()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidResponse);
    assert!(
        format!("{error}").contains("does not fall"),
        "the cause is in the line: {error}"
    );
}

#[tokio::test]
async fn a_member_that_stands_twice_with_different_values_is_an_invalid_response() {
    for body in [
        r#"{"operations":[],"remainingOperations":0,"remainingOperations":3}"#,
        r#"{"operations":[{"operationId":"1"}],"operations":[]}"#,
        r#"{"operations":[{"operationId":"1","status":"FAILED","status":"SUCCESSFUL"}]}"#,
        r#"{"operations":[{"operationId":"1","new":{"a":1,"a":2}}]}"#,
        r#"{"operations":[{"operationId":"1"}],"new":1,"new":2}"#,
    ] {
        let (_server, card) = raw_card(answer(200, "application/json", body)).await;
        let error = card.operations().await.expect_err(body);
        assert_eq!(error.kind(), ErrorKind::InvalidResponse, "{body}");
        assert!(error.to_string().contains("twice"), "{error}");
    }
    let body = r#"{"operationId":"1","status":"SUCCESSFUL","status":"FAILED"}"#;
    let (_server, card) = raw_card(answer(200, "application/json", body)).await;
    let error = card.operation(&"1".parse().unwrap()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidResponse);
    let error = card.suspend().await.unwrap_err();
    assert_eq!(
        (error.kind(), error.outcome()),
        (ErrorKind::InvalidResponse, Outcome::Unknown)
    );
    // Equal copies do no harm.
    let body = r#"{"operations":[{"status":"X","status":"X"}],"operations":[{"status":"X","status":"X"}]}"#;
    let (_server, card) = raw_card(answer(200, "application/json", body)).await;
    assert_eq!(card.operations().await.unwrap().operations().len(), 1);
}

#[tokio::test]
async fn a_read_is_not_answered_by_what_is_no_operation() {
    for (content_type, body) in [
        ("text/html", "<html>blocked</html>"),
        ("application/json", "{}"),
        ("application/json", r#"{"error":"try later"}"#),
        ("application/json", "[]"),
        ("application/json", "null"),
        ("application/json", r#"{"operationId":"1""#),
    ] {
        let (_server, card) = raw_card(answer(200, content_type, body)).await;
        let one = card.operation(&"1".parse().unwrap()).await;
        let error = one.expect_err(body);
        assert_eq!(
            (error.kind(), error.status()),
            (ErrorKind::InvalidResponse, Some(200)),
            "{body}"
        );
    }
}

/// Every change of a card, answered by this.
async fn changes(bytes: Vec<u8>) -> Vec<Result<Response<Receipt>, Error>> {
    let (server, card) = raw_card(bytes).await;
    let results = vec![
        card.suspend().await,
        card.resume().await,
        card.delete().await,
        card.renew(Renewal::same_card()).await,
    ];
    assert_eq!(server.requests(), 4, "none is sent twice");
    results
}

fn json(body: &str) -> Vec<u8> {
    answer(200, "application/json", body)
}

/// An answer without the usual headers.
fn bare(head: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let mut bytes =
        format!("HTTP/1.1 {head}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n")
            .into_bytes();
    bytes.extend(body);
    bytes
}

/// Bodies of a 200 that say nothing of an operation, or that it failed.
const JSON: [&str; 35] = [
    r#"{"error":"no","status":"SUCCESSFUL"}"#,
    r#"{"operationId":"1","errors":[1]}"#,
    r#"{"Status":"FAILED"}"#,
    r#"{"status":"SUCCESSFUL","STATUS":"FAILED"}"#,
    r#"{"operation":{"status":"PENDING"}}"#,
    r#"{"operations":[{"Status":"FAILED"}]}"#,
    r#"{"operationStatus":"PENDING"}"#,
    r#"{"operation":{"state":"FAILED"}}"#,
    r#"{"result":"error"}"#,
    r#"{"outcome":"REJECTED"}"#,
    r#"{"ok":false}"#,
    r#"{"message":"Forbidden"}"#,
    r#"{"detail":"Your request was blocked."}"#,
    r#"{"data":{"title":"Service Unavailable"}}"#,
    r#"{"code":"403"}"#,
    r#"{"code":403,"operationId":"1"}"#,
    r#"{"httpStatus":"503","operationId":"1"}"#,
    r#"{"isError":true}"#,
    r#"{"success":false}"#,
    r#"{"statusCode":403,"message":"no"}"#,
    r#"{"data":{"error":"no"}}"#,
    r#"{"apiError":{"code":1}}"#,
    r#"{"failureReason":"no"}"#,
    r#"{"body":"<html>blocked</html>"}"#,
    r#"{"status":"FAILED"}"#,
    r#"{"status":"SOMETHING_NEW"}"#,
    r#"{"status":500}"#,
    r#"{"status":{"code":"SUCCESSFUL"}}"#,
    "[]",
    "[{\"operationId\":\"1\"}]",
    "\"OK\"",
    "42",
    "null",
    "true",
    r#"{"operationId":"1"#,
];

const TEXTS: [&str; 8] = [
    "Site under maintenance.",
    "blocked",
    "error",
    "no healthy upstream",
    "Bad Request",
    "Error 1020",
    "Access denied",
    "error=access_denied",
];

#[tokio::test]
async fn what_does_not_prove_a_change_leaves_its_outcome_unknown() {
    let page = "<html><body>Your request was blocked.</body></html>";
    let utf16: Vec<u8> = page.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let others = [
        answer(200, "text/html", page),
        answer(202, "text/html; charset=utf-8", "blocked"),
        answer(200, "application/xhtml+xml", page),
        answer(200, "application/json", page),
        answer(200, "text/plain", &format!("\u{feff} \r\n\t{page}")),
        answer(200, "application/xml", "<?xml version='1.0'?><ok/>"),
        answer(200, "text/html", r#"{"operationId":"1"}"#),
        bare("200 OK", page.as_bytes()),
        bare("200 OK", &[&[0xff, 0xfe][..], &utf16].concat()),
        bare("200 OK\r\ncontent-encoding: gzip", &[0x1f, 0x8b, 8, 0, 0]),
        bare("200 OK\r\ncontent-encoding: gzip", b"{}"),
        answer(200, "text/plain", &"x".repeat(4000)),
        answer(
            201,
            "application/json",
            r#"{"errorCode":"CONSUMER_BLOCKED"}"#,
        ),
        answer(200, "application/problem+json", r#"{"title":"no"}"#),
        answer(
            202,
            "application/json",
            r#"{"operationId":"1","status":"PENDING"}"#,
        ),
        b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{\"operationId\":".to_vec(),
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n".to_vec(),
    ];
    let texts = TEXTS.map(|text| answer(200, "text/plain", text));
    for bytes in JSON.map(json).into_iter().chain(texts).chain(others) {
        let shown = String::from_utf8_lossy(&bytes).into_owned();
        for result in changes(bytes).await {
            let error = result.expect_err(&shown);
            assert_eq!(error.outcome(), Outcome::Unknown, "{shown}");
            assert!(!error.is_retryable(), "{shown}");
            assert!(!error.to_string().contains('<'), "{error}");
        }
    }
}

#[tokio::test]
async fn what_d1_may_plausibly_answer_to_a_change_is_a_success() {
    for bytes in [
        bare("204 No Content", b""),
        bare("200 OK", b""),
        bare("202 Accepted", b""),
        answer(200, "text/html", ""),
        bare("200 OK", b" \r\n"),
        bare("204 No Content\r\ncontent-type: text/html", b"<html>"),
        answer(200, "application/json", "{}"),
        json(r#"{"message":"OK"}"#),
        json(r#"{"reason":"blocked","reasonCode":"ISSUER_DECISION"}"#),
        json(r#"{"success":true}"#),
        json(r#"{"result":"OK","cardState":"SUSPENDED","ok":true}"#),
        json(r#"{"operation":{"operationId":"1"}}"#),
        answer(200, "text/plain", "The card is suspended.\n"),
        json(r#"{"a field of tomorrow":{"a":[1]}}"#),
        answer(200, "application/json", r#"{"operationId":7}"#),
        answer(200, "application/json", r#"{"operationId":"1","x":1}"#),
        answer(200, "application/json", r#"{"status":"SUCCESSFUL"}"#),
        answer(200, "application/json", r#"{"status":null,"error":null}"#),
        json(r#"{"operationId":"1","isError":false,"success":true,"isDefault":true}"#),
        json(r#"{"operationId":"1","reasonCode":"42","code":0,"message":"Suspended"}"#),
        json(r#"{"status":"SUCCESSFUL","card":{"status":"SUSPENDED"}}"#),
        answer(200, "application/json", "\u{feff}{}"),
        answer(200, "application/octet-stream", "{}"),
        bare("200 OK", b"{}"),
        answer(201, "text/plain", "OK"),
        answer(202, "text/plain; charset=utf-8", "Accepted\n"),
        answer(200, "text/plain", "ok"),
        answer(200, "application/json", "OK"),
    ] {
        let shown = String::from_utf8_lossy(&bytes).into_owned();
        for result in changes(bytes).await {
            result.expect(&shown);
        }
    }
}
