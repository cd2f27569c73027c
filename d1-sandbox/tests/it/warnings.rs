//! What is accepted although D1 may refuse it, why a request was refused, and what is remembered of both.

use d1_sandbox::{ErrorBodies, Fault, RecordedRequest, Sandbox};
use reqwest::{Method, RequestBuilder};
use serde_json::json;

use crate::common::{Caller, JWT_BEARER, read};

const LIST: &str = "/banking/v1/issuers/ISSUER_A-1/cards/ReplaceMe01/operations";
const SUSPEND: &str = "/banking/v1/issuers/ISSUER_A-1/cards/ReplaceMe01/operations:suspend";
const RENEW: &str = "/banking/v1/issuers/ISSUER_A-1/cards/ReplaceMe01/operations:renew";

type Step = Box<dyn Fn(&Caller<'_>) -> RequestBuilder>;

/// A request with all that a gateway may want.
fn plain(caller: &Caller<'_>, method: Method, path: &str) -> RequestBuilder {
    let request = caller.request(method, path);
    request
        .header("accept", "application/json")
        .header("user-agent", "test")
}

fn get(path: &'static str) -> Step {
    Box::new(move |caller| plain(caller, Method::GET, path))
}

fn post(path: &'static str, body: serde_json::Value) -> Step {
    Box::new(move |caller| plain(caller, Method::POST, path).json(&body))
}

fn with(
    path: &'static str,
    edit: impl Fn(&Caller<'_>, RequestBuilder) -> RequestBuilder + 'static,
) -> Step {
    Box::new(move |caller| edit(caller, plain(caller, Method::POST, path)))
}

fn renewal(plaintext: &'static str) -> Step {
    with(RENEW, move |caller, request| {
        request.json(&json!({ "encryptedData": caller.encrypt(plaintext) }))
    })
}

type Steps = Vec<(&'static str, Step)>;

fn steps() -> Steps {
    let mut steps = paths_and_bodies();
    steps.extend(headers());
    steps.extend(renewals());
    steps
}

fn paths_and_bodies() -> Steps {
    vec![
        (
            "query: note is not documented",
            get("/banking/v1/issuers/ISSUER_A-1/cards/ReplaceMe01/operations?note=1"),
        ),
        (
            "query: [masked] is not documented",
            get("/banking/v1/issuers/ISSUER_A-1/cards/ReplaceMe01/operations?1234567890123456=1"),
        ),
        (
            "path: percent-encoded, which no id needs",
            get("/banking/v1/issuers/ISSUER_A-1/cards/ReplaceMe%301/operations"),
        ),
        (
            "body: a GET has none",
            Box::new(|caller| plain(caller, Method::GET, LIST).body("{}")),
        ),
        (
            "body: cvv is not documented",
            post(SUSPEND, json!({ "cvv": "123" })),
        ),
        (
            "body: newCardProductId is reserved",
            post(RENEW, json!({ "newCardProductId": "PRODUCT-1" })),
        ),
        (
            "body: /reasonCode: not documented for this operation",
            post(SUSPEND, json!({ "reasonCode": "LOST" })),
        ),
        (
            "body: a member is given more than once",
            with(SUSPEND, |_, r| {
                r.header("content-type", "application/json")
                    .body(r#"{"reason":"a","reason":"b"}"#)
            }),
        ),
    ]
}

fn headers() -> Steps {
    let typed = |request: RequestBuilder, value| request.header("content-type", value).body("{}");
    vec![
        (
            "header x-twice: given more than once",
            with(SUSPEND, |_, r| {
                r.header("x-twice", "1")
                    .header("x-twice", "2")
                    .json(&json!({}))
            }),
        ),
        (
            "header content-type: the charset is not utf-8",
            with(SUSPEND, move |_, r| {
                typed(r, "application/json; charset=latin1")
            }),
        ),
        (
            "header accept: missing",
            Box::new(|caller| {
                // By default the library sends one.
                caller
                    .request(Method::GET, LIST)
                    .header("user-agent", "test")
                    .header("accept", "")
            }),
        ),
        (
            "header accept: does not allow application/json",
            Box::new(|caller| {
                caller
                    .request(Method::GET, LIST)
                    .header("user-agent", "test")
                    .header("accept", "text/html;q=1")
            }),
        ),
        (
            "header user-agent: missing",
            Box::new(|caller| caller.request(Method::GET, LIST).header("accept", "*/*")),
        ),
    ]
}

fn renewals() -> Steps {
    vec![
        (
            "body: /encryptedData: cvv is not documented",
            renewal(r#"{"pan":"5555555555554444","exp":"1235","cvv":"123"}"#),
        ),
        (
            "body: /encryptedData/pan: fails the Luhn check",
            renewal(r#"{"pan":"5555555555554445","exp":"1235"}"#),
        ),
        (
            "body: /encryptedData/exp: has passed",
            renewal(r#"{"pan":"5555555555554444","exp":"0120"}"#),
        ),
    ]
}

#[tokio::test]
async fn each_warning_is_in_the_header_and_the_record_and_an_error_with_strict() {
    let sandbox = Sandbox::start().await.unwrap();
    let strict = Sandbox::builder().strict().start().await.unwrap();
    let (lenient, strict) = (Caller::new(&sandbox).await, Caller::new(&strict).await);
    for (warning, step) in steps() {
        let answer = step(&lenient).send().await.unwrap();
        let headers = answer.headers().get_all("x-d1-sandbox-warning");
        let warned: Vec<_> = headers
            .iter()
            .map(|value| value.to_str().unwrap())
            .collect();
        assert_eq!(
            (answer.status().as_u16(), &warned[..]),
            (200, &[warning][..])
        );
        assert_eq!(sandbox.requests().last().unwrap().warnings, [warning]);
        assert!(sandbox.warnings().last().unwrap().ends_with(warning));

        let (status, body) = read(step(&strict).send().await.unwrap()).await;
        assert_eq!((status, &body["error"]), (400, &json!(warning)));
    }
    assert_eq!(
        strict.sandbox.card("ReplaceMe01").unwrap().operations,
        2,
        "nothing was done"
    );
    let fine = plain(&strict, Method::POST, SUSPEND).json(&json!({ "reason": "a" }));
    let fine = fine.send().await.unwrap();
    assert!(!fine.headers().contains_key("x-d1-sandbox-warning"));
    assert_eq!(fine.status(), 200);
}

#[tokio::test]
async fn warnings_about_a_token_request_are_errors_with_strict() {
    let sandbox = Sandbox::start().await.unwrap();
    let caller = Caller::new(&sandbox).await;
    let assertion = caller.assertion("ISSUER_A-1");
    let form = format!("grant_type={JWT_BEARER}&assertion={assertion}");
    let as_json = json!({ "grant_type": JWT_BEARER, "assertion": assertion }).to_string();
    for (content_type, body, warning) in [
        ("application/x-www-form-urlencoded", &form, None),
        (
            "application/x-www-form-urlencoded",
            &form,
            Some("assertion: exchanged before"),
        ),
        (
            "application/json",
            &as_json,
            Some("body: JSON, where RFC 6749 has a form"),
        ),
    ] {
        let answer = caller.token_call(content_type, body.clone()).await;
        assert_eq!(answer.status(), 200);
        let warnings = sandbox.requests().last().unwrap().warnings.clone();
        assert_eq!(
            warnings.iter().any(|w| Some(w.as_str()) == warning),
            warning.is_some()
        );
    }
    let builder = Sandbox::builder().strict();
    let strict = builder.start().await.unwrap();
    let caller = Caller::new(&strict).await;
    let as_json = json!({ "grant_type": JWT_BEARER, "assertion": caller.assertion("ISSUER_A-1") });
    let answer = caller
        .token_call("application/json", as_json.to_string())
        .await;
    let (status, body) = read(answer).await;
    assert_eq!((status, &body["error"]), (400, &json!("invalid_request")));
    assert_eq!(strict.token_exchanges(), 1, "only that of a form");
}

#[tokio::test]
async fn headers_claims_and_the_reason_of_a_refusal_are_remembered() {
    let sandbox = Sandbox::builder()
        .error_bodies(ErrorBodies::Empty)
        .start()
        .await
        .unwrap();
    let caller = Caller::new(&sandbox).await;
    let last = || -> RecordedRequest { sandbox.requests().last().unwrap().clone() };
    let claims = last().claims.unwrap();
    assert_eq!(claims["iss"], "ISSUER_A-1");
    assert!(claims["exp"].is_i64(), "{claims}");

    caller.get("NONE", "").await;
    assert_eq!(last().refusal.as_deref(), Some("Card not found"));
    let headers = last().headers;
    let value = |name: &str| headers.iter().find(|(n, _)| n == name).unwrap().1.clone();
    assert_eq!(value("authorization"), "[masked]");
    assert!(value("host").starts_with("localhost:"));
    assert!(!format!("{:?}", last()).contains(&caller.token));

    let stranger = caller.assertion("ISSUER_B-2");
    assert_eq!(caller.exchange(&stranger).await.status(), 400);
    let reason = "assertion: `iss` is not the id of an issuer or aggregator";
    assert_eq!(last().refusal.as_deref(), Some(reason));
    assert_eq!(last().claims.unwrap()["iss"], "ISSUER_B-2");

    sandbox.fail_next(Fault::status(503));
    caller.get("ReplaceMe01", "").await;
    assert_eq!(
        last().refusal.as_deref(),
        Some("a fault, as asked for: Status")
    );
    let body = json!({ "encryptedData": caller.encrypt(r#"{"pan":"5555555555554444","exp":"1235","psn":"00"}"#) });
    assert_eq!(caller.post("ReplaceMe01", "renew", body).await.0, 400);
    let reason = "body: /encryptedData: psn is for American Express alone";
    assert_eq!(last().refusal.as_deref(), Some(reason));
}
