//! A server over TLS that breaks wherever a request can break, as its random plan has it, and keeps a ledger of what
//! really happened to each change.

mod http1;
mod http2;
mod plan;
mod proxy;
pub mod scripted;
mod tls;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

pub use http2::{Wire, settings};
use plan::{OnAccept, Plan};
pub use scripted::ScriptedServer;
pub use tls::{Material, ends_with_alert};

/// A connection after its handshake.
pub type Tls = TlsStream<TcpStream>;

/// What the server speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2.
    Http2,
}

impl Protocol {
    fn alpn(self) -> &'static [u8] {
        match self {
            Self::Http1 => b"http/1.1",
            Self::Http2 => b"h2",
        }
    }
}

/// What really happened to one change.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// How many requests came, with their whole head.
    pub arrived: u32,
    /// How many of them came whole, and were not refused.
    pub perhaps: u32,
    /// How often it was carried out.
    pub processed: u32,
    /// How often it was carried out and a success was written.
    pub answered: u32,
}

/// What happened to the changes, by their correlation ids.
#[derive(Clone, Default)]
pub struct Ledger(Arc<Mutex<HashMap<String, Seen>>>);

impl Ledger {
    fn note(&self, id: &str, what: impl FnOnce(&mut Seen)) {
        what(self.0.lock().unwrap().entry(id.to_owned()).or_default());
    }

    /// What happened to the change.
    pub fn of(&self, id: &str) -> Seen {
        self.0.lock().unwrap().get(id).copied().unwrap_or_default()
    }
}

/// The server. It ends when it is dropped.
pub struct HostileServer {
    address: SocketAddr,
    proxy: SocketAddr,
    /// What happened so far.
    pub ledger: Ledger,
    connections: Arc<AtomicUsize>,
    task: JoinHandle<()>,
    stop: Arc<tokio::sync::Notify>,
}

impl HostileServer {
    /// Starts a server that follows the plan of `seed`.
    pub async fn start(protocol: Protocol, seed: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let proxies = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = proxies.local_addr().unwrap();
        let ledger = Ledger::default();
        let connections = Arc::<AtomicUsize>::default();
        let stop = Arc::<tokio::sync::Notify>::default();
        let (counted, kept, stopped) = (connections.clone(), ledger.clone(), stop.clone());
        let task = tokio::spawn(async move {
            let mut serving = JoinSet::new();
            let mut tunnels = 0;
            loop {
                tokio::select! {
                    Ok((tcp, _)) = listener.accept() => {
                        let number = counted.fetch_add(1, Ordering::SeqCst);
                        let plan = Plan::new(seed, number);
                        serving.spawn(Box::pin(serve(protocol, tcp, plan, kept.clone())));
                    }
                    Ok((tcp, _)) = proxies.accept() => {
                        tunnels += 1;
                        let plan = Plan::new(!seed, tunnels);
                        serving.spawn(Box::pin(proxy::serve(tcp, address, plan)));
                    }
                    () = stopped.notified() => break,
                }
            }
            drop((listener, proxies));
            while serving.join_next().await.is_some() {}
        });
        Self {
            address,
            proxy,
            ledger,
            connections,
            task,
            stop,
        }
    }

    /// Its address, as a base URL.
    pub fn url(&self) -> String {
        format!("https://localhost:{}", self.address.port())
    }

    /// A proxy that leads to it.
    pub fn proxy_url(&self) -> String {
        format!("http://{}", self.proxy)
    }

    /// How many connections it has accepted.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// Reads all that its clients, which are gone, have written.
    pub async fn finish(&mut self) -> Ledger {
        self.stop.notify_one();
        (&mut self.task).await.unwrap();
        self.ledger.clone()
    }
}

impl Drop for HostileServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(protocol: Protocol, tcp: TcpStream, mut plan: Plan, ledger: Ledger) {
    let refusal = match plan.on_accept() {
        OnAccept::Serve => None,
        OnAccept::Late => {
            for _ in 0..200 {
                tokio::task::yield_now().await;
            }
            None
        }
        OnAccept::Reset => return reset(&tcp),
        OnAccept::Silent => return until_closed(tcp).await,
        OnAccept::RefuseCertificate(why) => Some(why),
        OnAccept::ResetAfterHandshake => {
            let acceptor = TlsAcceptor::from(Material::get().config(protocol.alpn(), None));
            if let Ok(tls) = acceptor.accept(tcp).await {
                reset(tls.get_ref().0);
            }
            return;
        }
    };
    let acceptor = TlsAcceptor::from(Material::get().config(protocol.alpn(), refusal));
    // A client that leaves, or is refused, ends here.
    if let Ok(tls) = acceptor.accept(tcp).await {
        match protocol {
            Protocol::Http1 => http1::serve(tls, plan, ledger).await,
            Protocol::Http2 => http2::serve(tls, plan, ledger).await,
        }
    }
}

/// Has the connection, which the caller is about to drop, closed the hard way.
fn reset(tcp: &TcpStream) {
    let _ = tcp.set_zero_linger();
}

/// Reads until the client closes, and says nothing.
async fn until_closed(mut stream: impl tokio::io::AsyncRead + Unpin) {
    use tokio::io::AsyncReadExt as _;
    let mut sink = [0; 4096];
    while let Ok(1..) = stream.read(&mut sink).await {}
}

/// Whether a body is one that a client has written, and not what stands in place of one that it withdrew.
fn is_whole(body: &[u8]) -> bool {
    serde_json::from_slice::<serde_json::Value>(body).is_ok()
}
