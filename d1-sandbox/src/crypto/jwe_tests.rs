//! One token per rule of the guard, each broken once, and nothing but typed errors.
#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use josekit::jwe::JweHeader;
use serde_json::json;

const PLAINTEXT: &[u8] = br#"{"pan":"4111111111111111","exp":"1230"}"#;

struct Fixture {
    decrypter: Decrypter,
    key: KeyPair,
}

impl Fixture {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        Self {
            decrypter: Decrypter::new(std::slice::from_ref(&key)).unwrap(),
            key,
        }
    }

    fn token_with(&self, change: impl FnOnce(&mut JweHeader)) -> String {
        let jwk = self.key.encryption_jwk();
        let jwk = josekit::jwk::Jwk::from_bytes(jwk.as_bytes()).unwrap();
        let encrypter = josekit::jwe::ECDH_ES.encrypter_from_jwk(&jwk).unwrap();
        let mut header = JweHeader::new();
        header.set_content_encryption("A256GCM");
        change(&mut header);
        josekit::jwe::serialize_compact(PLAINTEXT, &header, &encrypter).unwrap()
    }

    fn token(&self) -> String {
        self.token_with(|_| ())
    }

    /// A valid token whose header was changed afterwards.
    fn with_header(&self, change: impl FnOnce(&mut Map<String, Value>)) -> String {
        let token = self.token();
        let (header, rest) = token.split_once('.').unwrap();
        let mut header = parse_header(&decode(header).unwrap()).unwrap();
        change(&mut header);
        format!(
            "{}.{rest}",
            URL_SAFE_NO_PAD.encode(Value::Object(header).to_string())
        )
    }

    fn with_member(&self, name: &str, value: Value) -> String {
        self.with_header(|header| {
            header.insert(name.to_owned(), value);
        })
    }

    fn with_epk(&self, name: &str, value: Value) -> String {
        self.with_header(|header| {
            header.get_mut("epk").unwrap()[name] = value;
        })
    }

    fn with_part(&self, index: usize, part: &str) -> String {
        let token = self.token();
        let mut parts: Vec<&str> = token.split('.').collect();
        parts[index] = part;
        parts.join(".")
    }

    fn with_raw_header(&self, header: &[u8]) -> String {
        self.with_part(0, &URL_SAFE_NO_PAD.encode(header))
    }

    fn error(&self, token: &str) -> JweError {
        match self.decrypter.decrypt(token) {
            Err(error) => error,
            Ok(_) => panic!("accepted: {token}"),
        }
    }
}

fn zeros(bytes: usize) -> String {
    URL_SAFE_NO_PAD.encode(vec![0; bytes])
}

#[test]
fn a_token_of_the_profile_decrypts() {
    let fixture = Fixture::new();
    let plaintext = fixture.decrypter.decrypt(&fixture.token()).unwrap();
    assert_eq!(plaintext.as_bytes(), PLAINTEXT);
    assert_eq!(format!("{plaintext:?}"), "Plaintext([masked])");
    // Empty party info says the same as none; names that mean nothing here are ignored.
    let with_extras = fixture.token_with(|header| {
        header.set_claim("apu", Some(json!(""))).unwrap();
        header.set_claim("typ", Some(json!("JOSE"))).unwrap();
    });
    assert!(fixture.decrypter.decrypt(&with_extras).is_ok());
}

#[test]
fn the_shape_of_a_token_is_guarded() {
    let fixture = Fixture::new();
    let token = fixture.token();
    let cases = [
        (String::new(), JweError::PartCount),
        ("....".to_owned(), JweError::IvLength),
        ("a".repeat(8193), JweError::TooLong),
        (format!("{token}."), JweError::PartCount),
        (
            token.rsplit_once('.').unwrap().0.to_owned(),
            JweError::PartCount,
        ),
        (fixture.with_part(0, ""), JweError::Header),
        (fixture.with_part(0, "e30="), JweError::Base64),
        (fixture.with_part(0, "e3+/"), JweError::Base64),
        (fixture.with_part(3, "Zm9"), JweError::Base64),
        (fixture.with_part(3, "Z"), JweError::Base64),
        (fixture.with_part(3, "Zm 9v"), JweError::Base64),
        (fixture.with_part(3, "é"), JweError::Base64),
        (fixture.with_part(1, &zeros(8)), JweError::EncryptedKey),
        (fixture.with_part(2, ""), JweError::IvLength),
        (fixture.with_part(2, &zeros(11)), JweError::IvLength),
        (fixture.with_part(2, &zeros(16)), JweError::IvLength),
        (fixture.with_part(4, ""), JweError::TagLength),
        (fixture.with_part(4, &zeros(4)), JweError::TagLength),
        (fixture.with_part(4, &zeros(17)), JweError::TagLength),
        (fixture.with_part(4, &zeros(16)), JweError::Decryption),
        (fixture.with_part(2, &zeros(12)), JweError::Decryption),
        (fixture.with_part(3, ""), JweError::Decryption),
        (fixture.with_raw_header(b"[]"), JweError::Header),
        (fixture.with_raw_header(b"null"), JweError::Header),
        (fixture.with_raw_header(b"{"), JweError::Header),
        (
            fixture.with_raw_header(b"{\"alg\":\"\xff\"}"),
            JweError::Header,
        ),
        (
            fixture.with_raw_header(br#"{"a":1,"a":1}"#),
            JweError::RepeatedName,
        ),
    ];
    for (token, expected) in cases {
        assert_eq!(fixture.error(&token), expected, "{token}");
    }
}

#[test]
fn the_header_of_a_token_is_guarded() {
    let fixture = Fixture::new();
    for (name, value, expected) in [
        ("alg", json!("ECDH-ES+A256KW"), JweError::Algorithm),
        ("alg", json!("ecdh-es"), JweError::Algorithm),
        ("alg", json!(["ECDH-ES"]), JweError::Algorithm),
        ("enc", json!("A128GCM"), JweError::Encryption),
        ("enc", json!("A128CBC-HS256"), JweError::Encryption),
        ("kid", json!("another"), JweError::KeyId),
        ("kid", json!(1), JweError::KeyId),
        ("zip", json!("DEF"), JweError::Compression),
        ("zip", Value::Null, JweError::Compression),
        ("crit", json!(["exp"]), JweError::Critical),
        ("crit", json!([]), JweError::Critical),
        ("apu", json!("QQ"), JweError::PartyInfo),
        ("apv", json!(1), JweError::PartyInfo),
        // The header is authenticated: a harmless change makes the token invalid as well.
        ("typ", json!("JOSE"), JweError::Decryption),
    ] {
        let token = fixture.with_member(name, value);
        assert_eq!(fixture.error(&token), expected, "{token}");
    }
    for (name, expected) in [
        ("alg", JweError::Algorithm),
        ("enc", JweError::Encryption),
        ("kid", JweError::KeyId),
    ] {
        let token = fixture.with_header(|header| drop(header.remove(name)));
        assert_eq!(fixture.error(&token), expected, "{token}");
    }
}

#[test]
fn the_ephemeral_key_is_guarded() {
    let fixture = Fixture::new();
    let mut infinite = Map::new();
    infinite.extend(
        [
            ("kty", "EC"),
            ("crv", "P-256"),
            ("x", &zeros(32)),
            ("y", &zeros(32)),
        ]
        .map(|(name, value)| (name.to_owned(), json!(value))),
    );
    let cases = [
        (
            fixture.with_header(|header| drop(header.remove("epk"))),
            JweError::EphemeralKey,
        ),
        (
            fixture.with_member("epk", json!("key")),
            JweError::EphemeralKey,
        ),
        (
            fixture.with_member("epk", json!({})),
            JweError::EphemeralKey,
        ),
        (
            fixture.with_epk("kty", json!("OKP")),
            JweError::EphemeralKey,
        ),
        (
            fixture.with_epk("crv", json!("P-384")),
            JweError::EphemeralKey,
        ),
        (fixture.with_epk("crv", json!(256)), JweError::EphemeralKey),
        (fixture.with_epk("d", json!("AA")), JweError::EphemeralKey),
        (
            fixture.with_epk("x", json!(zeros(31))),
            JweError::EphemeralKey,
        ),
        (
            fixture.with_epk("x", json!(zeros(33))),
            JweError::EphemeralKey,
        ),
        (fixture.with_epk("y", json!("")), JweError::EphemeralKey),
        (fixture.with_epk("y", json!(7)), JweError::EphemeralKey),
        (fixture.with_epk("x", json!(zeros(32))), JweError::OffCurve),
        (
            fixture.with_epk("y", json!(URL_SAFE_NO_PAD.encode([0xff; 32]))),
            JweError::OffCurve,
        ),
        (
            fixture.with_member("epk", Value::Object(infinite)),
            JweError::OffCurve,
        ),
    ];
    for (token, expected) in cases {
        assert_eq!(fixture.error(&token), expected, "{token}");
    }
}

#[test]
fn repeated_names_within_the_ephemeral_key_are_refused() {
    let fixture = Fixture::new();
    let token = fixture.with_raw_header(br#"{"alg":"ECDH-ES","epk":{"kty":"EC","kty":"EC"}}"#);
    assert_eq!(fixture.error(&token), JweError::RepeatedName);
}

#[test]
fn a_token_to_another_key_does_not_decrypt() {
    let (fixture, other) = (Fixture::new(), Fixture::new());
    assert_eq!(fixture.error(&other.token()), JweError::KeyId);
    let kid = fixture.key.kid().to_owned();
    let renamed = other.token_with(|header| header.set_key_id(kid));
    assert_eq!(fixture.error(&renamed), JweError::Decryption);
}

#[test]
fn no_cut_and_no_changed_character_goes_through() {
    let fixture = Fixture::new();
    let token = fixture.token();
    for at in 0..token.len() {
        assert!(fixture.decrypter.decrypt(&token[..at]).is_err());
        let mut bytes = token.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(bytes).unwrap();
        assert!(
            fixture.decrypter.decrypt(&changed).is_err(),
            "changed at {at}"
        );
    }
}
