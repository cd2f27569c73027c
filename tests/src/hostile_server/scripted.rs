//! A server whose connections a test serves itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use d1_facade::retry::ExponentialBackoff;
use d1_facade::{Client, ClientBuilder, Environment, Identity};
use h2::server::{Builder, Connection, SendResponse};
use http::{Request, Response};
use rustls::CertificateError;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use super::{Material, Protocol, Tls};
use crate::{FixedToken, ISSUER};

/// The server. It ends when it is dropped.
pub struct ScriptedServer {
    port: u16,
    connections: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl ScriptedServer {
    /// Starts a server that lets `serve` have each connection after its handshake, with its number. The handshakes
    /// for which `refuses` has a reason end with the alert for it.
    pub async fn start<F, S, R>(protocol: Protocol, refuses: R, serve: S) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
        S: Fn(usize, Tls) -> F + Send + Sync + 'static,
        R: Fn(usize) -> Option<CertificateError> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let connections = Arc::<AtomicUsize>::default();
        let counted = connections.clone();
        let serve = Arc::new(serve);
        let task = tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                let number = counted.fetch_add(1, Ordering::SeqCst);
                let config = Material::get().config(protocol.alpn(), refuses(number));
                let serve = serve.clone();
                tokio::spawn(async move {
                    // A client that leaves, or is refused, ends here.
                    if let Ok(tls) = Box::pin(TlsAcceptor::from(config).accept(tcp)).await {
                        Box::pin(serve(number, tls)).await;
                    }
                });
            }
        });
        Self {
            port,
            connections,
            task,
        }
    }

    /// Its address, as a base URL.
    pub fn url(&self) -> String {
        format!("https://localhost:{}", self.port)
    }

    /// How many connections it has accepted.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

impl Drop for ScriptedServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A builder for a client for the server at `url`, with a token at hand.
pub fn builder_at(url: String) -> ClientBuilder {
    let material = Material::get();
    let (certificate, key) = &material.identity;
    Client::builder(Environment::Custom(url), ISSUER.parse().unwrap())
        .client_identity(Identity::from_pem(certificate, key).unwrap())
        .root_certificate(&material.root)
        .without_system_roots()
        .token_source(FixedToken)
        // Enough for a call that is answered, on a machine that is busy.
        .timeout(std::time::Duration::from_secs(60))
        .retry(ExponentialBackoff::default().max_attempts(1))
}

/// Speaks HTTP/2 over a connection, with a limit of streams.
pub async fn accept(tls: Tls, streams: u32) -> Connection<Tls, Bytes> {
    let mut builder = Builder::new();
    builder.max_concurrent_streams(streams);
    builder.handshake(tls).await.unwrap()
}

/// Answers a request with a success.
pub fn answer(mut respond: SendResponse<Bytes>) {
    let response = Response::builder().status(204).body(()).unwrap();
    let _ = respond.send_response(response, true);
}

/// Reads a request to its end; its correlation id.
pub async fn read(request: Request<h2::RecvStream>) -> String {
    let id = request.headers()["x-correlation-id"].to_str().unwrap();
    let id = id.to_owned();
    let mut body = request.into_body();
    while let Some(Ok(chunk)) = body.data().await {
        let _ = body.flow_control().release_capacity(chunk.len());
    }
    id
}
