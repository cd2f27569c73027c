//! Keys and certificates as programs write them and as people carry them.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use d1_facade::{EncryptionKey, Identity, SigningKey};
use d1_tests::{D1_JWK, certificate, p256, refused};
use openssl::ec::{Asn1Flag, EcGroup, EcKey};
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::symm::Cipher;

/// What Java's `PrivateKey.getEncoded()` holds: PKCS#8 without the public part. Made for this test.
const JAVA: &str = "-----BEGIN PRIVATE KEY-----
MEECAQAwEwYHKoZIzj0CAQYIKoZIzj0DAQcEJzAlAgEBBCB08husY7Zhg9iFBx8i
arZbpNfca6MNJCFXeWOdqbCFLQ==
-----END PRIVATE KEY-----
";

/// Every form that a text can take on its way from a file to the client.
fn mangled(pem: &str) -> Vec<(&'static str, Vec<u8>)> {
    let wide = |mark: &[u8], unit: fn(u16) -> [u8; 2]| {
        let units = pem.encode_utf16().flat_map(unit);
        mark.iter().copied().chain(units).collect()
    };
    let indented: String = pem.lines().map(|line| format!("    {line}\n")).collect();
    vec![
        ("as it is", pem.into()),
        ("CRLF", pem.replace('\n', "\r\n").into()),
        ("CR alone", pem.replace('\n', "\r").into()),
        ("literal \\n", pem.replace('\n', "\\n").into()),
        ("literal \\r\\n", pem.replace('\n', "\\r\\n").into()),
        ("blanks for line ends", pem.replace('\n', " ").into()),
        (
            "literal \\n, escaped twice",
            pem.replace('\n', "\\\\n").into(),
        ),
        (
            "lines continued by a backslash",
            pem.replace('\n', "\\\n").into(),
        ),
        (
            "blanks that do not break",
            pem.replace('\n', "\u{a0}\n").into(),
        ),
        ("one line", pem.replace('\n', "").into()),
        ("indented", indented.into()),
        (
            "blanks at the ends of lines",
            pem.replace('\n', "  \n").into(),
        ),
        ("in quotes", format!("\"{}\"", pem.trim()).into()),
        (
            "UTF-8 with a mark",
            [b"\xEF\xBB\xBF", pem.as_bytes()].concat(),
        ),
        (
            "UTF-16, little endian",
            wide(&[0xFF, 0xFE], u16::to_le_bytes),
        ),
        ("UTF-16, big endian", wide(&[0xFE, 0xFF], u16::to_be_bytes)),
        (
            "text before and after",
            format!("Version: 3\n{pem}\n# end\n").into(),
        ),
    ]
}

fn pem_of(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}

#[test]
fn a_signing_key_is_read_from_every_form_that_programs_write() {
    let key = p256();
    let pkcs8 = PKey::from_ec_key(key.clone()).unwrap();
    let sec1 = pem_of(key.private_key_to_pem().unwrap());
    let with_certificate = {
        let (certificate, key) = d1_tests::certificate("client.example", 1);
        let key = pem_of(key.private_key_to_pem_pkcs8().unwrap());
        pem_of(certificate.to_pem().unwrap()) + &key
    };
    let pems = [
        sec1,
        pem_of(pkcs8.private_key_to_pem_pkcs8().unwrap()),
        JAVA.to_owned(),
        with_certificate,
    ];
    for pem in pems {
        for (form, bytes) in mangled(&pem) {
            let read = SigningKey::from_pem(&bytes, "my-kid");
            assert!(read.is_ok(), "{form}: {read:?}");
        }
    }
    for der in [
        key.private_key_to_der().unwrap(),
        pkcs8.private_key_to_pkcs8().unwrap(),
    ] {
        assert!(SigningKey::from_pem(&der, "my-kid").is_ok());
    }
}

/// P-256 with its parameters in place of its name, as `openssl ecparam -param_enc explicit` writes it.
fn explicit() -> PKey<Private> {
    let mut group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    group.set_asn1_flag(Asn1Flag::EXPLICIT_CURVE);
    PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap()
}

#[test]
fn a_curve_is_what_it_is_whether_by_name_or_by_parameters() {
    let key = explicit();
    let sec1 = key.ec_key().unwrap().private_key_to_pem().unwrap();
    assert!(sec1.len() > 400, "it has the parameters");
    for bytes in [
        sec1,
        key.private_key_to_pem_pkcs8().unwrap(),
        key.private_key_to_pkcs8().unwrap(),
    ] {
        let read = SigningKey::from_pem(&bytes, "my-kid");
        assert!(read.is_ok(), "{read:?}");
    }
    let read = EncryptionKey::from_pem(key.public_key_to_pem().unwrap(), "d1-kid");
    assert!(read.is_ok(), "{read:?}");
    let certificate = d1_tests::certificate_for(&key, "client", (-1, 1));
    let issuer = d1_tests::ISSUER.parse().unwrap();
    let client = d1_facade::Client::builder(d1_facade::Environment::Staging, issuer)
        .token_source(d1_tests::FixedToken)
        .client_identity(
            Identity::from_pem(
                certificate.to_pem().unwrap(),
                key.private_key_to_pem_pkcs8().unwrap(),
            )
            .unwrap(),
        )
        .build();
    assert!(client.is_ok(), "{client:?}");
}

#[test]
fn an_encryption_key_is_read_from_a_key_and_from_a_certificate() {
    let (certificate, key) = d1_tests::certificate("d1.example", 1);
    for pem in [key.public_key_to_pem(), certificate.to_pem()] {
        for (form, bytes) in mangled(&pem_of(pem.unwrap())) {
            let read = EncryptionKey::from_pem(&bytes, "d1-kid");
            assert!(read.is_ok(), "{form}: {read:?}");
        }
    }
    for der in [key.public_key_to_der(), certificate.to_der()] {
        assert!(EncryptionKey::from_pem(der.unwrap(), "d1-kid").is_ok());
    }
}

#[test]
fn the_kid_of_a_jwk_and_the_one_beside_it_agree_or_fill_the_gap() {
    let without = D1_JWK.replace(r#""kid":"d1-key-1","#, "");
    let filled = EncryptionKey::from_bytes(&without, Some("d1-key-1")).unwrap();
    assert_eq!(filled.kid(), "d1-key-1");
    let empty = D1_JWK.replace("d1-key-1", "");
    let filled = EncryptionKey::from_bytes(empty, Some("d1-key-1")).unwrap();
    assert_eq!(filled.kid(), "d1-key-1");
    for kid in [None, Some("d1-key-1")] {
        assert_eq!(
            EncryptionKey::from_bytes(D1_JWK, kid).unwrap().kid(),
            "d1-key-1"
        );
    }
    let other = EncryptionKey::from_bytes(D1_JWK, Some("d1-key-2"));
    refused(other, "encryption_kid", "not the kid");
    refused(
        EncryptionKey::from_bytes(&without, None),
        "encryption_kid",
        "given",
    );
    for (form, bytes) in mangled(D1_JWK) {
        // These are forms of a PEM alone.
        let pem_alone = ["literal", "quotes", "text", "backslash", "not break"];
        if !pem_alone.iter().any(|other| form.contains(other)) {
            assert!(EncryptionKey::from_bytes(&bytes, None).is_ok(), "{form}");
        }
    }
}

/// A private JWK. Its `x` and `y` may be left out.
fn private_jwk(kid: &str) -> String {
    let d = p256().private_key().to_vec_padded(32).unwrap();
    let d = URL_SAFE_NO_PAD.encode(d);
    format!(r#"{{"kty":"EC","crv":"P-256","kid":"{kid}","d":"{d}"}}"#)
}

#[test]
fn a_key_of_a_jwk_set_is_chosen_by_its_kid() {
    let other = D1_JWK.replace("d1-key-1", "d1-key-2");
    let signing = D1_JWK.replace("enc", "sig").replace("d1-key-1", "signs");
    let rsa = r#"{"kty":"RSA","kid":"rsa","n":"AQAB","e":"AQAB"}"#;
    let set = |keys: &[&str]| format!(r#"{{"keys":[{}]}}"#, keys.join(","));
    let kid = |set: &str, kid| EncryptionKey::from_bytes(set, kid).map(|k| k.kid().to_owned());

    let all = set(&[rsa, &signing, D1_JWK, &other]);
    for wanted in ["d1-key-1", "d1-key-2"] {
        assert_eq!(kid(&all, Some(wanted)).unwrap(), wanted);
    }
    // Where one alone can be used, it needs no name.
    let one = set(&[rsa, &signing, D1_JWK]);
    assert_eq!(kid(&one, None).unwrap(), "d1-key-1");
    assert_eq!(EncryptionKey::from_jwk(&one).unwrap().kid(), "d1-key-1");
    for (set, wanted, field, rule) in [
        (&all, None, "encryption_kid", "must be given"),
        (&all, Some("rsa"), "encryption_kid", "of an EC key on P-256"),
        (
            &all,
            Some("signs"),
            "encryption_kid",
            "of an EC key on P-256",
        ),
        (
            &all,
            Some("d1-key-3"),
            "encryption_kid",
            "of an EC key on P-256",
        ),
        (
            &set(&[D1_JWK, D1_JWK]),
            Some("d1-key-1"),
            "encryption_kid",
            "several with it",
        ),
        (&set(&[rsa]), None, "encryption_key", "is a JWK set without"),
        (&set(&[]), None, "encryption_key", "is a JWK set without"),
        (
            &r#"{"keys":{}}"#.to_owned(),
            None,
            "encryption_key",
            "must be the JSON of a JWK",
        ),
    ] {
        refused(EncryptionKey::from_bytes(set, wanted), field, rule);
    }
    // An assertion's key is chosen in the same way.
    let private = private_jwk("mine");
    let set = set(&[D1_JWK, &private, &private_jwk("other")]);
    let key = SigningKey::from_bytes(&set, Some("mine")).unwrap();
    assert_eq!(key.kid(), "mine");
}

#[test]
fn an_encryption_key_is_read_from_a_certificate() {
    let (certificate, _) = certificate("d1", 1);
    for bytes in [certificate.to_pem().unwrap(), certificate.to_der().unwrap()] {
        let key = EncryptionKey::from_bytes(&bytes, Some("by-certificate")).unwrap();
        assert_eq!(key.kid(), "by-certificate");
    }
}

#[test]
fn what_is_refused_is_refused_for_its_true_reason() {
    let pem = |key: &PKey<Private>| key.private_key_to_pem_pkcs8().unwrap();
    let on = |curve| {
        let group = EcGroup::from_curve_name(curve).unwrap();
        pem(&PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap())
    };
    let sec1 = p256().private_key_to_pem().unwrap();
    let (certificate, key) = d1_tests::certificate("client.example", 1);
    let mut request = openssl::x509::X509Req::builder().unwrap();
    request.set_pubkey(&key).unwrap();
    request
        .sign(&key, openssl::hash::MessageDigest::sha256())
        .unwrap();
    let rsa = openssl::rsa::Rsa::generate(2048).unwrap();
    let mut pkcs12 = openssl::pkcs12::Pkcs12::builder();
    pkcs12.pkey(&key).cert(&certificate);
    let opened = |label: &str| format!("-----BEGIN {label}-----\nAAAA\n-----END {label}-----\n");
    let inputs: Vec<(Vec<u8>, &str)> = vec![
        (on(Nid::SECP384R1), "it is EC on P-384"),
        (on(Nid::SECP521R1), "it is EC on P-521"),
        (on(Nid::SECP256K1), "it is EC on secp256k1"),
        (pem(&PKey::generate_ed25519().unwrap()), "it is Ed25519"),
        (pem(&PKey::from_rsa(rsa).unwrap()), "it is RSA of 2048 bits"),
        (key.public_key_to_pem().unwrap(), "it has a PUBLIC KEY"),
        (certificate.to_pem().unwrap(), "it has a CERTIFICATE"),
        (request.build().to_pem().unwrap(), "CERTIFICATE REQUEST"),
        (pkcs12.build2("").unwrap().to_der().unwrap(), "PKCS#12"),
        (
            b"\xFE\xED\xFE\xED\x00\x00\x00\x02".to_vec(),
            "Java key store",
        ),
        (opened("OPENSSH PRIVATE KEY").into(), "ssh-keygen"),
        (opened("EC PARAMETERS").into(), "EC PARAMETERS alone"),
        (opened("PRIVATE KEY").into(), "damaged"),
        (
            opened("PRIVATE KEY").replace("AAAA", "A*A").into(),
            "not base64",
        ),
        (STANDARD.encode(&sec1).into(), "base64 once more"),
        (sec1[..80].to_vec(), "cut off"),
        (b" \n".to_vec(), "empty"),
        (b"signing.key".to_vec(), "must be a PEM"),
        (vec![0xC3, 0x28], "neither PEM nor DER"),
        (certificate.to_der().unwrap(), "it has a CERTIFICATE"),
        (key.public_key_to_der().unwrap(), "it has a PUBLIC KEY"),
        (
            key.private_key_to_pkcs8_passphrase(Cipher::aes_256_cbc(), b"x")
                .unwrap(),
            "must not be encrypted",
        ),
        (vec![0x30, 0x00], "it has DER of another kind"),
    ];
    for (bytes, why) in inputs {
        refused(SigningKey::from_pem(&bytes, "k"), "signing_key", why);
    }
}
