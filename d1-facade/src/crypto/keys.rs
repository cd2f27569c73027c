//! Reads keys from PEM, DER and JWK, the same way whatever wrote them.
//!
//! D1 documents one curve, P-256, for assertions and for encryption: any other key is refused here, with its kind in the
//! error, and not by D1 later. Every key leaves this module in one form, with its curve by its name, so that rustls
//! and other programs meet none of the forms that they refuse: parameters before the key, a curve given by its
//! parameters, a private key without its public part.

use openssl::ec::{EcGroup, EcKey};
use openssl::error::ErrorStack;
use openssl::nid::Nid;
use openssl::pkey::{HasParams, HasPublic, Id, PKey, Private, Public};
use openssl::x509::X509;
use zeroize::Zeroizing;

use super::jwk::{self, KeyField};
use super::pem::{self, BARE_DER, Block};
use super::presented::Validity;
use crate::error::InvalidInput;

const P256: Nid = Nid::X9_62_PRIME256V1;

/// Reads a P-256 private key from PEM, DER or the JSON of a JWK, and its `kid`.
pub(crate) fn signing_key(
    field: KeyField,
    bytes: &[u8],
    kid: Option<&str>,
) -> Result<(PKey<Private>, String), InvalidInput> {
    let (key, own_kid) = match json(bytes) {
        Some(json) => {
            let jwk = jwk::parse(field, &json, "sig", kid)?;
            (jwk::private_key(field.key, &jwk)?, jwk.kid)
        }
        None => (private_key(field.key, bytes)?, None),
    };
    check_p256(field.key, &key)?;
    Ok((key, choose_kid(field.kid, own_kid, kid)?))
}

/// Reads a P-256 public key from PEM, DER, an X.509 certificate or the JSON of a JWK, and its `kid`.
pub(crate) fn encryption_key(
    field: KeyField,
    bytes: &[u8],
    kid: Option<&str>,
) -> Result<(PKey<Public>, String), InvalidInput> {
    let bad = |rule: &'static str| InvalidInput::new(field.key, rule);
    let (key, own_kid) = match json(bytes) {
        Some(json) => {
            let jwk = jwk::parse(field, &json, "enc", kid)?;
            if jwk.d.is_some() {
                return Err(bad("must be D1's public JWK: it has a private part"));
            }
            let key = jwk::public_key(&jwk);
            let key = key.ok_or_else(|| bad("is not a point of the curve P-256"))?;
            (key, jwk.kid)
        }
        None => {
            let blocks = pem::blocks(field.key, bytes)?;
            let key = blocks.iter().find_map(public_key);
            let key = key.ok_or_else(|| no_such_key(field.key, &blocks, "a PUBLIC KEY"))?;
            (key, None)
        }
    };
    check_p256(field.key, &key)?;
    Ok((key, choose_kid(field.kid, own_kid, kid)?))
}

/// Returns the end of the certificate that a public key is given as, in seconds since 1970.
pub(crate) fn expires_at(bytes: &[u8]) -> Option<i64> {
    let blocks = pem::blocks("", bytes).ok()?;
    let validity = blocks
        .iter()
        .find_map(|block| Validity::of_der(&block.der))?;
    Some(validity.until)
}

/// Reads the first private key of a file.
pub(crate) fn private_key(
    field: &'static str,
    bytes: &[u8],
) -> Result<PKey<Private>, InvalidInput> {
    let blocks = pem::blocks(field, bytes)?;
    // The label is not relied on for the form: some programs mix up the old one and PKCS#8.
    let parse = |block: &Block| match block.label.as_str() {
        "PRIVATE KEY" | "EC PRIVATE KEY" | "RSA PRIVATE KEY" => {
            Some(PKey::private_key_from_der(&block.der))
        }
        BARE_DER => PKey::private_key_from_der(&block.der).ok().map(Ok),
        _ => None,
    };
    let damaged = |_| {
        let rule = "is a private key that cannot be read: it is damaged, or of an unknown kind";
        InvalidInput::new(field, rule)
    };
    match blocks.iter().find_map(parse) {
        Some(key) => key.and_then(named_private).map_err(damaged),
        None => Err(no_such_key(field, &blocks, "a PRIVATE KEY")),
    }
}

/// Returns a private key whose curve is given by its name. One that lists the parameters of P-256 is the same key,
/// and neither JOSE nor TLS takes it in that form.
pub(super) fn named_private(key: PKey<Private>) -> Result<PKey<Private>, ErrorStack> {
    let Some((group, ec)) = named_group(&key) else {
        return Ok(key);
    };
    let ec = EcKey::from_private_components(&group, ec.private_key(), ec.public_key())?;
    PKey::from_ec_key(ec)
}

/// Returns the same of a public key.
fn named_public(key: PKey<Public>) -> Result<PKey<Public>, ErrorStack> {
    let Some((group, ec)) = named_group(&key) else {
        return Ok(key);
    };
    PKey::from_ec_key(EcKey::from_public_key(&group, ec.public_key())?)
}

/// Returns the curve of a key by its name, and the key on it; `None` where it is on no curve that has one.
fn named_group<T: HasParams>(key: &PKey<T>) -> Option<(EcGroup, EcKey<T>)> {
    let ec = key.ec_key().ok()?;
    let group = EcGroup::from_curve_name(ec.group().curve_name()?).ok()?;
    Some((group, ec))
}

/// Returns whether a client certificate with this key can be presented in TLS.
pub(crate) fn is_for_tls(key: &PKey<Private>) -> bool {
    let curve = |key: EcKey<Private>| key.group().curve_name();
    match key.id() {
        Id::EC => key
            .ec_key()
            .is_ok_and(|key| matches!(curve(key), Some(P256 | Nid::SECP384R1))),
        Id::RSA => key.bits() >= 2048,
        id => id == Id::ED25519,
    }
}

/// Returns the kind of a key in words, such as `RSA of 1024 bits`.
pub(crate) fn kind_of<T: HasPublic>(key: &PKey<T>) -> String {
    let curve = || {
        let curve = key.ec_key().ok()?.group().curve_name()?;
        Some(match curve {
            P256 => "P-256",
            Nid::SECP384R1 => "P-384",
            Nid::SECP521R1 => "P-521",
            other => other.short_name().ok()?,
        })
    };
    match key.id() {
        Id::EC => format!("EC on {}", curve().unwrap_or("an unnamed curve")),
        Id::RSA => format!("RSA of {} bits", key.bits()),
        Id::RSA_PSS => "RSA-PSS".to_owned(),
        Id::DSA => "DSA".to_owned(),
        Id::ED25519 => "Ed25519".to_owned(),
        Id::ED448 => "Ed448".to_owned(),
        _ => "another kind".to_owned(),
    }
}

/// Returns the `kid`, which a JWK has, or which was given beside the key.
fn choose_kid(
    field: &'static str,
    own: Option<String>,
    given: Option<&str>,
) -> Result<String, InvalidInput> {
    let bad = |rule: &'static str| Err(InvalidInput::new(field, rule));
    // A program that has no kid may write an empty one.
    let kid = match (own.filter(|own| !own.is_empty()), given) {
        (Some(own), Some(given)) if own != given => {
            return bad("is not the kid that the JWK itself has");
        }
        (Some(own), _) => own,
        (None, Some(given)) => given.to_owned(),
        (None, None) => return bad("must be given: the key itself has no kid"),
    };
    check_kid(field, &kid)?;
    Ok(kid)
}

/// Refuses a `kid` that cannot be in the header of an assertion or a JWE, where it is in clear.
pub(crate) fn check_kid(field: &'static str, kid: &str) -> Result<(), InvalidInput> {
    let printable = kid.bytes().all(|b| b.is_ascii_graphic());
    if !printable || !(1..=256).contains(&kid.len()) {
        let rule = "must be 1 to 256 printable ASCII characters, without a space";
        return Err(InvalidInput::new(field, rule));
    }
    Ok(())
}

/// Returns the text of a JWK.
///
/// # Errors
/// When it is not JSON.
pub(crate) fn only_jwk(field: KeyField, text: &str) -> Result<&str, InvalidInput> {
    match json(text.as_bytes()) {
        Some(_) => Ok(text),
        None => Err(InvalidInput::new(field.key, "must be the JSON of a JWK")),
    }
}

/// Returns the text of a file that holds JSON; `None` for every other file.
fn json(bytes: &[u8]) -> Option<Zeroizing<String>> {
    pem::text(bytes).filter(|text| text.trim_start().starts_with(['{', '[']))
}

/// Returns the public key of a block, or that of its certificate.
fn public_key(block: &Block) -> Option<PKey<Public>> {
    if matches!(block.label.as_str(), "PUBLIC KEY" | BARE_DER)
        && let Ok(key) = PKey::public_key_from_der(&block.der)
    {
        return named_public(key).ok();
    }
    let certificate = block.is_certificate().then(|| X509::from_der(&block.der))?;
    let key = certificate.and_then(|c| c.public_key());
    key.and_then(named_public).ok()
}

fn check_p256<T: HasPublic>(field: &'static str, key: &PKey<T>) -> Result<(), InvalidInput> {
    let ec = key.ec_key();
    match ec.is_ok_and(|ec| ec.group().curve_name() == Some(P256)) {
        true => Ok(()),
        false => {
            let rule = format!("must be an EC P-256 key: it is {}", kind_of(key));
            Err(InvalidInput::new(field, rule))
        }
    }
}

/// Returns what a file in DER holds, in words.
fn found_der(der: &[u8]) -> &'static str {
    if X509::from_der(der).is_ok() {
        "a CERTIFICATE"
    } else if PKey::public_key_from_der(der).is_ok() {
        "a PUBLIC KEY"
    } else if PKey::private_key_from_der(der).is_ok() {
        "a PRIVATE KEY"
    } else {
        "DER of another kind"
    }
}

/// Returns the error of a file without the wanted key, which says what it has instead.
pub(crate) fn no_such_key(field: &'static str, blocks: &[Block], wanted: &str) -> InvalidInput {
    // What stands last is most often what the file is about: parameters stand before a key.
    let found = blocks
        .last()
        .map_or("nothing", |block| match block.label.as_str() {
            BARE_DER => found_der(&block.der),
            "CERTIFICATE" | "X509 CERTIFICATE" | "TRUSTED CERTIFICATE" => "a CERTIFICATE",
            "CERTIFICATE REQUEST" | "NEW CERTIFICATE REQUEST" => {
                "a CERTIFICATE REQUEST, which is what a certificate is made from"
            }
            "PUBLIC KEY" => "a PUBLIC KEY",
            "PRIVATE KEY" | "EC PRIVATE KEY" | "RSA PRIVATE KEY" => "a PRIVATE KEY",
            "PKCS7" | "CMS" => "a PKCS7 bundle; openssl pkcs7 -print_certs converts it",
            "OPENSSH PRIVATE KEY" => "an OPENSSH key; ssh-keygen -p -m PKCS8 converts it",
            "EC PARAMETERS" => "EC PARAMETERS alone",
            _ => "a PEM of another kind",
        });
    InvalidInput::new(
        field,
        format!("must be a PEM with {wanted}: it has {found}"),
    )
}
