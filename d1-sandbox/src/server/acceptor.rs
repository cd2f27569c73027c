//! Accepts connections: TCP without delay, then TLS with a client certificate.

use crate::auth::ShownCertificate;
use axum::Extension;
use axum::middleware::AddExtension;
use axum_server::accept::Accept;
use rustls::ServerConfig;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncWriteExt as _, copy, sink};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::server::TlsStream;
use tower_layer::Layer as _;

/// Accepts a connection in two steps. Without `TCP_NODELAY` the last packet of a handshake waits for the
/// client's delayed acknowledgement, 40 ms on Linux.
#[derive(Clone)]
pub(crate) struct TlsAcceptor {
    acceptor: tokio_rustls::TlsAcceptor,
    handshake_timeout: Duration,
    on_refusal: OnRefusal,
}

/// What is called with the address of a client whose handshake has failed, and the error.
type OnRefusal = Arc<dyn Fn(Option<SocketAddr>, &io::Error) + Send + Sync>;

impl TlsAcceptor {
    pub(crate) fn new(
        config: ServerConfig,
        handshake_timeout: Duration,
        on_refusal: impl Fn(Option<SocketAddr>, &io::Error) + Send + Sync + 'static,
    ) -> Self {
        Self {
            acceptor: Arc::new(config).into(),
            handshake_timeout,
            on_refusal: Arc::new(on_refusal),
        }
    }
}

impl<S: Send + 'static> Accept<TcpStream, S> for TlsAcceptor {
    type Stream = TlsStream<TcpStream>;
    type Service = AddExtension<S, Option<ShownCertificate>>;
    type Future = Pin<Box<dyn Future<Output = io::Result<(Self::Stream, Self::Service)>> + Send>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        let Self {
            acceptor,
            handshake_timeout,
            on_refusal,
        } = self.clone();
        Box::pin(async move {
            let client = stream.peer_addr().ok();
            stream.set_nodelay(true)?;
            let handshake = acceptor.accept(stream).into_fallible();
            let handshake = timeout(handshake_timeout, handshake).await;
            let handshake = handshake.map_err(|elapsed| {
                let error = elapsed.into();
                on_refusal(client, &error);
                error
            });
            let stream = match handshake? {
                Ok(stream) => stream,
                Err((error, stream)) => {
                    on_refusal(client, &error);
                    // It has failed already.
                    let _ = timeout(handshake_timeout, close_after_client(stream)).await;
                    return Err(error);
                }
            };
            let chain = stream.get_ref().1.peer_certificates().unwrap_or_default();
            let shown = chain.first().map(|first| first.clone().into_owned());
            let shown = shown.map(|certificate| ShownCertificate(Arc::new(certificate)));
            Ok((stream, Extension(shown).layer(service)))
        })
    }
}

/// Closes a connection once the client has closed it as well. In TLS 1.3 a client sends its request before the
/// alert that refuses its certificate arrives (RFC 8446, section 2): a connection that is closed at once is reset,
/// and the client never reads the alert.
async fn close_after_client(mut stream: TcpStream) -> io::Result<()> {
    stream.shutdown().await?;
    copy(&mut stream, &mut sink()).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::crypto::key_folder::KeyFolder;
    use crate::crypto::pki::Pki;
    use openssl::pkey::PKey;
    use openssl::ssl::{SslConnector, SslMethod};
    use openssl::x509::X509;
    use std::net::Ipv4Addr;
    use tokio::net::TcpListener;

    #[tokio::test]
    async fn packets_of_a_connection_are_not_delayed() {
        let new = KeyFolder::new(None);
        let pki = Pki::new(&new, "", "").unwrap();
        let config = pki.server_config(Ipv4Addr::LOCALHOST.into(), &[]);
        let config = config.unwrap();
        let acceptor = TlsAcceptor::new(config, Duration::from_secs(30), |_, _| ());
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let client = tokio::task::spawn_blocking(move || {
            let identity = pki.client(&new, None).unwrap();
            let pem = |text: &str| X509::from_pem(text.as_bytes()).unwrap();
            let mut builder = SslConnector::builder(SslMethod::tls_client()).unwrap();
            builder
                .cert_store_mut()
                .add_cert(pem(pki.ca_pem()))
                .unwrap();
            builder.set_certificate(&pem(&identity.pem)).unwrap();
            let key = PKey::private_key_from_pem(identity.key_pem.as_bytes()).unwrap();
            builder.set_private_key(&key).unwrap();
            let stream = std::net::TcpStream::connect(address).unwrap();
            builder.build().connect("localhost", stream).unwrap()
        });
        let (stream, _) = listener.accept().await.unwrap();
        assert!(!stream.nodelay().unwrap(), "the default of the system");
        let (stream, _) = acceptor.accept(stream, ()).await.unwrap();
        assert!(stream.get_ref().0.nodelay().unwrap());
        drop(client.await.unwrap());
    }
}
