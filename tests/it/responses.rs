//! What every call returns of how it went: the status, the correlation id, the attempts and the headers.

use std::fmt::Debug;

use d1_facade::{CardCredentials, Renewal, Response};
use d1_tests::{EXPIRY, PAN, answering, card_at};
use serde_json::{Value, json};
use wiremock::ResponseTemplate;

/// The token of `d1_tests::FixedToken`.
const TOKEN: &str = "test-access-token";

fn template(body: Value) -> ResponseTemplate {
    ResponseTemplate::new(201)
        .set_body_json(body)
        .insert_header("x-node", "eu-1")
        .append_header("x-twice", "first")
        .append_header("x-twice", "second")
        .insert_header("x-bytes", "h\u{e9}")
        .insert_header("x-token", format!("Bearer {TOKEN}"))
        .insert_header("x-card", PAN)
}

fn check<T: Debug>(response: &Response<T>, knows_card: bool) {
    assert_eq!((response.http_status(), response.attempts()), (201, 1));
    assert_eq!(response.correlation_id().as_str(), "case-4711");
    assert_eq!(response.header("X-Node"), Some("eu-1"));
    assert_eq!(response.header("x-twice"), Some("first"));
    for absent in ["x-bytes", "x-missing", "no header's name", ""] {
        assert_eq!(response.header(absent), None, "{absent}");
    }
    // Secrets of the call are removed from the headers; only the renewal knows the PAN.
    assert_eq!(response.header("x-token"), Some("[redacted]"));
    let card = if knows_card { "[redacted]" } else { PAN };
    assert_eq!(response.header("x-card"), Some(card));
    let debug = format!("{response:?}");
    assert!(
        debug.contains("case-4711") && debug.contains("201"),
        "{debug}"
    );
    for hidden in ["x-node", "eu-1", PAN, TOKEN] {
        assert!(!debug.contains(hidden), "{debug}");
    }
}

#[tokio::test]
async fn every_call_tells_how_it_went() {
    let operation = json!({"operationId": "op-1", "status": "SUCCESSFUL"});
    let server = answering(template(operation.clone())).await;
    let card = card_at(&server);
    let id = || "case-4711".parse().unwrap();

    let renewal = Renewal::same_card().credentials(CardCredentials::new(PAN, EXPIRY).unwrap());
    let renewed = card.renew(renewal).correlation_id(id()).await.unwrap();
    check(&renewed, true);
    assert_eq!(renewed.operation_id().unwrap().as_str(), "op-1");

    let read = card.operation(&"op-1".parse().unwrap());
    let read = read.correlation_id(id()).await.unwrap();
    check(&read, false);
    assert_eq!(read.value().id(), read.id());
    assert_eq!(read.into_value().id().unwrap().as_str(), "op-1");

    let server = answering(template(json!({"operations": [operation]}))).await;
    let page = card_at(&server)
        .operations()
        .correlation_id(id())
        .await
        .unwrap();
    check(&page, false);
    assert_eq!(page.operations().len(), 1);
    assert_eq!(page.into_value().into_operations().len(), 1);
}
