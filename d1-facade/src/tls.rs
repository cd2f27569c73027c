//! TLS 1.2 or 1.3 to D1, with the client certificate that it asks for.
//!
//! rustls with *ring*: it cannot speak anything older than TLS 1.2, behaves the same on every
//! platform, and its errors are types, so that a refused client certificate is told from a broken
//! connection. The price is a second crypto stack beside the OpenSSL that josekit links.

use std::sync::Arc;

use rustls::crypto::{CryptoProvider, ring};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::error::InvalidInput;

/// A client certificate with its chain, and its private key.
pub(crate) struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

const IDENTITY: &str = "client_identity";
const ROOTS: &str = "root_certificate";

impl Identity {
    pub(crate) fn from_pem(certificate: &[u8], key: &[u8]) -> Result<Self, InvalidInput> {
        let bad_chain = || InvalidInput::new(IDENTITY, "needs a PEM with the client certificate");
        let chain = CertificateDer::pem_slice_iter(certificate)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|_| bad_chain())?;
        if chain.is_empty() {
            return Err(bad_chain());
        }
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| {
            InvalidInput::new(
                IDENTITY,
                "needs a PEM with the private key of the client certificate, not encrypted",
            )
        })?;
        Ok(Self { chain, key })
    }
}

/// Which certificate authorities are trusted to vouch for D1.
#[derive(Default)]
pub(crate) struct Roots {
    extra: Vec<CertificateDer<'static>>,
    /// What was wrong with the first that could not be read.
    bad: Option<InvalidInput>,
    given: bool,
    without_system: bool,
}

impl Roots {
    pub(crate) fn add_pem(&mut self, pem: &[u8]) {
        self.given = true;
        let certificates = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
        match certificates {
            Ok(certificates) if !certificates.is_empty() => self.extra.extend(certificates),
            _ => {
                let bad = InvalidInput::new(ROOTS, "needs a PEM with a certificate");
                self.bad.get_or_insert(bad);
            }
        }
    }

    pub(crate) fn without_system(&mut self) {
        self.without_system = true;
    }

    /// Whether any was given, right or wrong.
    pub(crate) fn has_own(&self) -> bool {
        self.given
    }

    pub(crate) fn is_without_system(&self) -> bool {
        self.without_system
    }
}

/// The TLS configuration of the client.
pub(crate) fn config(
    roots: Roots,
    identity: Option<Identity>,
) -> Result<ClientConfig, InvalidInput> {
    let Roots {
        extra,
        bad,
        given: _,
        without_system,
    } = roots;
    if let Some(bad) = bad {
        return Err(bad);
    }
    let provider = Arc::new(ring::default_provider());
    let versions = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|_| InvalidInput::new("tls", "is not available in this build"))?;
    let verified = if without_system {
        versions.with_root_certificates(own_roots(extra)?)
    } else {
        let verifier = platform_verifier(extra, provider)?;
        versions
            .dangerous() // The platform's verifier is as strict as the built-in one.
            .with_custom_certificate_verifier(Arc::new(verifier))
    };
    let mut config = match identity {
        None => verified.with_no_client_auth(),
        Some(identity) => verified
            .with_client_auth_cert(identity.chain, identity.key)
            .map_err(|e| match e {
                rustls::Error::InconsistentKeys(_) => {
                    InvalidInput::new(IDENTITY, "has a key that is not that of its certificate")
                }
                _ => InvalidInput::new(IDENTITY, "has a certificate or key that TLS cannot use"),
            })?,
    };
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

fn own_roots(certificates: Vec<CertificateDer<'static>>) -> Result<RootCertStore, InvalidInput> {
    let mut store = RootCertStore::empty();
    for certificate in certificates {
        store
            .add(certificate)
            .map_err(|_| InvalidInput::new(ROOTS, "is not a certificate that can be trusted"))?;
    }
    if store.is_empty() {
        return Err(InvalidInput::new(
            ROOTS,
            "must be given when the system's are not used",
        ));
    }
    Ok(store)
}

fn platform_verifier(
    extra: Vec<CertificateDer<'static>>,
    provider: Arc<CryptoProvider>,
) -> Result<rustls_platform_verifier::Verifier, InvalidInput> {
    let unusable = |_| {
        InvalidInput::new(
            ROOTS,
            "cannot be verified with the system's: its certificate store cannot be read",
        )
    };
    if extra.is_empty() {
        rustls_platform_verifier::Verifier::new(provider).map_err(unusable)
    } else {
        rustls_platform_verifier::Verifier::new_with_extra_roots(extra, provider).map_err(unusable)
    }
}
