//! One token per rule of the guard, each broken once: the error is the rule.
#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use josekit::jwe::JweHeader;
use serde_json::{Map, json};

const PLAINTEXT: &[u8] = br#"{"pan":"4111111111111111","exp":"1230"}"#;

const TOO_LONG: JweError = JweError("longer than 8192 characters");
const PART_COUNT: JweError = JweError("not exactly five parts");
const BASE64: JweError = JweError("a part is not canonical unpadded base64url");
const HEADER: JweError = JweError("the header is not a JSON object");
const REPEATED_NAME: JweError = JweError("the header has a repeated name");
const ALGORITHM: JweError = JweError("`alg` is not ECDH-ES");
const ENCRYPTION: JweError = JweError("`enc` is not A256GCM");
const KEY_ID: JweError = JweError("`kid` is absent or unknown");
const COMPRESSION: JweError = JweError("`zip` is not allowed");
const CRITICAL: JweError = JweError("`crit` is not allowed");
const PARTY_INFO: JweError = JweError("`apu` and `apv` must be absent or empty");
const EPHEMERAL_KEY: JweError = JweError("`epk` is not a public P-256 key");
const OFF_CURVE: JweError = JweError("`epk` is not on the curve");
const ENCRYPTED_KEY: JweError = JweError("the encrypted key is not empty");
const WRONG_IV: JweError = JweError("the initialization vector does not have 12 bytes");
const WRONG_TAG: JweError = JweError("the authentication tag does not have 16 bytes");
const DECRYPTION: JweError = JweError("decryption failed");

struct Fixture {
    decrypter: Decrypter,
    key: KeyPair,
}

impl Fixture {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        Self {
            decrypter: Decrypter::new(&key, &[]).unwrap(),
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
        change(header.as_object_mut().unwrap());
        format!("{}.{rest}", URL_SAFE_NO_PAD.encode(header.to_string()))
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
        (String::new(), PART_COUNT),
        ("....".to_owned(), WRONG_IV),
        ("a".repeat(8193), TOO_LONG),
        (format!("{token}."), PART_COUNT),
        (token.rsplit_once('.').unwrap().0.to_owned(), PART_COUNT),
        (fixture.with_part(0, ""), HEADER),
        (fixture.with_part(0, "e30="), BASE64),
        (fixture.with_part(0, "e3+/"), BASE64),
        (fixture.with_part(3, "Zm9"), BASE64),
        (fixture.with_part(3, "Z"), BASE64),
        (fixture.with_part(3, "Zm 9v"), BASE64),
        (fixture.with_part(3, "é"), BASE64),
        (fixture.with_part(1, &zeros(8)), ENCRYPTED_KEY),
        (fixture.with_part(2, ""), WRONG_IV),
        (fixture.with_part(2, &zeros(11)), WRONG_IV),
        (fixture.with_part(2, &zeros(16)), WRONG_IV),
        (fixture.with_part(4, ""), WRONG_TAG),
        (fixture.with_part(4, &zeros(4)), WRONG_TAG),
        (fixture.with_part(4, &zeros(17)), WRONG_TAG),
        (fixture.with_part(4, &zeros(16)), DECRYPTION),
        (fixture.with_part(2, &zeros(12)), DECRYPTION),
        (fixture.with_part(3, ""), DECRYPTION),
        (fixture.with_raw_header(b"[]"), HEADER),
        (fixture.with_raw_header(b"null"), HEADER),
        (fixture.with_raw_header(b"{"), HEADER),
        (fixture.with_raw_header(b"{\"alg\":\"\xff\"}"), HEADER),
        (fixture.with_raw_header(br#"{"a":1,"a":1}"#), REPEATED_NAME),
    ];
    for (token, expected) in cases {
        assert_eq!(fixture.error(&token), expected, "{token}");
    }
}

#[test]
fn the_header_of_a_token_is_guarded() {
    let fixture = Fixture::new();
    for (name, value, expected) in [
        ("alg", json!("ECDH-ES+A256KW"), ALGORITHM),
        ("alg", json!("ecdh-es"), ALGORITHM),
        ("alg", json!(["ECDH-ES"]), ALGORITHM),
        ("enc", json!("A128GCM"), ENCRYPTION),
        ("enc", json!("A128CBC-HS256"), ENCRYPTION),
        ("kid", json!("another"), KEY_ID),
        ("kid", json!(1), KEY_ID),
        ("zip", json!("DEF"), COMPRESSION),
        ("zip", Value::Null, COMPRESSION),
        ("crit", json!(["exp"]), CRITICAL),
        ("crit", json!([]), CRITICAL),
        ("apu", json!("QQ"), PARTY_INFO),
        ("apv", json!(1), PARTY_INFO),
        // The header is authenticated: a harmless change makes the token invalid as well.
        ("typ", json!("JOSE"), DECRYPTION),
    ] {
        let token = fixture.with_member(name, value);
        assert_eq!(fixture.error(&token), expected, "{token}");
    }
    for (name, expected) in [("alg", ALGORITHM), ("enc", ENCRYPTION), ("kid", KEY_ID)] {
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
            EPHEMERAL_KEY,
        ),
        (fixture.with_member("epk", json!("key")), EPHEMERAL_KEY),
        (fixture.with_member("epk", json!({})), EPHEMERAL_KEY),
        (fixture.with_epk("kty", json!("OKP")), EPHEMERAL_KEY),
        (fixture.with_epk("crv", json!("P-384")), EPHEMERAL_KEY),
        (fixture.with_epk("crv", json!(256)), EPHEMERAL_KEY),
        (fixture.with_epk("d", json!("AA")), EPHEMERAL_KEY),
        (fixture.with_epk("x", json!(zeros(31))), EPHEMERAL_KEY),
        (fixture.with_epk("x", json!(zeros(33))), EPHEMERAL_KEY),
        (fixture.with_epk("y", json!("")), EPHEMERAL_KEY),
        (fixture.with_epk("y", json!(7)), EPHEMERAL_KEY),
        (fixture.with_epk("x", json!(zeros(32))), OFF_CURVE),
        (
            fixture.with_epk("y", json!(URL_SAFE_NO_PAD.encode([0xff; 32]))),
            OFF_CURVE,
        ),
        (
            fixture.with_member("epk", Value::Object(infinite)),
            OFF_CURVE,
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
    assert_eq!(fixture.error(&token), REPEATED_NAME);
}

#[test]
fn a_token_to_another_key_does_not_decrypt() {
    let (fixture, other) = (Fixture::new(), Fixture::new());
    assert_eq!(fixture.error(&other.token()), KEY_ID);
    let kid = fixture.key.kid().to_owned();
    let renamed = other.token_with(|header| header.set_key_id(kid));
    assert_eq!(fixture.error(&renamed), DECRYPTION);
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
