//! A client that cannot be built as it was told says what is wrong, before anything is sent.

use std::sync::Arc;
use std::time::Duration;

use d1_facade::auth::AssertionPolicy;
use d1_facade::{Client, EncryptionKey, Environment, Identity, SigningKey};
use d1_tests::{
    D1_JWK, FixedToken, ISSUER, WRONG, answering, any_root, bare_builder_for, builder_for,
    foreign_identity, p256, plain_http_client, refused,
};
use wiremock::ResponseTemplate;

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
        staging().signer(key()).build(),
        "client_identity",
        "certificate",
    );
    refused(
        Identity::from_pem(WRONG, WRONG),
        "client_identity_key",
        "PEM",
    );
    refused(
        plain().root_certificate(WRONG).build(),
        "root_certificate",
        "PEM",
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
    refused(plain().timeout(Duration::ZERO).build(), "timeout", "zero");
    refused(
        plain().connect_timeout(Duration::ZERO).build(),
        "connect_timeout",
        "zero",
    );
    refused_beside_an_own_client(&server.uri());
    refused_beside_a_token_source(&server.uri(), key);
    let encryption_key = EncryptionKey::from_jwk(D1_JWK).unwrap();
    refused(
        plain().encryption_key(encryption_key).build(),
        "encryption_key",
        "twice",
    );
    assert!(server.received_requests().await.unwrap().is_empty());
}

#[tokio::test]
async fn an_exchange_that_cannot_be_made_says_why() {
    let server = answering(ResponseTemplate::new(204)).await;
    let pem = p256().private_key_to_pem().unwrap();
    let key = || SigningKey::from_pem(&pem, "kid-1").unwrap();
    let exchanging = || {
        let environment = Environment::Custom(server.uri());
        Client::builder(environment, ISSUER.parse().unwrap()).allow_plain_loopback()
    };
    refused(exchanging().build(), "signer", "given");
    let twice = exchanging().signer(key()).signer(key());
    refused(twice.build(), "signer", "twice");
    refused(
        exchanging().signer(key()).sign_with("kid-2").build(),
        "signer",
        "kid",
    );
    let own_claim = AssertionPolicy::default().claim("exp", 1);
    refused(
        exchanging()
            .signer(key())
            .assertion_policy(own_claim)
            .build(),
        "assertion_policy",
        "claim",
    );
    refused(
        exchanging().signer(key()).token_header("host", "x").build(),
        "token_header",
        "client itself",
    );
    let bad_aggregator = exchanging().signer(key()).aggregator_id("two words");
    refused(bad_aggregator.build(), "aggregator_id", "ASCII");
    assert!(
        exchanging()
            .signer(key())
            .sign_with("kid-1")
            .build()
            .is_ok()
    );
    assert!(server.received_requests().await.unwrap().is_empty());
}

/// What has no effect beside an HTTP client of the service's own is refused by name.
fn refused_beside_an_own_client(url: &str) {
    let own = || bare_builder_for(url).http_client(plain_http_client(|b| b));
    assert!(own().build().is_ok());
    let second = Duration::from_secs(1);
    let (certificate, key) = foreign_identity();
    let identity = || Identity::from_pem(&certificate, &key).unwrap();
    let provider = || Arc::new(rustls_openssl::default_provider());
    for (builder, field) in [
        (own().client_identity(identity()), "client_identity"),
        (own().root_certificate(any_root()), "root_certificate"),
        (own().root_certificate(WRONG), "root_certificate"),
        (own().without_system_roots(), "without_system_roots"),
        (own().crypto_provider(provider()), "crypto_provider"),
        (own().proxy("http://127.0.0.1:1"), "proxy"),
        (own().user_agent("x"), "user_agent"),
        (own().connect_timeout(second), "connect_timeout"),
        (own().read_timeout(second), "read_timeout"),
        (own().pool_idle_timeout(second), "pool_idle_timeout"),
    ] {
        refused(builder.build(), field, "beside http_client");
    }
}

/// And so is what has none beside a source of tokens.
fn refused_beside_a_token_source(url: &str, key: impl Fn() -> SigningKey) {
    let policy = AssertionPolicy::default();
    let with_tokens = || {
        bare_builder_for(url)
            .root_certificate(any_root())
            .without_system_roots()
    };
    for (builder, field) in [
        (with_tokens().signer(key()), "signer"),
        (with_tokens().sign_with("kid-1"), "sign_with"),
        (with_tokens().assertion_policy(policy), "assertion_policy"),
        (with_tokens().token_header("x", "y"), "token_header"),
        (
            with_tokens().wrap_token_source(|exchange| exchange),
            "wrap_token_source",
        ),
    ] {
        refused(builder.build(), field, "beside token_source");
    }
}
