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

    /// Returns the certificate (PEM) of the server, for `localhost`, 127.0.0.1 and `::1`. The sandbox trusts no other,
    /// unless [`issuer_ca`](crate::Builder::issuer_ca) names the authority of the issuer's own.
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

/// Returns what calls servers of the authority, and of that of the issuer, with a client certificate of the authority.
pub(super) fn connector(pki: &Pki, issuer_ca: Option<&str>) -> Result<TlsConnector, StartError> {
    let mut roots = RootCertStore::empty();
    add_to(&mut roots, pki.ca_pem()).map_err(StartError::keys)?;
    if let Some(pem) = issuer_ca {
        let rule = |_| StartError::setting("issuer authority", "a PEM with a CERTIFICATE");
        add_to(&mut roots, pem).map_err(rule)?;
    }
    let config = client_config(pki, roots).map_err(StartError::keys)?;
    Ok(TlsConnector::from(Arc::new(config)))
}

/// Trusts the certificates of a text, at least one.
fn add_to(roots: &mut RootCertStore, pem: &str) -> Result<(), Box<dyn Error>> {
    let before = roots.len();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        roots.add(certificate?)?;
    }
    match roots.len() > before {
        true => Ok(()),
        false => Err("no certificate".into()),
    }
}

fn client_config(pki: &Pki, roots: RootCertStore) -> Result<ClientConfig, Box<dyn Error>> {
    // The provider is passed along, never installed: the process may have chosen another one.
    let provider = Arc::new(rustls_openssl::default_provider());
    let client = pki.client(&KeyFolder::new(None), None)?;
    let key = PrivateKeyDer::from_pem_slice(client.key_pem.as_bytes())?;
    Ok(ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
        .with_root_certificates(roots)
        .with_client_auth_cert(vec![client.der], key)?)
}
