//! The assertion of a token call (RFC 7523): what it says, and which rules it breaks.

use crate::clock::timestamp;
use crate::wire::spec::Spec;
use crate::wire::strict_json;
use crate::wire::warnings::Warnings;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use josekit::jws::JwsVerifier as _;
use josekit::jws::alg::ecdsa::EcdsaJwsVerifier;
use serde_json::Value;
use time::OffsetDateTime;

/// How far ahead an assertion may expire, in seconds.
pub(super) const MAX_AHEAD: i64 = 15 * 60;
/// How far the clocks may differ where `exp` is judged, in seconds.
const SKEW: i64 = 30;
/// How far in the future `iat` and `nbf` may be, in seconds.
const MAX_ISSUED_AHEAD: i64 = 60;
const SIGNATURE_LENGTH: usize = 64;

/// An assertion whose signature has not been verified yet.
pub(super) struct Assertion<'a> {
    /// Header and claims, as they were signed.
    message: &'a str,
    header: Value,
    pub(super) claims: Value,
    signature: Vec<u8>,
}

impl<'a> Assertion<'a> {
    pub(super) fn read(text: &'a str) -> Result<Self, &'static str> {
        let parts: Vec<&str> = text.split('.').collect();
        let &[header, claims, signature] = parts.as_slice() else {
            return Err("not exactly three parts");
        };
        let (message, _) = text.rsplit_once('.').unwrap_or_default();
        Ok(Self {
            message,
            header: read_part(header)?,
            claims: read_part(claims)?,
            signature: URL_SAFE_NO_PAD
                .decode(signature)
                .map_err(|_| "not base64url")?,
        })
    }

    /// Checks the header and returns the `kid`.
    pub(super) fn check_header(&self) -> Result<&str, &'static str> {
        if self.header["alg"] != "ES256" {
            return Err("`alg` is not ES256");
        }
        if self.header.get("crit").is_some() {
            return Err("`crit` is not supported");
        }
        self.header["kid"].as_str().ok_or("`kid` is missing")
    }

    pub(super) fn verify(&self, verifier: &EcdsaJwsVerifier) -> Result<(), &'static str> {
        // The library does not expect a half of zeros, which no valid signature has.
        let mut halves = self.signature.chunks(SIGNATURE_LENGTH / 2);
        let is_zero = |half: &[u8]| half.iter().all(|byte| *byte == 0);
        if self.signature.len() != SIGNATURE_LENGTH || halves.any(is_zero) {
            return Err("the signature is not valid");
        }
        verifier
            .verify(self.message.as_bytes(), &self.signature)
            .map_err(|_| "the signature is not valid")
    }

    /// Checks the claims by the sandbox's clock.
    pub(super) fn check_claims(
        &self,
        time: OffsetDateTime,
        warnings: &mut Warnings,
    ) -> Result<(), String> {
        let now = time.unix_timestamp();
        if self.claims.get("sub") != self.claims.get("iss") {
            return Err("`sub` differs from `iss`".to_owned());
        }
        let by_clock = |rule: &str| {
            let clock = timestamp(time);
            format!("{rule} by the sandbox's clock, which says {clock}")
        };
        let exp = self.seconds("exp")?.ok_or("`exp` is missing")?;
        if exp <= now.saturating_sub(SKEW) {
            return Err(by_clock("`exp` has passed"));
        }
        if exp > now.saturating_add(MAX_AHEAD + SKEW) {
            return Err(by_clock("`exp` is more than 15 minutes ahead"));
        }
        for name in ["iat", "nbf"] {
            let seconds = self.seconds(name)?.unwrap_or(now);
            if seconds > now.saturating_add(MAX_ISSUED_AHEAD) {
                return Err(by_clock(&format!("`{name}` is in the future")));
            }
            if seconds > now {
                warnings.add(format!("assertion: `{name}` is in the future"));
            }
        }
        if exp <= now {
            warnings.add("assertion: `exp` has passed");
        }
        if exp > now.saturating_add(MAX_AHEAD) {
            warnings.add("assertion: `exp` is more than 15 minutes ahead");
        }
        Ok(())
    }

    fn seconds(&self, name: &str) -> Result<Option<i64>, String> {
        let whole = |value: &Value| {
            let seconds = value.as_i64();
            seconds.ok_or_else(|| format!("`{name}` is not a whole number"))
        };
        self.claims.get(name).map(whole).transpose()
    }

    /// Looks for what D1 does not document. The audience may be the host that is called, or production's.
    pub(super) fn look_over(&self, spec: &Spec, host: &str, warnings: &mut Warnings) {
        let known = ["alg", "kid", "typ"];
        warnings.add_other_members("assertion: header", &self.header, &known);
        if self.header.get("typ").is_some_and(|typ| typ != "JWT") {
            warnings.add("assertion: `typ` is not JWT");
        }
        warnings.add_unknown("assertion", spec.claims.unknown(&self.claims));
        if let Err(rule) = spec.claims.check(&self.claims) {
            warnings.add(format!("assertion: {rule}"));
        }
        let audience = self.claims.get("aud");
        let named = |value: &Value| {
            let uri: http::Uri = value.as_str()?.parse().ok()?;
            uri.scheme()?;
            Some(uri.host()?.to_ascii_lowercase())
        };
        let hosts = [host, spec.production.as_str()];
        let is_meant = |found: String| hosts.iter().any(|host| is_same_host(host, &found));
        if audience.is_some_and(|value| !named(value).is_some_and(is_meant)) {
            warnings.add("assertion: `aud` is not the host that is called");
        }
    }
}

/// Returns whether two names lead to the same host; those of loopback do.
fn is_same_host(one: &str, other: &str) -> bool {
    let is_loopback = |host| matches!(host, "localhost" | "127.0.0.1" | "[::1]");
    one.eq_ignore_ascii_case(other) || is_loopback(one) && is_loopback(other)
}

fn read_part(part: &str) -> Result<Value, &'static str> {
    let bytes = URL_SAFE_NO_PAD.decode(part).map_err(|_| "not base64url")?;
    strict_json::parse_object(&bytes)
        .map_err(|_| "header or claims are not a JSON object without repeated names")
}
