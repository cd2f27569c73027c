//! Refuses a server that does not ask for the client certificate: D1 does so on every connection.
//!
//! Whoever stands between without knowing the client's key, such as a proxy that opens TLS, is found out
//! by that before a token or a card is shown to it.

use std::cell::Cell;
use std::error::Error as StdError;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use rustls::client::ResolvesClientCert;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::sign::CertifiedKey;
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error as TlsError, OtherError,
    SignatureScheme,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use tower_layer::Layer;
use tower_service::Service;

tokio::task_local! {
    /// Whether the server of the connection that is being made has asked.
    static ASKED: Cell<bool>;
}

/// Why the certificate of such a server is refused.
#[derive(Debug)]
pub(crate) struct NotAsked;

impl fmt::Display for NotAsked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the server did not ask for the client certificate, so it is not D1")
    }
}

impl StdError for NotAsked {}

/// Has the client certificate at hand, and notes that it was asked for.
#[derive(Debug)]
pub(crate) struct NotingResolver<R>(pub(crate) R);

impl<R: ResolvesClientCert> ResolvesClientCert for NotingResolver<R> {
    fn resolve(
        &self,
        root_hint_subjects: &[&[u8]],
        schemes: &[SignatureScheme],
    ) -> Option<Arc<CertifiedKey>> {
        // Absent only if reqwest made connections in a task of its own; nobody is blamed then.
        let _ = ASKED.try_with(|asked| asked.set(true));
        self.0.resolve(root_hint_subjects, schemes)
    }

    fn has_certs(&self) -> bool {
        self.0.has_certs()
    }
}

/// Verifies a certificate as `inner` does, and that its server has asked for ours. In TLS 1.2 and 1.3
/// both a server asks before its certificate is verified.
#[derive(Debug)]
pub(crate) struct DemandingVerifier {
    pub(crate) inner: Arc<dyn ServerCertVerifier>,
    /// The host that must ask; a proxy on the way to it need not.
    pub(crate) host: ServerName<'static>,
}

impl ServerCertVerifier for DemandingVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        let verified = self.inner.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        )?;
        let has_asked = ASKED.try_with(Cell::get).unwrap_or(true);
        if has_asked || *server_name != self.host {
            return Ok(verified);
        }
        let why = CertificateError::Other(OtherError(Arc::new(NotAsked)));
        Err(TlsError::InvalidCertificate(why))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        self.inner
            .verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        self.inner
            .verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }

    fn requires_raw_public_keys(&self) -> bool {
        self.inner.requires_raw_public_keys()
    }

    fn root_hint_subjects(&self) -> Option<&[DistinguishedName]> {
        self.inner.root_hint_subjects()
    }
}

/// Gives each connection that is made its own note of whether the server has asked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PerConnection;

impl<S> Layer<S> for PerConnection {
    type Service = NotedConnections<S>;

    fn layer(&self, inner: S) -> Self::Service {
        NotedConnections(Arc::new(inner))
    }
}

/// The service of [`PerConnection`]. It is cloned several times for each request, although few of them
/// make a connection: what is within is cloned only then.
#[derive(Debug)]
pub(crate) struct NotedConnections<S>(Arc<S>);

impl<S> Clone for NotedConnections<S> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<S, T> Service<T> for NotedConnections<S>
where
    S: Service<T> + Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
    T: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        // The clone that makes the connection is asked.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, target: T) -> Self::Future {
        let mut connector = S::clone(&self.0);
        let connecting = async move {
            poll_fn(|context| connector.poll_ready(context)).await?;
            connector.call(target).await
        };
        Box::pin(ASKED.scope(Cell::new(false), connecting))
    }
}
