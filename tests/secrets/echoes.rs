//! A server that sends back what the client holds for a call, in every form and in every place that the
//! client reads.

use std::sync::{Arc, Mutex};

use d1_facade::{Card, CardCredentials, Client, Environment, Renewal, SigningKey};
use d1_tests::{ISSUER, any_root, builder_for, p256};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use crate::known::{Held, card_number, echoes, leaks};
use crate::logs::unheard;
use crate::shown::{KnownToken, card_of, shown, shown_error};

/// A server that answers with what the test gives it, and keeps the assertions that it gets.
struct Echo {
    server: MockServer,
    answer: Arc<Mutex<(u16, String)>>,
    assertion: Arc<Mutex<String>>,
}

impl Echo {
    async fn start() -> Self {
        let server = MockServer::start().await;
        let answer = Arc::new(Mutex::new((200, String::new())));
        let assertion = Arc::<Mutex<String>>::default();
        let (told, kept) = (answer.clone(), assertion.clone());
        let respond = move |request: &Request| {
            let body = String::from_utf8_lossy(&request.body);
            if let Some((_, assertion)) = body.split_once("assertion=") {
                let assertion = assertion.split('&').next().unwrap();
                assertion.clone_into(&mut kept.lock().unwrap());
            }
            let (status, body) = told.lock().unwrap().clone();
            let body = body.replace("{assertion}", &kept.lock().unwrap());
            ResponseTemplate::new(status).set_body_raw(body, "application/json")
        };
        Mock::given(any())
            .respond_with(respond)
            .mount(&server)
            .await;
        Self {
            server,
            answer,
            assertion,
        }
    }

    fn client(&self, held: &Held) -> Client {
        let token = KnownToken(held.token.clone());
        builder_for(&self.server)
            .token_source(token)
            .build()
            .unwrap()
    }

    /// A client that gets its tokens from the server.
    fn exchanging_client(&self) -> Client {
        let key = p256().private_key_to_pem().unwrap();
        let environment = Environment::Custom(self.server.uri());
        Client::builder(environment, ISSUER.parse().unwrap())
            .signer(SigningKey::from_pem(key, "my-kid").unwrap())
            .allow_plain_loopback()
            .root_certificate(any_root())
            .without_system_roots()
            .build()
            .unwrap()
    }

    fn answer(&self, status: u16, body: &str) {
        *self.answer.lock().unwrap() = (status, body.to_owned());
    }
}

/// What somebody else holds, with a number of another kind of card, and what the caller holds.
fn foreign() -> (Held, Held) {
    let held = Held::new();
    let mut rng = fastrand::Rng::with_seed(held.seed);
    let caller = Held {
        token: "another-token-of-this-call".to_owned(),
        ..held.clone()
    };
    let pan = card_number(&mut rng, "51", 16);
    (Held { pan, ..held }, caller)
}

/// A signed text whose signature is the token.
fn jwt(held: &Held) -> String {
    format!("eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJ4In0.{}", held.token)
}

/// Fails where a text holds one of the secrets in any form; names the body by which it came there.
#[track_caller]
fn assert_clean(held: &Held, secrets: &[(&'static str, Vec<u8>)], body: &str, text: &str) {
    let found = leaks(text.as_bytes(), secrets);
    assert_eq!(found, [""; 0], "seed {}: {body}: {text}", held.seed);
}

/// The bodies of an error that hold `echo`, each in another place.
fn error_bodies(echo: &str) -> Vec<String> {
    vec![
        format!(r#"{{"errorCode":"{echo}"}}"#),
        format!(r#"{{"error":"{echo}"}}"#),
        format!(r#"{{"error":"you said {echo}!","error_description":"{echo}"}}"#),
        format!(r#"{{"{echo}":1,"note":["{echo}",{{"deep":"x{echo}"}}]}}"#),
        format!("<html>{echo}</html>"),
    ]
}

/// The bodies of an answer to a read and to a change.
fn answer_bodies(echo: &str) -> Vec<String> {
    let operation = format!(
        r#"{{"operationId":"op-1","operation":"{echo}","status":"{echo}","reason":"{echo}","{echo}":"{echo}"}}"#
    );
    let page =
        format!(r#"{{"operations":[{operation}],"remainingOperations":0,"{echo}":["{echo}"]}}"#);
    vec![operation, page]
}

/// A renewal that holds all card data that there can be but a PAN sequence number.
fn renewal(held: &Held) -> Renewal {
    let credentials = CardCredentials::new(held.pan.as_str(), held.expiry.as_str()).unwrap();
    let credentials = credentials
        .with_auxiliary(held.auxiliary_pan.as_str(), held.expiry.as_str())
        .unwrap();
    Renewal::same_card().credentials(credentials)
}

/// Makes a renewal and a read, and shows what comes of them; `values` too, where what was
/// answered must be clean itself.
async fn calls(card: &Card, held: &Held, values: bool) -> String {
    let (renewed, page) = (card.renew(renewal(held)).await, card.operations().await);
    let operation = card.operation(&"op-1".parse().unwrap()).await;
    let mut out = [shown(&renewed), shown(&page), shown(&operation)].concat();
    if values {
        let fields = renewed.map(|receipt| receipt.fields().clone());
        let page = page.map(|page| format!("{:?}", page.unknown_fields()));
        let operation = operation.map(|operation| operation.to_json());
        out += &format!("{fields:?} {page:?} {operation:?}");
    }
    out
}

#[tokio::test]
async fn what_the_client_holds_is_in_no_error_in_any_form() {
    let _unheard = unheard();
    let held = Held::new();
    let echo = Echo::start().await;
    let card = card_of(&echo.client(&held));
    let secrets = [
        ("token", held.token.clone().into_bytes()),
        ("PAN", held.pan.clone().into_bytes()),
        ("auxiliary PAN", held.auxiliary_pan.clone().into_bytes()),
    ];
    // All of them in one answer as well.
    let all = [&held.token, &held.pan, &held.auxiliary_pan].map(|secret| echoes(secret));
    for form in 0..all[0].len() {
        let mut said: Vec<_> = all.iter().map(|echoes| echoes[form].clone()).collect();
        said.push(said.join(" and "));
        for body in said.iter().flat_map(|said| error_bodies(said)) {
            echo.answer(400, &body);
            let text = shown_error(&card.renew(renewal(&held)).await.unwrap_err());
            assert_clean(&held, &secrets, &body, &text);
            // A read knows of no card.
            let text = shown_error(&card.operations().await.unwrap_err());
            assert_clean(&held, &secrets[..1], &body, &text);
        }
    }
}

#[tokio::test]
async fn parts_of_a_token_and_a_divided_number_are_in_no_error() {
    let _unheard = unheard();
    let held = Held::new();
    let echo = Echo::start().await;
    let card = card_of(&echo.client(&held));
    let Held { token, pan, .. } = &held;
    let groups: Vec<_> = pan.as_bytes().chunks(4).collect();
    let groups: Vec<_> = groups
        .iter()
        .map(|g| str::from_utf8(g).unwrap().to_owned())
        .collect();
    let (half, rest) = token.split_at(30);
    for body in [
        format!(r#"{{"errorCode":"{half}","error":"{rest}"}}"#),
        format!(r#"{{"error":"{}{token}"}}"#, "x".repeat(470)),
        format!(r#"{{"number":{pan},"as":{groups:?}}}"#),
        format!(r#"{{"error":"{}"}}"#, groups.join(" and ")),
        format!(r#"{{"error":"{}"}}"#, groups.join("x")),
        // Digits that an escape ends with.
        format!(r#"{{"error":"\u00{}{}"}}"#, &pan[..2], &pan[2..]),
    ] {
        echo.answer(400, &body);
        let error = card.renew(renewal(&held)).await.unwrap_err();
        let text = shown_error(&error);
        let parts = [
            ("half", half.as_bytes().to_vec()),
            ("rest", rest.as_bytes()[..30].to_vec()),
            ("PAN", pan.as_bytes().to_vec()),
        ];
        assert_clean(&held, &parts, &body, &text);
        assert!(!text.contains(&groups[1..].join(" and ")), "{text}");
        assert!(
            text.contains("[redacted]"),
            "seed {}: {body}: {text}",
            held.seed
        );
    }
}

#[tokio::test]
async fn what_the_client_holds_for_a_renewal_is_in_no_answer() {
    let _unheard = unheard();
    let held = Held::new();
    let echo = Echo::start().await;
    let card = card_of(&echo.client(&held));
    let secrets = [
        ("token", held.token.clone().into_bytes()),
        ("PAN", held.pan.clone().into_bytes()),
    ];
    for secret in [&held.token, &held.pan] {
        for said in echoes(secret) {
            for body in answer_bodies(&said) {
                echo.answer(200, &body);
                // Only the renewal knows the PAN: a read shows what it is given.
                let text = calls(&card, &held, secret == &held.token).await;
                assert_clean(&held, &secrets[..1], &body, &text);
                let text = match card.renew(renewal(&held)).await {
                    Ok(receipt) => {
                        // What it is for is left as it was.
                        if body.starts_with(r#"{"operationId"#) {
                            assert_eq!(receipt.operation_id().unwrap().as_str(), "op-1");
                        }
                        format!("{receipt:?} {:?}", receipt.fields())
                    }
                    // A body that proves nothing leaves the outcome unknown.
                    Err(error) => {
                        let fields = error.unknown_fields();
                        format!(
                            "{error} {error:?} {:?} {fields:?}",
                            error.troubleshooting_text()
                        )
                    }
                };
                assert_clean(&held, &secrets, &body, &text);
            }
        }
    }
}

#[tokio::test]
async fn an_assertion_that_the_token_endpoint_sends_back_is_in_no_error() {
    let _unheard = unheard();
    let held = Held::new();
    let echo = Echo::start().await;
    for body in error_bodies("{assertion}") {
        for status in [200, 400, 401, 500] {
            echo.answer(status, &body);
            // Another one each time: a client leaves an endpoint alone that has just failed.
            let result = echo.exchanging_client().access_token().await;
            let text = shown(&result);
            let assertion = echo.assertion.lock().unwrap().clone();
            let signature = assertion.rsplit('.').next().unwrap().as_bytes().to_vec();
            assert!(signature.len() > 80, "{assertion}");
            let secrets = [
                ("assertion", assertion.into_bytes()),
                ("signature", signature),
            ];
            assert_clean(&held, &secrets, &body, &text);
        }
    }
}

#[tokio::test]
async fn what_is_not_the_clients_is_masked_by_its_shape() {
    let _unheard = unheard();
    let (foreign, caller) = foreign();
    let secrets = foreign.secrets();
    let echo = Echo::start().await;
    let card = card_of(&echo.client(&caller));
    let grouped = |gap: &str| {
        let groups: Vec<_> = foreign.pan.as_bytes().chunks(4).collect();
        let groups = groups.iter().map(|g| str::from_utf8(g).unwrap());
        groups.collect::<Vec<_>>().join(gap)
    };
    for said in [
        foreign.pan.clone(),
        grouped("-"),
        grouped(" - "),
        grouped(" \u{a0}/\u{a0} "),
        jwt(&foreign),
        format!("Bearer {}", foreign.token),
        format!("bearer%20{}", foreign.token),
    ] {
        for body in error_bodies(&said) {
            echo.answer(403, &body);
            let text = calls(&card, &caller, true).await;
            assert_clean(&foreign, &secrets, &body, &text);
        }
        for body in answer_bodies(&said) {
            echo.answer(200, &body);
            let text = calls(&card, &caller, false).await;
            assert_clean(&foreign, &secrets, &body, &text);
        }
    }
}

#[tokio::test]
async fn an_operation_as_json_has_no_card_number_of_anyone_and_no_token() {
    let _unheard = unheard();
    let (foreign, caller) = foreign();
    let secrets = foreign.secrets();
    let echo = Echo::start().await;
    let card = card_of(&echo.client(&caller));
    let stranger = &foreign.pan;
    for said in [stranger, &jwt(&foreign)] {
        let operation = format!(
            r#"{{"operationId":"op-{said}","status":7,"reason":"{said}","new":{{"pan":{stranger},"{said}":["x {said}"]}},"digitalCardDetails":{{"n":{stranger},"t":"{said}"}}}}"#
        );
        echo.answer(200, &operation);
        let details = card.operation(&"op-1".parse().unwrap()).await.unwrap();
        let one = details.value();
        // What a program asks for by name is as D1 sent it.
        assert_eq!(one.reason(), Some(said.as_str()));
        let page = format!(r#"{{"operations":[{operation}],"remainingOperations":0}}"#);
        echo.answer(200, &page);
        let page = card.operations().await.unwrap();
        for operation in [one, &page.operations()[0]] {
            let text = serde_json::Value::Object(operation.to_json()).to_string();
            assert_clean(&foreign, &secrets, said, &text);
        }
    }
}

#[tokio::test]
async fn the_expiry_of_a_renewal_is_removed_where_it_stands_alone() {
    let _unheard = unheard();
    let held = Held {
        expiry: "0737".to_owned(),
        ..Held::new()
    };
    let echo = Echo::start().await;
    let card = card_of(&echo.client(&held));
    for (said, kept) in [
        ("exp 0737 is wrong", false),
        ("exp=07/37", false),
        ("07/2037", false),
        ("%30%37%33%37", false),
        ("MDczNw==", false),
        // Parts of something longer, and times.
        ("case 80737", true),
        ("x0737y", true),
        ("2026-07-37", true),
        ("10.0737", true),
    ] {
        echo.answer(400, &format!(r#"{{"error":"{said}"}}"#));
        let error = card.renew(renewal(&held)).await.unwrap_err();
        let text = error.troubleshooting_text().unwrap();
        assert_eq!(!text.contains("[redacted]"), kept, "{said}: {text}");
    }
}

#[tokio::test]
async fn what_helps_to_find_a_fault_stays() {
    let _unheard = unheard();
    let held = Held::new();
    let echo = Echo::start().await;
    let card = card_of(&echo.client(&held));
    let body = r#"{"errorCode":"UNKNOWN_CARD","error":"no such card, see 3f0c2f0e-8f0a-4c4e-9d6b-0b8c1de2a001","timestamp":"08:06:27","status":404}"#;
    echo.answer(404, body);
    let error = card.renew(renewal(&held)).await.unwrap_err();
    assert_eq!(error.code(), Some("UNKNOWN_CARD"));
    let text = error.troubleshooting_text().unwrap();
    assert!(text.contains("no such card"), "{text}");
    assert_eq!(error.unknown_fields()["timestamp"], "08:06:27");
    assert_eq!(error.unknown_fields()["status"], 404);

    let operation = r#"{"operationId":"1234567890123456789","status":"SUCCESSFUL","startTime":"2026-11-26T08:06:27.123Z","requestorId":"ISSUER_A-1"}"#;
    echo.answer(200, operation);
    let details = card.operation(&"op-1".parse().unwrap()).await.unwrap();
    let json = serde_json::Value::Object(details.to_json());
    assert_eq!(
        json,
        serde_json::from_str::<serde_json::Value>(operation).unwrap()
    );
}
