//! A throw-away certificate authority, so that mutual TLS is real without anybody's certificates.

use crate::config::StartError;
use crate::onboarding::{self, Pem};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::crypto::ring;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use std::net::IpAddr;
use std::sync::{Arc, LazyLock};
use time::{Duration, OffsetDateTime};
use zeroize::Zeroizing;

/// How long the certificates are valid.
const LIFETIME: Duration = Duration::days(90);

/// The names that the server's certificate always has.
const NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// The certificates of this process: making them once keeps starting many sandboxes cheap.
static PKI: LazyLock<Result<Pki, String>> =
    LazyLock::new(|| Pki::generate().map_err(|error| error.to_string()));

/// The certificate authority, the client certificate, and the server's configuration.
pub(crate) struct Pki {
    issuer: Issuer<'static, KeyPair>,
    ca: CertificateDer<'static>,
    ca_pem: String,
    client_certificate_pem: String,
    client_key_pem: String,
    loopback: Arc<ServerConfig>,
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
}

impl Pki {
    /// The certificates of this process.
    pub(crate) fn shared() -> Result<&'static Self, String> {
        PKI.as_ref().map_err(Clone::clone)
    }

    fn generate() -> Result<Self, PkiError> {
        let mut params = params("D1 sandbox CA", &[])?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate()?;
        let certificate = params.self_signed(&key)?;
        let (ca, ca_pem) = (certificate.der().clone(), certificate.pem());
        let issuer = Issuer::new(params, key);

        let client_key = KeyPair::generate()?;
        let client = leaf(
            "D1 sandbox client",
            &[],
            ExtendedKeyUsagePurpose::ClientAuth,
        )?
        .signed_by(&client_key, &issuer)?;
        let loopback = Arc::new(server_config(&issuer, &ca, None)?);
        Ok(Self {
            issuer,
            ca,
            ca_pem,
            client_certificate_pem: client.pem(),
            client_key_pem: client_key.serialize_pem(),
            loopback,
        })
    }

    /// The TLS configuration of a server bound to `address`.
    pub(crate) fn server_config(&self, address: IpAddr) -> Result<Arc<ServerConfig>, PkiError> {
        if address.is_loopback() || address.is_unspecified() {
            return Ok(Arc::clone(&self.loopback));
        }
        server_config(&self.issuer, &self.ca, Some(address)).map(Arc::new)
    }

    /// Signs the client certificate that is asked for.
    pub(crate) fn sign(&self, request: &Pem) -> Result<String, StartError> {
        let key = Zeroizing::new(self.issuer.key().serialize_der());
        onboarding::client_certificate(request, &self.ca_pem, &key)
    }

    pub(crate) fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    pub(crate) fn client_certificate_pem(&self) -> &str {
        &self.client_certificate_pem
    }

    pub(crate) fn client_key_pem(&self) -> &str {
        &self.client_key_pem
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

fn server_config(
    issuer: &Issuer<'static, KeyPair>,
    ca: &CertificateDer<'static>,
    address: Option<IpAddr>,
) -> Result<ServerConfig, PkiError> {
    let mut names: Vec<String> = NAMES.map(str::to_owned).to_vec();
    names.extend(address.map(|address| address.to_string()));
    let key = KeyPair::generate()?;
    let certificate =
        leaf("D1 sandbox", &names, ExtendedKeyUsagePurpose::ServerAuth)?.signed_by(&key, issuer)?;

    // The provider is passed along, never installed: the process may have chosen another one.
    let provider = Arc::new(ring::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(ca.clone())?;
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
            .build()?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
        .with_client_cert_verifier(verifier)
        .with_single_cert(
            vec![certificate.der().clone(), ca.clone()],
            PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())),
        )?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}
