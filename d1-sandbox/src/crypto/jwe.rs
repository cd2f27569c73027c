//! Decrypts `encryptedData`, behind a guard: the JOSE library is more lenient than card data allows.
//!
//! The rule is that of RFC 7516 for exactly one profile: ECDH-ES (direct) on P-256 with A256GCM.
//! Whatever differs is refused before the library sees it.

use super::key_folder::{self, KeyFolder};
use super::keys::{self, KeyPair};
use crate::secret::Secret;
use crate::settings::{Builder, StartError};
use crate::wire::strict_json::{self, StrictJsonError};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use josekit::jwe::alg::ecdh_es::EcdhEsJweDecrypter;
use openssl::bn::BigNum;
use openssl::ec::{EcGroup, EcKey};
use openssl::nid::Nid;
use serde_json::Value;
use std::collections::BTreeMap;
use std::{fmt, iter};
use zeroize::Zeroizing;

/// The longest token that is looked at, in characters.
const MAX_LENGTH: usize = 8192;
const IV_LENGTH: usize = 12;
const TAG_LENGTH: usize = 16;
const COORDINATE_LENGTH: usize = 32;

/// The rule that a JWE breaks, as a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct JweError(&'static str);

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

/// D1's private keys, behind the guard. Has no `Debug`: the library's would print the keys.
pub(crate) struct Decrypter {
    /// The id of the first key, which clients encrypt to.
    pub(crate) first_kid: String,
    /// Its public part as a JSON Web Key.
    pub(crate) first_jwk: String,
    /// By their kid.
    keys: BTreeMap<String, EcdhEsJweDecrypter>,
    group: EcGroup,
}

impl Decrypter {
    /// Takes D1's keys from the settings. Without any it is that of an earlier sandbox or a new one, whose private part
    /// (PEM) is returned as well.
    pub(crate) fn of(settings: &Builder, folder: &KeyFolder) -> Result<(Self, Secret), StartError> {
        let given = settings.encryption_keys.iter();
        let given = given.map(|(kid, pem)| keys::encryption_key(kid, pem));
        match given.collect::<Result<Vec<_>, _>>()?.as_slice() {
            [] => {
                let own = folder.key(key_folder::ENCRYPTION_KEY)?;
                Ok((Self::new(&own, &[])?, own.private_pem()?))
            }
            [first, others @ ..] => Ok((Self::new(first, others)?, Secret::default())),
        }
    }

    pub(crate) fn new(first: &KeyPair, others: &[KeyPair]) -> Result<Self, StartError> {
        let mut keys = BTreeMap::new();
        for pair in iter::once(first).chain(others) {
            let key = josekit::jwe::ECDH_ES.decrypter_from_der(&*pair.private_der()?);
            let key = key.map_err(StartError::keys)?;
            keys.insert(pair.kid().to_owned(), key);
        }
        Ok(Self {
            first_kid: first.kid().to_owned(),
            first_jwk: first.encryption_jwk().to_owned(),
            keys,
            group: EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?,
        })
    }

    /// Checks the token against the profile, then decrypts it.
    pub(crate) fn decrypt(&self, token: &str) -> Result<Plaintext, JweError> {
        let key = self.guard(token)?;
        josekit::jwe::deserialize_compact(token, key)
            .map(|(plaintext, _)| Plaintext(Zeroizing::new(plaintext)))
            .map_err(|_| JweError("decryption failed"))
    }

    /// Checks the token against the profile and returns the key that it names.
    fn guard(&self, token: &str) -> Result<&EcdhEsJweDecrypter, JweError> {
        require(token.len() <= MAX_LENGTH, "longer than 8192 characters")?;
        let parts: Vec<&str> = token.split('.').collect();
        let &[header, encrypted_key, iv, ciphertext, tag] = parts.as_slice() else {
            return Err(JweError("not exactly five parts"));
        };
        let header = decode(header)?;
        let is_direct = decode(encrypted_key)?.is_empty();
        require(is_direct, "the encrypted key is not empty")?;
        let iv_rule = "the initialization vector does not have 12 bytes";
        require(decode(iv)?.len() == IV_LENGTH, iv_rule)?;
        decode(ciphertext)?;
        let tag_rule = "the authentication tag does not have 16 bytes";
        require(decode(tag)?.len() == TAG_LENGTH, tag_rule)?;
        self.guard_header(&parse_header(&header)?)
    }

    fn guard_header(&self, header: &Value) -> Result<&EcdhEsJweDecrypter, JweError> {
        require(header["alg"] == "ECDH-ES", "`alg` is not ECDH-ES")?;
        require(header["enc"] == "A256GCM", "`enc` is not A256GCM")?;
        let key = header["kid"].as_str().and_then(|kid| self.keys.get(kid));
        let key = key.ok_or(JweError("`kid` is absent or unknown"))?;
        require(header.get("zip").is_none(), "`zip` is not allowed")?;
        require(header.get("crit").is_none(), "`crit` is not allowed")?;
        let is_empty = |name: &str| header.get(name).is_none_or(|value| value == "");
        let has_no_parties = is_empty("apu") && is_empty("apv");
        require(has_no_parties, "`apu` and `apv` must be absent or empty")?;
        self.guard_ephemeral_key(&header["epk"])?;
        Ok(key)
    }

    fn guard_ephemeral_key(&self, epk: &Value) -> Result<(), JweError> {
        const RULE: &str = "`epk` is not a public P-256 key";
        let is_p256 = epk["kty"] == "EC" && epk["crv"] == "P-256";
        require(is_p256 && epk.get("d").is_none(), RULE)?;
        let coordinate = |name: &str| {
            let bytes = URL_SAFE_NO_PAD.decode(epk[name].as_str()?).ok()?;
            let bytes = (bytes.len() == COORDINATE_LENGTH).then_some(bytes)?;
            BigNum::from_slice(&bytes).ok()
        };
        let (x, y) = coordinate("x").zip(coordinate("y")).ok_or(JweError(RULE))?;
        EcKey::from_public_key_affine_coordinates(&self.group, &x, &y)
            .and_then(|key| key.check_key())
            .map_err(|_| JweError("`epk` is not on the curve"))
    }
}

fn require(is_kept: bool, rule: &'static str) -> Result<(), JweError> {
    is_kept.then_some(()).ok_or(JweError(rule))
}

/// Returns the header of a token, null if it has none that can be read.
pub(crate) fn header(token: &str) -> Value {
    let header = decode(token.split('.').next().unwrap_or_default());
    let header = header.and_then(|bytes| parse_header(&bytes));
    header.unwrap_or_default()
}

fn decode(part: &str) -> Result<Vec<u8>, JweError> {
    let rule = "a part is not canonical unpadded base64url";
    URL_SAFE_NO_PAD.decode(part).map_err(|_| JweError(rule))
}

fn parse_header(bytes: &[u8]) -> Result<Value, JweError> {
    strict_json::parse_object(bytes).map_err(|error| match error {
        StrictJsonError::RepeatedName => JweError("the header has a repeated name"),
        StrictJsonError::Malformed => JweError("the header is not a JSON object"),
    })
}

#[cfg(test)]
#[path = "jwe_tests.rs"]
mod tests;
