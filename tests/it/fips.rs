//! `require_fips` without a FIPS module: what it refuses, and what the health of a client says. `tests/fips` has the tests
//! with one.

use std::sync::Arc;

use d1_tests::{bare_builder_for, plain_http_client, refused, sandbox_builder, strict_sandbox};
use rustls_openssl::default_provider;

#[tokio::test]
async fn without_a_module_a_client_that_requires_it_is_refused() {
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
