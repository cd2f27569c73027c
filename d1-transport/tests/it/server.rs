//! Servers that misbehave, over real TLS, and a client to call them.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use d1_transport::{
    Claim, ClientOptions, Failure, HttpClient, HttpResponse, Limits, Proxy, TlsOptions,
};
use http::Request;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::client::ResolvesClientCert;
use rustls::crypto::CryptoProvider;
use rustls::server::WebPkiClientVerifier;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

pub(crate) type Tls = TlsStream<TcpStream>;

/// A certificate authority of one test.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(vec![]).unwrap();
        static MADE: AtomicUsize = AtomicUsize::new(0);
        let name = format!("authority {}", MADE.fetch_add(1, Ordering::Relaxed));
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap().der().clone();
        Self {
            issuer: Issuer::new(params, key),
            certificate,
        }
    }

    fn sign(&self, name: &str) -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let der = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        (certificate.der().clone(), der)
    }

    /// A client certificate with its key.
    pub(crate) fn identity(&self, name: &str) -> CertifiedKey {
        let (certificate, key) = self.sign(name);
        let key = provider().key_provider.load_private_key(key).unwrap();
        CertifiedKey::new(vec![certificate], key)
    }

    pub(crate) fn store(&self) -> Arc<RootCertStore> {
        let mut store = RootCertStore::empty();
        store.add(self.certificate.clone()).unwrap();
        Arc::new(store)
    }
}

pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls_openssl::default_provider())
}

/// A server, and how many connections it has accepted.
pub(crate) struct Server {
    pub(crate) port: u16,
    pub(crate) authority: Arc<Authority>,
    pub(crate) connections: Arc<AtomicUsize>,
    handshakes: Arc<Mutex<Vec<bool>>>,
}

impl Server {
    /// Starts a server that lets `serve` have each connection after its handshake, with its number.
    pub(crate) async fn start<F, S>(protocol: &'static str, serve: S) -> Self
    where
        S: Fn(usize, Tls) -> F + Send + Sync + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let authority = Arc::new(Authority::new());
        let clients = authority.store();
        Self::start_with(authority, protocol, Some(clients), serve).await
    }

    /// The same, for clients that `clients` vouches for, or for all.
    pub(crate) async fn start_with<F, S>(
        authority: Arc<Authority>,
        protocol: &'static str,
        clients: Option<Arc<RootCertStore>>,
        serve: S,
    ) -> Self
    where
        S: Fn(usize, Tls) -> F + Send + Sync + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let (certificate, key) = authority.sign("localhost");
        let builder = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap();
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(clients) => builder.with_client_cert_verifier(
                WebPkiClientVerifier::builder_with_provider(clients, provider())
                    .build()
                    .unwrap(),
            ),
        };
        let mut config = builder.with_single_cert(vec![certificate], key).unwrap();
        config.alpn_protocols = vec![protocol.into()];
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let connections = Arc::new(AtomicUsize::new(0));
        let handshakes = Arc::new(Mutex::new(Vec::new()));
        let (accepted, shaken) = (connections.clone(), handshakes.clone());
        let serve = Arc::new(serve);
        tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                let number = accepted.fetch_add(1, Ordering::SeqCst);
                let (acceptor, serve, shaken) = (acceptor.clone(), serve.clone(), shaken.clone());
                tokio::spawn(async move {
                    let tls = acceptor.accept(tcp).await;
                    shaken.lock().unwrap().push(tls.is_ok());
                    if let Ok(tls) = tls {
                        serve(number, tls).await;
                    }
                });
            }
        });
        Self {
            port,
            authority,
            connections,
            handshakes,
        }
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    pub(crate) fn refused_handshakes(&self) -> usize {
        let handshakes = self.handshakes.lock().unwrap();
        handshakes.iter().filter(|accepted| !**accepted).count()
    }

    pub(crate) fn client(&self) -> HttpClient {
        self.client_of(&self.authority, None)
    }

    /// A client whose certificate `signer` has signed.
    pub(crate) fn client_of(&self, signer: &Authority, proxy: Option<Proxy>) -> HttpClient {
        let identity = SingleCertAndKey::from(signer.identity("client"));
        self.client_with(Arc::new(identity), proxy)
    }

    pub(crate) fn client_with(
        &self,
        identity: Arc<dyn ResolvesClientCert>,
        proxy: Option<Proxy>,
    ) -> HttpClient {
        let tls = TlsOptions {
            provider: provider(),
            roots: vec![self.authority.certificate.clone()],
            system_roots: false,
            identity: Some(identity),
        };
        HttpClient::new(options(Some(tls), proxy)).unwrap()
    }

    pub(crate) async fn post(&self, client: &HttpClient) -> Result<HttpResponse, Failure> {
        self.post_within(client, SHORT).await
    }

    pub(crate) async fn post_within(
        &self,
        client: &HttpClient,
        time: Duration,
    ) -> Result<HttpResponse, Failure> {
        self.post_with(client, &Claim::new(), time).await
    }

    pub(crate) async fn post_with(
        &self,
        client: &HttpClient,
        claim: &Claim,
        time: Duration,
    ) -> Result<HttpResponse, Failure> {
        let uri = format!("https://localhost:{}/change", self.port);
        post(client, &uri, claim, time).await
    }
}

/// How long a request takes that gets no answer.
pub(crate) const SHORT: Duration = Duration::from_secs(3);

pub(crate) fn options(tls: Option<TlsOptions>, proxy: Option<Proxy>) -> ClientOptions {
    ClientOptions {
        tls,
        proxy: proxy.map(Arc::new),
        connect_timeout: Duration::from_secs(5),
        pool_idle_timeout: Duration::from_secs(60),
        ping_interval: Duration::from_secs(10),
        ping_timeout: Duration::from_secs(5),
    }
}

pub(crate) async fn post(
    client: &HttpClient,
    uri: &str,
    claim: &Claim,
    time: Duration,
) -> Result<HttpResponse, Failure> {
    let body = Bytes::from_static(br#"{"reason":"test"}"#);
    let request = Request::post(uri).body(body).unwrap();
    let limits = Limits {
        deadline: Instant::now() + time,
        floor: time / 4,
        read_timeout: None,
        max_response_size: 1024,
    };
    client.send(request, claim, &limits).await
}
