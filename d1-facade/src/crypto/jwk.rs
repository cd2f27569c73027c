//! Reads the keys of a JWK (RFC 7517) or of a JWK set, on P-256 alone.
//!
//! A JWK is read member by member and never held as josekit's type, whose `Debug` prints the private part.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openssl::bn::{BigNum, BigNumContext};
use openssl::ec::{EcGroup, EcKey, EcPoint};
use openssl::error::ErrorStack;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private, Public};
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::error::InvalidInput;

const P256: Nid = Nid::X9_62_PRIME256V1;

/// The members of a JWK that are read. It is never printed.
#[derive(Deserialize)]
pub(super) struct Jwk {
    kty: Option<String>,
    crv: Option<String>,
    x: Option<String>,
    y: Option<String>,
    pub(super) d: Option<Zeroizing<String>>,
    pub(super) kid: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    /// Those of a JWK set.
    keys: Option<Vec<Jwk>>,
}

impl Jwk {
    fn is_on_p256(&self) -> bool {
        self.kty.as_deref() == Some("EC") && self.crv.as_deref() == Some("P-256")
    }

    fn is_for(&self, usage: &str) -> bool {
        self.usage.as_deref().is_none_or(|own| own == usage)
    }
}

/// The names in errors of the key that is read: of a signing key or an encryption key.
#[derive(Debug, Clone, Copy)]
pub(crate) struct KeyField {
    pub(crate) key: &'static str,
    pub(crate) kid: &'static str,
}

/// Parses a JWK of an EC key on P-256 that may be used for `usage`, or a JWK set that has one.
pub(super) fn parse(
    field: KeyField,
    json: &str,
    usage: &str,
    kid: Option<&str>,
) -> Result<Jwk, InvalidInput> {
    let bad = |rule: &'static str| InvalidInput::new(field.key, rule);
    let jwk: Jwk = serde_json::from_str(json).map_err(|_| bad("must be the JSON of a JWK"))?;
    if let Some(keys) = jwk.keys {
        return key_of_set(field, keys, usage, kid);
    }
    if !jwk.is_on_p256() {
        return Err(bad("must be a JWK with kty EC and crv P-256"));
    }
    if !jwk.is_for(usage) {
        let rule = format!("must be a JWK whose use is {usage} or absent");
        return Err(InvalidInput::new(field.key, rule));
    }
    Ok(jwk)
}

/// Returns the key of a JWK set (RFC 7517, section 5) that has this `kid`, or the only one that can be used.
fn key_of_set(
    field: KeyField,
    keys: Vec<Jwk>,
    usage: &str,
    kid: Option<&str>,
) -> Result<Jwk, InvalidInput> {
    let is_wanted = |jwk: &Jwk| kid.is_none() || jwk.kid.as_deref() == kid;
    let usable = |jwk: &Jwk| jwk.is_on_p256() && jwk.is_for(usage) && is_wanted(jwk);
    let mut found = keys.into_iter().filter(usable);
    let rule = match (found.next(), found.next(), kid) {
        (Some(key), None, _) => return Ok(key),
        (None, _, None) => {
            let rule =
                format!("is a JWK set without an EC key on P-256 whose use is {usage} or absent");
            return Err(InvalidInput::new(field.key, rule));
        }
        (None, _, Some(_)) => "must be the kid of an EC key on P-256 in the JWK set",
        (Some(_), Some(_), Some(_)) => {
            "must be the kid of one key: the JWK set has several with it"
        }
        (Some(_), Some(_), None) => "must be given: the JWK set has several keys",
    };
    Err(InvalidInput::new(field.kid, rule))
}

/// Returns the private key of a JWK. Its public part is computed from `d`, and compared where the JWK has one.
pub(super) fn private_key(field: &'static str, jwk: &Jwk) -> Result<PKey<Private>, InvalidInput> {
    let bad = |rule: &'static str| InvalidInput::new(field, rule);
    let d = jwk.d.as_ref();
    let d = d.ok_or_else(|| bad("must be a private JWK: it has no `d`"))?;
    let d = coordinate(d).ok_or_else(|| bad("has a `d` that is not 32 bytes of base64url"))?;
    let build = || {
        let group = EcGroup::from_curve_name(P256)?;
        let mut secret = BigNum::new_secure()?;
        secret.copy_from_slice(&d)?;
        let mut context = BigNumContext::new()?;
        let mut point = EcPoint::new(&group)?;
        point.mul_generator2(&group, &secret, &mut context)?;
        let key = EcKey::from_private_components(&group, &secret, &point)?;
        key.check_key()?;
        PKey::from_ec_key(key)
    };
    let key = build().map_err(|_: ErrorStack| bad("is not a private key of the curve P-256"))?;
    // x and y may be left out of a private JWK; if they are there, they must be its own.
    if jwk.x.is_some() || jwk.y.is_some() {
        let public = public_key(jwk).ok_or_else(|| bad("is not a point of the curve P-256"))?;
        if !public.public_eq(&key) {
            return Err(bad("has `x` and `y` that do not belong to its `d`"));
        }
    }
    Ok(key)
}

/// Returns the public key of a JWK; `None` where it is not a point of the curve.
pub(super) fn public_key(jwk: &Jwk) -> Option<PKey<Public>> {
    let x = BigNum::from_slice(&coordinate(jwk.x.as_deref()?)?).ok()?;
    let y = BigNum::from_slice(&coordinate(jwk.y.as_deref()?)?).ok()?;
    let group = EcGroup::from_curve_name(P256).ok()?;
    // Refuses a point that is not on the curve.
    let key = EcKey::from_public_key_affine_coordinates(&group, &x, &y).ok()?;
    PKey::from_ec_key(key).ok()
}

/// Returns the 32 bytes of a coordinate, or of a private key, from base64url.
fn coordinate(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok()?);
    (bytes.len() == 32).then_some(bytes)
}
