//! Makes connections: TCP, the tunnel through a proxy, TLS.
//!
//! One time limit covers all of it. Each step says by its [`Cause`] what failed, and nothing of a request is written
//! before all of them have succeeded.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::{GaiResolver, Name};
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, ClientConnection};
use rustls_pki_types::ServerName;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tower_service::Service;

use crate::connection::{ConnectionCount, ConnectionState, Stream, TrackedStream};
use crate::failure::Cause;
use crate::identity::tracked;
use crate::proxy::Proxy;
use crate::streams::StreamSlots;

const KEEP_ALIVE: Duration = Duration::from_secs(30);

/// Makes connections for the HTTP client.
#[derive(Clone)]
pub(crate) struct Connector(Arc<Shared>);

struct Shared {
    tcp: HttpConnector<Resolver>,
    tls: Option<(TlsConnector, TlsConnector)>,
    proxy: Option<Arc<Proxy>>,
    timeout: Duration,
    slots: Arc<StreamSlots>,
    open: Arc<ConnectionCount>,
    /// The state of the newest connection: the HTTP client does not tell which one it was when a connection ends
    /// before its first request.
    newest: Mutex<Option<Arc<ConnectionState>>>,
}

impl Connector {
    pub(crate) fn new(
        tls: Option<(ClientConfig, ClientConfig)>,
        proxy: Option<Arc<Proxy>>,
        timeout: Duration,
        slots: Arc<StreamSlots>,
        open: Arc<ConnectionCount>,
    ) -> Self {
        let mut tcp = HttpConnector::new_with_resolver(Resolver(GaiResolver::new()));
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_keepalive(Some(KEEP_ALIVE));
        let connector = |config| TlsConnector::from(Arc::new(config));
        Self(Arc::new(Shared {
            tcp,
            tls: tls.map(|(server, proxy)| (connector(server), connector(proxy))),
            proxy,
            timeout,
            slots,
            open,
            newest: Mutex::new(None),
        }))
    }

    /// Returns the state of the connection that was made last.
    pub(crate) fn newest(&self) -> Option<Arc<ConnectionState>> {
        let newest = self.0.newest.lock().unwrap_or_else(PoisonError::into_inner);
        newest.clone()
    }
}

impl Service<Uri> for Connector {
    type Response = TokioIo<TrackedStream>;
    type Error = Cause;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Cause>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Cause>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, target: Uri) -> Self::Future {
        let shared = self.0.clone();
        Box::pin(async move {
            match timeout(shared.timeout, shared.connect(&target)).await {
                Ok(stream) => stream.map(TokioIo::new),
                Err(_) => Err(Cause::ConnectTimedOut),
            }
        })
    }
}

impl Shared {
    async fn connect(&self, target: &Uri) -> Result<TrackedStream, Cause> {
        let host = target.host().ok_or(Cause::BadRequest)?;
        let bare_host = host.trim_matches(['[', ']']);
        let is_tls = target.scheme_str() == Some("https");
        let port = target.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
        let mut stream: Box<dyn Stream> = match &self.proxy {
            None => self.tcp(target.clone()).await?,
            Some(_) if !is_tls => return Err(Cause::BadRequest),
            Some(proxy) => {
                let stream = self.proxy_stream(proxy).await;
                let mut stream = stream.map_err(|cause| Cause::Proxy(Box::new(cause)))?;
                let target = format!("{host}:{port}");
                proxy.open_tunnel(&mut stream, &target).await?;
                tracing::debug!("the proxy has opened a tunnel to {target}");
                stream
            }
        };
        let mut is_http2 = false;
        if is_tls {
            let (connector, _) = self.tls.as_ref().ok_or(Cause::BadRequest)?;
            let tls = tracked(handshake(connector, bare_host, stream)).await?;
            is_http2 = tls.get_ref().1.alpn_protocol() == Some(b"h2");
            note_tls(tls.get_ref().1, is_http2);
            stream = Box::new(tls);
        }
        let state = Arc::new(ConnectionState::new(is_http2));
        *self.newest.lock().unwrap_or_else(PoisonError::into_inner) = Some(state.clone());
        if !is_http2 {
            self.slots.open_http1();
        }
        let (slots, open) = (self.slots.clone(), self.open.clone());
        Ok(TrackedStream::new(stream, state, slots, open))
    }

    async fn tcp(&self, target: Uri) -> Result<Box<dyn Stream>, Cause> {
        let connected = self.tcp.clone().call(target).await;
        let stream = connected.map_err(|error| Cause::of_connecting(&error))?;
        let stream = stream.into_inner();
        if let Ok(address) = stream.peer_addr() {
            tracing::debug!("connected to {address}");
        }
        Ok(Box::new(stream))
    }

    async fn proxy_stream(&self, proxy: &Proxy) -> Result<Box<dyn Stream>, Cause> {
        let host = match proxy.host.contains(':') {
            true => format!("[{}]", proxy.host),
            false => proxy.host.clone(),
        };
        let uri = format!("http://{host}:{}", proxy.port).parse();
        let stream = self.tcp(uri.map_err(|_| Cause::BadRequest)?).await?;
        if !proxy.is_tls {
            return Ok(stream);
        }
        let (_, connector) = self.tls.as_ref().ok_or(Cause::BadRequest)?;
        Ok(Box::new(handshake(connector, &proxy.host, stream).await?))
    }
}

/// Writes to the log what a handshake has agreed on.
fn note_tls(tls: &ClientConnection, is_http2: bool) {
    let version = tls.protocol_version().and_then(|version| version.as_str());
    let suite = tls
        .negotiated_cipher_suite()
        .and_then(|suite| suite.suite().as_str());
    tracing::debug!(
        "the server's certificate is trusted; {} with {}, {}",
        version.unwrap_or_default(),
        suite.unwrap_or_default(),
        if is_http2 { "HTTP/2" } else { "HTTP/1.1" }
    );
}

/// Speaks TLS over a stream.
async fn handshake(
    connector: &TlsConnector,
    host: &str,
    stream: Box<dyn Stream>,
) -> Result<TlsStream<Box<dyn Stream>>, Cause> {
    let name = ServerName::try_from(host.to_owned()).map_err(|_| Cause::BadRequest)?;
    let connected = connector.connect(name, stream).await;
    connected.map_err(|error| Cause::of_connecting(&error))
}

/// Resolves names as the system does, and says so when that is what failed.
#[derive(Clone)]
struct Resolver(GaiResolver);

impl Service<Name> for Resolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = Cause;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Cause>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Cause>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let resolving = self.0.call(name.clone());
        Box::pin(async move {
            let addresses = resolving.await.map_err(|_| Cause::Dns)?;
            let addresses: Vec<_> = addresses.collect();
            let listed = addresses.iter().map(|address| address.ip().to_string());
            tracing::debug!("{name} is {}", listed.collect::<Vec<_>>().join(", "));
            Ok(addresses.into_iter())
        })
    }
}
