//! The token endpoint and the tokens: who may call, and for how long.

use crate::clock::Clock;
use crate::keys::{self, PublicKey};
use crate::refusal::Refusal;
use crate::request::ValidRequest;
use crate::strict_json;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use josekit::JoseError;
use josekit::jws::JwsVerifier as _;
use josekit::jws::alg::ecdsa::EcdsaJwsVerifier;
use ring::digest::{self, SHA256};
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use time::OffsetDateTime;

const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const SCOPE: &str = "d1-api:account:full d1-api:consumer:read";
/// How far ahead an assertion may expire, in seconds.
const MAX_AHEAD: i64 = 15 * 60;
/// How far the clocks may differ where `exp` is judged, in seconds.
const SKEW: i64 = 30;
/// How far in the future `iat` may be, in seconds.
const MAX_ISSUED_AHEAD: i64 = 60;
const SIGNATURE_LENGTH: usize = 64;

/// Checks assertions and keeps the access tokens.
pub(crate) struct Authority {
    /// The issuer id, or the aggregator id where one calls for the issuer.
    subject: String,
    kid: String,
    verifier: EcdsaJwsVerifier,
    lifetime: Duration,
    clock: Arc<Clock>,
    tokens: Mutex<Tokens>,
}

/// Tokens by their digest, so that no token is held in clear, with the end of their lives.
#[derive(Default)]
struct Tokens {
    ends: HashMap<Vec<u8>, OffsetDateTime>,
    handed_out: usize,
}

/// *ring*'s: a digest by OpenSSL 3 takes longer to find than to compute.
fn fingerprint(token: &str) -> digest::Digest {
    digest::digest(&SHA256, token.as_bytes())
}

impl Authority {
    pub(crate) fn new(
        subject: String,
        key: PublicKey,
        lifetime: Duration,
        clock: Arc<Clock>,
    ) -> Result<Self, JoseError> {
        Ok(Self {
            subject,
            verifier: josekit::jws::ES256.verifier_from_der(key.der)?,
            kid: key.kid,
            lifetime,
            clock,
            tokens: Mutex::default(),
        })
    }

    /// Answers the token call.
    pub(crate) fn exchange(&self, request: &ValidRequest<'_>) -> Result<Value, Refusal> {
        if request.body_text("grant_type") != Some(GRANT_TYPE) {
            let description = "grant_type must be that of the JWT bearer grant";
            return Err(Refusal::oauth("unsupported_grant_type", description));
        }
        let assertion = request.body_text("assertion").unwrap_or_default();
        self.check_assertion(assertion, self.clock.now().unix_timestamp())
            .map_err(|rule| Refusal::oauth("invalid_grant", format!("assertion: {rule}")))?;
        let token = keys::random_token(32)
            .map_err(|_| Refusal::oauth("invalid_request", "no random numbers available"))?;
        let now = self.clock.now();
        let lifetime = time::Duration::try_from(self.lifetime).unwrap_or(time::Duration::MAX);
        let mut tokens = self.lock();
        tokens.ends.retain(|_, end| *end > now);
        tokens.ends.insert(
            fingerprint(&token).as_ref().to_vec(),
            now.saturating_add(lifetime),
        );
        tokens.handed_out += 1;
        Ok(json!({
            "access_token": token,
            "token_type": "Bearer",
            "expires_in": self.lifetime.as_secs(),
            "scope": SCOPE,
        }))
    }

    /// Checks the access token of a card call.
    pub(crate) fn authorize(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let refused = |error: &str| Err(Refusal::unauthorized(error));
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let (Some(value), None) = (values.next(), values.next()) else {
            return refused("The Authorization header must be given once");
        };
        let Some((scheme, token)) = value.to_str().ok().and_then(|text| text.split_once(' '))
        else {
            return refused("The Authorization header is not valid");
        };
        if !scheme.eq_ignore_ascii_case("bearer") {
            return refused("The Authorization header is not a bearer token");
        }
        match self.lock().ends.get(fingerprint(token).as_ref()) {
            Some(end) if *end > self.clock.now() => Ok(()),
            Some(_) => refused("The access token has expired"),
            None => refused("The access token is not known"),
        }
    }

    /// Makes every access token invalid.
    pub(crate) fn revoke_all(&self) {
        self.lock().ends.clear();
    }

    /// Accepts a token that was not handed out.
    #[cfg(any(fuzzing, test))]
    pub(crate) fn allow(&self, token: &str) {
        let end = self.clock.now().saturating_add(time::Duration::WEEK);
        self.lock()
            .ends
            .insert(fingerprint(token).as_ref().to_vec(), end);
    }

    pub(crate) fn exchanges(&self) -> usize {
        self.lock().handed_out
    }

    fn lock(&self) -> MutexGuard<'_, Tokens> {
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Checks an assertion at a time in seconds since 1970; the error names the broken rule.
    fn check_assertion(&self, assertion: &str, now: i64) -> Result<(), &'static str> {
        let parts: Vec<&str> = assertion.split('.').collect();
        let &[header, payload, signature] = parts.as_slice() else {
            return Err("not exactly three parts");
        };
        self.check_header(&read_part(header)?)?;
        let claims = read_part(payload)?;
        let signature = URL_SAFE_NO_PAD
            .decode(signature)
            .map_err(|_| "not base64url")?;
        // The library does not expect a half of zeros, which no valid signature has.
        let halves = signature.chunks(SIGNATURE_LENGTH / 2);
        if signature.len() != SIGNATURE_LENGTH
            || halves
                .into_iter()
                .any(|half| half.iter().all(|byte| *byte == 0))
        {
            return Err("the signature is not valid");
        }
        let message = format!("{header}.{payload}");
        self.verifier
            .verify(message.as_bytes(), &signature)
            .map_err(|_| "the signature is not valid")?;
        self.check_claims(&claims, now)
    }

    fn check_header(&self, header: &Map<String, Value>) -> Result<(), &'static str> {
        if header.get("alg").and_then(Value::as_str) != Some("ES256") {
            return Err("`alg` is not ES256");
        }
        if header.get("kid").and_then(Value::as_str) != Some(&self.kid) {
            return Err("`kid` is absent or unknown");
        }
        if header.contains_key("crit") {
            return Err("`crit` is not supported");
        }
        Ok(())
    }

    fn check_claims(&self, claims: &Map<String, Value>, now: i64) -> Result<(), &'static str> {
        let text = |name: &str| claims.get(name).and_then(Value::as_str);
        if text("iss") != Some(&self.subject) {
            return Err("`iss` is not the id of the issuer or aggregator");
        }
        if text("sub") != text("iss") {
            return Err("`sub` differs from `iss`");
        }
        let whole_number = |name: &str| match claims.get(name) {
            Some(value) => value.as_i64().map(Some).ok_or(()),
            None => Ok(None),
        };
        let exp = whole_number("exp").map_err(|()| "`exp` is not a whole number")?;
        let exp = exp.ok_or("`exp` is missing")?;
        if exp <= now.saturating_sub(SKEW) {
            return Err("`exp` has passed");
        }
        if exp > now.saturating_add(MAX_AHEAD + SKEW) {
            return Err("`exp` is more than 15 minutes ahead");
        }
        let iat = whole_number("iat").map_err(|()| "`iat` is not a whole number")?;
        if iat.is_some_and(|iat| iat > now.saturating_add(MAX_ISSUED_AHEAD)) {
            return Err("`iat` is in the future");
        }
        Ok(())
    }
}

fn read_part(part: &str) -> Result<Map<String, Value>, &'static str> {
    let bytes = URL_SAFE_NO_PAD.decode(part).map_err(|_| "not base64url")?;
    match strict_json::parse(&bytes) {
        Ok(Value::Object(members)) => Ok(members),
        _ => Err("header or claims are not a JSON object without repeated names"),
    }
}

#[cfg(test)]
#[path = "auth_tests.rs"]
mod tests;
