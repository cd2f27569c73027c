//! `require_fips` where OpenSSL is configured for FIPS. `run.sh` makes a module and both configurations, and runs these
//! tests, which `cargo test` alone does not run.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use d1_facade::{CardCredentials, Client, Environment, Renewal};
use d1_tests::{CARD, EXPIRY, FixedToken, ISSUER, PAN, refused, sandbox_builder, strict_sandbox};
use rustls::SignatureScheme;
use rustls_openssl::{cipher_suite, custom_provider, default_provider, kx_group};

/// Name and version of the module, as OpenSSL's own program shows them.
const MODULE: &str = "D1_TESTS_FIPS_MODULE";

#[test]
fn properties_alone_are_not_enough() {
    let local = Environment::Custom("http://127.0.0.1:9".to_owned());
    let builder = Client::builder(local, ISSUER.parse().unwrap())
        .allow_plain_loopback()
        .token_source(FixedToken)
        .require_fips();
    refused(builder.build(), "require_fips", "none has SHA-256");
}

#[tokio::test]
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
