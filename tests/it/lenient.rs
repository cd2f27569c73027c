//! An answer whose members have another type than the documented one is read all the same.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use d1_facade::auth::{AccessToken, TokenExchange, TokenSource};
use d1_facade::{Client, Environment, Error, ErrorKind, Outcome, SigningKey};
use d1_tests::{CARD, ISSUER, answering, card_at, p256};
use serde_json::{Value, json};
use wiremock::matchers::{any, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

/// What the client made of the answers of the token endpoint.
type Read = Arc<Mutex<Vec<(Duration, Option<String>)>>>;

/// Notes what it hands on.
struct Noted(TokenExchange, Read);

impl TokenSource for Noted {
    async fn fetch(&self) -> Result<AccessToken, Error> {
        let token: AccessToken = self.0.fetch().await?;
        let read = (token.lifetime(), token.scope().map(str::to_owned));
        self.1.lock().unwrap().push(read);
        Ok(token)
    }
}

/// Makes a call with the token of such an answer; the lifetime and the scope that were read.
async fn token(answer: ResponseTemplate) -> Result<(Duration, Option<String>), Error> {
    let server = MockServer::start().await;
    let exchange = Mock::given(path("/authz/v1/oauth2/token")).respond_with(answer);
    exchange.mount(&server).await;
    let call = Mock::given(any()).respond_with(ResponseTemplate::new(204));
    call.mount(&server).await;
    let read = Read::default();
    let noted = read.clone();
    let key = SigningKey::from_pem(p256().private_key_to_pem().unwrap(), "kid").unwrap();
    Client::builder(Environment::Custom(server.uri()), ISSUER.parse().unwrap())
        .signer(key)
        .wrap_token_source(|exchange| Noted(exchange, noted))
        .retry(d1_facade::retry::ExponentialBackoff::default().max_attempts(1))
        .allow_plain_loopback()
        .build()
        .unwrap()
        .card(CARD.parse().unwrap())
        .suspend()
        .await?;
    Ok(read.lock().unwrap().remove(0))
}

fn answer(status: u16, body: &Value) -> ResponseTemplate {
    ResponseTemplate::new(status).set_body_json(body)
}

#[tokio::test]
async fn the_lifetime_of_a_token_is_read_however_it_is_written() {
    let unstated = Duration::from_secs(60);
    let day = Duration::from_secs(86_400);
    let stated = Duration::from_secs(900);
    for (expires_in, lifetime) in [
        (json!(900), stated),
        (json!(900.9), stated),
        (json!("900"), stated),
        (json!("900.0"), stated),
        (json!(" 900 "), stated),
        (json!(u64::MAX), day),
        (json!("1e30"), day),
        (json!(1e300), day),
        (json!(0), unstated),
        (json!(0.9), unstated),
        (json!(-900), unstated),
        (json!("-1"), unstated),
        (json!(null), unstated),
        (json!("soon"), unstated),
        (json!("NaN"), unstated),
        (json!(true), unstated),
        (json!({"seconds": 900}), unstated),
        (json!([900]), unstated),
    ] {
        let body = json!({"access_token": "a", "token_type": "bearer", "expires_in": expires_in});
        let read = token(answer(200, &body)).await.unwrap();
        assert_eq!(read.0, lifetime, "{expires_in}");
    }
    let read = token(answer(200, &json!({"access_token": "a"}))).await;
    assert_eq!(read.unwrap().0, unstated, "none stated");
    for beyond_float in ["1e400", "-1e400", &"9".repeat(400)] {
        let body = format!(r#"{{"access_token":"a","expires_in":{beyond_float}}}"#);
        let answer = ResponseTemplate::new(200).set_body_raw(body, "application/json");
        assert_eq!(token(answer).await.unwrap().0, unstated, "{beyond_float}");
    }
}

#[tokio::test]
async fn a_token_is_read_from_any_success_with_members_of_any_type() {
    let scopes = Some("d1-api:account:full d1-api:consumer:read".to_owned());
    for (status, body, scope) in [
        (
            200,
            json!({"access_token": "a", "scope": ["d1-api:account:full", "d1-api:consumer:read"]}),
            scopes.clone(),
        ),
        (
            201,
            json!({"access_token": "a", "scope": scopes.as_deref()}),
            scopes,
        ),
        (202, json!({"access_token": "a", "scope": {"a": 1}}), None),
        (
            299,
            json!({"access_token": "a", "token_type": 5, "x": [1]}),
            None,
        ),
        (
            200,
            json!({"access_token": "a", "token_type": "BEARER"}),
            None,
        ),
        (200, json!({"access_token": "a", "scope": []}), None),
    ] {
        let read = token(answer(status, &body)).await.unwrap();
        assert_eq!(read.1, scope, "{status} {body}");
    }
}

#[tokio::test]
async fn an_answer_without_a_token_is_no_access_and_keeps_its_status() {
    let json = |body: Value| answer(200, &body);
    let raw = |status, body: &str| ResponseTemplate::new(status).set_body_raw(body, "text/html");
    for (status, answer) in [
        (200, json(json!({}))),
        (200, json(json!({"access_token": ""}))),
        (200, json(json!({"access_token": null, "expires_in": 900}))),
        (200, json(json!({"access_token": {"a": 1}}))),
        (200, json(json!([]))),
        (200, raw(200, "")),
        (201, raw(201, "<html>blocked</html>")),
        (204, ResponseTemplate::new(204)),
        (302, raw(302, "")),
        (404, raw(404, "<html>not here</html>")),
        (200, raw(200, "{\"access_token\": \"cut")),
        (200, raw(200, r#"{"access_token":"a","access_token":"b"}"#)),
        (
            200,
            raw(200, r#"{"access_token":"a","\u0061ccess_token":null}"#),
        ),
        (
            200,
            raw(
                200,
                r#"{"access_token":"a","expires_in":900,"expires_in":0}"#,
            ),
        ),
        (200, raw(200, &" ".repeat(2 << 20))),
    ] {
        let error = token(answer).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.outcome(), error.status()),
            (ErrorKind::TokenUnavailable, Outcome::NotSent, Some(status)),
            "{error}"
        );
        assert!(!error.is_retryable(), "{error}");
    }
}

#[tokio::test]
async fn numbers_of_a_page_are_read_however_they_are_written() {
    for (remaining, expected) in [
        (json!("3"), Some(3)),
        (json!(" 3 "), Some(3)),
        (json!("3.0"), Some(3)),
        (json!(3.0), Some(3)),
        (json!("3.9"), Some(3)),
        (json!(3.9), Some(3)),
        (json!("many"), None),
        (json!(-1), None),
        (json!([3]), None),
    ] {
        let items = json!([{"operationId": "op-1", "status": 7}, {"operationId": "op-2"}]);
        let body = json!({"operations": items, "remainingOperations": remaining, "x": true});
        let server = answering(answer(206, &body)).await;
        let page = card_at(&server).operations().await.unwrap();
        assert_eq!(page.remaining_operations(), expected, "{remaining}");
        assert_eq!(page.unknown_fields()["x"], true);
        let ids: Vec<_> = page.operations().iter().map(|o| o.id().unwrap()).collect();
        assert_eq!(ids.len(), 2, "one odd member takes no operation");
        assert_eq!(page.operations()[0].to_json()["status"], 7);
    }
}
