//! A throw-away certificate authority for each sandbox, so that mutual TLS is real and no certificate
//! of one sandbox is of use at another.

use crate::onboarding::{self, Pem};
use crate::settings::StartError;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use std::net::IpAddr;
use std::sync::Arc;
use time::{Duration, OffsetDateTime};
use zeroize::Zeroizing;

/// How long the certificates are valid.
const LIFETIME: Duration = Duration::days(90);

/// The names that the server's certificate always has.
const NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// A certificate authority.
pub(crate) struct Pki {
    issuer: Issuer<'static, KeyPair>,
    ca: CertificateDer<'static>,
    ca_pem: String,
}

/// A certificate that a client calls with. Has no `Debug`: it may hold the private key.
pub(crate) struct ClientCertificate {
    pub(crate) pem: String,
    pub(crate) der: CertificateDer<'static>,
    /// Empty where the owner of the key asked for the certificate.
    pub(crate) key_pem: Zeroizing<String>,
}

/// Why the certificates cannot be made or used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PkiError {
    #[error(transparent)]
    Certificate(#[from] rcgen::Error),
    #[error(transparent)]
    Tls(#[from] rustls::Error),
    #[error(transparent)]
    Verifier(#[from] rustls::client::VerifierBuilderError),
    #[error(transparent)]
    Pem(#[from] rustls_pki_types::pem::Error),
}

impl Pki {
    /// Makes a new certificate authority.
    pub(crate) fn generate() -> Result<Self, PkiError> {
        let mut params = params("D1 sandbox CA", &[])?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate()?;
        let certificate = params.self_signed(&key)?;
        Ok(Self {
            ca: certificate.der().clone(),
            ca_pem: certificate.pem(),
            issuer: Issuer::new(params, key),
        })
    }

    pub(crate) fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// Issues a client certificate: the one that is asked for, or one with a new key.
    pub(crate) fn client(&self, request: Option<&Pem>) -> Result<ClientCertificate, StartError> {
        let (pem, key_pem) = match request {
            Some(request) => {
                let ca_key = Zeroizing::new(self.issuer.key().serialize_der());
                let pem = onboarding::client_certificate(request, &self.ca_pem, &ca_key)?;
                (pem, Zeroizing::default())
            }
            None => self.new_client()?,
        };
        let der = CertificateDer::from_pem_slice(pem.as_bytes()).map_err(PkiError::from)?;
        Ok(ClientCertificate { pem, der, key_pem })
    }

    fn new_client(&self) -> Result<(String, Zeroizing<String>), PkiError> {
        let key = KeyPair::generate()?;
        let params = leaf(
            "D1 sandbox client",
            &[],
            ExtendedKeyUsagePurpose::ClientAuth,
        )?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        Ok((certificate.pem(), Zeroizing::new(key.serialize_pem())))
    }

    /// The TLS configuration of a server bound to `address`.
    pub(crate) fn server_config(&self, address: IpAddr) -> Result<ServerConfig, PkiError> {
        let mut names: Vec<String> = NAMES.map(str::to_owned).to_vec();
        if !address.is_loopback() && !address.is_unspecified() {
            names.push(address.to_string());
        }
        let key = KeyPair::generate()?;
        let certificate = leaf("D1 sandbox", &names, ExtendedKeyUsagePurpose::ServerAuth)?
            .signed_by(&key, &self.issuer)?;

        // The provider is passed along, never installed: the process may have chosen another one.
        let provider = Arc::new(rustls_openssl::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(self.ca.clone())?;
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
                .build()?;
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
            .with_client_cert_verifier(verifier)
            .with_single_cert(
                vec![certificate.der().clone(), self.ca.clone()],
                PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())),
            )?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(config)
    }
}

fn params(common_name: &str, names: &[String]) -> Result<CertificateParams, PkiError> {
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name = rcgen::DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, common_name);
    let now = OffsetDateTime::now_utc();
    params.not_before = now - Duration::DAY;
    params.not_after = now + LIFETIME;
    Ok(params)
}

fn leaf(
    common_name: &str,
    names: &[String],
    usage: ExtendedKeyUsagePurpose,
) -> Result<CertificateParams, PkiError> {
    let mut params = params(common_name, names)?;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![usage];
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}
