//! The token endpoint and the tokens: who may call, and for how long.

mod access;
mod assertion;
pub(crate) mod signing;

pub use access::Access;
pub(crate) use access::{Caller, ShownCertificate};

use crate::clock::Clock;
use crate::crypto::keys;
use crate::wire::refusal::Refusal;
use crate::wire::request::ValidRequest;
use crate::wire::spec::Spec;
use crate::wire::warnings::Warnings;
use assertion::Assertion;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use openssl::sha::sha256;
use rustls_pki_types::CertificateDer;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use time::OffsetDateTime;

const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const SCOPE: &str = "d1-api:account:full d1-api:consumer:read";
const WRONG_CERTIFICATE: &str = "The client certificate is that of another issuer";

/// Checks assertions and keeps the access tokens.
pub(crate) struct Authority {
    /// By the id that stands in their assertions.
    callers: BTreeMap<String, Caller>,
    lifetime: Duration,
    clock: Arc<Clock>,
    tokens: Mutex<Tokens>,
}

/// The SHA-256 of a token or an assertion.
type Fingerprint = [u8; 32];

/// Tokens and assertions by their digest, so that none is held in clear.
#[derive(Default)]
struct Tokens {
    known: HashMap<Fingerprint, Token>,
    /// The assertions that were exchanged, until they end.
    used: HashMap<Fingerprint, OffsetDateTime>,
    issued: usize,
}

struct Token {
    end: OffsetDateTime,
    caller: String,
}

fn fingerprint(token: &str) -> Fingerprint {
    sha256(token.as_bytes())
}

impl Authority {
    pub(crate) fn new(
        callers: BTreeMap<String, Caller>,
        lifetime: Duration,
        clock: Arc<Clock>,
    ) -> Self {
        Self {
            callers,
            lifetime,
            clock,
            tokens: Mutex::default(),
        }
    }

    /// Exchanges an assertion for an access token. `host` is the host that is called; `claims` is set to those of
    /// the assertion once they are read.
    pub(crate) fn exchange(
        &self,
        request: &ValidRequest<'_>,
        certificate: Option<&ShownCertificate>,
        host: &str,
        spec: &Spec,
        claims: &mut Option<Value>,
        warnings: &mut Warnings,
    ) -> Result<Value, Refusal> {
        if request.body_text("grant_type") != Some(GRANT_TYPE) {
            let description = "grant_type must be that of the JWT bearer grant";
            return Err(Refusal::oauth("unsupported_grant_type", description));
        }
        let wrong = |rule: String| Refusal::oauth("invalid_grant", format!("assertion: {rule}"));
        let text = request.body_text("assertion").unwrap_or_default();
        let assertion = Assertion::read(text).map_err(|rule| wrong(rule.to_owned()))?;
        *claims = Some(assertion.claims.clone());
        let now = self.clock.now();
        let (id, caller) = self.check(&assertion, now, warnings).map_err(wrong)?;
        if !caller.owns(certificate) {
            return Err(Refusal::oauth("invalid_grant", WRONG_CERTIFICATE));
        }
        assertion.look_over(spec, host, warnings);
        let mut tokens = self.lock();
        tokens.known.retain(|_, token| token.end > now);
        tokens.used.retain(|_, end| *end > now);
        let end = now.saturating_add(time::Duration::seconds(2 * assertion::MAX_AHEAD));
        if tokens.used.insert(fingerprint(text), end).is_some() {
            warnings.add("assertion: exchanged before");
        }
        warnings.enforce()?;
        let token = keys::random_token(32)
            .map_err(|_| Refusal::oauth("invalid_request", "no random numbers available"))?;
        let lifetime = time::Duration::try_from(self.lifetime).unwrap_or(time::Duration::MAX);
        let (caller, end) = (id.to_owned(), now.saturating_add(lifetime));
        let known = Token { end, caller };
        tokens.known.insert(fingerprint(&token), known);
        tokens.issued += 1;
        Ok(json!({
            "access_token": token,
            "token_type": "Bearer",
            "expires_in": self.lifetime.as_secs(),
            "scope": SCOPE,
        }))
    }

    /// Checks an assertion and returns who it comes from; the error says which rule it breaks.
    fn check(
        &self,
        assertion: &Assertion<'_>,
        now: OffsetDateTime,
        warnings: &mut Warnings,
    ) -> Result<(&str, &Caller), String> {
        let kid = assertion.check_header()?;
        let issuer = assertion.claims["iss"].as_str();
        let found = issuer.and_then(|id| self.callers.get_key_value(id));
        let (id, caller) = found.ok_or("`iss` is not the id of an issuer or aggregator")?;
        let verifier = caller.verifiers.get(kid).ok_or("`kid` is unknown")?;
        assertion.verify(verifier)?;
        assertion.check_claims(now, warnings)?;
        Ok((id, caller))
    }

    /// Checks the access token of a card call and returns whose it is.
    pub(crate) fn authorize(
        &self,
        headers: &HeaderMap,
        certificate: Option<&ShownCertificate>,
    ) -> Result<String, Refusal> {
        let refused = |error: &str| Err(Refusal::new(401, error));
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
        let id = match self.lock().known.get(&fingerprint(token)) {
            Some(token) if token.end > self.clock.now() => token.caller.clone(),
            Some(_) => return refused("The access token has expired"),
            None => return refused("The access token is not known"),
        };
        match self.callers.get(&id) {
            Some(caller) if caller.owns(certificate) => Ok(id),
            Some(_) | None => refused(WRONG_CERTIFICATE),
        }
    }

    /// Accepts another certificate, of each caller of the issuer.
    pub(crate) fn accept(&self, issuer: &str, certificate: &CertificateDer<'static>) {
        for caller in self.callers.values().filter(|c| c.may_call_for(issuer)) {
            let own = caller.certificates.write();
            own.unwrap_or_else(PoisonError::into_inner)
                .push(certificate.clone());
        }
    }

    /// Returns whether a caller may change the cards of an issuer.
    pub(crate) fn may_call_for(&self, caller: &str, issuer: &str) -> bool {
        let caller = self.callers.get(caller);
        caller.is_some_and(|caller| caller.may_call_for(issuer))
    }

    /// Makes every access token invalid.
    pub(crate) fn revoke_all(&self) {
        self.lock().known.clear();
    }

    /// Accepts a token that was not issued.
    #[cfg(any(fuzzing, test))]
    pub(crate) fn allow(&self, token: &str, caller: &str, end: OffsetDateTime) {
        let caller = caller.to_owned();
        let known = Token { end, caller };
        self.lock().known.insert(fingerprint(token), known);
    }

    pub(crate) fn exchanges(&self) -> usize {
        self.lock().issued
    }

    fn lock(&self) -> MutexGuard<'_, Tokens> {
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
