//! Several issuers, several keys, and one clock for all of them.

use d1_sandbox::{Access, Builder, Card, Issuer, Sandbox, StartError};
use openssl::ec::{EcGroup, EcKey};
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use serde_json::json;

use crate::common::{Caller, assertion_with, http_client_with};

fn key() -> PKey<Private> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap()
}

fn public_pem(key: &PKey<Private>) -> String {
    String::from_utf8(key.public_key_to_pem().unwrap()).unwrap()
}

fn private_pem(key: &PKey<Private>) -> String {
    String::from_utf8(key.private_key_to_pem_pkcs8().unwrap()).unwrap()
}

/// A client with the certificate and the key of one issuer.
async fn caller<'s>(sandbox: &'s Sandbox, access: &Access) -> Caller<'s> {
    let identity = (access.client_certificate_pem(), access.client_key_pem());
    let mut caller = Caller {
        http: http_client_with(sandbox, Some(identity), rustls::ALL_VERSIONS),
        sandbox,
        token: String::new(),
    };
    let assertion = assertion_with(
        access.signing_key_pem(),
        access.signing_kid(),
        access.issuer_id(),
    );
    let answer = caller.exchange(&assertion).await;
    let answer: serde_json::Value = answer.json().await.unwrap();
    caller.token = answer["access_token"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    caller
}

#[tokio::test]
async fn each_issuer_has_its_own_cards_keys_and_certificate() {
    let other = Issuer::new("ISSUER_B-2").card(Card::new("ReplaceMe01"));
    let sandbox = Sandbox::builder().add_issuer(other).start().await.unwrap();
    let own = sandbox.access("ISSUER_A-1").unwrap();
    let other = sandbox.access("ISSUER_B-2").unwrap();
    assert_ne!(own.client_certificate_pem(), other.client_certificate_pem());
    let (mut one, two) = (caller(&sandbox, own).await, caller(&sandbox, other).await);

    let path = "/banking/v1/issuers/ISSUER_B-2/cards/ReplaceMe01/operations:suspend";
    let suspend =
        |caller: &Caller<'_>| caller.request(reqwest::Method::POST, path).json(&json!({}));
    assert_eq!(suspend(&one).send().await.unwrap().status(), 404);
    let reason = sandbox.requests().last().unwrap().refusal.clone().unwrap();
    assert!(reason.contains("another issuer"), "{reason}");
    assert_eq!(suspend(&two).send().await.unwrap().status(), 200);
    let operations = |issuer| {
        sandbox
            .card_for_issuer(issuer, "ReplaceMe01")
            .unwrap()
            .operations
    };
    assert_eq!((operations("ISSUER_A-1"), operations("ISSUER_B-2")), (2, 3));

    // A token and an assertion are good with the certificate of their issuer alone.
    one.token.clone_from(&two.token);
    assert_eq!(suspend(&one).send().await.unwrap().status(), 401);
    let stolen = assertion_with(other.signing_key_pem(), other.signing_kid(), "ISSUER_B-2");
    assert_eq!(one.exchange(&stolen).await.status(), 400);
    let mixed = assertion_with(own.signing_key_pem(), own.signing_kid(), "ISSUER_B-2");
    assert_eq!(two.exchange(&mixed).await.status(), 400);
}

#[tokio::test]
async fn an_aggregator_calls_for_all_issuers() {
    let other = Issuer::new("ISSUER_B-2").card(Card::new("B"));
    let builder = Sandbox::builder()
        .aggregator("AGGREGATOR")
        .add_issuer(other);
    let sandbox = builder.start().await.unwrap();
    let mut caller = Caller::new(&sandbox).await;
    let answer = caller.exchange(&caller.assertion("AGGREGATOR")).await;
    let answer: serde_json::Value = answer.json().await.unwrap();
    caller.token = answer["access_token"].as_str().unwrap().to_owned();
    for (issuer, card) in [("ISSUER_A-1", "ReplaceMe01"), ("ISSUER_B-2", "B")] {
        let path = format!("/banking/v1/issuers/{issuer}/cards/{card}/operations");
        let list = caller.request(reqwest::Method::GET, &path);
        assert_eq!(list.send().await.unwrap().status(), 200, "{issuer}");
    }
}

#[tokio::test]
async fn several_signing_keys_are_valid_side_by_side() {
    let (first, second) = (key(), key());
    let builder = Sandbox::builder()
        .signing_key("first", public_pem(&first))
        .signing_key("second", public_pem(&second));
    let sandbox = builder.start().await.unwrap();
    let http = crate::common::http_client(&sandbox, true, rustls::ALL_VERSIONS);
    let token = String::new();
    let sandbox = &sandbox;
    let caller = Caller {
        sandbox,
        http,
        token,
    };
    for (key, kid, status) in [
        (&first, "first", 200),
        (&second, "second", 200),
        (&first, "second", 400),
        (&first, "third", 400),
    ] {
        let assertion = assertion_with(&private_pem(key), kid, "ISSUER_A-1");
        assert_eq!(caller.exchange(&assertion).await.status(), status, "{kid}");
    }
}

#[tokio::test]
async fn recorded_card_data_can_be_decrypted_again() {
    let (first, second) = (key(), key());
    let with = |builder: Builder, kid: &str, key| builder.encryption_key(kid, private_pem(key));
    let builder = with(Sandbox::builder(), "d1-1", &first);
    let recording = builder.clone().start().await.unwrap();
    assert_eq!(recording.encryption_kid(), "d1-1");
    let recorded = Caller::new(&recording)
        .await
        .encrypt(r#"{"pan":"5555555555554444","exp":"1235"}"#);

    let rotated = with(with(Sandbox::builder(), "d1-2", &second), "d1-1", &first);
    let replaying = rotated.start().await.unwrap();
    assert_eq!(replaying.encryption_kid(), "d1-2");
    let caller = Caller::new(&replaying).await;
    let body = json!({ "encryptedData": recorded });
    assert_eq!(caller.post("ReplaceMe01", "renew", body).await.0, 200);
    let card = replaying.card("ReplaceMe01").unwrap();
    assert!(card.has_credentials("5555555555554444", "1235"));
}

#[tokio::test]
async fn what_is_given_twice_is_named() {
    let key = key();
    let (public, private) = (public_pem(&key), private_pem(&key));
    let new = Sandbox::builder;
    let encrypted = key
        .private_key_to_pem_pkcs8_passphrase(openssl::symm::Cipher::aes_128_cbc(), b"secret")
        .unwrap();
    for (builder, setting, part) in [
        (
            new().signing_key("k1", &public).signing_key("k1", &public),
            "signing key",
            "k1 is given twice",
        ),
        (
            new()
                .encryption_key("k2", &private)
                .encryption_key("k2", &private),
            "encryption key",
            "k2 is given twice",
        ),
        (
            new().add_issuer(Issuer::new("ISSUER_A-1")),
            "issuer",
            "ISSUER_A-1 is given twice",
        ),
        (
            new().add_issuer(
                Issuer::new("ISSUER_B-2")
                    .card(Card::new("C"))
                    .card(Card::new("C")),
            ),
            "card id",
            "C is given twice",
        ),
        (new().aggregator("ISSUER_A-1"), "aggregator", "another id"),
        (new().encryption_key("", &private), "encryption key", "kid"),
        (
            new().encryption_key("k", &public),
            "encryption key",
            "PRIVATE KEY",
        ),
        (
            new().encryption_key("k", String::from_utf8(encrypted).unwrap()),
            "encryption key",
            "unencrypted",
        ),
    ] {
        match builder.start().await {
            Err(StartError::Setting {
                setting: found,
                rule,
            }) => {
                assert!(found == setting && rule.contains(part), "{found}: {rule}");
            }
            other => assert!(other.is_err(), "{setting}: {part}"),
        }
    }
}

#[tokio::test]
async fn everything_goes_by_one_clock() {
    for (seed, offset) in [
        (Some(7), 0),
        (Some(7), 86_400),
        (None, 3_600),
        (None, -3_600),
    ] {
        let builder = Sandbox::builder();
        let builder = seed.into_iter().fold(builder, Builder::seed);
        let sandbox = builder.start().await.unwrap();
        sandbox.set_clock_offset(offset);
        let caller = Caller::new(&sandbox).await;
        assert_ne!(caller.token, "", "an assertion by the sandbox's clock");
        let path = caller.card_path("ReplaceMe01", ":suspend");
        let request = caller
            .request(reqwest::Method::POST, &path)
            .json(&json!({}));
        let answer = request.send().await.unwrap();
        let date = answer.headers()["date"].to_str().unwrap();
        let date = httpdate::parse_http_date(date).unwrap();
        let apart = time::OffsetDateTime::from(date) - sandbox.now();
        assert!(apart.abs() < time::Duration::MINUTE, "{apart}");
        let (_, page) = caller.get("ReplaceMe01", "").await;
        let started = page["operations"][0]["startTime"].as_str().unwrap();
        let day = sandbox.now().date().to_string();
        assert!(started.starts_with(&day), "{started}, and it is {day}");

        sandbox.set_clock_offset(offset + 901);
        assert_eq!(
            caller.get("ReplaceMe01", "").await.0,
            401,
            "the token has ended"
        );
    }
}
