//! TLS 1.2 or 1.3 to D1, with the client certificate that it asks for.
//!
//! rustls with *ring*: it cannot speak anything older than TLS 1.2, behaves the same on every
//! platform, and its errors are types, so that a refused client certificate is told from a broken
//! connection. The price is a second crypto stack beside the OpenSSL that josekit links.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::{CryptoProvider, ring};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};

use crate::client_auth::{DemandingVerifier, NotingResolver};
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

/// The TLS configuration of the client, for calls to the server at `base_url`.
pub(crate) fn config(
    roots: Roots,
    identity: Option<Identity>,
    base_url: &str,
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
    let mut verifier = if without_system {
        own_verifier(extra, provider.clone())?
    } else {
        Arc::new(platform_verifier(extra, provider.clone())?)
    };
    if identity.is_some() {
        verifier = Arc::new(DemandingVerifier {
            inner: verifier,
            host: server_name(base_url)?,
        });
    }
    let verified = versions
        .dangerous() // Both are as strict as what rustls does by itself.
        .with_custom_certificate_verifier(verifier);
    let mut config = match identity {
        None => verified.with_no_client_auth(),
        Some(identity) => {
            let key = CertifiedKey::from_der(identity.chain, identity.key, &provider)
                .map_err(|e| unusable_identity(&e))?;
            let resolver = NotingResolver(SingleCertAndKey::from(key));
            verified.with_client_cert_resolver(Arc::new(resolver))
        }
    };
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

/// The name that the server's certificate must be for.
fn server_name(base_url: &str) -> Result<ServerName<'static>, InvalidInput> {
    let unusable = || InvalidInput::new("environment", "has a host that TLS cannot use");
    let url = reqwest::Url::parse(base_url).map_err(|_| unusable())?;
    let host = url.host_str().unwrap_or_default();
    // An IPv6 address has brackets in a URL.
    let host = host.trim_matches(['[', ']']).to_owned();
    ServerName::try_from(host).map_err(|_| unusable())
}

fn unusable_identity(error: &rustls::Error) -> InvalidInput {
    let rule = match error {
        rustls::Error::InconsistentKeys(_) => "has a key that is not that of its certificate",
        _ => "has a certificate or key that TLS cannot use",
    };
    InvalidInput::new(IDENTITY, rule)
}

fn own_verifier(
    certificates: Vec<CertificateDer<'static>>,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>, InvalidInput> {
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
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(store), provider).build();
    // With a root at hand there is nothing left to go wrong.
    verifier.map_or_else(
        |_| {
            Err(InvalidInput::new(
                ROOTS,
                "is not a certificate that can be trusted",
            ))
        },
        |verifier| Ok(verifier as Arc<dyn ServerCertVerifier>),
    )
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
