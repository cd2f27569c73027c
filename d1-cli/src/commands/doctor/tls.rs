//! A TLS connection as the facade makes it, with everything that it came up against told apart.

use std::error::Error as StdError;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustls::client::danger::ServerCertVerifier;
use rustls::client::{ResolvesClientCert, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{AlertDescription, ClientConfig, Error as TlsError, RootCertStore, SignatureScheme};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use url::{Host, Url};

use crate::config::{Config, Name};
use crate::connect;
use crate::failure::Failure;

/// How long each step may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// Where D1 listens.
pub(super) struct Address {
    pub(super) host: String,
    pub(super) port: u16,
    name: ServerName<'static>,
}

/// Where D1 listens, by the settings.
pub(super) fn address(config: &Config) -> Result<Address, Failure> {
    let setting = config.need(Name::BaseUrl)?;
    let bad = || Failure::input(&setting.source, "must be a URL such as https://host:port");
    let url = Url::parse(&setting.text).map_err(|_| bad())?;
    let port = url.port_or_known_default().ok_or_else(bad)?;
    // An IPv6 address has brackets in a URL only.
    let host = match url.host().ok_or_else(bad)? {
        Host::Domain(name) => name.to_owned(),
        Host::Ipv4(address) => address.to_string(),
        Host::Ipv6(address) => address.to_string(),
    };
    if !url.username().is_empty() || url.password().is_some() {
        let rule = "must not hold a user name or a password";
        return Err(Failure::input(&setting.source, rule));
    }
    if url.scheme() != "https" {
        return Err(Failure::input(&setting.source, "must be an https URL"));
    }
    let name = ServerName::try_from(host.clone()).map_err(|_| bad())?;
    Ok(Address { host, port, name })
}

/// The authorities that are trusted instead of the system's, where there are such.
pub(super) fn own_roots(config: &Config) -> Result<Option<RootCertStore>, Failure> {
    let Some(setting) = config.get(Name::Ca) else {
        return Ok(None);
    };
    let bad = || {
        Failure::input(
            &setting.source,
            "must be a PEM with a certificate authority",
        )
    };
    let pem = connect::read(setting)?;
    let mut store = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        store
            .add(certificate.map_err(|_| bad())?)
            .map_err(|_| bad())?;
    }
    if store.is_empty() {
        return Err(bad());
    }
    Ok(Some(store))
}

/// What TLS is spoken with.
pub(super) struct Tls {
    config: Arc<ClientConfig>,
    asked: Arc<AtomicBool>,
}

impl Tls {
    /// Reads everything that it takes.
    pub(super) fn prepare(config: &Config) -> Result<Self, Failure> {
        let provider = Arc::new(ring::default_provider());
        let bad = |_| Failure::input("ca", "cannot be used to check the server's certificate");
        let verifier: Arc<dyn ServerCertVerifier> = match own_roots(config)? {
            Some(roots) => {
                let roots = Arc::new(roots);
                let own = WebPkiServerVerifier::builder_with_provider(roots, provider.clone());
                own.build()
                    .map_err(|_| bad(TlsError::HandshakeNotComplete))?
            }
            None => {
                let system = rustls_platform_verifier::Verifier::new(provider.clone());
                Arc::new(system.map_err(bad)?)
            }
        };
        let asked = Arc::new(AtomicBool::new(false));
        let identity = NotingResolver {
            identity: identity(config, &provider)?,
            asked: asked.clone(),
        };
        let mut tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(bad)?
            .dangerous() // Both verifiers are as strict as what rustls does by itself.
            .with_custom_certificate_verifier(verifier)
            .with_client_cert_resolver(Arc::new(identity));
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self {
            config: Arc::new(tls),
            asked,
        })
    }

    /// Makes a connection.
    pub(super) async fn connect(&self, address: &Address) -> io::Result<TlsStream<TcpStream>> {
        let connecting = async {
            let tcp = TcpStream::connect((address.host.as_str(), address.port)).await?;
            let connector = TlsConnector::from(self.config.clone());
            connector.connect(address.name.clone(), tcp).await
        };
        let late = |_| io::Error::from(io::ErrorKind::TimedOut);
        timeout(PATIENCE, connecting).await.map_err(late)?
    }

    /// Whether the server has asked for the client certificate.
    pub(super) fn was_asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }
}

fn identity(config: &Config, provider: &CryptoProvider) -> Result<SingleCertAndKey, Failure> {
    let setting = config.need(Name::ClientCert)?;
    let bad = || Failure::input(&setting.source, "cannot be used for TLS with its key");
    let pem = connect::read(setting)?;
    let chain = CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>();
    let key = connect::read(config.need(Name::ClientKey)?)?;
    let key = PrivateKeyDer::from_pem_slice(&key).map_err(|_| bad())?;
    let pair = CertifiedKey::from_der(chain.map_err(|_| bad())?, key, provider);
    Ok(SingleCertAndKey::from(pair.map_err(|_| bad())?))
}

/// Has the client certificate at hand, and notes that it was asked for.
#[derive(Debug)]
struct NotingResolver {
    identity: SingleCertAndKey,
    asked: Arc<AtomicBool>,
}

impl ResolvesClientCert for NotingResolver {
    fn resolve(
        &self,
        root_hint_subjects: &[&[u8]],
        schemes: &[SignatureScheme],
    ) -> Option<Arc<CertifiedKey>> {
        self.asked.store(true, Ordering::Relaxed);
        self.identity.resolve(root_hint_subjects, schemes)
    }

    fn has_certs(&self) -> bool {
        self.identity.has_certs()
    }
}

/// What rustls says, where it is that which failed.
pub(super) fn tls_error(error: &io::Error) -> Option<&TlsError> {
    let inner: &(dyn StdError + 'static) = error.get_ref()?;
    inner.downcast_ref()
}

/// The alert by which a server refuses a client certificate.
pub(super) fn certificate_alert(error: &io::Error) -> Option<AlertDescription> {
    use AlertDescription as Alert;
    match tls_error(error)? {
        TlsError::AlertReceived(
            alert @ (Alert::CertificateRequired
            | Alert::BadCertificate
            | Alert::UnsupportedCertificate
            | Alert::CertificateRevoked
            | Alert::CertificateExpired
            | Alert::CertificateUnknown
            | Alert::UnknownCA
            | Alert::AccessDenied),
        ) => Some(*alert),
        _ => None,
    }
}
