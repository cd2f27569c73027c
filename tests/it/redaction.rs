//! No value of the public API shows card data, a token or a key.

use std::time::Duration;

use d1_facade::auth::AccessToken;
use d1_facade::{
    CardCredentials, Client, EncryptionKey, Environment, Expiry, Pan, Renewal, SigningKey,
};
use d1_tests::{D1_JWK, EXPIRY, ISSUER, PAN};

const TOKEN: &str = "s3cret-access-token";

/// Whether digits stand in a text as a value. They can be a part of a port, a time or an id by chance.
fn stands_alone(text: &str, digits: &str) -> bool {
    let is_part = |c: &char| c.is_ascii_alphanumeric() || "-:.".contains(*c);
    text.match_indices(digits).any(|(at, _)| {
        let (before, after) = (&text[..at], &text[at + digits.len()..]);
        !before.chars().next_back().is_some_and(|c| is_part(&c))
            && !after.chars().next().is_some_and(|c| is_part(&c))
    })
}

#[test]
fn an_expiry_is_told_from_the_digits_of_a_port_or_an_id() {
    for shown in ["Expiry(1230)", "\"1230\"", "1230", "exp=1230&"] {
        assert!(stands_alone(shown, EXPIRY), "{shown}");
    }
    for other in ["localhost:1230", "0000-1230-0000", ".512309", "a1230", ""] {
        assert!(!stands_alone(other, EXPIRY), "{other}");
    }
}

fn shows_nothing(what: &str, shown: &str) {
    assert!(
        !stands_alone(shown, EXPIRY),
        "{what} shows an expiry: {shown}"
    );
    for secret in [
        PAN,
        "411111",
        TOKEN,
        "378282246310005",
        "PRIVATE KEY",
        "870MB6gfuTJ4",
    ] {
        assert!(!shown.contains(secret), "{what} shows {secret}: {shown}");
    }
}

#[test]
fn debug_shows_no_secret() {
    let credentials = CardCredentials::new(PAN, EXPIRY)
        .unwrap()
        .with_auxiliary("4111111111111111", EXPIRY)
        .unwrap();
    let renewal = Renewal::same_card().credentials(credentials.clone());
    let jwk =
        r#"{"kty":"EC","crv":"P-256","kid":"1","d":"870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE"}"#;
    let key = SigningKey::from_jwk(jwk).unwrap();
    let encryption_key = EncryptionKey::from_jwk(D1_JWK).unwrap();
    let builder = Client::builder(Environment::Staging, ISSUER.parse().unwrap())
        .signer(key.clone())
        .encryption_key(encryption_key.clone());
    let token = AccessToken::new(TOKEN, Duration::from_secs(900)).unwrap();
    for (what, shown) in [
        ("Pan", format!("{:?}", PAN.parse::<Pan>().unwrap())),
        ("Expiry", format!("{:?}", EXPIRY.parse::<Expiry>().unwrap())),
        ("CardCredentials", format!("{credentials:?}")),
        ("Renewal", format!("{renewal:#?}")),
        ("SigningKey", format!("{key:?}")),
        ("EncryptionKey", format!("{encryption_key:?}")),
        ("ClientBuilder", format!("{builder:#?}")),
        ("AccessToken", format!("{token:?}")),
    ] {
        shows_nothing(what, &shown);
    }
    assert_eq!(format!("{credentials:?}"), "CardCredentials([redacted])");
    assert_eq!(PAN.parse::<Pan>().unwrap().last_four(), "1111");
}

#[tokio::test]
async fn a_change_that_was_encrypted_shows_no_jwe() {
    let server = d1_tests::answering(wiremock::ResponseTemplate::new(204)).await;
    let card = d1_tests::card_at(&server);
    let credentials = CardCredentials::new(PAN, EXPIRY).unwrap();
    let prepared = card.renew(Renewal::same_card().credentials(credentials));
    let prepared = prepared.prepare().unwrap();
    let given = Renewal::same_card().encrypted_data("eyJh.b.c.d.e".parse().unwrap());
    for shown in [format!("{prepared:?}"), format!("{given:?}")] {
        assert!(shown.contains("EncryptedData([redacted])"), "{shown}");
        assert!(!shown.contains("eyJ"), "{shown}");
    }
}

#[tokio::test]
async fn requests_and_what_a_caller_adds_to_them_show_names_only() {
    let server = d1_tests::answering(wiremock::ResponseTemplate::new(204)).await;
    let card = d1_tests::card_at(&server);
    let credentials = CardCredentials::new(PAN, EXPIRY).unwrap();
    let renew = card
        .renew(Renewal::same_card().credentials(credentials))
        .header("x-secret", TOKEN)
        .query("q", TOKEN)
        .body_field("field", TOKEN);
    let shown = format!("{renew:#?}");
    shows_nothing("Renew", &shown);
    assert!(
        shown.contains("x-secret") && shown.contains("field"),
        "{shown}"
    );
}

#[tokio::test]
async fn what_d1_answers_is_in_no_debug_but_by_name() {
    let echo = serde_json::json!({ "operationId": "op-1", "pan": PAN, "authorization": TOKEN, "reason": PAN,
        "operation": "SUSPEND", "digitalCardDetails": { "x": PAN } });
    let mut body = echo.clone();
    body["operations"] = serde_json::json!([echo]);
    body["echo"] = TOKEN.into();
    let server =
        d1_tests::answering(wiremock::ResponseTemplate::new(200).set_body_json(body)).await;
    let card = d1_tests::card_at(&server);
    let id = "op-1".parse().unwrap();
    let receipt = card.suspend().await.unwrap();
    let page = card.operations().await.unwrap();
    let operation = card.operation(&id).await.unwrap();
    assert!(!receipt.fields().is_empty());
    for shown in [
        format!("{receipt:?}"),
        format!("{page:?}"),
        format!("{operation:?}"),
    ] {
        shows_nothing("an answer", &shown);
    }
}

#[tokio::test]
async fn what_d1_answers_is_displayed_without_card_numbers_and_tokens() {
    for said in [PAN, "eyJhbGciOiJFUzI1NiJ9.e30.c2ln"] {
        let body = serde_json::json!({ "operationId": said, "operation": said, "status": said,
            "requestorType": said, "reasonCode": said });
        let answer = wiremock::ResponseTemplate::new(200).set_body_json(body);
        let server = d1_tests::answering(answer).await;
        let card = d1_tests::card_at(&server);
        let details = card.operation(&"op-1".parse().unwrap()).await.unwrap();
        let operation = details.value();
        let id = operation.id().unwrap();
        for shown in [
            id.to_string(),
            operation.operation().unwrap().to_string(),
            operation.status().unwrap().to_string(),
            operation.requestor_type().unwrap().to_string(),
            operation.reason_code().unwrap().to_string(),
        ] {
            assert!(!shown.contains(said), "{shown}");
        }
        assert_eq!(id.as_str(), said, "a program gets what D1 sent");
    }
}
