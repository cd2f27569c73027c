//! What an issuer hands over before its first call: a request for its client certificate, and the public
//! part of its signing key.

use super::keys::{KeyPair, PublicKey};
use crate::secret::Secret;
use crate::settings::StartError;
use openssl::nid::Nid;
use openssl::pkey::{HasPublic, Id, PKey, PKeyRef, Public};
use openssl::x509::X509Req;

fn check_kid(setting: &'static str, kid: &str) -> Result<(), StartError> {
    let printable = kid.bytes().all(|byte| byte.is_ascii_graphic());
    if kid.is_empty() || !printable {
        return Err(StartError::setting(
            setting,
            "a kid of printable ASCII characters",
        ));
    }
    Ok(())
}

/// Reads a private key of D1, which D1 calls `kid`.
pub(crate) fn encryption_key(kid: &str, pem: &Secret) -> Result<KeyPair, StartError> {
    const SETTING: &str = "encryption key";
    check_kid(SETTING, kid)?;
    // An encrypted key must not make OpenSSL ask for its passphrase on the terminal.
    PKey::private_key_from_pem_callback(pem.as_bytes(), |_| Ok(0))
        .ok()
        .filter(|key| is_p256(key))
        .and_then(|key| KeyPair::new(key, Some(kid)).ok())
        .ok_or_else(|| {
            StartError::setting(SETTING, "a PEM with an unencrypted EC P-256 PRIVATE KEY")
        })
}

/// Reads the public signing key of an issuer, who calls it `kid`.
pub(crate) fn signing_key(kid: &str, pem: &Secret) -> Result<PublicKey, StartError> {
    const SETTING: &str = "signing key";
    check_kid(SETTING, kid)?;
    PKey::public_key_from_pem(pem.as_bytes())
        .ok()
        .filter(|key| is_p256(key))
        .and_then(|key| key.public_key_to_der().ok())
        .map(|der| PublicKey {
            kid: kid.to_owned(),
            der,
        })
        .ok_or_else(|| StartError::setting(SETTING, "a PEM with an EC P-256 PUBLIC KEY"))
}

/// Reads the request for a client certificate, and its key.
pub(crate) fn client_request(csr: &Secret) -> Result<(X509Req, PKey<Public>), StartError> {
    let broken = |rule| StartError::setting("client certificate request", rule);
    let (request, key) = X509Req::from_pem(csr.as_bytes())
        .and_then(|request| request.public_key().map(|key| (request, key)))
        .ok()
        .filter(|(request, key)| request.verify(key).unwrap_or(false))
        .ok_or_else(|| broken("a PEM with a CERTIFICATE REQUEST, signed with its own key"))?;
    // What D1 documents that it takes.
    if !(is_p256(&key) || key.id() == Id::RSA && key.bits() == 4096) {
        return Err(broken("an RSA key of 4096 bits, or EC P-256"));
    }
    let common_names = request.subject_name().entries_by_nid(Nid::COMMONNAME);
    if common_names.count() != 1 {
        return Err(broken("one common name (CN)"));
    }
    Ok((request, key))
}

fn is_p256(key: &PKeyRef<impl HasPublic>) -> bool {
    key.ec_key()
        .is_ok_and(|key| key.group().curve_name() == Some(Nid::X9_62_PRIME256V1))
}
