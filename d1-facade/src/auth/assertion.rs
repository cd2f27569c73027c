//! The signed assertion (RFC 7523) with which the client identifies itself.
//!
//! This module decides which claims are sent, for how long an assertion is valid, and which keys can sign one.

use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use d1_generated::constants::{ASSERTION_SENT_CLAIMS, Claim};
use openssl::hash::MessageDigest;
use openssl::pkey::{PKey, Private};
use openssl::sign;
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use super::signer::{NamedSigner, Signer};
use crate::crypto::KeyField;
use crate::crypto::keys;
use crate::error::{Error, InvalidInput, Unavailable};

const FIELD: KeyField = KeyField {
    key: "signing_key",
    kid: "signing_kid",
};

/// How far D1's clock may be behind this machine's without an assertion being issued in the future.
const CLOCK_MARGIN: Duration = Duration::from_secs(10);

/// How long an assertion is valid.
const LIFETIME: Duration = Duration::from_secs(5 * 60);

/// A private P-256 key that assertions are signed with (ES256), and the `kid` by which D1 finds its public part.
///
/// `Debug` shows the `kid` only; OpenSSL wipes the key when it is dropped.
///
/// ```no_run
/// use d1_facade::SigningKey;
///
/// let key = SigningKey::from_pem(std::fs::read("signing.key")?, "my-kid")?;
/// assert_eq!(key.kid(), "my-kid");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct SigningKey {
    key: PKey<Private>,
    kid: String,
}

impl SigningKey {
    /// Reads a key from a PEM file (PKCS#8 or SEC1), with the `kid` under which D1 has registered it.
    ///
    /// The line ends may be those of any system or of an environment variable. An encrypted key is refused; nothing
    /// asks for a passphrase.
    ///
    /// ```no_run
    /// use d1_facade::SigningKey;
    ///
    /// let key = SigningKey::from_pem(std::env::var("D1_SIGNING_KEY")?, "my-kid")?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When it holds no P-256 private key or is encrypted (field `signing_key`), or the `kid` is not 1 to 256 visible
    /// ASCII characters (field `signing_kid`). The error says what the file holds instead.
    pub fn from_pem(pem: impl AsRef<[u8]>, kid: &str) -> Result<Self, InvalidInput> {
        Self::from_bytes(pem, Some(kid))
    }

    /// Reads a key from the JSON of a private JWK (RFC 7517): `kty` EC, `crv` P-256, with `d` and `kid`.
    ///
    /// ```
    /// use d1_facade::SigningKey;
    ///
    /// let public = r#"{"kty":"EC","crv":"P-256","kid":"my-kid",
    ///     "x":"weNJy2HscCSM6AEDTDg04biOvhFhyyWvOHQfeF_PxMQ",
    ///     "y":"e8lnCO-AlStT-NJVX-crhB7QRYhiix03illJOVAOyck"}"#;
    /// let refused = SigningKey::from_jwk(public).unwrap_err();
    /// assert_eq!(refused.to_string(), "signing_key must be a private JWK: it has no `d`");
    /// ```
    ///
    /// # Errors
    /// When it is not such a key, its parts do not belong together, or it has no `kid`.
    pub fn from_jwk(json: &str) -> Result<Self, InvalidInput> {
        Self::from_bytes(keys::only_jwk(FIELD, json)?, None)
    }

    /// Reads a key from a file of any of the forms PEM, DER, JWK and JWK set.
    ///
    /// The `kid` may be in the JWK or be given here; if it is in both, they must be the same. In a JWK set, it chooses
    /// the key.
    ///
    /// ```no_run
    /// use d1_facade::SigningKey;
    ///
    /// let key = SigningKey::from_bytes(std::fs::read("signing.jwk")?, Some("my-kid"))?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When it holds no P-256 private key or is encrypted (field `signing_key`), or has no `kid` or another
    /// one than the one that is given (field `signing_kid`).
    pub fn from_bytes(bytes: impl AsRef<[u8]>, kid: Option<&str>) -> Result<Self, InvalidInput> {
        let (key, kid) = keys::signing_key(FIELD, bytes.as_ref(), kid)?;
        Ok(Self { key, kid })
    }

    /// Returns the id by which D1 knows the key (JOSE: `kid`).
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }
}

impl Signer for SigningKey {
    fn kid(&self) -> &str {
        self.kid()
    }

    async fn sign(&self, input: &[u8]) -> Result<Vec<u8>, Unavailable> {
        let signer = sign::Signer::new(MessageDigest::sha256(), &self.key);
        let signature = signer.and_then(|mut signer| signer.sign_oneshot_to_vec(input));
        // OpenSSL's errors may quote what they were given.
        let failed = |_| Unavailable::permanent(InvalidInput::new(FIELD.key, "cannot sign"));
        signature.map_err(failed)
    }
}

debug_fields!(SigningKey, kid);

/// Which claims an assertion has.
///
/// D1 documents `iss`, `sub` and `exp`: the issuer id or aggregator id twice, and an end five minutes from now. Public
/// clients also send `aud` and `iat`, so the default sends them too. They can be left out, and a `jti` or any other
/// claim can be added.
///
/// ```
/// use std::time::Duration;
/// use d1_facade::auth::AssertionPolicy;
///
/// let policy = AssertionPolicy::default()
///     .audience("https://api.d1.thalescloud.io")
///     .issued_at(false)
///     .jwt_id(true);
/// ```
#[derive(Clone)]
pub struct AssertionPolicy {
    claims: Vec<Claim>,
    audience: Option<String>,
    extra: Map<String, Value>,
}

impl fmt::Debug for AssertionPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What was added may be anything: names only.
        f.debug_struct("AssertionPolicy")
            .field("claims", &self.claims)
            .field("audience", &self.audience)
            .field("extra", &self.extra.keys().collect::<Vec<_>>())
            .finish()
    }
}

impl Default for AssertionPolicy {
    fn default() -> Self {
        Self {
            claims: ASSERTION_SENT_CLAIMS.to_vec(),
            audience: None,
            extra: Map::new(),
        }
    }
}

impl AssertionPolicy {
    /// Sends this `aud`; the address of the host that is called by default. Undoes
    /// [`without_audience`](Self::without_audience).
    #[must_use]
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.audience = Some(audience.into());
        self.with(Claim::Aud, true)
    }

    /// Sends no `aud`, which D1 documents as optional.
    #[must_use]
    pub fn without_audience(self) -> Self {
        self.with(Claim::Aud, false)
    }

    /// Sets whether `iat` is sent; true by default. It is 10 seconds before now, so that a clock of D1 that is behind
    /// does not see the future.
    #[must_use]
    pub fn issued_at(self, send: bool) -> Self {
        self.with(Claim::Iat, send)
    }

    /// Sets whether a random `jti` is sent; false by default.
    #[must_use]
    pub fn jwt_id(self, send: bool) -> Self {
        self.with(Claim::Jti, send)
    }

    /// Adds a claim that this version has no method for.
    ///
    /// ```
    /// use d1_facade::auth::AssertionPolicy;
    ///
    /// let policy = AssertionPolicy::default().claim("tenant", "t-1");
    /// ```
    ///
    /// # Errors
    /// [`ClientBuilder::build`](crate::ClientBuilder::build) fails where it is one of `iss`, `sub`, `aud`, `iat`, `exp`
    /// and `jti`, which the client sets itself (field `assertion_policy`).
    #[must_use]
    pub fn claim(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.extra.insert(name.into(), value.into());
        self
    }

    /// Refuses added claims that the client sets itself.
    pub(crate) fn check(&self) -> Result<(), InvalidInput> {
        const OWN: [&str; 6] = ["iss", "sub", "aud", "iat", "exp", "jti"];
        if OWN.iter().any(|name| self.extra.contains_key(*name)) {
            return Err(InvalidInput::new(
                "assertion_policy",
                "must not add a claim that the client itself sets",
            ));
        }
        Ok(())
    }

    /// Returns the policy with a claim, or without it.
    fn with(mut self, claim: Claim, send: bool) -> Self {
        self.claims.retain(|c| *c != claim);
        if send {
            self.claims.push(claim);
        }
        self
    }

    /// Signs an assertion that is issued at `now`, in seconds since 1970, by `subject`, the issuer id or the aggregator
    /// id, for `host`.
    pub(crate) async fn sign(
        &self,
        signer: &NamedSigner,
        subject: &str,
        host: &str,
        now: u64,
    ) -> Result<Zeroizing<String>, Error> {
        let header = json!({ "typ": "JWT", "kid": signer.kid(), "alg": "ES256" });
        let claims = Value::Object(self.claims(subject, host, now));
        let [header, claims] =
            [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
        // Without its signature it opens nothing, so only the whole is wiped.
        let input = [header, claims].join(".");
        let signature = signer.sign(input.as_bytes()).await?;
        let signature = URL_SAFE_NO_PAD.encode(signature);
        Ok(Zeroizing::new([input, signature].join(".")))
    }

    /// Returns the claims, with times in whole seconds: josekit's own setters write fractions.
    fn claims(&self, subject: &str, host: &str, now: u64) -> Map<String, Value> {
        let claim = |claim: &Claim| -> (&str, Value) {
            match claim {
                Claim::Iss => ("iss", subject.into()),
                Claim::Sub => ("sub", subject.into()),
                Claim::Aud => ("aud", self.audience.as_deref().unwrap_or(host).into()),
                Claim::Iat => ("iat", now.saturating_sub(CLOCK_MARGIN.as_secs()).into()),
                Claim::Exp => ("exp", now.saturating_add(LIFETIME.as_secs()).into()),
                Claim::Jti => ("jti", uuid::Uuid::new_v4().to_string().into()),
            }
        };
        let claims = self.claims.iter().map(claim);
        claims
            .map(|(name, value)| (name.to_owned(), value))
            .chain(self.extra.clone())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::Arc;

    use super::*;
    use futures_util::FutureExt as _;
    use josekit::jws::ES256;
    use josekit::jwt;
    use openssl::ec::{EcGroup, EcKey};
    use openssl::nid::Nid;

    const SUBJECT: &str = "ISSUER_A-1";
    const HOST: &str = "https://api.d1-stg.thalescloud.io";

    fn claims_of(policy: &AssertionPolicy) -> Map<String, Value> {
        policy.claims(SUBJECT, HOST, NOW)
    }

    const NOW: u64 = 1_700_000_000;

    #[test]
    fn an_assertion_verifies_and_says_what_is_documented_in_whole_seconds() {
        let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
        let ec = EcKey::generate(&group).unwrap();
        let pem = ec.private_key_to_pem().unwrap();
        let key = SigningKey::from_pem(&pem, "my-kid").unwrap();
        let signer = NamedSigner::new(Arc::new(key)).unwrap();
        let policy = AssertionPolicy::default();
        let token = policy.sign(&signer, SUBJECT, HOST, NOW).now_or_never();
        let token = token.unwrap().unwrap();
        let verifier = ES256
            .verifier_from_pem(ec.public_key_to_pem().unwrap())
            .unwrap();
        let (payload, header) = jwt::decode_with_verifier(token.as_bytes(), &verifier).unwrap();

        assert_eq!(header.algorithm(), Some("ES256"));
        assert_eq!(header.key_id(), Some("my-kid"));
        assert_eq!(header.token_type(), Some("JWT"));
        assert_eq!(
            payload.to_string(),
            r#"{"iss":"ISSUER_A-1","sub":"ISSUER_A-1","aud":"https://api.d1-stg.thalescloud.io","iat":1699999990,"exp":1700000300}"#
        );
    }

    #[test]
    fn claims_beyond_the_documented_ones_are_the_callers_choice() {
        let least = AssertionPolicy::default()
            .without_audience()
            .issued_at(false);
        let claims = claims_of(&least);
        assert_eq!(
            Value::Object(claims).to_string(),
            r#"{"iss":"ISSUER_A-1","sub":"ISSUER_A-1","exp":1700000300}"#
        );
        let most = AssertionPolicy::default()
            .audience("https://else.example")
            .jwt_id(true);
        let claims = claims_of(&most);
        assert_eq!(claims["aud"], "https://else.example");
        let added = AssertionPolicy::default().claim("tenant", "t-1");
        assert!(added.check().is_ok());
        assert_eq!(claims_of(&added)["tenant"], "t-1");
        let own = AssertionPolicy::default().claim("exp", 9_999_999_999_u64);
        assert_eq!(
            own.check().map_err(|e| e.field().to_owned()),
            Err("assertion_policy".to_owned())
        );
        assert_ne!(
            claims["jti"],
            claims_of(&AssertionPolicy::default().jwt_id(true))["jti"]
        );
    }

    #[test]
    fn a_signing_key_is_not_shown() {
        let ec =
            EcKey::generate(&EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap()).unwrap();
        let key = SigningKey::from_pem(ec.private_key_to_pem().unwrap(), "my-kid").unwrap();
        assert_eq!(format!("{key:?}"), r#"SigningKey { kid: "my-kid", .. }"#);
    }
}
