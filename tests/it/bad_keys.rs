//! Keys that are not what they should be, and all the forms of those that are.

use d1_facade::{EncryptionKey, SigningKey};
use d1_tests::{D1_JWK, WRONG, p256, refused};
use openssl::ec::{EcGroup, EcKey};
use openssl::nid::Nid;
use openssl::pkey::PKey;

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
    for kid in ["", "with blank", "caf\u{e9}", &"k".repeat(257)] {
        refused(SigningKey::from_pem(&pkcs8, kid), "signing_kid", "256");
    }
}

#[test]
fn signing_keys_that_are_refused() {
    let key = p256();
    let sec1 = key.private_key_to_pem().unwrap();
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
    for pem in [WRONG.as_bytes(), &public, &sec1[..80]] {
        refused(SigningKey::from_pem(pem, "k"), "signing_key", "PEM");
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
        "encryption_kid",
        "given",
    );
    for json in ["", "{", "[]", WRONG] {
        refused(EncryptionKey::from_jwk(json), "encryption_key", "JWK");
        refused(SigningKey::from_jwk(json), "signing_key", "JWK");
    }
    refused(EncryptionKey::from_pem(WRONG, "k"), "encryption_key", "PEM");
    let public = p256().public_key_to_pem().unwrap();
    assert!(EncryptionKey::from_pem(public, "k").is_ok());
}
