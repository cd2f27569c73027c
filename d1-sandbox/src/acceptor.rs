//! Accepts connections: TCP without delay, then TLS with a client certificate.

use axum::Extension;
use axum::middleware::AddExtension;
use axum_server::accept::{Accept, NoDelayAcceptor};
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use rustls::ServerConfig;
use rustls_pki_types::CertificateDer;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tower_layer::Layer as _;

/// The certificate that the client of a connection has shown; each of its requests carries it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ShownCertificate(pub(crate) Arc<CertificateDer<'static>>);

/// Accepts a connection in two steps. Without `TCP_NODELAY` the last packet of a handshake waits for the
/// client's delayed acknowledgement, 40 ms on Linux.
#[derive(Clone)]
pub(crate) struct TlsAcceptor(RustlsAcceptor<NoDelayAcceptor>);

impl TlsAcceptor {
    pub(crate) fn new(config: ServerConfig, handshake_timeout: Duration) -> Self {
        let config = RustlsConfig::from_config(Arc::new(config));
        let acceptor = RustlsAcceptor::new(config).handshake_timeout(handshake_timeout);
        Self(acceptor.acceptor(NoDelayAcceptor::new()))
    }
}

type Inner = RustlsAcceptor<NoDelayAcceptor>;
type InnerService<S> = <Inner as Accept<TcpStream, S>>::Service;

impl<S: Send + 'static> Accept<TcpStream, S> for TlsAcceptor {
    type Stream = <Inner as Accept<TcpStream, S>>::Stream;
    type Service = AddExtension<InnerService<S>, Option<ShownCertificate>>;
    type Future = Pin<Box<dyn Future<Output = io::Result<(Self::Stream, Self::Service)>> + Send>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        let handshake = self.0.accept(stream, service);
        Box::pin(async move {
            let (stream, service) = handshake.await?;
            let chain = stream.get_ref().1.peer_certificates().unwrap_or_default();
            let shown = chain.first().map(|first| first.clone().into_owned());
            let shown = shown.map(|certificate| ShownCertificate(Arc::new(certificate)));
            Ok((stream, Extension(shown).layer(service)))
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::pki::Pki;
    use openssl::pkey::PKey;
    use openssl::ssl::{SslConnector, SslMethod};
    use openssl::x509::X509;
    use std::net::Ipv4Addr;
    use tokio::net::TcpListener;

    #[tokio::test]
    async fn packets_of_a_connection_are_not_delayed() {
        let pki = Pki::generate().unwrap();
        let config = pki.server_config(Ipv4Addr::LOCALHOST.into()).unwrap();
        let acceptor = TlsAcceptor::new(config, Duration::from_secs(30));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let client = tokio::task::spawn_blocking(move || {
            let identity = pki.client(None).unwrap();
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
        assert!(!stream.nodelay().unwrap(), "what the system does by itself");
        let (stream, _) = acceptor.accept(stream, ()).await.unwrap();
        assert!(stream.get_ref().0.nodelay().unwrap());
        drop(client.await.unwrap());
    }
}
