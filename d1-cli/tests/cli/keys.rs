//! Keys, requests for certificates and encrypted credentials, as OpenSSL and the sandbox judge them.

use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use d1_sandbox::{Card, Sandbox};
use openssl::bn::{BigNum, BigNumContext};
use openssl::ec::{EcGroup, EcKey};
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use openssl::sha::sha256;
use openssl::symm::Cipher;
use openssl::x509::X509Req;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::world::{CREDENTIALS, PAN, Run, World, bare, finish};

fn run(folder: &TempDir, arguments: &[&str]) -> Run {
    finish(bare(folder.path(), arguments), "")
}

fn read(folder: &TempDir, name: &str) -> String {
    fs::read_to_string(folder.path().join(name)).unwrap()
}

/// The private key of a file that only its owner can read.
fn private_key(path: &Path) -> PKey<Private> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", path.display());
    }
    PKey::private_key_from_pem(&fs::read(path).unwrap()).unwrap()
}

fn curve(key: &PKey<Private>) -> Option<Nid> {
    key.ec_key().unwrap().group().curve_name()
}

/// The request of a file, which its own key has signed.
fn request(folder: &TempDir, name: &str, key: &PKey<Private>) -> X509Req {
    let request = X509Req::from_pem(read(folder, name).as_bytes()).unwrap();
    assert!(request.verify(key).unwrap());
    let subject: Vec<_> = request.subject_name().entries().collect();
    assert_eq!(subject.len(), 1);
    assert_eq!(subject[0].object().nid(), Nid::COMMONNAME);
    request
}

#[test]
fn a_sandbox_takes_what_the_onboarding_makes() {
    let folder = tempfile::tempdir().unwrap();
    let made = run(&folder, &["keygen", "signing.key", "-o", "json"]);
    let made = made.expect(0).json();
    let kid = made["kid"].as_str().unwrap();
    let expected = json!({
        "command": "keygen",
        "privateKey": "signing.key",
        "publicKey": "signing.pub.pem",
        "jwk": "signing.jwk.json",
        "kid": kid,
    });
    assert_eq!(made, expected);
    let csr = ["csr", "client.key", "--common-name", "my-bank.example"];
    let asked = run(&folder, &[&csr[..], &["-o", "json"]].concat());
    assert_eq!(asked.expect(0).json()["request"], "client.csr");

    let builder = Sandbox::builder()
        .card(Card::new("ReplaceMe01"))
        .client_certificate_request(read(&folder, "client.csr"))
        .signing_key(kid, read(&folder, "signing.pub.pem"));
    let world = World::with(builder);
    let path = |name: &str| folder.path().join(name).display().to_string();
    let keys = [
        ("D1_SIGNING_KEY", path("signing.key")),
        ("D1_CLIENT_KEY", path("client.key")),
        ("D1_SIGNING_KID", kid.to_owned()),
    ];
    let keys = keys.each_ref().map(|(name, value)| (*name, value.as_str()));
    world.d1_where(&keys, &["doctor"]).expect(0);
    world
        .d1_where(&keys, &["card", "suspend", "ReplaceMe01"])
        .expect(0);
}

#[test]
fn a_signing_key_is_on_p256_and_its_public_parts_are_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let kid = run(&folder, &["keygen", "my.key", "--quiet"]).expect(0).out;
    let kid = kid.trim_end();
    let key = private_key(&folder.path().join("my.key"));
    assert_eq!(curve(&key), Some(Nid::X9_62_PRIME256V1));
    let public = PKey::public_key_from_pem(read(&folder, "my.pub.pem").as_bytes()).unwrap();
    assert!(public.public_eq(&key));
    let jwk: Value = serde_json::from_str(&read(&folder, "my.jwk.json")).unwrap();
    let member = |name: &str| jwk[name].as_str().unwrap();
    assert_eq!(
        ["kty", "crv", "use", "alg", "kid"].map(member),
        ["EC", "P-256", "sig", "ES256", kid]
    );
    assert_eq!(jwk.get("d"), None);
    let ec = key.ec_key().unwrap();
    let (mut x, mut y) = (BigNum::new().unwrap(), BigNum::new().unwrap());
    let mut context = BigNumContext::new().unwrap();
    let point = ec.public_key();
    point
        .affine_coordinates(ec.group(), &mut x, &mut y, &mut context)
        .unwrap();
    let [x, y] = [x, y].map(|number| URL_SAFE_NO_PAD.encode(number.to_vec_padded(32).unwrap()));
    assert_eq!(["x", "y"].map(member), [x.as_str(), y.as_str()]);
    // RFC 7638: these members, in this order.
    let members = json!({ "crv": "P-256", "kty": "EC", "x": x, "y": y }).to_string();
    assert_eq!(kid, URL_SAFE_NO_PAD.encode(sha256(members.as_bytes())));
}

#[test]
fn a_request_is_made_with_a_new_key_or_with_one_that_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let csr = |arguments: &[&str]| {
        let name = ["--common-name", "Bänk 4"];
        run(&folder, &[&["csr"], arguments, &name].concat())
    };
    csr(&["a.key"]).expect(0);
    let key = private_key(&folder.path().join("a.key"));
    assert_eq!(curve(&key), Some(Nid::X9_62_PRIME256V1));
    let request = request(&folder, "a.csr", &key);
    let name = request.subject_name().entries().next().unwrap();
    assert_eq!(name.data().to_string().unwrap(), "Bänk 4");

    csr(&["rsa.key", "--rsa"]).expect(0);
    let key = private_key(&folder.path().join("rsa.key"));
    assert_eq!(key.rsa().unwrap().size() * 8, 4096);
    self::request(&folder, "rsa.csr", &key);

    let before = read(&folder, "rsa.key");
    fs::remove_file(folder.path().join("rsa.csr")).unwrap();
    csr(&["rsa.key", "--existing-key"]).expect(0);
    self::request(&folder, "rsa.csr", &key);
    assert_eq!(before, read(&folder, "rsa.key"));
}

#[test]
fn a_request_is_refused_that_d1_would_not_take() {
    let folder = tempfile::tempdir().unwrap();
    let group = EcGroup::from_curve_name(Nid::SECP384R1).unwrap();
    let p384 = PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap();
    let rsa = PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap();
    let encrypted = rsa.private_key_to_pem_pkcs8_passphrase(Cipher::aes_256_cbc(), b"secret");
    for (name, pem) in [
        ("p384.key", p384.private_key_to_pem_pkcs8().unwrap()),
        ("rsa2048.key", rsa.private_key_to_pem_pkcs8().unwrap()),
        ("public.key", p384.public_key_to_pem().unwrap()),
        ("encrypted.key", encrypted.unwrap()),
    ] {
        fs::write(folder.path().join(name), pem).unwrap();
        let csr = ["csr", name, "--common-name", "A", "--existing-key"];
        let refused = run(&folder, &csr).expect(2).err;
        let rule = format!("d1: {name}: must be a PEM with a private key that is not encrypted");
        assert!(refused.starts_with(&rule), "{refused}");
    }
    let missing = ["csr", "no.key", "--common-name", "A", "--existing-key"];
    let refused = run(&folder, &missing).expect(2).err;
    assert!(
        refused.starts_with("d1: no.key: cannot be read"),
        "{refused}"
    );
    for name in ["", &"a".repeat(65)] {
        let refused = run(&folder, &["csr", "b.key", "--common-name", name]);
        let refused = refused.expect(2).err;
        assert!(
            refused.starts_with("d1: --common-name: must be 1 to 64"),
            "{refused}"
        );
    }
    assert!(!folder.path().join("b.key").exists());
    let refused = run(&folder, &["csr", "b.csr", "--common-name", "A"])
        .expect(2)
        .err;
    assert!(
        refused.starts_with("d1: <FILE>: must not end in .csr"),
        "{refused}"
    );
}

#[test]
fn no_file_is_overwritten_and_none_is_left_of_an_attempt() {
    let folder = tempfile::tempdir().unwrap();
    let csr = ["csr", "a.key", "--common-name", "A"];
    for (arguments, all) in [
        (
            &["keygen", "a.key"][..],
            &["a.key", "a.pub.pem", "a.jwk.json"][..],
        ),
        (&csr, &["a.key", "a.csr"]),
    ] {
        for name in all {
            fs::write(folder.path().join(name), "kept").unwrap();
            let refused = run(&folder, arguments).expect(2);
            let rule = format!("d1: {name}: exists, and is not overwritten\n");
            assert_eq!((refused.out.as_str(), refused.err), ("", rule));
            assert_eq!(read(&folder, name), "kept");
            fs::remove_file(folder.path().join(name)).unwrap();
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "{name}");
        }
    }
    let refused = run(&folder, &["keygen", "no/folder.key"]).expect(2).err;
    assert!(
        refused.starts_with("d1: no/folder.key: cannot be written"),
        "{refused}"
    );
}

#[test]
fn encrypted_credentials_are_for_d1_alone() {
    let world = World::start();
    let encrypted = world.d1_reading(&["encrypt"], CREDENTIALS).expect(0);
    let jwe = encrypted.out.trim_end();
    assert_eq!(jwe.split('.').count(), 5);
    assert!(!encrypted.out.contains(PAN) && encrypted.err.is_empty());
    let line = json!({ "operation": "renew", "cardId": "ReplaceMe01", "encryptedData": jwe });
    world
        .d1_reading(&["bulk", "-", "--no-journal"], &line.to_string())
        .expect(0);
    let renewed = world.sandbox.card("ReplaceMe01").unwrap();
    assert!(renewed.has_credentials("4111111111111111", "1230"));

    let asked = world.sandbox.token_exchanges();
    let key = world.command(&[]);
    let key = key
        .get_envs()
        .find(|(name, _)| *name == "D1_ENCRYPTION_JWK");
    let key = key.unwrap().1.unwrap();
    let mut alone = bare(world.folder.path(), &["encrypt", "-o", "json"]);
    alone.env("D1_ENCRYPTION_JWK", key);
    let json = finish(alone, CREDENTIALS).expect(0).json();
    assert_eq!(json["command"], "encrypt");
    assert_eq!(json["kid"], world.sandbox.encryption_kid());
    assert_eq!(world.sandbox.token_exchanges(), asked);

    let wrong = CREDENTIALS.replace("1111\"", "1112\"");
    let refused = world.d1_reading(&["encrypt"], &wrong).expect(2);
    assert!(
        refused
            .err
            .starts_with("d1: --credentials-from: pan must pass")
    );
    let unchecked = ["encrypt", "--without-luhn-check"];
    world.d1_reading(&unchecked, &wrong).expect(0);
    let no_key = finish(bare(world.folder.path(), &["encrypt"]), CREDENTIALS).expect(2);
    assert!(
        no_key.err.starts_with("d1: encryption-jwk: is missing"),
        "{}",
        no_key.err
    );
}
