//! Each rule of the assertion broken once, and the life of an access token.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::keys::KeyPair;
use josekit::jws::JwsSigner as _;

const NOW: i64 = 1_700_000_000;
const ISSUER: &str = "ISSUER_A-1";

struct Fixture {
    authority: Authority,
    key: KeyPair,
}

impl Fixture {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let lifetime = Duration::from_secs(900);
        Self {
            authority: Authority::new(
                ISSUER.to_owned(),
                key.public().unwrap(),
                lifetime,
                Arc::default(),
            )
            .unwrap(),
            key,
        }
    }

    fn sign(&self, header: &str, claims: &str) -> String {
        let signer = josekit::jws::ES256
            .signer_from_der(self.key.private_der().unwrap())
            .unwrap();
        let [header, claims] = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part));
        let message = format!("{header}.{claims}");
        let signature = signer.sign(message.as_bytes()).unwrap();
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    fn header(&self) -> Value {
        json!({ "alg": "ES256", "kid": self.key.kid(), "typ": "JWT" })
    }

    fn check_claims(&self, claims: &Value) -> Result<(), &'static str> {
        self.check(&self.sign(&self.header().to_string(), &claims.to_string()))
    }

    fn check(&self, assertion: &str) -> Result<(), &'static str> {
        self.authority.check_assertion(assertion, NOW)
    }
}

fn claims_with(name: &str, value: Value) -> Value {
    let mut claims = json!({ "iss": ISSUER, "sub": ISSUER, "exp": NOW + 300 });
    claims[name] = value;
    claims
}

#[test]
fn documented_assertions_are_accepted() {
    let fixture = Fixture::new();
    for (name, value) in [
        ("exp", json!(NOW + 300)),
        ("exp", json!(NOW + 900 + 30)),
        ("exp", json!(NOW - 29)),
        ("iat", json!(NOW + 60)),
        ("iat", json!(NOW - 10)),
        ("aud", json!("https://api.d1.thalescloud.io")),
        ("jti", json!("0b8c1de2a001")),
    ] {
        assert_eq!(
            fixture.check_claims(&claims_with(name, value)),
            Ok(()),
            "{name}"
        );
    }
}

#[test]
fn claims_are_checked() {
    let fixture = Fixture::new();
    for (name, value) in [
        ("iss", json!("ISSUER_B-2")),
        ("iss", Value::Null),
        ("sub", json!("ISSUER_B-2")),
        ("sub", Value::Null),
        ("exp", json!(NOW - 30)),
        ("exp", json!(NOW + 931)),
        ("exp", json!(NOW as f64 + 300.5)),
        ("exp", json!((NOW + 300).to_string())),
        ("exp", json!(i64::MIN)),
        ("exp", json!(u64::MAX)),
        ("exp", Value::Null),
        ("iat", json!(NOW + 61)),
        ("iat", json!("now")),
    ] {
        assert!(
            fixture
                .check_claims(&claims_with(name, value.clone()))
                .is_err(),
            "{name} {value}"
        );
    }
    assert_eq!(
        fixture.check_claims(&json!({ "iss": ISSUER, "sub": ISSUER })),
        Err("`exp` is missing")
    );
}

#[test]
fn headers_and_signatures_are_checked() {
    let fixture = Fixture::new();
    let claims = claims_with("jti", json!("1")).to_string();
    for header in [
        json!({ "alg": "none", "kid": fixture.key.kid() }),
        json!({ "alg": "HS256", "kid": fixture.key.kid() }),
        json!({ "alg": "ES256" }),
        json!({ "alg": "ES256", "kid": "another" }),
        json!({ "alg": "ES256", "kid": fixture.key.kid(), "crit": ["b64"] }),
        json!(["ES256"]),
    ] {
        let assertion = fixture.sign(&header.to_string(), &claims);
        assert!(fixture.check(&assertion).is_err(), "{header}");
    }

    let valid = fixture.sign(&fixture.header().to_string(), &claims);
    let (message, signature) = valid.rsplit_once('.').unwrap();
    let zeros = URL_SAFE_NO_PAD.encode([0; 64]);
    let half = URL_SAFE_NO_PAD.encode([&[0; 32], &[1; 32][..]].concat());
    let foreign = Fixture::new().sign(&fixture.header().to_string(), &claims);
    let repeated = fixture.sign(
        &fixture.header().to_string(),
        &claims.replacen('{', r#"{"exp":1,"#, 1),
    );
    for assertion in [
        String::new(),
        "..".to_owned(),
        message.to_owned(),
        format!("{valid}."),
        format!("{message}."),
        format!("{message}.{}", &signature[..40]),
        format!("{message}.{zeros}"),
        format!("{message}.{half}"),
        format!("{message}.{signature}="),
        foreign,
        repeated,
    ] {
        assert!(fixture.check(&assertion).is_err(), "{assertion}");
    }
    assert_eq!(fixture.check(&valid), Ok(()));
}

#[test]
fn only_known_bearer_tokens_are_accepted() {
    let fixture = Fixture::new();
    let mut tokens = fixture.authority.lock();
    tokens.ends.insert(
        fingerprint("known").as_ref().to_vec(),
        OffsetDateTime::now_utc() + Duration::from_secs(60),
    );
    tokens.ends.insert(
        fingerprint("expired").as_ref().to_vec(),
        OffsetDateTime::now_utc(),
    );
    drop(tokens);
    let status = |value: Option<&str>| {
        let mut headers = HeaderMap::new();
        if let Some(value) = value {
            headers.insert(AUTHORIZATION, value.parse().unwrap());
        }
        fixture
            .authority
            .authorize(&headers)
            .map_err(|refusal| refusal.status)
    };
    assert_eq!(status(Some("Bearer known")), Ok(()));
    assert_eq!(status(Some("bearer known")), Ok(()));
    let refused = [
        None,
        Some(""),
        Some("known"),
        Some("Basic known"),
        Some("Bearer other"),
    ];
    for value in refused
        .into_iter()
        .chain([Some("Bearer expired"), Some("Bearer ")])
    {
        assert_eq!(status(value), Err(401), "{value:?}");
    }
    fixture.authority.revoke_all();
    assert_eq!(status(Some("Bearer known")), Err(401));
}
