//! Onboarding: the sandbox takes what an issuer hands over, and nothing that D1 would not take.

use d1_sandbox::{Builder, Sandbox, StartError};
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use openssl::x509::{X509, X509Name, X509Req};

fn ec(curve: Nid) -> PKey<Private> {
    let group = EcGroup::from_curve_name(curve).unwrap();
    PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap()
}

fn p256() -> PKey<Private> {
    ec(Nid::X9_62_PRIME256V1)
}

fn rsa(bits: u32) -> PKey<Private> {
    PKey::from_rsa(Rsa::generate(bits).unwrap()).unwrap()
}

/// A request for these names, for one key and signed with another.
fn csr(names: &[&str], key: &PKey<Private>, signed_with: &PKey<Private>) -> String {
    let mut name = X509Name::builder().unwrap();
    for text in names {
        name.append_entry_by_text("CN", text).unwrap();
    }
    let mut builder = X509Req::builder().unwrap();
    builder.set_subject_name(&name.build()).unwrap();
    builder.set_pubkey(key).unwrap();
    builder.sign(signed_with, MessageDigest::sha256()).unwrap();
    String::from_utf8(builder.build().to_pem().unwrap()).unwrap()
}

fn public_pem(key: &PKey<Private>) -> String {
    String::from_utf8(key.public_key_to_pem().unwrap()).unwrap()
}

fn private_pem(key: &PKey<Private>) -> String {
    String::from_utf8(key.private_key_to_pem_pkcs8().unwrap()).unwrap()
}

#[tokio::test]
async fn a_request_and_a_public_key_are_all_that_an_issuer_hands_over() {
    let signing = p256();
    for key in [p256(), rsa(4096)] {
        let sandbox = Sandbox::builder()
            .client_certificate_request(csr(&["bank.example"], &key, &key))
            .signing_key("my-kid", public_pem(&signing))
            .start()
            .await
            .unwrap();
        assert_eq!(sandbox.signing_kid(), "my-kid");
        assert_eq!(
            (sandbox.client_key_pem(), sandbox.signing_key_pem()),
            ("", "")
        );
        let certificate = X509::from_pem(sandbox.client_certificate_pem().as_bytes()).unwrap();
        assert!(certificate.public_key().unwrap().public_eq(&key));
        let name = certificate.subject_name().entries().next().unwrap();
        assert_eq!(name.data().as_slice(), b"bank.example");

        let mut caller = crate::common::Caller {
            http: crate::common::http_client_with(
                &sandbox,
                Some((sandbox.client_certificate_pem(), &private_pem(&key))),
                rustls::ALL_VERSIONS,
            ),
            sandbox: &sandbox,
            token: String::new(),
        };
        let assertion =
            crate::common::assertion_with(&private_pem(&signing), "my-kid", sandbox.issuer_id());
        let answer = caller.exchange(&assertion).await;
        assert_eq!(answer.status(), 200);
        let answer: serde_json::Value = answer.json().await.unwrap();
        caller.token = answer["access_token"].as_str().unwrap().to_owned();
        let (status, _) = caller
            .post("ReplaceMe01", "suspend", serde_json::json!({}))
            .await;
        assert_eq!(status, 200);

        // Another key under the same kid is nobody.
        let forged =
            crate::common::assertion_with(&private_pem(&p256()), "my-kid", sandbox.issuer_id());
        assert_eq!(caller.exchange(&forged).await.status(), 400);
    }
}

/// The setting and the rule for which a sandbox does not start.
async fn refusal(builder: Builder) -> (&'static str, String) {
    match builder.start().await {
        Err(StartError::Setting { setting, rule }) => (setting, rule),
        other => unreachable!("{other:?}"),
    }
}

#[tokio::test]
async fn what_d1_does_not_take_is_refused_by_name() {
    let key = p256();
    let with = |csr: &str| Sandbox::builder().client_certificate_request(csr);
    for (request, part) in [
        ("no PEM".to_owned(), "PEM"),
        (csr(&["x"], &key, &p256()), "signed with its own key"),
        (csr(&[], &key, &key), "CN"),
        (csr(&["x", "y"], &key, &key), "CN"),
    ] {
        let (setting, rule) = refusal(with(&request)).await;
        assert_eq!(setting, "client certificate request");
        assert!(rule.contains(part), "{rule}");
    }
    for key in [rsa(2048), ec(Nid::SECP384R1)] {
        let (_, rule) = refusal(with(&csr(&["x"], &key, &key))).await;
        assert!(rule.contains("4096"), "{rule}");
    }
    for (kid, pem, part) in [
        ("", public_pem(&key), "kid"),
        ("a b", public_pem(&key), "kid"),
        ("k", private_pem(&key), "PUBLIC KEY"),
        ("k", public_pem(&rsa(2048)), "P-256"),
        ("k", public_pem(&ec(Nid::SECP384R1)), "P-256"),
    ] {
        let (setting, rule) = refusal(Sandbox::builder().signing_key(kid, pem)).await;
        assert_eq!(setting, "signing key");
        assert!(rule.contains(part), "{rule}");
    }
    let shown = format!(
        "{:?}",
        Sandbox::builder().signing_key("k", private_pem(&key))
    );
    assert!(!shown.contains("PRIVATE"), "{shown}");
}
