//! What is refused before any rule is asked, and what is remembered of it.

use d1_sandbox::{RecordedRequest, Sandbox};
use reqwest::Method;
use serde_json::{Value, json};

use crate::common::{Caller, JWT_BEARER, assertion, read};

const PAN: &str = "4111111111111111";

#[tokio::test]
async fn bodies_are_validated() {
    let sandbox = Sandbox::start().await.unwrap();
    let caller = Caller::new(&sandbox).await;
    let json_type = "application/json";
    let long = format!(r#"{{"reason":"{}"}}"#, "x".repeat(64 * 1024));
    let (not_json, not_an_object) = ("not JSON in UTF-8", "the whole value violates `type`");
    let unsupported = "the content type is missing or not supported";
    let cases: [(&str, &[u8], &str); 12] = [
        (json_type, b"{", not_json),
        (json_type, b"", not_json),
        (json_type, b"{\"reason\":\"\xff\"}", not_json),
        (json_type, b"[]", not_an_object),
        (json_type, b"null", not_an_object),
        (
            json_type,
            br#"{"reason":"a-b"}"#,
            "/reason violates `pattern`",
        ),
        (json_type, br#"{"reason":1}"#, "/reason violates `type`"),
        (
            json_type,
            br#"{"reason":""}"#,
            "/reason violates `minLength`",
        ),
        (
            json_type,
            br#"{"reasonCode":"x"}"#,
            "/reasonCode violates `pattern`",
        ),
        ("text/plain", b"{}", unsupported),
        (
            "application/x-www-form-urlencoded",
            b"reason=x",
            unsupported,
        ),
        (
            json_type,
            long.as_bytes(),
            "incomplete, or longer than 64 KiB",
        ),
    ];
    for (content_type, body, rule) in cases {
        let answer = caller.post_raw(content_type, body).await;
        let expected = format!("body: {rule}");
        assert_eq!(answer, (400, json!({ "error": expected })));
    }
}

#[tokio::test]
async fn a_charset_is_accepted_and_an_unknown_state_is_not() {
    let sandbox = Sandbox::start().await.unwrap();
    let caller = Caller::new(&sandbox).await;
    let with_charset = caller
        .post_raw("Application/JSON; charset=utf-8", "{}")
        .await;
    assert_eq!(with_charset.0, 200);
    let renew = caller
        .post("ReplaceMe01", "renew", json!({ "state": "ASLEEP" }))
        .await;
    assert_eq!(
        renew,
        (400, json!({ "error": "body: /state is not supported" }))
    );
}

#[tokio::test]
async fn parameters_are_validated() {
    let sandbox = Sandbox::start().await.unwrap();
    let caller = Caller::new(&sandbox).await;
    for (card, expected) in [
        ("a%20b", "path parameter cardId: violates `pattern`"),
        ("%ff", "path parameter cardId: not UTF-8"),
    ] {
        let answer = caller.get(card, "").await;
        assert_eq!(answer, (400, json!({ "error": expected })), "{card}");
    }
    for (suffix, expected) in [
        ("?limit=0", "query parameter limit: violates `minimum`"),
        ("?limit=51", "query parameter limit: violates `maximum`"),
        ("?limit=", "query parameter limit: violates `type`"),
        (
            "?limit=1&limit=1",
            "query parameter limit: given more than once",
        ),
        ("?offset=-1", "query parameter offset: violates `minimum`"),
        ("?offset=1.5", "query parameter offset: violates `type`"),
        (
            "?offset=9223372036854775808",
            "query parameter offset: violates `maximum`",
        ),
        ("?x=%ff", "query: not UTF-8"),
        (
            "/op-000001?digitalCardDetails=yes",
            "query parameter digitalCardDetails: violates `type`",
        ),
        ("/a.b", "path parameter operationId: violates `pattern`"),
    ] {
        let answer = caller.get("ReplaceMe01", suffix).await;
        assert_eq!(answer, (400, json!({ "error": expected })), "{suffix}");
    }
}

#[tokio::test]
async fn issuers_and_correlation_ids_are_validated() {
    let sandbox = Sandbox::start().await.unwrap();
    let caller = Caller::new(&sandbox).await;
    let path = caller.card_path("ReplaceMe01", "");
    let short_issuer = caller.request(Method::GET, &path.replace("ISSUER_A-1", "SHORT"));
    assert_eq!(read(short_issuer.send().await.unwrap()).await.0, 400);
    let other_issuer = caller.request(Method::GET, &path.replace("ISSUER_A-1", "ISSUER_B-2"));
    assert_eq!(read(other_issuer.send().await.unwrap()).await.0, 404);
    for (correlation_id, expected) in [("fine 1.0_a-b", 200), ("not/fine", 400), ("", 400)] {
        let request = caller
            .request(Method::GET, &path)
            .header("x-correlation-id", correlation_id);
        assert_eq!(
            read(request.send().await.unwrap()).await.0,
            expected,
            "{correlation_id}"
        );
    }
}

#[tokio::test]
async fn paths_and_methods_beyond_the_document_are_refused() {
    let sandbox = Sandbox::start().await.unwrap();
    let caller = Caller::new(&sandbox).await;
    let unknown = caller
        .request(Method::GET, "/banking/v2/cards")
        .send()
        .await
        .unwrap();
    assert_eq!(
        read(unknown).await,
        (404, json!({ "error": "The path is unknown" }))
    );
    let path = caller.card_path("ReplaceMe01", ":suspend");
    let wrong = caller.request(Method::DELETE, &path).send().await.unwrap();
    assert_eq!(wrong.headers()["allow"], "POST");
    assert_eq!(read(wrong).await.0, 405);
}

#[tokio::test]
async fn the_token_is_checked_before_the_request() {
    let sandbox = Sandbox::start().await.unwrap();
    let mut caller = Caller::new(&sandbox).await;
    caller.token = "unknown".to_owned();
    assert_eq!(caller.post_raw("application/json", "{").await.0, 401);
    assert_eq!(caller.get("ReplaceMe01", "?limit=0").await.0, 401);
}

#[tokio::test]
async fn card_numbers_in_clear_are_refused_and_masked() {
    let sandbox = Sandbox::start().await.unwrap();
    let caller = Caller::new(&sandbox).await;
    for body in [
        json!({ "reason": format!("lost {PAN}") }),
        json!({ "reason": "4111 1111 1111 1111" }),
        json!({ "unknown": { "deep": [4_111_111_111_111_111_u64] } }),
        json!({ PAN: 1 }),
    ] {
        let (status, answer) = caller.post("ReplaceMe01", "suspend", body).await;
        assert_eq!(status, 400);
        assert!(!answer.to_string().contains("1111"), "{answer}");
    }
    assert_eq!(caller.get(PAN, "").await.0, 400);
    assert_eq!(
        caller.get("ReplaceMe01", &format!("?note={PAN}")).await.0,
        400
    );
    let path = caller.card_path("ReplaceMe01", "");
    let request = caller
        .request(Method::GET, &path)
        .header("x-correlation-id", PAN);
    assert_eq!(read(request.send().await.unwrap()).await.0, 400);

    let renewal =
        json!({ "encryptedData": caller.encrypt(r#"{"pan":"4111111111111111","exp":"1330"}"#) });
    let (status, answer) = caller.post("ReplaceMe01", "renew", renewal.clone()).await;
    let expected = "body: /encryptedData: the plaintext is not valid: /exp violates `pattern`";
    assert_eq!((status, answer), (400, json!({ "error": expected })));
    let in_clear = json!({ "pan": "1234567890123456", "exp": "1230" });
    assert_eq!(caller.post("ReplaceMe01", "renew", in_clear).await.0, 200);

    let mut requests = sandbox.requests();
    for request in &mut requests {
        // The digits of a time can be those of an expiry.
        request.received_at = time::OffsetDateTime::UNIX_EPOCH;
    }
    let shown = format!("{requests:?}");
    let jwe = renewal["encryptedData"].as_str().unwrap();
    for secret in [PAN, "1111", "1234567890123456", "1230", jwe, &caller.token] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
    let token_call = requests
        .first()
        .and_then(|request| request.body.clone())
        .unwrap();
    assert_eq!(
        token_call,
        json!({ "grant_type": JWT_BEARER, "assertion": "[masked]" })
    );
    let renewal = requests
        .iter()
        .rev()
        .nth(1)
        .and_then(|request| request.body.clone());
    assert_eq!(renewal, Some(json!({ "encryptedData": "[masked]" })));
}

#[tokio::test]
async fn requests_are_remembered_as_they_came() {
    let sandbox = Sandbox::start().await.unwrap();
    let caller = Caller::new(&sandbox).await;
    let path = caller.card_path("ReplaceMe01", "?limit=5");
    let request = caller
        .request(Method::GET, &path)
        .header("x-correlation-id", "abc");
    assert_eq!(read(request.send().await.unwrap()).await.0, 200);
    let all = sandbox.requests();
    let RecordedRequest {
        operation_id,
        method,
        path: recorded,
        status,
        correlation_id,
        body,
        ..
    } = all.last().unwrap();
    assert_eq!(
        (*operation_id, method.as_str()),
        (Some("listOperations"), "GET")
    );
    assert_eq!((recorded, *status), (&path, 200));
    assert_eq!((correlation_id.as_deref(), body), (Some("abc"), &None));
    assert_eq!(all.first().unwrap().operation_id, Some("getToken"));
}

#[tokio::test]
async fn bad_encrypted_data_is_refused_by_rule() {
    let sandbox = Sandbox::start().await.unwrap();
    let caller = Caller::new(&sandbox).await;
    let good = caller.encrypt(r#"{"pan":"5555555555554444","exp":"1230"}"#);
    let cut = good.rsplit_once('.').unwrap().0;
    let alone = caller.encrypt(r#"{"pan":"5555555555554444","exp":"1230","auxiliaryPan":"1"}"#);
    for (token, rule) in [
        ("a.b.c".to_owned(), "violates `pattern`"),
        (
            format!("{cut}.AAAA"),
            "the authentication tag does not have 16 bytes",
        ),
        (format!("{cut}.AAAAAAAAAAAAAAAAAAAAAA"), "decryption failed"),
        (caller.encrypt("pan"), "the plaintext is not JSON"),
        (caller.encrypt("[]"), "violates `type`"),
        (alone, "auxiliaryPan and auxiliaryExp belong together"),
    ] {
        let body = json!({ "encryptedData": token });
        let (status, answer) = caller.post("ReplaceMe01", "renew", body).await;
        let error = answer["error"].as_str().unwrap();
        assert!(
            status == 400 && error.contains("/encryptedData") && error.contains(rule),
            "{error}"
        );
    }
    assert_eq!(
        sandbox.decrypt(&good).unwrap().json().unwrap()["exp"],
        "1230"
    );
    assert_eq!(sandbox.card("ReplaceMe01").unwrap().last_four, "1111");
}

#[tokio::test]
async fn the_token_call_takes_forms_and_json_and_nothing_wrong() {
    let sandbox = Sandbox::start().await.unwrap();
    let caller = Caller::new(&sandbox).await;
    let valid = caller.assertion(sandbox.issuer_id());
    let as_json = json!({ "grant_type": JWT_BEARER, "assertion": valid }).to_string();
    let (status, answer) = read(caller.token_call("application/json", as_json).await).await;
    assert_eq!((status, &answer["token_type"]), (200, &json!("Bearer")));
    assert_eq!(answer["expires_in"], 900);
    assert_eq!(answer["scope"], "d1-api:account:full d1-api:consumer:read");
    assert_eq!(answer["access_token"].as_str().map(str::len), Some(43));

    let form = "application/x-www-form-urlencoded";
    let grant = format!("grant_type={JWT_BEARER}");
    let unknown = format!(
        "{grant}&assertion={}&later=1&later=2",
        caller.assertion("ISSUER_A-1")
    );
    let (status, answer) = read(caller.token_call(form, unknown).await).await;
    assert_eq!(status, 200, "unknown parameters are ignored: {answer}");
    let stranger = caller.assertion("ISSUER_B-2");
    for (content_type, body, expected) in [
        (
            form,
            format!("{grant}&assertion={stranger}"),
            "invalid_grant",
        ),
        (form, format!("{grant}&assertion=x"), "invalid_grant"),
        (form, grant.clone(), "invalid_request"),
        (form, String::new(), "invalid_request"),
        (
            form,
            format!("{grant}&assertion={valid}&assertion={valid}"),
            "invalid_request",
        ),
        (
            form,
            format!("grant_type=client_credentials&assertion={valid}"),
            "unsupported_grant_type",
        ),
        ("text/plain", grant.clone(), "invalid_request"),
        ("application/json", "{".to_owned(), "invalid_request"),
    ] {
        let (status, answer) = read(caller.token_call(content_type, body).await).await;
        assert_eq!(
            (status, &answer["error"]),
            (400, &json!(expected)),
            "{answer}"
        );
        assert!(answer["error_description"].is_string());
        assert!(!answer.to_string().contains(&valid));
    }
    assert_eq!(sandbox.token_exchanges(), 3);
}

#[tokio::test]
async fn an_aggregator_calls_for_the_issuer() {
    let sandbox = Sandbox::builder()
        .aggregator("AGGREGATOR")
        .start()
        .await
        .unwrap();
    let mut caller = Caller::new(&sandbox).await;
    assert_eq!(caller.token, "", "the issuer itself has no access here");
    let answer = caller.exchange(&assertion(&sandbox, "AGGREGATOR")).await;
    let answer: Value = answer.json().await.unwrap();
    caller.token = answer["access_token"].as_str().unwrap().to_owned();
    assert_eq!(caller.get("ReplaceMe01", "").await.0, 200);
}
