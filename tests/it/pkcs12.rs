//! Client certificates in PKCS#12.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use d1_facade::Identity;
use d1_tests::{CARD, certificate, refused, sandbox_builder, strict_sandbox};
use openssl::pkcs12::Pkcs12;
use openssl::pkey::{PKey, Private};
use openssl::stack::Stack;
use openssl::x509::X509;

/// Made with `openssl pkcs12 -export -legacy`: RC2 of 40 bits.
const RC2: &str = include_str!("keys/rc2-p12.txt");
/// Made with `openssl pkcs12 -export` and the algorithm PBE-SHA1-3DES, as Windows does.
const TRIPLE_DES: &str = include_str!("keys/triple-des-p12.txt");

const PASSPHRASE: &str = "correct";

fn decoded(text: &str) -> Vec<u8> {
    STANDARD.decode(text.replace('\n', "")).unwrap()
}

/// A file with what is given, encrypted as OpenSSL does by default.
fn file(key: Option<&PKey<Private>>, certificate: Option<&X509>, passphrase: &str) -> Vec<u8> {
    let mut builder = Pkcs12::builder();
    if let Some(key) = key {
        builder.pkey(key);
    }
    if let Some(certificate) = certificate {
        builder.cert(certificate);
    }
    builder.build2(passphrase).unwrap().to_der().unwrap()
}

#[tokio::test]
async fn a_certificate_from_pkcs12_is_presented_with_its_chain() {
    let sandbox = strict_sandbox().await;
    let key = PKey::private_key_from_pem(sandbox.client_key_pem().as_bytes()).unwrap();
    let certificate = X509::from_pem(sandbox.client_certificate_pem().as_bytes()).unwrap();
    let mut authorities = Stack::new().unwrap();
    let authority = X509::from_pem(sandbox.ca_pem().as_bytes()).unwrap();
    authorities.push(authority).unwrap();
    for passphrase in [PASSPHRASE, "Zürich ✓", ""] {
        let mut builder = Pkcs12::builder();
        builder.pkey(&key).cert(&certificate);
        let mut chain = Stack::new().unwrap();
        for authority in &authorities {
            chain.push(authority.to_owned()).unwrap();
        }
        let file = builder.ca(chain).build2(passphrase).unwrap().to_der();
        let identity = Identity::from_pkcs12(file.unwrap(), passphrase).unwrap();
        let client = sandbox_builder(&sandbox).client_identity(identity).build();
        let card = client.unwrap().card(CARD.parse().unwrap());
        card.operations().await.unwrap();
    }
}

#[test]
fn a_file_that_cannot_be_used_is_refused_for_its_true_reason() {
    let (certificate, key) = certificate("client", 1);
    let (other, _) = d1_tests::certificate("other", 1);
    let whole = file(Some(&key), Some(&certificate), PASSPHRASE);
    let from = |bytes: &[u8], passphrase: &str| Identity::from_pkcs12(bytes, passphrase);
    assert!(from(&whole, PASSPHRASE).is_ok());
    for passphrase in ["wr0ng!value", "", "correct\0", "Correct"] {
        refused(
            from(&whole, passphrase),
            "client_identity",
            "this passphrase does not open",
        );
    }
    let mut changed = whole.clone();
    let middle = changed.len() / 2;
    changed[middle] ^= 1;
    assert!(from(&changed, PASSPHRASE).is_err());
    refused(
        from(&whole[1..], PASSPHRASE),
        "client_identity",
        "must be a PKCS#12 file",
    );
    refused(
        from(&certificate.to_pem().unwrap(), ""),
        "client_identity",
        "must be a PKCS#12 file",
    );
    refused(
        from(&file(None, Some(&certificate), PASSPHRASE), PASSPHRASE),
        "client_identity",
        "without a private key",
    );
    refused(
        from(&file(Some(&key), None, PASSPHRASE), PASSPHRASE),
        "client_identity",
        "not that of its certificate",
    );
    let mut builder = Pkcs12::builder();
    let mut authorities = Stack::new().unwrap();
    authorities.push(other).unwrap();
    let of_another = builder.pkey(&key).ca(authorities).build2(PASSPHRASE);
    refused(
        from(&of_another.unwrap().to_der().unwrap(), PASSPHRASE),
        "client_identity",
        "not that of its certificate",
    );
}

#[test]
fn what_openssl_has_no_cipher_for_is_said_and_the_passphrase_is_not_blamed() {
    let refusal = Identity::from_pkcs12(decoded(RC2), PASSPHRASE);
    refused(
        refusal,
        "client_identity",
        "whose encryption or checksum this OpenSSL does not have",
    );
    let wrong = Identity::from_pkcs12(decoded(RC2), "wr0ng!value");
    refused(wrong, "client_identity", "this passphrase does not open");
    assert!(Identity::from_pkcs12(decoded(TRIPLE_DES), PASSPHRASE).is_ok());
}

#[test]
fn an_identity_is_not_shown() {
    let (certificate, key) = certificate("client", 1);
    let file = file(Some(&key), Some(&certificate), PASSPHRASE);
    let identity = Identity::from_pkcs12(file, PASSPHRASE).unwrap();
    assert_eq!(format!("{identity:?}"), "Identity { .. }");
}
