//! Reads P-256 keys from PEM and JWK, the same way whatever wrote them.
//!
//! OpenSSL's own PEM reader is not used: it asks for a passphrase on the terminal when a key is
//! encrypted. josekit's is stricter than the files that `openssl` writes.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openssl::bn::{BigNum, BigNumContext};
use openssl::ec::{EcGroup, EcKey, EcPoint};
use openssl::nid::Nid;
use openssl::pkey::{HasParams, PKey, Private, Public};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{PrivateKeyDer, SubjectPublicKeyInfoDer};
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::error::InvalidInput;

const P256: Nid = Nid::X9_62_PRIME256V1;

/// What a JWK says that matters here. It is never printed.
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    crv: Option<String>,
    x: Option<String>,
    y: Option<String>,
    d: Option<Zeroizing<String>>,
    kid: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
}

/// A key in DER with the `kid` that stood beside it.
pub(crate) struct WithKid<T> {
    pub(crate) der: T,
    pub(crate) kid: Option<String>,
}

/// A private key as PKCS#8.
pub(crate) type PrivateDer = Zeroizing<Vec<u8>>;

/// Reads a private key from PEM, PKCS#8 or SEC1.
pub(crate) fn private_from_pem(
    field: &'static str,
    pem: &[u8],
) -> Result<PrivateDer, InvalidInput> {
    refuse_encrypted(field, pem)?;
    let bad = || {
        InvalidInput::new(
            field,
            "must be a PEM with an EC P-256 private key (PKCS#8 or SEC1)",
        )
    };
    let der = Zeroizing::new(PrivateKeyDer::from_pem_slice(pem).map_err(|_| bad())?);
    let key = match &*der {
        PrivateKeyDer::Pkcs8(der) => PKey::private_key_from_pkcs8(der.secret_pkcs8_der()),
        PrivateKeyDer::Sec1(der) => {
            EcKey::private_key_from_der(der.secret_sec1_der()).and_then(PKey::from_ec_key)
        }
        _ => return Err(bad()),
    }
    .map_err(|_| bad())?;
    private_der(field, &key)
}

/// Reads a private key from the JSON of a JWK.
pub(crate) fn private_from_jwk(
    field: &'static str,
    json: &str,
) -> Result<WithKid<PrivateDer>, InvalidInput> {
    let jwk = parse_jwk(field, json, "sig")?;
    let bad = |rule: &'static str| InvalidInput::new(field, rule);
    let d = jwk
        .d
        .as_ref()
        .ok_or_else(|| bad("must be a private JWK: it has no `d`"))?;
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
    let key = build()
        .map_err(|_: openssl::error::ErrorStack| bad("is not a private key of the curve P-256"))?;
    // x and y may be left out of a private JWK; if they are there, they must be its own.
    if jwk.x.is_some() || jwk.y.is_some() {
        let public = public_key(&jwk).ok_or_else(|| bad("is not a point of the curve P-256"))?;
        if !public.public_eq(&key) {
            return Err(bad("has `x` and `y` that do not belong to its `d`"));
        }
    }
    Ok(WithKid {
        der: private_der(field, &key)?,
        kid: jwk.kid,
    })
}

/// Reads a public key from PEM (`PUBLIC KEY`).
pub(crate) fn public_from_pem(field: &'static str, pem: &[u8]) -> Result<Vec<u8>, InvalidInput> {
    let bad = || InvalidInput::new(field, "must be a PEM with an EC P-256 PUBLIC KEY");
    let der = SubjectPublicKeyInfoDer::from_pem_slice(pem).map_err(|_| bad())?;
    let key = PKey::public_key_from_der(&der).map_err(|_| bad())?;
    public_der(&key).ok_or_else(bad)
}

/// Reads a public key from the JSON of a JWK.
pub(crate) fn public_from_jwk(
    field: &'static str,
    json: &str,
) -> Result<WithKid<Vec<u8>>, InvalidInput> {
    let jwk = parse_jwk(field, json, "enc")?;
    if jwk.d.is_some() {
        return Err(InvalidInput::new(
            field,
            "must be D1's public JWK: it has a private part",
        ));
    }
    let der = public_key(&jwk).and_then(|key| public_der(&key));
    Ok(WithKid {
        der: der.ok_or_else(|| InvalidInput::new(field, "is not a point of the curve P-256"))?,
        kid: jwk.kid,
    })
}

/// Checks a `kid`: it names a key in a header that everybody reads.
pub(crate) fn check_kid(field: &'static str, kid: &str) -> Result<String, InvalidInput> {
    let printable = kid.bytes().all(|b| b.is_ascii_graphic());
    if !printable || !(1..=256).contains(&kid.len()) {
        return Err(InvalidInput::new(
            field,
            "needs a kid of 1 to 256 printable ASCII characters",
        ));
    }
    Ok(kid.to_owned())
}

fn parse_jwk(field: &'static str, json: &str, usage: &str) -> Result<Jwk, InvalidInput> {
    let jwk: Jwk = serde_json::from_str(json)
        .map_err(|_| InvalidInput::new(field, "must be the JSON of a JWK"))?;
    if jwk.kty != "EC" || jwk.crv.as_deref() != Some("P-256") {
        return Err(InvalidInput::new(
            field,
            "must be a JWK with kty EC and crv P-256",
        ));
    }
    if jwk.usage.as_deref().is_some_and(|u| u != usage) {
        return Err(InvalidInput::new(
            field,
            format!("must be a JWK whose use is {usage} or absent"),
        ));
    }
    Ok(jwk)
}

fn public_key(jwk: &Jwk) -> Option<PKey<Public>> {
    let x = BigNum::from_slice(&coordinate(jwk.x.as_deref()?)?).ok()?;
    let y = BigNum::from_slice(&coordinate(jwk.y.as_deref()?)?).ok()?;
    let group = EcGroup::from_curve_name(P256).ok()?;
    // Refuses a point that is not on the curve.
    let key = EcKey::from_public_key_affine_coordinates(&group, &x, &y).ok()?;
    PKey::from_ec_key(key).ok()
}

fn coordinate(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(text).ok()?);
    (bytes.len() == 32).then_some(bytes)
}

fn private_der(field: &'static str, key: &PKey<Private>) -> Result<PrivateDer, InvalidInput> {
    if !is_p256(key) {
        return Err(InvalidInput::new(field, "must be a key of the curve P-256"));
    }
    key.private_key_to_pkcs8()
        .map(Zeroizing::new)
        .map_err(|_| InvalidInput::new(field, "cannot be written as PKCS#8"))
}

fn public_der(key: &PKey<Public>) -> Option<Vec<u8>> {
    if !is_p256(key) {
        return None;
    }
    key.public_key_to_der().ok()
}

fn is_p256<T: HasParams>(key: &PKey<T>) -> bool {
    key.ec_key()
        .is_ok_and(|k| k.group().curve_name() == Some(P256))
}

/// An encrypted PEM is recognized before anything tries to read it.
fn refuse_encrypted(field: &'static str, pem: &[u8]) -> Result<(), InvalidInput> {
    let has = |marker: &[u8]| pem.windows(marker.len()).any(|w| w == marker);
    if has(b"ENCRYPTED PRIVATE KEY") || has(b"Proc-Type: 4,ENCRYPTED") {
        return Err(InvalidInput::new(
            field,
            "must not be encrypted: decrypt it where it is stored, and give the plain PEM",
        ));
    }
    Ok(())
}
