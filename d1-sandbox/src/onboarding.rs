//! What an issuer hands over before its first call: a request for its client certificate, and the public
//! part of its signing key.

use crate::keys::{KeyPair, PublicKey};
use crate::settings::StartError;
use openssl::nid::Nid;
use openssl::pkey::{HasPublic, Id, PKey, PKeyRef, Public};
use openssl::x509::X509Req;
use std::fmt;
use zeroize::Zeroizing;

const CSR: &str = "client certificate request";
const KEY: &str = "signing key";

/// A file that was handed over. It may hold a private key, and is not shown.
#[derive(Clone)]
pub(crate) struct Pem(Zeroizing<String>);

impl Pem {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }
}

impl fmt::Debug for Pem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Pem")
    }
}

fn broken(setting: &'static str, rule: &str) -> StartError {
    let rule = rule.to_owned();
    StartError::Setting { setting, rule }
}

fn check_kid(setting: &'static str, kid: &str) -> Result<(), StartError> {
    let printable = kid.bytes().all(|byte| byte.is_ascii_graphic());
    if kid.is_empty() || !printable {
        return Err(broken(setting, "a kid of printable ASCII characters"));
    }
    Ok(())
}

/// Reads a private key of D1, which D1 calls `kid`.
pub(crate) fn encryption_key(kid: &str, pem: &Pem) -> Result<KeyPair, StartError> {
    const SETTING: &str = "encryption key";
    check_kid(SETTING, kid)?;
    // An encrypted key must not make OpenSSL ask for its passphrase on the terminal.
    PKey::private_key_from_pem_callback(pem.0.as_bytes(), |_| Ok(0))
        .ok()
        .filter(|key| is_p256(key))
        .and_then(|key| KeyPair::new(key, Some(kid)).ok())
        .ok_or_else(|| broken(SETTING, "a PEM with an unencrypted EC P-256 PRIVATE KEY"))
}

/// Reads the public signing key of an issuer, who calls it `kid`.
pub(crate) fn signing_key(kid: &str, pem: &Pem) -> Result<PublicKey, StartError> {
    check_kid(KEY, kid)?;
    PKey::public_key_from_pem(pem.0.as_bytes())
        .ok()
        .filter(|key| is_p256(key))
        .and_then(|key| key.public_key_to_der().ok())
        .map(|der| PublicKey {
            kid: kid.to_owned(),
            der,
        })
        .ok_or_else(|| broken(KEY, "a PEM with an EC P-256 PUBLIC KEY"))
}

/// Reads the request for a client certificate, and its key.
pub(crate) fn client_request(csr: &Pem) -> Result<(X509Req, PKey<Public>), StartError> {
    let rule = "a PEM with a CERTIFICATE REQUEST, signed with its own key";
    let request = X509Req::from_pem(csr.0.as_bytes()).map_err(|_| broken(CSR, rule))?;
    let key = request.public_key().map_err(|_| broken(CSR, rule))?;
    if !request.verify(&key).unwrap_or(false) {
        return Err(broken(CSR, rule));
    }
    // What D1 documents that it takes.
    if !(is_p256(&key) || key.id() == Id::RSA && key.bits() == 4096) {
        return Err(broken(CSR, "an RSA key of 4096 bits, or EC P-256"));
    }
    if request
        .subject_name()
        .entries_by_nid(Nid::COMMONNAME)
        .count()
        != 1
    {
        return Err(broken(CSR, "one common name (CN)"));
    }
    Ok((request, key))
}

fn is_p256(key: &PKeyRef<impl HasPublic>) -> bool {
    key.ec_key()
        .is_ok_and(|key| key.group().curve_name() == Some(Nid::X9_62_PRIME256V1))
}
