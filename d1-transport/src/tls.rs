//! TLS 1.2 or 1.3 to a server that asks for the client certificate.

use std::sync::Arc;

use rustls::client::danger::ServerCertVerifier;
use rustls::client::{ResolvesClientCert, WebPkiServerVerifier};
use rustls::crypto::CryptoProvider;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;

use crate::identity::{RequireClientAuth, TrackingCertResolver};

/// What TLS connections are made with.
pub struct TlsOptions {
    /// The cryptography.
    pub provider: Arc<CryptoProvider>,
    /// The certificate authorities that are trusted.
    pub roots: Vec<CertificateDer<'static>>,
    /// Whether those of the system are trusted as well.
    pub system_roots: bool,
    /// The client certificate. A server that does not ask for it is refused. Without one, no certificate is presented.
    pub identity: Option<Arc<dyn ResolvesClientCert>>,
}

/// Why TLS cannot be set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsSetupError {
    /// The provider has no cipher suite for TLS 1.2 or 1.3.
    Provider,
    /// A certificate authority is no certificate that can be trusted, or there is none.
    Roots,
    /// The system's certificate authorities cannot be read.
    SystemRoots,
}

impl TlsOptions {
    /// Returns the configuration for the server, and the one for a proxy on the way, which gets no client certificate.
    pub(crate) fn build(&self) -> Result<(ClientConfig, ClientConfig), TlsSetupError> {
        let verifier = self.verifier()?;
        let builder = || {
            ClientConfig::builder_with_provider(self.provider.clone())
                .with_safe_default_protocol_versions()
                .map_err(|_| TlsSetupError::Provider)
        };
        let mut proxy = builder()?
            .dangerous() // All verifiers are as strict as what rustls does by itself.
            .with_custom_certificate_verifier(verifier.clone())
            .with_no_client_auth();
        let mut server = match self.identity.clone() {
            None => proxy.clone(),
            Some(identity) => builder()?
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(RequireClientAuth(verifier)))
                .with_client_cert_resolver(Arc::new(TrackingCertResolver(identity))),
        };
        server.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        // FIPS wants the extended master secret of TLS 1.2 (FIPS 140-3 IG, D.Q).
        proxy.require_ems = self.provider.fips();
        server.require_ems = proxy.require_ems;
        Ok((server, proxy))
    }

    /// Returns what verifies the certificate of a server or a proxy.
    fn verifier(&self) -> Result<Arc<dyn ServerCertVerifier>, TlsSetupError> {
        use rustls_platform_verifier::Verifier;
        let provider = self.provider.clone();
        let roots = self.roots.clone();
        if self.system_roots {
            let verifier = if roots.is_empty() {
                Verifier::new(provider)
            } else {
                Verifier::new_with_extra_roots(roots, provider)
            };
            return match verifier {
                Ok(verifier) => Ok(Arc::new(verifier)),
                Err(_) => Err(TlsSetupError::SystemRoots),
            };
        }
        let mut store = RootCertStore::empty();
        for root in roots {
            store.add(root).map_err(|_| TlsSetupError::Roots)?;
        }
        match WebPkiServerVerifier::builder_with_provider(Arc::new(store), provider).build() {
            Ok(verifier) => Ok(verifier),
            Err(_) => Err(TlsSetupError::Roots),
        }
    }
}
