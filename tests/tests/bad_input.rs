//! Bad input: a typed error that names field and rule, repeats nothing, and comes before any byte.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use d1_facade::auth::AccessToken;
use d1_facade::{
    AuxiliaryPan, CardCredentials, CardId, CardScheme, Client, CorrelationId, EncryptedData,
    EncryptionKey, Environment, Expiry, InvalidInput, IssuerId, OperationId, Pan, Psn, Reason,
    ReasonCode, Renewal, SigningKey,
};
use d1_tests::{D1_JWK, EXPIRY, FixedToken, ISSUER, PAN, answering, builder_for, card_at};
use openssl::ec::{EcGroup, EcKey};
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use wiremock::ResponseTemplate;

/// A value that is wrong, and must not come back in the error.
const WRONG: &str = "wr0ng!value";

fn refused<T>(result: Result<T, InvalidInput>, field: &str, rule: &str) {
    let Err(error) = result else {
        unreachable!("{field} was taken");
    };
    assert_eq!(error.field(), field);
    assert!(error.rule().contains(rule), "{error}");
    let shown = format!("{error} {error:?}");
    for secret in [WRONG, PAN, "4111"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

#[test]
fn ids_and_texts() {
    let long = |n: usize| "a".repeat(n);
    for text in [
        "",
        "ISSUER_A-",
        "ISSUER_A-12",
        "ISSUER A-1",
        "ISSUER_A/1",
        "ISSUER_A-\u{e9}",
        WRONG,
    ] {
        refused(text.parse::<IssuerId>(), "issuerId", "[A-Za-z0-9_-]{10}");
    }
    for text in [
        "",
        "..",
        "a/b",
        "a\\b",
        "a b",
        "a\n",
        "%2e",
        &long(49),
        WRONG,
    ] {
        refused(text.parse::<CardId>(), "cardId", "{1,48}");
    }
    for text in ["", "a:b", &long(65), WRONG] {
        refused(text.parse::<OperationId>(), "operationId", "{1,64}");
    }
    for text in ["", "semi;colon", "line\nbreak", &long(65), WRONG] {
        refused(text.parse::<Reason>(), "reason", "{1,64}");
    }
    for text in ["", "a/b", "a\r\nb", &long(65), WRONG] {
        refused(text.parse::<CorrelationId>(), "x-correlation-id", "{1,64}");
    }
    for text in [PAN, "4111 1111 1111 1111", "4111-1111-1111-1111"] {
        refused(
            text.parse::<CorrelationId>(),
            "x-correlation-id",
            "card number",
        );
    }
    refused(
        "lost 4111111111111111".parse::<Reason>(),
        "reason",
        "card number",
    );
    for text in ["", "lower", "TWO WORDS", "1CODE", WRONG] {
        refused(text.parse::<ReasonCode>(), "reasonCode", "[A-Z]");
    }
    for text in ["", "a.b.c.d", "a.b.c.d.e.f", &format!("{}....", long(8190))] {
        refused(text.parse::<EncryptedData>(), "encryptedData", "8192");
    }
    assert!(long(48).parse::<CardId>().is_ok() && long(64).parse::<OperationId>().is_ok());
}

#[test]
fn a_reason_code_that_was_made_by_hand_is_checked_before_it_is_sent() {
    let code = ReasonCode::Unknown("NEW_CODE".into());
    assert_eq!("NEW_CODE".parse::<ReasonCode>().unwrap(), code);
}

#[test]
fn credentials() {
    for text in [
        "",
        "411111111",
        "41111111111111111111",
        "4111 1111",
        "4111111111111112",
        WRONG,
    ] {
        let error = text.parse::<Pan>().unwrap_err();
        assert_eq!(error.field(), "pan", "{text}");
    }
    assert!(
        Pan::without_luhn_check("4111111111111112").is_ok(),
        "the check has an opt-out"
    );
    refused(Pan::without_luhn_check("411111111111111x"), "pan", "digits");
    for text in ["", "0030", "1330", "123", "12/30", "12305", WRONG] {
        refused(text.parse::<Expiry>(), "exp", "");
    }
    refused("1".parse::<Psn>(), "psn", "2 digits");
    refused("".parse::<AuxiliaryPan>(), "auxiliaryPan", "1 to 19");
    refused(
        AuxiliaryPan::without_luhn_check(WRONG),
        "auxiliaryPan",
        "digits",
    );

    let visa = || CardCredentials::new(PAN, EXPIRY).unwrap();
    refused(visa().with_psn("00"), "psn", "American Express");
    refused(
        visa().with_auxiliary("5555555555554444", "9999"),
        "auxiliaryExp",
        "MMYY",
    );
    refused(
        visa().with_auxiliary("5555555555554443", EXPIRY),
        "auxiliaryPan",
        "Luhn",
    );
    let american_express = CardCredentials::new("378282246310005", EXPIRY).unwrap();
    assert!(american_express.with_psn("00").is_ok());
}

#[tokio::test]
async fn requests() {
    let server = answering(ResponseTemplate::new(204)).await;
    let card = card_at(&server);
    let field = |error: d1_facade::Error| {
        assert!(!error.was_sent());
        error.invalid_input().unwrap().field().to_owned()
    };
    for limit in [0, 51, u64::MAX] {
        assert_eq!(
            field(card.operations().limit(limit).await.unwrap_err()),
            "limit"
        );
    }
    let error = card.operations().offset(u64::MAX).await.unwrap_err();
    assert_eq!(field(error), "offset");
    let code = ReasonCode::Unknown("not a code".into());
    assert_eq!(
        field(card.suspend().reason_code(code).await.unwrap_err()),
        "reasonCode"
    );

    let amex = Renewal::same_card().scheme(CardScheme::AmericanExpress);
    assert_eq!(field(card.renew(amex).await.unwrap_err()), "encryptedData");
    let credentials = || CardCredentials::new(PAN, EXPIRY).unwrap();
    let unknown_key = Renewal::same_card()
        .credentials(credentials())
        .encrypt_to("no-such-kid");
    assert_eq!(
        field(card.renew(unknown_key).await.unwrap_err()),
        "encryption_key"
    );

    let no_key = Client::builder(Environment::Custom(server.uri()), ISSUER.parse().unwrap())
        .token_source(FixedToken)
        .allow_plain_loopback()
        .build()
        .unwrap()
        .card(card.id().clone());
    let renewal = Renewal::same_card().credentials(credentials());
    assert_eq!(
        field(no_key.renew(renewal).await.unwrap_err()),
        "encryption_key"
    );
    assert!(
        server.received_requests().await.unwrap().is_empty(),
        "nothing was sent"
    );
}

fn p256() -> EcKey<Private> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    EcKey::generate(&group).unwrap()
}

#[test]
fn signing_keys() {
    let key = p256();
    let sec1 = String::from_utf8(key.private_key_to_pem().unwrap()).unwrap();
    let pkcs8 = PKey::from_ec_key(key.clone())
        .unwrap()
        .private_key_to_pem_pkcs8()
        .unwrap();
    let pkcs8 = String::from_utf8(pkcs8).unwrap();
    let parameters =
        "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n";
    let bag = "Bag Attributes\n    friendlyName: d1\n    localKeyID: 01\nKey Attributes: <No Attributes>\n";
    for (what, pem) in [
        ("SEC1", sec1.clone()),
        ("PKCS#8", pkcs8.clone()),
        (
            "what `openssl ecparam -genkey` writes",
            format!("{parameters}{sec1}"),
        ),
        ("leading newlines", format!("\n\n{pkcs8}")),
        ("trailing newlines", format!("{pkcs8}\n\n\n")),
        ("no newline at the end", pkcs8.trim_end().to_owned()),
        ("CRLF", pkcs8.replace('\n', "\r\n")),
        ("bag attributes", format!("{bag}{pkcs8}")),
    ] {
        let read = SigningKey::from_pem(&pem, "my-kid");
        assert!(read.is_ok(), "{what}: {read:?}");
    }

    let group = EcGroup::from_curve_name(Nid::SECP384R1).unwrap();
    let p384 = EcKey::generate(&group)
        .unwrap()
        .private_key_to_pem()
        .unwrap();
    refused(SigningKey::from_pem(p384, "k"), "signing_key", "P-256");
    let cipher = openssl::symm::Cipher::aes_256_cbc();
    let encrypted = key.private_key_to_pem_passphrase(cipher, b"pass").unwrap();
    refused(
        SigningKey::from_pem(encrypted, "k"),
        "signing_key",
        "encrypted",
    );
    let encrypted = PKey::from_ec_key(key.clone())
        .unwrap()
        .private_key_to_pem_pkcs8_passphrase(cipher, b"pass")
        .unwrap();
    refused(
        SigningKey::from_pem(encrypted, "k"),
        "signing_key",
        "encrypted",
    );
    let rsa = openssl::rsa::Rsa::generate(2048).unwrap();
    let rsa = PKey::from_rsa(rsa)
        .unwrap()
        .private_key_to_pem_pkcs8()
        .unwrap();
    refused(SigningKey::from_pem(rsa, "k"), "signing_key", "P-256");
    let public = key.public_key_to_pem().unwrap();
    for pem in [&b""[..], WRONG.as_bytes(), &public, &sec1.as_bytes()[..80]] {
        refused(SigningKey::from_pem(pem, "k"), "signing_key", "PEM");
    }
    for kid in ["", "with blank", "caf\u{e9}", &"k".repeat(257)] {
        refused(SigningKey::from_pem(&pkcs8, kid), "signing_key", "kid");
    }
}

#[test]
fn json_web_keys() {
    // RFC 7517, appendix A.2.
    let private = r#"{"kty":"EC","crv":"P-256","kid":"1",
        "x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
        "y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
        "d":"870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE"}"#;
    assert_eq!(SigningKey::from_jwk(private).unwrap().kid(), "1");
    let without_point: String = private.replace("\"x\"", "\"z\"").replace("\"y\"", "\"w\"");
    assert!(SigningKey::from_jwk(&without_point).is_ok());
    refused(EncryptionKey::from_jwk(private), "encryption_key", "public");
    refused(SigningKey::from_jwk(D1_JWK), "signing_key", "sig");
    let public = D1_JWK.replace("\"use\":\"enc\",", "");
    refused(SigningKey::from_jwk(&public), "signing_key", "no `d`");
    let foreign_point = private.replace("MKBC", "weNJ");
    refused(SigningKey::from_jwk(&foreign_point), "signing_key", "point");
    let off_curve = D1_JWK.replace("weNJ", "weNK");
    refused(
        EncryptionKey::from_jwk(&off_curve),
        "encryption_key",
        "point",
    );
    let short = D1_JWK.replace("weNJy2HscCSM6AEDTDg04biOvhFhyyWvOHQfeF_PxMQ", "weNJ");
    refused(EncryptionKey::from_jwk(&short), "encryption_key", "point");
    for (from, to) in [("\"EC\"", "\"RSA\""), ("P-256", "P-384")] {
        refused(
            EncryptionKey::from_jwk(&D1_JWK.replace(from, to)),
            "encryption_key",
            "P-256",
        );
    }
    refused(
        EncryptionKey::from_jwk(&D1_JWK.replace("enc", "sig")),
        "encryption_key",
        "enc",
    );
    refused(
        EncryptionKey::from_jwk(&D1_JWK.replace("kid", "id")),
        "encryption_key",
        "kid",
    );
    for json in ["", "{", "[]", WRONG] {
        refused(EncryptionKey::from_jwk(json), "encryption_key", "JWK");
        refused(SigningKey::from_jwk(json), "signing_key", "JWK");
    }
    refused(
        EncryptionKey::from_pem(WRONG, "k"),
        "encryption_key",
        "PUBLIC KEY",
    );
    let public = p256().public_key_to_pem().unwrap();
    assert!(EncryptionKey::from_pem(public, "k").is_ok());
}

#[tokio::test]
async fn a_client_that_cannot_be_built_says_why() {
    let server = answering(ResponseTemplate::new(204)).await;
    let pem = p256().private_key_to_pem().unwrap();
    let key = || SigningKey::from_pem(&pem, "kid-1").unwrap();
    let staging = || Client::builder(Environment::Staging, ISSUER.parse().unwrap());
    let plain = || builder_for(&server);
    let at = |url: &str| {
        let issuer = ISSUER.parse().unwrap();
        Client::builder(Environment::Custom(url.into()), issuer).token_source(FixedToken)
    };

    refused(at("http://d1.example").build(), "environment", "https");
    refused(at("http://127.0.0.1:1").build(), "environment", "https");
    refused(at(WRONG).build(), "environment", "URL");
    refused(
        staging().signing_key(key()).build(),
        "client_identity",
        "certificate",
    );
    refused(
        staging().client_identity(WRONG, WRONG).build(),
        "client_identity",
        "certificate",
    );
    refused(
        plain().root_certificate(WRONG).build(),
        "root_certificate",
        "certificate",
    );
    let no_roots = at(&server.uri())
        .allow_plain_loopback()
        .without_system_roots();
    refused(no_roots.build(), "root_certificate", "given");
    refused(plain().proxy("not a url").build(), "proxy", "URL");
    refused(
        plain().user_agent("line\nbreak").build(),
        "user_agent",
        "ASCII",
    );
    refused(
        plain().timeout(Duration::ZERO).build(),
        "timeout",
        "nothing",
    );
    refused(
        plain().connect_timeout(Duration::ZERO).build(),
        "connect_timeout",
        "nothing",
    );
    let own = reqwest_client();
    refused(
        plain().http_client(own).user_agent("x").build(),
        "http_client",
        "beside",
    );
    let encryption_key = EncryptionKey::from_jwk(D1_JWK).unwrap();
    refused(
        plain().encryption_key(encryption_key).build(),
        "encryption_key",
        "twice",
    );

    let exchanging = || {
        let environment = Environment::Custom(server.uri());
        Client::builder(environment, ISSUER.parse().unwrap()).allow_plain_loopback()
    };
    refused(exchanging().build(), "signing_key", "given");
    let twice = exchanging().signing_key(key()).signing_key(key());
    refused(twice.build(), "signing_key", "twice");
    refused(
        exchanging().signing_key(key()).sign_with("kid-2").build(),
        "signing_key",
        "kid",
    );
    let bad_aggregator = exchanging().signing_key(key()).aggregator_id("two words");
    refused(bad_aggregator.build(), "aggregator_id", "ASCII");
    assert!(
        exchanging()
            .signing_key(key())
            .sign_with("kid-1")
            .build()
            .is_ok()
    );
    assert!(server.received_requests().await.unwrap().is_empty());
}

/// A client without TLS to speak of: it is never used.
fn reqwest_client() -> reqwest::Client {
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    reqwest::Client::builder()
        .tls_backend_preconfigured(config)
        .build()
        .unwrap()
}

#[test]
fn tokens() {
    for text in ["", "two words", "line\nbreak", "caf\u{e9}"] {
        refused(
            AccessToken::new(text, Duration::from_secs(1)),
            "access_token",
            "ASCII",
        );
    }
}
