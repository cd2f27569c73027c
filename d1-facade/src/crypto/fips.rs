//! FIPS: which module carries out the cryptography of TLS and JOSE, and the refusal of everything else.
//!
//! OpenSSL's configuration decides it, before the process starts: with `default_properties = fips=yes`, whatever is
//! used through EVP is carried out by the FIPS module or fails. Nothing here loads a module, and
//! `rustls_openssl::fips::enable` is not called, since it panics where there is none.

use std::fmt;
use std::sync::{Arc, LazyLock};

use openssl::cipher::Cipher;
use openssl::md::Md;
use rustls::client::ResolvesClientCert;
use rustls::crypto::{CryptoProvider, SecureRandom as _};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, SupportedCipherSuite};
use serde::Serialize;

use super::presented::present;
use crate::error::InvalidInput;

/// The name in errors.
pub(crate) const FIELD: &str = "require_fips";

/// What only a FIPS module may provide.
const APPROVED: Option<&str> = Some("fips=yes");

fn lacks(what: &str) -> InvalidInput {
    InvalidInput::new(FIELD, format!("needs {what}"))
}

/// Returns whether OpenSSL uses a FIPS module for everything that does not ask for another.
fn is_default() -> bool {
    rustls_openssl::SecureRandom.fips()
}

/// Refuses an OpenSSL that does not leave JOSE and keys to a FIPS module.
///
/// The key exchange makes a key on P-256 and reads it as OpenSSL reads keys of modules alone.
pub(crate) fn check_openssl() -> Result<(), InvalidInput> {
    if !is_default() {
        let rule =
            "`default_properties = fips=yes` in OpenSSL's configuration, the file of OPENSSL_CONF";
        return Err(lacks(rule));
    }
    let algorithms = [
        ("SHA-256", Md::fetch(None, "SHA2-256", APPROVED).is_ok()),
        (
            "AES-256-GCM",
            Cipher::fetch(None, "AES-256-GCM", APPROVED).is_ok(),
        ),
        (
            "keys on P-256",
            rustls_openssl::kx_group::SECP256R1.start().is_ok(),
        ),
    ];
    match algorithms.into_iter().find(|(_, is_there)| !is_there) {
        Some((name, _)) => Err(lacks(&format!(
            "a FIPS module that is active in OpenSSL: none has {name}"
        ))),
        None => Ok(()),
    }
}

/// Returns the parts of a provider that a FIPS module carries out.
pub(crate) fn parts_of(provider: &CryptoProvider) -> Result<Arc<CryptoProvider>, InvalidInput> {
    let mut parts = provider.clone();
    parts.cipher_suites.retain(SupportedCipherSuite::fips);
    parts.kx_groups.retain(|group| group.fips());
    let verification = &parts.signature_verification_algorithms;
    let kinds = [
        ("a cipher suite", !parts.cipher_suites.is_empty()),
        ("a key exchange", !parts.kx_groups.is_empty()),
        ("signature verification", verification.fips()),
        ("random numbers", parts.secure_random.fips()),
        ("private keys", parts.key_provider.fips()),
    ];
    match kinds.into_iter().find(|(_, is_there)| !is_there) {
        Some((kind, _)) => Err(lacks(&format!(
            "{kind} of a FIPS module: the crypto_provider has none"
        ))),
        None => Ok(Arc::new(parts)),
    }
}

/// Refuses a client key of a kind that the module does not know: OpenSSL can read such a key without a module, and sign
/// with it outside of the module.
pub(crate) fn check_key(
    identity: &dyn ResolvesClientCert,
    parts: &CryptoProvider,
) -> Result<(), InvalidInput> {
    let schemes = parts.signature_verification_algorithms.supported_schemes();
    let is_known = |key: Arc<CertifiedKey>| key.key.choose_scheme(&schemes).is_some();
    match present(identity).is_none_or(is_known) {
        true => Ok(()),
        false => Err(lacks(
            "a client_identity with another kind of key: the FIPS module does not sign with it",
        )),
    }
}

/// Refuses TLS of which not everything is a FIPS module's.
pub(crate) fn check_tls(tls: Option<&ClientConfig>) -> Result<(), InvalidInput> {
    match tls.is_some_and(ClientConfig::fips) {
        true => Ok(()),
        false => Err(lacks("TLS that a FIPS module carries out")),
    }
}

/// What carries out the cryptography of a client, by [`Health::cryptography`](crate::Health::cryptography). `Display` is
/// one line without the algorithms of TLS.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Cryptography {
    /// OpenSSL and its version, such as `OpenSSL 3.0.19`.
    pub library: String,
    /// Name and version of the FIPS module that OpenSSL uses by default, such as `OpenSSL FIPS Provider 3.0.9`; `None`
    /// where it uses none. They are read from the module's file, on Linux alone; elsewhere the name is `FIPS module`.
    pub module: Option<String>,
    /// Whether all of TLS is a FIPS module's.
    pub is_tls_fips: bool,
    /// The cipher suites and key exchanges that are offered, by their IANA names.
    pub tls: Vec<String>,
    /// The algorithms of assertions and encrypted credentials, by their JOSE names.
    pub jose: [&'static str; 3],
}

/// Returns what carries out the cryptography of a client with these TLS settings.
pub(crate) fn in_use(tls: &ClientConfig) -> Cryptography {
    let provider = tls.crypto_provider();
    let suites = provider.cipher_suites.iter();
    let suites = suites.filter_map(|suite| suite.suite().as_str());
    let groups = provider.kx_groups.iter();
    let groups = groups.filter_map(|group| group.name().as_str());
    // The date of its release follows the version.
    let version = openssl::version::version().split_whitespace().take(2);
    Cryptography {
        library: version.collect::<Vec<_>>().join(" "),
        module: is_default().then(|| LOADED_MODULE.as_deref().unwrap_or("FIPS module").to_owned()),
        is_tls_fips: tls.fips(),
        tls: suites.chain(groups).map(ToOwned::to_owned).collect(),
        jose: ["ES256", "ECDH-ES", "A256GCM"],
    }
}

/// The FIPS module: OpenSSL loads it once for the process.
static LOADED_MODULE: LazyLock<Option<String>> = LazyLock::new(loaded_module);

/// Returns name and version of the FIPS module, from the file that this process has loaded: OpenSSL tells them through
/// pointers alone. The version stands behind the name.
fn loaded_module() -> Option<String> {
    let maps = std::fs::read_to_string("/proc/self/maps").ok()?;
    let mut files = maps
        .lines()
        .filter_map(|line| line.find('/').map(|at| &line[at..]));
    let file = files.find(|file| file.ends_with("/fips.so"))?;
    let bytes = std::fs::read(file).ok()?;
    let mut texts = bytes
        .split(|byte| *byte == 0)
        .filter_map(|text| str::from_utf8(text).ok());
    let name = texts.find(|text| text.ends_with("FIPS Provider"))?;
    let is_version =
        |text: &&str| text.starts_with(|c: char| c.is_ascii_digit()) && text.contains('.');
    match texts.take(16).find(is_version) {
        Some(version) => Some(format!("{name} {version}")),
        None => Some(name.to_owned()),
    }
}

impl fmt::Display for Cryptography {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let module = self.module.as_deref().unwrap_or("no FIPS module");
        let jose = self.jose.join(", ");
        write!(f, "{}, {module}, {jose}", self.library)
    }
}
