//! Each rule of the assertion broken once, and the life of an access token.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::crypto::keys::KeyPair;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use josekit::jws::JwsSigner as _;
use rustls_pki_types::CertificateDer;

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
        let certificate = CertificateDer::from(b"own".as_slice());
        let caller = Caller {
            verifiers: BTreeMap::from([(key.kid().to_owned(), key.verifier().unwrap())]),
            certificates: std::sync::RwLock::new(vec![certificate]),
            issuer: Some(ISSUER.to_owned()),
        };
        let callers = BTreeMap::from([(ISSUER.to_owned(), caller)]);
        let authority = Authority::new(callers, lifetime, Arc::default());
        Self { authority, key }
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

    fn check_claims(&self, claims: &Value) -> Result<Vec<String>, String> {
        self.check(&self.sign(&self.header().to_string(), &claims.to_string()))
    }

    /// The warnings about an assertion, or why it is refused.
    fn check(&self, assertion: &str) -> Result<Vec<String>, String> {
        let now = OffsetDateTime::from_unix_timestamp(NOW).unwrap();
        let mut warnings = Warnings::default();
        let assertion = Assertion::read(assertion)?;
        self.authority.check(&assertion, now, &mut warnings)?;
        assertion.look_over(&Spec::shared().unwrap(), "d1.example", &mut warnings);
        Ok(warnings.into_texts())
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
        ("exp", json!(NOW + 900)),
        ("iat", json!(NOW - 10)),
        ("aud", json!("https://d1.example:8443")),
        ("aud", json!("https://api.d1.thalescloud.io")),
        ("jti", json!("0b8c1de2a001")),
    ] {
        assert_eq!(
            fixture.check_claims(&claims_with(name, value)),
            Ok(Vec::new()),
            "{name}"
        );
    }
}

#[test]
fn what_d1_may_refuse_of_an_assertion_is_a_warning() {
    let fixture = Fixture::new();
    for (name, value, warning) in [
        (
            "exp",
            json!(NOW + 930),
            "`exp` is more than 15 minutes ahead",
        ),
        ("exp", json!(NOW - 29), "`exp` has passed"),
        ("iat", json!(NOW + 60), "`iat` is in the future"),
        ("nbf", json!(NOW - 60), "nbf is not documented"),
        (
            "aud",
            json!("https://other.example"),
            "`aud` is not the host that is called",
        ),
        (
            "aud",
            json!("d1.example"),
            "`aud` is not the host that is called",
        ),
        ("aud", json!(["https://d1.example"]), "/aud violates `type`"),
        ("jti", json!(5), "/jti violates `type`"),
        ("scope", json!("x"), "scope is not documented"),
    ] {
        let warnings = fixture.check_claims(&claims_with(name, value)).unwrap();
        let expected = format!("assertion: {warning}");
        assert!(warnings.contains(&expected), "{name}: {warnings:?}");
    }
    let claims = claims_with("jti", json!("1")).to_string();
    for (name, value, warning) in [
        ("typ", json!("at+jwt"), "assertion: `typ` is not JWT"),
        (
            "jku",
            json!("x"),
            "assertion: header: jku is not documented",
        ),
    ] {
        let mut header = fixture.header();
        header[name] = value;
        let warnings = fixture.check(&fixture.sign(&header.to_string(), &claims));
        assert_eq!(warnings, Ok(vec![warning.to_owned()]));
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
        ("nbf", json!(NOW + 61)),
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
        Err("`exp` is missing".to_owned())
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
    assert_eq!(fixture.check(&valid), Ok(Vec::new()));
}

#[test]
fn only_known_bearer_tokens_are_accepted() {
    let fixture = Fixture::new();
    let now = OffsetDateTime::now_utc();
    let authority = &fixture.authority;
    authority.allow("known", ISSUER, now + Duration::from_secs(60));
    authority.allow("expired", ISSUER, now);
    let own = ShownCertificate(Arc::new(CertificateDer::from(b"own".as_slice())));
    let other = ShownCertificate(Arc::new(CertificateDer::from(b"other".as_slice())));
    let status = |value: Option<&str>| {
        let mut headers = HeaderMap::new();
        if let Some(value) = value {
            headers.insert(AUTHORIZATION, value.parse().unwrap());
        }
        for certificate in [None, Some(&other)] {
            assert!(authority.authorize(&headers, certificate).is_err());
        }
        authority
            .authorize(&headers, Some(&own))
            .map_err(|refusal| refusal.status)
    };
    assert_eq!(status(Some("Bearer known")), Ok(ISSUER.to_owned()));
    assert_eq!(status(Some("bearer known")), Ok(ISSUER.to_owned()));
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
