//! TLS 1.2 or 1.3 to D1, with the client certificate that it asks for.
//!
//! The protocol is rustls: it cannot speak anything older than TLS 1.2, and its errors are types, so that a refused
//! client certificate is distinguished from a broken connection. The cryptography is OpenSSL (`rustls-openssl`), which
//! josekit links anyway. The provider is passed to each configuration. rustls chooses one for the whole process by
//! the features of its crate: if this crate enabled one, and the service another, `ClientConfig::builder()` would
//! panic in the service. `tests/neighbours` proves that it does not.

use std::sync::Arc;

use d1_transport::{TlsOptions, TlsSetupError};
use rustls::crypto::CryptoProvider;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, ServerName};

use crate::crypto::{self, Identity, fips};
use crate::error::InvalidInput;

const ROOTS: &str = "root_certificate";

/// The certificate authorities that may have issued D1's certificate.
#[derive(Default)]
pub(crate) struct Roots {
    /// Files of the caller's, read when the client is built.
    pub(crate) files: Vec<Vec<u8>>,
    pub(crate) without_system: bool,
}

impl Roots {
    /// Reads the files; without those of the system there must be at least one certificate.
    fn read(&self) -> Result<Vec<CertificateDer<'static>>, InvalidInput> {
        let mut read = Vec::new();
        for file in &self.files {
            read.extend(crypto::certificates(ROOTS, file)?);
        }
        if self.without_system && read.is_empty() {
            let rule = "must be given when the system's are not used";
            return Err(InvalidInput::new(ROOTS, rule));
        }
        Ok(read)
    }
}

/// Returns the TLS settings for `d1-transport`; with `require_fips` of what a FIPS module carries out alone.
pub(crate) fn options(
    provider: Option<Arc<CryptoProvider>>,
    roots: &Roots,
    identity: Option<Identity>,
    require_fips: bool,
) -> Result<TlsOptions, InvalidInput> {
    let own_roots = roots.read()?;
    let mut provider = provider.unwrap_or_else(|| Arc::new(rustls_openssl::default_provider()));
    if require_fips {
        fips::check_openssl()?;
        provider = fips::parts_of(&provider)?;
    }
    let identity = identity.map(|identity| identity.resolver(&provider));
    let identity = identity.transpose()?;
    if let Some(identity) = identity.as_deref().filter(|_| require_fips) {
        fips::check_key(identity, &provider)?;
    }
    Ok(TlsOptions {
        provider,
        roots: own_roots,
        system_roots: !roots.without_system,
        identity,
    })
}

/// Returns a configuration that trusts no authority.
pub(crate) fn no_trust() -> Result<ClientConfig, InvalidInput> {
    let builder = ClientConfig::builder_with_provider(Arc::new(rustls_openssl::default_provider()));
    let builder = builder.with_safe_default_protocol_versions();
    let builder = builder.map_err(|_| setup_error(TlsSetupError::Provider))?;
    let trusting_none = builder.with_root_certificates(RootCertStore::empty());
    Ok(trusting_none.with_no_client_auth())
}

/// Returns the error of a setting with which TLS cannot be set up.
pub(crate) fn setup_error(error: TlsSetupError) -> InvalidInput {
    match error {
        TlsSetupError::Provider => InvalidInput::new(
            "crypto_provider",
            "has no cipher suite or no key exchange for TLS 1.2 or 1.3",
        ),
        TlsSetupError::Roots => {
            InvalidInput::new(ROOTS, "is not a certificate that can be trusted")
        }
        TlsSetupError::SystemRoots => InvalidInput::new(
            ROOTS,
            "cannot be verified with the system's: its certificate store cannot be read",
        ),
    }
}

/// Refuses a host for which no certificate can be issued.
pub(crate) fn check_server_name(base_url: &str) -> Result<(), InvalidInput> {
    let unusable = || InvalidInput::new("environment", "has a host that TLS cannot use");
    let url = reqwest::Url::parse(base_url).map_err(|_| unusable())?;
    // An IPv6 address has brackets in a URL.
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    ServerName::try_from(host).map(drop).map_err(|_| unusable())
}
