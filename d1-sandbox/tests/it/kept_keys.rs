//! Keys and certificates that outlast their sandbox, and the names in the server's certificate.

use crate::common::{Caller, client_builder, folder, http_client, refused};
use d1_sandbox::{Card, Issuer, Sandbox};
use serde_json::json;
use std::fs;

/// All that clients, and a server of the issuer, are configured with.
fn of(sandbox: &Sandbox) -> Vec<String> {
    let server = sandbox.issuer_server();
    let other = sandbox.access("ISSUER_B-2").unwrap();
    let all = [
        sandbox.ca_pem(),
        sandbox.client_certificate_pem(),
        sandbox.client_key_pem(),
        sandbox.signing_key_pem(),
        sandbox.signing_kid(),
        sandbox.encryption_jwk(),
        server.client_ca_pem(),
        server.certificate_pem(),
        server.key_pem(),
        other.client_certificate_pem(),
        other.client_key_pem(),
        other.signing_key_pem(),
        other.signing_kid(),
    ];
    all.map(str::to_owned).to_vec()
}

#[tokio::test]
async fn keys_and_certificates_are_kept() {
    let folder = folder("keys");
    let start = || {
        let builder = Sandbox::builder().add_issuer(Issuer::new("ISSUER_B-2").card(Card::new("B")));
        builder.keys_from(&folder).start()
    };
    let first = start().await.unwrap();
    first.write_files(&folder).unwrap();
    let second = start().await.unwrap();
    assert_eq!(of(&first), of(&second));
    assert_ne!(
        first.client_key_pem(),
        second.access("ISSUER_B-2").unwrap().client_key_pem()
    );

    // A client of the first one calls the second one.
    let client = http_client(&first, true, rustls::ALL_VERSIONS);
    let mut caller = Caller::new(&second).await;
    caller.http = client;
    let card =
        json!({ "encryptedData": caller.encrypt(r#"{"pan":"5555555555554444","exp":"0131"}"#) });
    assert_eq!(caller.post("ReplaceMe01", "renew", card).await.0, 200);

    // A certificate of another authority is made again, a key that cannot be read is an error.
    fs::write(
        folder.join("client.pem"),
        Sandbox::start().await.unwrap().client_certificate_pem(),
    )
    .unwrap();
    let third = start().await.unwrap();
    assert_eq!(third.client_key_pem(), first.client_key_pem());
    assert_ne!(
        third.client_certificate_pem(),
        first.client_certificate_pem()
    );
    Caller::new(&third).await;
    fs::write(folder.join("sandbox/ca.key"), "x").unwrap();
    let error = refused(Sandbox::builder().keys_from(&folder)).await;
    assert!(error.contains("ca.key: not a PEM"), "{error}");
}

#[tokio::test]
async fn the_server_has_the_names_that_it_is_given() {
    let builder = || {
        Sandbox::builder()
            .server_name("sandbox.test")
            .server_name("192.0.2.7")
    };
    let sandbox = builder().start().await.unwrap();
    let port = sandbox
        .base_url()
        .strip_prefix("https://sandbox.test:")
        .unwrap();
    let port: u16 = port.parse().unwrap();
    let address = ([127, 0, 0, 1], port).into();
    let own = (sandbox.client_certificate_pem(), sandbox.client_key_pem());
    let client = client_builder(&sandbox, Some(own), rustls::ALL_VERSIONS);
    let client = client
        .resolve("sandbox.test", address)
        .resolve("other.test", address)
        .build();
    let client = client.unwrap();
    let path = "/banking/v1/issuers/ISSUER_A-1/cards/A/operations";
    let call = |host: &str| client.get(format!("https://{host}:{port}{path}")).send();
    for host in ["sandbox.test", "localhost"] {
        assert_eq!(call(host).await.unwrap().status(), 401, "{host}");
    }
    assert!(call("other.test").await.is_err());
    for name in ["", "a b", "*.test", "https://a"] {
        let error = refused(Sandbox::builder().server_name(name)).await;
        assert!(error.contains("server name"), "{error}");
    }
}
