//! A TLS connection as the facade makes it, with everything that it came up against told apart.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustls::client::ResolvesClientCert;
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, SignatureScheme};
use rustls_pki_types::ServerName;
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

/// What TLS is spoken with.
pub(super) struct Tls {
    config: Arc<ClientConfig>,
    asked: Arc<AtomicBool>,
}

impl Tls {
    /// Reads everything that it takes.
    pub(super) fn prepare(config: &Config) -> Result<Self, Failure> {
        let mut tls = connect::tls(config)?;
        let asked = Arc::new(AtomicBool::new(false));
        tls.client_auth_cert_resolver = Arc::new(NotingResolver {
            identity: tls.client_auth_cert_resolver,
            asked: asked.clone(),
        });
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

/// Has the client certificate at hand, and notes that it was asked for.
#[derive(Debug)]
struct NotingResolver {
    identity: Arc<dyn ResolvesClientCert>,
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
