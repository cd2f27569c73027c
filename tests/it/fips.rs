//! `require_fips`: what it refuses without a FIPS module, and what a client uses with one. The tests that need a
//! module are run by `tests/fips/run.sh`, which makes one.

use std::sync::Arc;

use d1_facade::{CardCredentials, Client, Environment, Renewal};
use d1_tests::{
    CARD, EXPIRY, FixedToken, ISSUER, PAN, bare_builder_for, plain_http_client, refused,
    sandbox_builder, strict_sandbox,
};
use rustls::SignatureScheme;
use rustls_openssl::{cipher_suite, custom_provider, default_provider, kx_group};

/// Name and version of the module, as OpenSSL's own program shows them.
const MODULE: &str = "D1_TESTS_FIPS_MODULE";

#[tokio::test]
async fn without_a_module_a_client_that_requires_it_is_refused() {
    if std::env::var_os(MODULE).is_some() {
        return;
    }
    let sandbox = strict_sandbox().await;
    let builder = || sandbox_builder(&sandbox).require_fips();
    refused(
        builder().build(),
        "require_fips",
        "needs `default_properties = fips=yes`",
    );
    let own_tls = builder().crypto_provider(Arc::new(default_provider()));
    refused(own_tls.build(), "require_fips", "OPENSSL_CONF");
    let health = sandbox_builder(&sandbox).build().unwrap().health();
    let found = health.cryptography.unwrap();
    assert_eq!((found.module.as_deref(), found.is_tls_fips), (None, false));
    let library = openssl::version::version();
    assert!(library.starts_with(&found.library), "{found}");
    assert!(found.library.starts_with("OpenSSL "), "{found}");
    assert!(found.tls.contains(&"TLS13_AES_256_GCM_SHA384".to_owned()));
    let shown = format!("{}, no FIPS module, ES256, ECDH-ES, A256GCM", found.library);
    assert_eq!(found.to_string(), shown);
}

#[tokio::test]
async fn an_http_client_of_a_services_own_is_refused_beside_it() {
    let builder = bare_builder_for("http://127.0.0.1:9")
        .http_client(plain_http_client(|builder| builder))
        .require_fips();
    refused(builder.build(), "require_fips", "beside http_client");
}

#[test]
#[ignore = "needs OpenSSL configured without any module: tests/fips/run.sh"]
fn properties_alone_are_not_enough() {
    let local = Environment::Custom("http://127.0.0.1:9".to_owned());
    let builder = Client::builder(local, ISSUER.parse().unwrap())
        .allow_plain_loopback()
        .token_source(FixedToken)
        .require_fips();
    refused(builder.build(), "require_fips", "none has SHA-256");
}

#[tokio::test]
#[ignore = "needs a FIPS module: tests/fips/run.sh"]
async fn with_a_module_everything_is_the_modules() {
    let sandbox = strict_sandbox().await;
    let builder = || sandbox_builder(&sandbox).require_fips();
    let card = builder().build().unwrap().card(CARD.parse().unwrap());
    card.suspend().await.unwrap();
    card.resume().await.unwrap();
    let credentials = CardCredentials::new(PAN, EXPIRY).unwrap();
    let renewal = Renewal::same_card().credentials(credentials);
    card.renew(renewal).await.unwrap();

    let health = builder().build().unwrap().health();
    let found = health.cryptography.unwrap();
    assert!(found.is_tls_fips);
    assert_eq!(found.module, Some(std::env::var(MODULE).unwrap()));
    let outside = |name: &&String| name.contains("25519") || name.contains("CHACHA20");
    assert_eq!(found.tls.iter().find(outside), None);
    for name in ["TLS13_AES_256_GCM_SHA384", "secp256r1"] {
        assert!(found.tls.contains(&name.to_owned()), "{:?}", found.tls);
    }
}

#[tokio::test]
#[ignore = "needs a FIPS module: tests/fips/run.sh"]
async fn with_a_module_parts_that_are_not_the_modules_are_refused() {
    let sandbox = strict_sandbox().await;
    let builder = || sandbox_builder(&sandbox).require_fips();
    let mut approved = default_provider();
    let chacha = vec![cipher_suite::TLS13_CHACHA20_POLY1305_SHA256];
    let provider = custom_provider(chacha, approved.kx_groups.clone());
    let refusal = builder().crypto_provider(Arc::new(provider)).build();
    refused(refusal, "require_fips", "a cipher suite");
    let provider = custom_provider(approved.cipher_suites.clone(), vec![kx_group::X25519]);
    let refusal = builder().crypto_provider(Arc::new(provider)).build();
    refused(refusal, "require_fips", "a key exchange");

    // The client's key is on P-256.
    let known = &mut approved.signature_verification_algorithms;
    let mut rsa_alone = known.mapping.to_vec();
    rsa_alone.retain(|(scheme, _)| *scheme == SignatureScheme::RSA_PSS_SHA256);
    known.mapping = rsa_alone.leak();
    let refusal = builder().crypto_provider(Arc::new(approved)).build();
    refused(refusal, "require_fips", "another kind of key");
}
