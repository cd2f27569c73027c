//! Decrypts `encryptedData`, behind a guard: the JOSE library is more lenient than card data allows.
//!
//! The rule is that of RFC 7516 for exactly one profile: ECDH-ES (direct) on P-256 with A256GCM.
//! Whatever differs is refused before the library sees it.

use super::keys::KeyPair;
use crate::settings::StartError;
use crate::wire::strict_json::{self, StrictJsonError};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use josekit::jwe::alg::ecdh_es::EcdhEsJweDecrypter;
use openssl::bn::BigNum;
use openssl::ec::{EcGroup, EcKey};
use openssl::nid::Nid;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fmt;
use zeroize::Zeroizing;

/// The longest token that is looked at, in characters.
const MAX_LENGTH: usize = 8192;
const IV_LENGTH: usize = 12;
const TAG_LENGTH: usize = 16;
const COORDINATE_LENGTH: usize = 32;

/// The rule that a JWE breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JweError {
    /// It is longer than 8192 characters.
    #[error("longer than 8192 characters")]
    TooLong,
    /// It has more or fewer than five parts.
    #[error("not exactly five parts")]
    PartCount,
    /// A part is not unpadded base64url in its canonical form.
    #[error("a part is not canonical unpadded base64url")]
    Base64,
    /// The protected header is not a JSON object.
    #[error("the header is not a JSON object")]
    Header,
    /// The protected header has a member twice.
    #[error("the header has a repeated name")]
    RepeatedName,
    /// `alg` is not `ECDH-ES`.
    #[error("`alg` is not ECDH-ES")]
    Algorithm,
    /// `enc` is not `A256GCM`.
    #[error("`enc` is not A256GCM")]
    Encryption,
    /// `kid` is absent, or names no key of this sandbox.
    #[error("`kid` is absent or unknown")]
    KeyId,
    /// `zip` is present.
    #[error("`zip` is not allowed")]
    Compression,
    /// `crit` is present.
    #[error("`crit` is not allowed")]
    Critical,
    /// `apu` or `apv` is neither absent nor empty.
    #[error("`apu` and `apv` must be absent or empty")]
    PartyInfo,
    /// `epk` is not a public P-256 key with two coordinates of 32 bytes.
    #[error("`epk` is not a public P-256 key")]
    EphemeralKey,
    /// `epk` is not a point of the curve.
    #[error("`epk` is not on the curve")]
    OffCurve,
    /// The encrypted key is not empty, as direct key agreement demands.
    #[error("the encrypted key is not empty")]
    EncryptedKey,
    /// The initialization vector does not have 12 bytes.
    #[error("the initialization vector does not have 12 bytes")]
    IvLength,
    /// The authentication tag does not have 16 bytes.
    #[error("the authentication tag does not have 16 bytes")]
    TagLength,
    /// The token is well-formed, and does not decrypt under the key.
    #[error("decryption failed")]
    Decryption,
}

/// A decrypted plaintext. It is wiped when dropped, and `Debug` does not show it.
pub struct Plaintext(Zeroizing<Vec<u8>>);

impl Plaintext {
    /// Returns the bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Returns the plaintext as JSON, if it is JSON. The value returned is not wiped when dropped.
    #[must_use]
    pub fn json(&self) -> Option<Value> {
        strict_json::parse(&self.0).ok()
    }
}

impl fmt::Debug for Plaintext {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Plaintext([masked])")
    }
}

/// D1's private key, behind the guard. Has no `Debug`: the library's would print the key.
pub(crate) struct Decrypter {
    /// By their kid.
    keys: BTreeMap<String, EcdhEsJweDecrypter>,
    group: EcGroup,
}

impl Decrypter {
    pub(crate) fn new(pairs: &[KeyPair]) -> Result<Self, StartError> {
        let mut keys = BTreeMap::new();
        for pair in pairs {
            let key = josekit::jwe::ECDH_ES.decrypter_from_der(&*pair.private_der()?);
            let key = key.map_err(StartError::keys)?;
            keys.insert(pair.kid().to_owned(), key);
        }
        Ok(Self {
            keys,
            group: EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?,
        })
    }

    /// Checks the token against the profile, then decrypts it.
    pub(crate) fn decrypt(&self, token: &str) -> Result<Plaintext, JweError> {
        let key = self.guard(token)?;
        josekit::jwe::deserialize_compact(token, key)
            .map(|(plaintext, _)| Plaintext(Zeroizing::new(plaintext)))
            .map_err(|_| JweError::Decryption)
    }

    /// Checks the token against the profile and returns the key that it names.
    fn guard(&self, token: &str) -> Result<&EcdhEsJweDecrypter, JweError> {
        if token.len() > MAX_LENGTH {
            return Err(JweError::TooLong);
        }
        let parts: Vec<&str> = token.split('.').collect();
        let &[header, encrypted_key, iv, ciphertext, tag] = parts.as_slice() else {
            return Err(JweError::PartCount);
        };
        let header = decode(header)?;
        if !decode(encrypted_key)?.is_empty() {
            return Err(JweError::EncryptedKey);
        }
        if decode(iv)?.len() != IV_LENGTH {
            return Err(JweError::IvLength);
        }
        decode(ciphertext)?;
        if decode(tag)?.len() != TAG_LENGTH {
            return Err(JweError::TagLength);
        }
        self.guard_header(&parse_header(&header)?)
    }

    fn guard_header(&self, header: &Map<String, Value>) -> Result<&EcdhEsJweDecrypter, JweError> {
        let text = |name: &str| header.get(name).and_then(Value::as_str);
        if text("alg") != Some("ECDH-ES") {
            return Err(JweError::Algorithm);
        }
        if text("enc") != Some("A256GCM") {
            return Err(JweError::Encryption);
        }
        let key = text("kid").and_then(|kid| self.keys.get(kid));
        let key = key.ok_or(JweError::KeyId)?;
        if header.contains_key("zip") {
            return Err(JweError::Compression);
        }
        if header.contains_key("crit") {
            return Err(JweError::Critical);
        }
        let party_info = |name: &str| header.get(name).is_none_or(|value| value == "");
        if !party_info("apu") || !party_info("apv") {
            return Err(JweError::PartyInfo);
        }
        let epk = header.get("epk").and_then(Value::as_object);
        self.guard_ephemeral_key(epk.ok_or(JweError::EphemeralKey)?)?;
        Ok(key)
    }

    fn guard_ephemeral_key(&self, epk: &Map<String, Value>) -> Result<(), JweError> {
        let text = |name: &str| epk.get(name).and_then(Value::as_str);
        if text("kty") != Some("EC") || text("crv") != Some("P-256") || epk.contains_key("d") {
            return Err(JweError::EphemeralKey);
        }
        let coordinate = |name: &str| -> Result<BigNum, JweError> {
            let bytes = text(name)
                .and_then(|value| URL_SAFE_NO_PAD.decode(value).ok())
                .filter(|bytes| bytes.len() == COORDINATE_LENGTH)
                .ok_or(JweError::EphemeralKey)?;
            BigNum::from_slice(&bytes).map_err(|_| JweError::EphemeralKey)
        };
        let (x, y) = (coordinate("x")?, coordinate("y")?);
        EcKey::from_public_key_affine_coordinates(&self.group, &x, &y)
            .and_then(|key| key.check_key())
            .map_err(|_| JweError::OffCurve)
    }
}

/// Returns the members of a header that D1 does not need: those beyond `alg`, `enc`, `kid` and `epk`.
pub(crate) fn unneeded_members(token: &str) -> Vec<String> {
    let header = token.split('.').next().unwrap_or_default();
    let header = decode(header).and_then(|bytes| parse_header(&bytes));
    let names = header.unwrap_or_default().into_iter().map(|(name, _)| name);
    names
        .filter(|name| !["alg", "enc", "kid", "epk"].contains(&name.as_str()))
        .collect()
}

fn decode(part: &str) -> Result<Vec<u8>, JweError> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| JweError::Base64)
}

fn parse_header(bytes: &[u8]) -> Result<Map<String, Value>, JweError> {
    strict_json::parse_object(bytes).map_err(|error| match error {
        StrictJsonError::RepeatedName => JweError::RepeatedName,
        StrictJsonError::Malformed => JweError::Header,
    })
}

#[cfg(test)]
#[path = "jwe_tests.rs"]
mod tests;
