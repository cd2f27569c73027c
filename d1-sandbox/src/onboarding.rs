//! What an issuer hands over before its first call: a request for its client certificate, and the public
//! part of its signing key.

use crate::keys::{KeyPair, PublicKey};
use crate::settings::StartError;
use openssl::asn1::Asn1Time;
use openssl::bn::{BigNum, MsbOption};
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{HasPublic, Id, PKey, PKeyRef, Private, Public};
use openssl::x509::extension::{BasicConstraints, ExtendedKeyUsage, KeyUsage};
use openssl::x509::{X509, X509NameRef, X509Req, X509ReqRef};
use std::fmt;
use zeroize::Zeroizing;

const CSR: &str = "client certificate request";
const KEY: &str = "signing key";

/// How many days the certificate is valid.
const LIFETIME: u32 = 90;

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

/// Signs the client certificate that `csr` asks for, and gives it as PEM.
pub(crate) fn client_certificate(
    csr: &Pem,
    ca_pem: &str,
    ca_key: &[u8],
) -> Result<String, StartError> {
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
    let ca = X509::from_pem(ca_pem.as_bytes())?;
    let ca_key = PKey::private_key_from_pkcs8(ca_key)?;
    Ok(sign(&request, &key, ca.subject_name(), &ca_key)?)
}

fn sign(
    request: &X509ReqRef,
    key: &PKeyRef<Public>,
    issuer: &X509NameRef,
    ca_key: &PKeyRef<Private>,
) -> Result<String, ErrorStack> {
    let mut serial = BigNum::new()?;
    serial.rand(127, MsbOption::MAYBE_ZERO, false)?;
    let serial = serial.to_asn1_integer()?;
    let (now, end) = (
        Asn1Time::days_from_now(0)?,
        Asn1Time::days_from_now(LIFETIME)?,
    );
    let mut builder = X509::builder()?;
    builder.set_version(2)?;
    builder.set_serial_number(&serial)?;
    builder.set_issuer_name(issuer)?;
    builder.set_subject_name(request.subject_name())?;
    builder.set_pubkey(key)?;
    builder.set_not_before(&now)?;
    builder.set_not_after(&end)?;
    builder.append_extension(BasicConstraints::new().critical().build()?)?;
    builder.append_extension(KeyUsage::new().critical().digital_signature().build()?)?;
    builder.append_extension(ExtendedKeyUsage::new().client_auth().build()?)?;
    builder.sign(ca_key, MessageDigest::sha256())?;
    let pem = builder.build().to_pem()?;
    Ok(String::from_utf8_lossy(&pem).into_owned())
}

fn is_p256(key: &PKeyRef<impl HasPublic>) -> bool {
    key.ec_key()
        .is_ok_and(|key| key.group().curve_name() == Some(Nid::X9_62_PRIME256V1))
}
