//! An error says what is known of its call, and advises nothing that cannot be meant.

use d1_facade::retry::ExponentialBackoff;
use d1_facade::{
    ApiOperation, Card, Client, Environment, Error, ErrorKind, Outcome, ReasonCode,
    ReasonCodeFallback, SigningKey,
};
use d1_tests::{CARD, ISSUER, answering, builder_for, card_at, p256};
use serde_json::{Value, json};
use wiremock::matchers::{any, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

const TOKEN: &str = "/authz/v1/oauth2/token";

fn page(status: u16) -> ResponseTemplate {
    let html = "<html><title>Request rejected</title>support id 12345</html>";
    ResponseTemplate::new(status).set_body_raw(html, "text/html")
}

fn says(status: u16, body: &Value) -> ResponseTemplate {
    ResponseTemplate::new(status).set_body_json(body)
}

async fn refusal(answer: ResponseTemplate) -> Error {
    let server = answering(answer).await;
    let suspend = card_at(&server).suspend();
    suspend.reason_code(ReasonCode::Fraud).await.unwrap_err()
}

/// A client that signs, and a server that answers the exchange and the calls so.
async fn signing(exchange: &[ResponseTemplate], call: ResponseTemplate) -> (MockServer, Card) {
    let server = MockServer::start().await;
    for (n, answer) in exchange.iter().enumerate() {
        let mock = Mock::given(path(TOKEN)).respond_with(answer.clone());
        let mock = if n + 1 < exchange.len() {
            mock.up_to_n_times(1)
        } else {
            mock
        };
        mock.mount(&server).await;
    }
    Mock::given(any()).respond_with(call).mount(&server).await;
    let key = SigningKey::from_pem(p256().private_key_to_pem().unwrap(), "kid").unwrap();
    let client = Client::builder(Environment::Custom(server.uri()), ISSUER.parse().unwrap())
        .signer(key)
        .retry(ExponentialBackoff::default().max_attempts(1))
        .allow_plain_loopback()
        .build()
        .unwrap();
    (server, client.card(CARD.parse().unwrap()))
}

#[tokio::test]
async fn an_error_that_contradicts_itself_names_no_cause() {
    let body = r#"{"errorCode":"A","errorCode":"B"}"#;
    let response = wiremock::ResponseTemplate::new(403).set_body_raw(body, "application/json");
    let server = d1_tests::answering(response).await;
    let error = d1_tests::card_at(&server).suspend().await.unwrap_err();
    assert_eq!(error.outcome(), Outcome::Refused);
    assert!(error.causes().is_empty(), "{error}");
    assert!(error.to_string().contains("contradicts itself"), "{error}");
}

#[tokio::test]
async fn a_page_of_a_gateway_is_not_taken_for_d1s_refusal() {
    for answer in [
        page(403),
        says(403, &json!({"message": "Forbidden"})),
        says(403, &json!(["error"])),
        ResponseTemplate::new(403).set_body_raw("Access denied", "text/plain"),
    ] {
        let error = refusal(answer).await;
        assert_eq!(
            (error.kind(), error.outcome(), error.status()),
            (ErrorKind::Forbidden, Outcome::Refused, Some(403))
        );
        assert!(error.causes().is_empty(), "{error}");
        let line = error.to_string();
        assert!(line.contains("the response is not from D1"), "{line}");
        assert!(!line.contains("possibly"), "{line}");
        assert!(error.advice().contains("gateway"), "{}", error.advice());
    }
    for status in [400, 401, 404, 429, 500, 502, 503] {
        let error = refusal(page(status)).await;
        assert!(error.causes().is_empty(), "{error}");
        assert!(error.to_string().contains("is not from D1"), "{error}");
    }
    // D1's own, and answers of which nothing can be told.
    for answer in [
        says(403, &json!({"error": "no"})),
        says(403, &json!({"error": {"reason": "no"}})),
        ResponseTemplate::new(403).set_body_raw("{\"error\": \"cut", "application/json"),
        ResponseTemplate::new(403),
    ] {
        let error = refusal(answer).await;
        assert!(!error.causes().is_empty(), "{error}");
        assert!(!error.to_string().contains("is not from D1"), "{error}");
    }
}

#[tokio::test]
async fn a_page_with_a_status_of_success_is_not_taken_for_an_answer_of_d1() {
    let server = answering(page(200)).await;
    let client = builder_for(&server).build().unwrap();
    let card = client.card(CARD.parse().unwrap());
    let error = card.operations().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidResponse);
    assert!(error.to_string().contains("is not from D1"), "{error}");
    assert!(error.advice().contains("gateway"), "{}", error.advice());
    // Of a change it is known before all that it may have been made.
    let error = card.suspend().await.unwrap_err();
    assert_eq!(error.outcome(), Outcome::Unknown, "{error}");
    assert!(error.advice().contains("check the card's operations"));
}

#[tokio::test]
async fn a_reason_code_falls_back_only_where_it_may_have_been_refused() {
    for (answer, sent) in [
        (page(403), 1),
        (says(403, &json!({"message": "Forbidden"})), 1),
        (says(403, &json!({"errorCode": "CONSUMER_BLOCKED"})), 1),
        (says(403, &json!({"error": "no"})), 2),
        (ResponseTemplate::new(403), 2),
    ] {
        let server = answering(answer).await;
        let client = builder_for(&server).build().unwrap();
        let suspend = client.card(CARD.parse().unwrap()).suspend();
        let error = suspend
            .reason_code(ReasonCode::Fraud)
            .reason_code_fallback(ReasonCodeFallback::IssuerDecision)
            .await
            .unwrap_err();
        let requests = server.received_requests().await.unwrap().len();
        assert_eq!(requests, sent, "{error}");
    }
}

#[tokio::test]
async fn a_code_that_is_not_documented_takes_no_causes_of_another() {
    for (status, code) in [
        (403, json!("CONSUMER_BLOCKED")),
        (403, json!(4031)),
        (400, json!("BAD_FIELD")),
        (401, json!("KEY_EXPIRED")),
        (404, json!("UNKNOWN_THING")),
        (500, json!("DB_DOWN")),
    ] {
        let body = json!({"error": "The consumer is blocked", "errorCode": code});
        let error = refusal(says(status, &body)).await;
        assert!(error.causes().is_empty(), "{error}");
        let text = code.to_string();
        assert_eq!(error.code(), Some(text.trim_matches('"')), "{error}");
        assert!(!error.advice().contains("ISSUER_DECISION"), "{error}");
        assert!(!error.to_string().contains("possibly"), "{error}");
        let text = error.troubleshooting_text();
        assert_eq!(text, Some("The consumer is blocked"));
    }
    for body in [
        json!({"error": {"code": "CONSUMER_BLOCKED", "message": "no"}}),
        json!({"error": {"details": [{"errorCode": "CONSUMER_BLOCKED"}]}}),
        json!({"error": "no", "code": "CONSUMER_BLOCKED"}),
        json!({"error": "no", "error_code": "CONSUMER_BLOCKED"}),
        json!({"error": "no", "errorCode": "", "ErrorCode": "CONSUMER_BLOCKED"}),
        json!({"errors": [{"code": "CONSUMER_BLOCKED"}], "errorCode": null}),
        json!({"error_code": "CONSUMER_BLOCKED"}),
        json!({"code": "CONSUMER_BLOCKED", "message": "no"}),
        json!({"errorCode": {"code": "CONSUMER_BLOCKED"}}),
    ] {
        let error = refusal(says(403, &body)).await;
        assert!(error.causes().is_empty(), "{body}: {error}");
        assert_eq!(error.code(), Some("CONSUMER_BLOCKED"), "{body}: {error}");
        assert!(
            !error.advice().contains("ISSUER_DECISION"),
            "{body}: {error}"
        );
    }
    let error = refusal(says(403, &json!({"error": {"code": 4031}}))).await;
    assert_eq!((error.code(), error.causes()), (Some("4031"), &[][..]));
    // Where there is a row of that code it is taken, and one of no code where there is no code.
    let code = |code: Value| says(404, &json!({"error": "gone", "errorCode": code}));
    for (answer, causes) in [
        (code(json!("UNKNOWN_CARD")), 1),
        (code(json!("")), 1),
        (code(Value::Null), 1),
        (code(json!("OTHER")), 0),
    ] {
        let server = answering(answer).await;
        let read = card_at(&server).operations().await;
        assert_eq!(read.unwrap_err().causes().len(), causes);
    }
}

#[tokio::test]
async fn a_documented_code_means_the_same_for_every_operation() {
    for (code, kind, meaning) in [
        (
            "UNKNOWN_CARD",
            ErrorKind::UnknownCard,
            "card id is not known",
        ),
        (
            "UNKNOWN_OPERATION",
            ErrorKind::UnknownOperation,
            "operation id is not known",
        ),
    ] {
        let error = refusal(says(404, &json!({"error": "no", "errorCode": code}))).await;
        assert_eq!(error.kind(), kind);
        let line = error.to_string();
        assert!(!line.contains("not documented"), "{line}");
        assert!(line.contains(meaning), "{line}");
        assert!(!error.is_retryable());
        assert!(!error.advice().contains("code"), "{}", error.advice());
    }
}

#[tokio::test]
async fn where_nothing_was_sent_nothing_is_to_be_looked_up() {
    let token = json!({"access_token": "a"});
    for answer in [
        ResponseTemplate::new(500),
        page(503),
        ResponseTemplate::new(400),
        ResponseTemplate::new(429),
        ResponseTemplate::new(408),
        says(200, &json!({})),
    ] {
        let (_server, card) = signing(&[answer], ResponseTemplate::new(204)).await;
        let error = card.suspend().await.unwrap_err();
        assert_eq!(error.outcome(), Outcome::NotSent);
        assert_eq!(error.operation(), ApiOperation::GetToken);
        let advice = error.advice();
        assert!(!advice.contains("look"), "{error}: {advice}");
    }
    // A timeout that passes before there is a token.
    let slow = says(200, &token).set_delay(std::time::Duration::from_secs(60));
    let (_server, card) = signing(&[slow], ResponseTemplate::new(204)).await;
    let suspend = card.suspend().timeout(std::time::Duration::from_millis(50));
    let error = suspend.await.unwrap_err();
    assert_eq!(
        (error.kind(), error.outcome()),
        (ErrorKind::Timeout, Outcome::NotSent)
    );
    assert!(!error.advice().contains("look"), "{}", error.advice());
}

#[tokio::test]
async fn an_unknown_outcome_is_always_to_be_looked_up() {
    for answer in [
        ResponseTemplate::new(500),
        says(500, &json!({"error": "x"})),
        page(502),
        ResponseTemplate::new(302),
        ResponseTemplate::new(408),
    ] {
        let error = refusal(answer).await;
        assert_eq!(error.outcome(), Outcome::Unknown);
        let advice = error.advice();
        assert!(
            advice.contains("check the card's operations"),
            "{error}: {advice}"
        );
    }
}

#[tokio::test]
async fn a_refused_token_and_no_other_is_a_change_that_was_refused() {
    let token = says(200, &json!({"access_token": "a"}));
    let failure = ResponseTemplate::new(500);
    let (server, card) = signing(&[token, failure], ResponseTemplate::new(401)).await;
    let error = card.suspend().await.unwrap_err();
    assert_eq!(error.operation(), ApiOperation::GetToken, "{error}");
    assert_eq!(error.outcome(), Outcome::Refused, "{error}");
    assert_eq!(
        (error.kind(), error.status(), error.attempts()),
        (ErrorKind::ServerError, Some(500), 1)
    );
    assert!(error.token_correlation_id().is_some() && error.correlation_id().is_some());
    assert!(!error.advice().contains("look"), "{}", error.advice());
    let requests = server.received_requests().await.unwrap();
    assert_eq!(requests.len(), 3, "token, change, token");
}
