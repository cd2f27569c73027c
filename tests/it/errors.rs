//! Each row of the error table as a caller meets it, and everything that is in no table.

use d1_facade::{
    ApiOperation, Card, CardState, Cause, Error, ErrorKind, OperationStatus, Outcome, ReasonCode,
    ReasonCodeFallback, Renewal,
};
use d1_tests::{CARD, answering, any_root, bare_builder_for, builder_for, card_at, closed_port};
use serde_json::{Value, json};
use std::fmt::Write as _;
use wiremock::matchers::{body_partial_json, method};
use wiremock::{Mock, MockServer, ResponseTemplate};

const CORRELATION_ID: &str = "00000000-test";

/// Makes the call that `operation` names, and returns its error.
async fn fail(card: &Card, operation: ApiOperation) -> Error {
    let id = || CORRELATION_ID.parse().unwrap();
    let operation_id = "op-1".parse().unwrap();
    match operation {
        ApiOperation::SuspendCard => card.suspend().correlation_id(id()).await.unwrap_err(),
        ApiOperation::ResumeCard => card.resume().correlation_id(id()).await.unwrap_err(),
        ApiOperation::DeleteCard => card.delete().correlation_id(id()).await.unwrap_err(),
        ApiOperation::RenewCard => {
            let renewal = Renewal::without_new_card_id();
            card.renew(renewal).correlation_id(id()).await.unwrap_err()
        }
        ApiOperation::ListOperations => card.operations().correlation_id(id()).await.unwrap_err(),
        ApiOperation::GetOperation => {
            let get = card.operation(&operation_id).correlation_id(id());
            get.await.unwrap_err()
        }
        other => unreachable!("{other} has no card"),
    }
}

fn describe(error: &Error) -> String {
    let mut out = format!(
        "{error}\n  kind {:?}, outcome {:?}, retryable {}, attempts {}\n  advice: {}\n",
        error.kind(),
        error.outcome(),
        error.is_retryable(),
        error.attempts(),
        error.advice(),
    );
    for cause in error.causes() {
        let migrated = if cause.after_migration() {
            " (after migration)"
        } else {
            ""
        };
        writeln!(out, "  cause: {}{migrated}", cause.meaning()).unwrap();
    }
    out
}

#[tokio::test]
async fn every_row_of_the_table_reaches_the_caller() {
    let mut report = String::new();
    let mut seen = std::collections::BTreeSet::new();
    for cause in Cause::all() {
        let (operation, status, code) = (cause.operation(), cause.status(), cause.code());
        // The token's row: `token_refusals` below.
        let is_token = operation == ApiOperation::GetToken;
        if is_token || !seen.insert((operation, status, code)) {
            continue;
        }
        let body = match code {
            Some(code) => json!({"error": "for troubleshooting", "errorCode": code}),
            None => json!({"error": "for troubleshooting"}),
        };
        let server = answering(ResponseTemplate::new(status).set_body_json(body)).await;
        let error = fail(&card_at(&server), operation).await;
        assert_eq!(error.status(), Some(status));
        assert_eq!(error.code(), code);
        assert_eq!(error.operation(), operation);
        assert!(
            error.causes().contains(&cause),
            "{operation} {status} does not offer: {}",
            cause.meaning()
        );
        report += &describe(&error);
    }
    assert_eq!(seen.len(), 31, "rows by operation, status and code");
    insta::assert_snapshot!(report);
}

/// The causes of a refused renewal, and nothing that cannot apply to it.
async fn renewal_causes(renewal: Renewal, code: ReasonCode) -> Vec<&'static str> {
    let server = answering(ResponseTemplate::new(403)).await;
    let error = card_at(&server)
        .renew(renewal)
        .reason_code(code)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Forbidden);
    assert_eq!(error.outcome(), Outcome::Refused);
    error.causes().iter().map(|c| c.meaning()).collect()
}

#[tokio::test]
async fn a_refused_renewal_lists_the_causes_that_can_apply_to_it() {
    let other = || Renewal::to("ReplaceMe02".parse().unwrap());
    let mut report = String::new();
    for (name, renewal, code) in [
        (
            "same card",
            Renewal::same_card(),
            ReasonCode::IssuerDecision,
        ),
        (
            "other card, active",
            other().state(CardState::Active),
            ReasonCode::IssuerDecision,
        ),
        (
            "other card, inactive",
            other().state(CardState::Inactive),
            ReasonCode::IssuerDecision,
        ),
        (
            "other card, inactive, CARD_LOST",
            other().state(CardState::Inactive),
            ReasonCode::CardLost,
        ),
        (
            "no card id",
            Renewal::without_new_card_id(),
            ReasonCode::IssuerDecision,
        ),
    ] {
        writeln!(report, "{name}").unwrap();
        for cause in renewal_causes(renewal, code).await {
            writeln!(report, "  {cause}").unwrap();
        }
    }
    insta::assert_snapshot!(report);
}

/// Answers that the tables of the spec do not have.
fn unknown_answers() -> Vec<(&'static str, ResponseTemplate)> {
    let html = "<html><body>Bad gateway 4111111111111111</body></html>";
    vec![
        ("418 without a body", ResponseTemplate::new(418)),
        (
            "302 to elsewhere",
            ResponseTemplate::new(302).insert_header("location", "https://else.example/"),
        ),
        ("408", ResponseTemplate::new(408)),
        (
            "429 with Retry-After",
            ResponseTemplate::new(429).insert_header("retry-after", "7"),
        ),
        (
            "502 HTML",
            ResponseTemplate::new(502).set_body_raw(html, "text/html"),
        ),
        (
            "503 with a date",
            ResponseTemplate::new(503)
                .insert_header("retry-after", "Thu, 01 Jan 1970 00:00:00 GMT"),
        ),
        (
            "404 with an unknown code",
            ResponseTemplate::new(404).set_body_json(json!({"errorCode": "UNKNOWN_THING"})),
        ),
        (
            "404 with a card number for a code",
            ResponseTemplate::new(404).set_body_json(json!({"errorCode": "4111111111111111"})),
        ),
        (
            "400 cut off",
            ResponseTemplate::new(400).set_body_raw("{\"error\": \"tru", "application/json"),
        ),
        (
            "400 of other types",
            ResponseTemplate::new(400).set_body_json(json!({"error": ["a"], "errorCode": "CODE"})),
        ),
        (
            "400 array",
            ResponseTemplate::new(400).set_body_json(json!([1])),
        ),
        ("599", ResponseTemplate::new(599)),
    ]
}

#[tokio::test]
async fn what_no_table_knows_still_has_status_correlation_id_and_kind() {
    let mut report = String::new();
    for (name, answer) in unknown_answers() {
        let server = answering(answer).await;
        for operation in [ApiOperation::SuspendCard, ApiOperation::ListOperations] {
            let error = fail(&card_at(&server), operation).await;
            assert_eq!(error.correlation_id().unwrap().as_str(), CORRELATION_ID);
            let shown = format!("{error} {error:?} {:?}", error.troubleshooting_text());
            assert!(!shown.contains("4111111111111111"), "{name}: {shown}");
            let retry_after = error.retry_after();
            write!(
                report,
                "{name}, retry after {retry_after:?}\n{}",
                describe(&error)
            )
            .unwrap();
        }
        assert_eq!(
            server.received_requests().await.unwrap().len(),
            2,
            "{name}: sent once each"
        );
    }
    insta::assert_snapshot!(report);
}

#[tokio::test]
async fn a_receipt_has_what_d1_answers() {
    let answer = json!({"operationId": "op-9", "status": "SUCCESSFUL", "x": 1});
    let server = answering(ResponseTemplate::new(200).set_body_json(answer)).await;
    let receipt = card_at(&server).suspend().await.unwrap();
    assert_eq!(receipt.reason_code(), &ReasonCode::IssuerDecision);
    assert_eq!(receipt.operation_id().unwrap().as_str(), "op-9");
    assert_eq!(receipt.status(), Some(OperationStatus::Successful));
    assert_eq!(receipt.fields()["x"], 1, "unknown fields can be read");

    let server = answering(ResponseTemplate::new(204)).await;
    let receipt = card_at(&server).suspend().await.unwrap();
    assert!(receipt.operation_id().is_none() && receipt.status().is_none());
}

#[tokio::test]
async fn an_error_in_a_successful_answer_is_told_in_d1s_own_words() {
    let answer = json!({"errorCode": "SOME_CODE", "error": "no card 4111 1111 1111 1111"});
    let server = answering(ResponseTemplate::new(200).set_body_json(answer)).await;
    let error = card_at(&server).suspend().await.unwrap_err();
    assert_eq!(error.outcome(), Outcome::Unknown);
    assert_eq!(error.code(), Some("SOME_CODE"));
    assert_eq!(error.troubleshooting_text(), Some("no card [digits]"));
    assert!(error.causes().is_empty(), "no documented cause fits");
}

#[tokio::test]
async fn a_read_that_cannot_be_read_says_so() {
    for (body, kind) in [
        ("", ErrorKind::InvalidResponse),
        ("<html>", ErrorKind::InvalidResponse),
        ("{\"operations\": 5}", ErrorKind::InvalidResponse),
        ("{\"operations\": [", ErrorKind::InvalidResponse),
    ] {
        let server =
            answering(ResponseTemplate::new(200).set_body_raw(body, "application/json")).await;
        let error = fail(&card_at(&server), ApiOperation::ListOperations).await;
        assert_eq!((error.kind(), error.status()), (kind, Some(200)), "{body}");
    }
    let long = " ".repeat(2048);
    let server = answering(ResponseTemplate::new(200).set_body_raw(long, "application/json")).await;
    let client = builder_for(&server)
        .max_response_size(1024)
        .build()
        .unwrap();
    let card = client.card("ReplaceMe01".parse().unwrap());
    let error = fail(&card, ApiOperation::ListOperations).await;
    assert_eq!(error.kind(), ErrorKind::ResponseTooLarge);
    // What the answer to a change would have said is not known.
    let error = card.suspend().await.unwrap_err();
    assert_eq!(
        (error.kind(), error.outcome()),
        (ErrorKind::ResponseTooLarge, Outcome::Unknown)
    );
}

/// A server that refuses every reason code but the default one.
async fn fussy() -> MockServer {
    let server = MockServer::start().await;
    Mock::given(method("POST"))
        .and(body_partial_json(json!({"reasonCode": "ISSUER_DECISION"})))
        .respond_with(ResponseTemplate::new(200))
        .mount(&server)
        .await;
    Mock::given(method("POST"))
        .respond_with(ResponseTemplate::new(403))
        .mount(&server)
        .await;
    server
}

#[tokio::test]
async fn the_fallback_for_a_refused_reason_code_is_the_callers_choice() {
    let server = fussy().await;
    let card = card_at(&server);
    let error = card
        .suspend()
        .reason_code(ReasonCode::Fraud)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Forbidden);
    assert_eq!(server.received_requests().await.unwrap().len(), 1);

    let receipt = card
        .suspend()
        .reason_code(ReasonCode::Fraud)
        .reason_code_fallback(ReasonCodeFallback::IssuerDecision)
        .await
        .unwrap();
    assert_eq!(
        receipt.reason_code(),
        &ReasonCode::IssuerDecision,
        "what was sent in the end"
    );
    let requests = server.received_requests().await.unwrap();
    let sent: Vec<Value> = requests[1..]
        .iter()
        .map(|r| serde_json::from_slice::<Value>(&r.body).unwrap()["reasonCode"].clone())
        .collect();
    assert_eq!(sent, ["FRAUD", "ISSUER_DECISION"]);
    assert_eq!(
        requests[1].headers["x-correlation-id"], requests[2].headers["x-correlation-id"],
        "one use case, one correlation id"
    );
}

#[tokio::test]
async fn a_refused_default_reason_code_is_not_sent_again() {
    let server = answering(ResponseTemplate::new(403)).await;
    let client = builder_for(&server)
        .reason_code_fallback(ReasonCodeFallback::IssuerDecision)
        .build()
        .unwrap();
    client
        .card("ReplaceMe01".parse().unwrap())
        .delete()
        .await
        .unwrap_err();
    assert_eq!(server.received_requests().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_refused_token_is_replaced_once() {
    let server = answering(ResponseTemplate::new(401)).await;
    let error = fail(&card_at(&server), ApiOperation::RenewCard).await;
    assert_eq!(
        (error.kind(), error.attempts()),
        (ErrorKind::TokenRejected, 2)
    );
    assert_eq!(server.received_requests().await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_host_that_is_not_there_got_nothing() {
    let (_socket, port) = closed_port();
    let client = bare_builder_for(&format!("http://127.0.0.1:{port}"));
    let client = client.root_certificate(any_root()).build().unwrap();
    let card = client.card(CARD.parse().unwrap());
    let error = card.suspend().await.unwrap_err();
    assert_eq!(
        (error.kind(), error.outcome()),
        (ErrorKind::Connect, Outcome::NotSent)
    );
    assert!(error.is_retryable() && !error.was_sent());
}
