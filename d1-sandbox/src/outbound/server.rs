//! Mutual TLS between D1, as the client, and a server of the issuer.

use crate::crypto::key_folder::KeyFolder;
use crate::crypto::pki::Pki;
use crate::secret::Secret;
use crate::settings::StartError;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::error::Error;
use std::sync::Arc;
use tokio_rustls::TlsConnector;

/// What the issuer's own server needs, so that the sandbox can call it over mutual TLS as D1 does: see
/// [`Sandbox::issuer_server`](crate::Sandbox::issuer_server). `Debug` shows no key.
#[derive(Debug)]
pub struct IssuerServer {
    client_ca_pem: String,
    certificate_pem: String,
    key_pem: Secret,
}

impl IssuerServer {
    pub(crate) fn new(pki: &Pki, folder: &KeyFolder) -> Result<Self, StartError> {
        let (certificate_pem, key_pem) = pki.loopback_server(folder)?;
        Ok(Self {
            client_ca_pem: pki.ca_pem().to_owned(),
            certificate_pem,
            key_pem,
        })
    }

    /// Returns the certificate authority (PEM) of the client certificate that the sandbox presents. Nothing else has a
    /// certificate of this authority, neither the issuer nor another sandbox.
    #[must_use]
    pub fn client_ca_pem(&self) -> &str {
        &self.client_ca_pem
    }

    /// Returns the certificate (PEM) of the server, for `localhost`, 127.0.0.1 and `::1`. The sandbox trusts no other.
    #[must_use]
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// Returns the private key of that certificate, PKCS#8, on P-256.
    #[must_use]
    pub fn key_pem(&self) -> &str {
        &self.key_pem
    }
}

/// Returns what calls servers of the authority, with a client certificate of the authority.
pub(super) fn connector(pki: &Pki) -> Result<TlsConnector, StartError> {
    let config = client_config(pki).map_err(StartError::keys)?;
    Ok(TlsConnector::from(Arc::new(config)))
}

fn client_config(pki: &Pki) -> Result<ClientConfig, Box<dyn Error>> {
    // The provider is passed along, never installed: the process may have chosen another one.
    let provider = Arc::new(rustls_openssl::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(pki.ca_pem().as_bytes())?)?;
    let client = pki.client(&KeyFolder::new(None), None)?;
    let key = PrivateKeyDer::from_pem_slice(client.key_pem.as_bytes())?;
    Ok(ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
        .with_root_certificates(roots)
        .with_client_auth_cert(vec![client.der], key)?)
}
