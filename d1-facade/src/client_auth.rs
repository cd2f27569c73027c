//! Refuses a server that does not ask for the client certificate: D1 does so on every connection.
//!
//! Whoever stands between without knowing the client's key, such as a proxy that opens TLS, is found out
//! by that before a token or a card is shown to it.

use std::cell::Cell;
use std::error::Error as StdError;
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
use time::OffsetDateTime;
use tower_layer::Layer;
use tower_service::Service;

use crate::error::ConnectionFault;

type BoxError = Box<dyn StdError + Send + Sync>;

tokio::task_local! {
    /// Whether the server of the connection that is being made has asked.
    static ASKED: Cell<bool>;
}

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
        let why = CertificateError::Other(OtherError(Arc::new(ConnectionFault::NotAsked)));
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

/// The time in which the client certificate is valid, in seconds since 1970.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Validity {
    pub(crate) from: i64,
    pub(crate) until: i64,
}

impl Validity {
    /// Why the certificate must not be used now, if so.
    fn fault(self) -> Option<ConnectionFault> {
        let now = OffsetDateTime::now_utc().unix_timestamp();
        if now > self.until {
            Some(ConnectionFault::ClientCertificateExpired(self.until))
        } else if now < self.from {
            Some(ConnectionFault::ClientCertificateNotYetValid(self.from))
        } else {
            None
        }
    }
}

/// Gives each connection that is made its own note of whether the server has asked. None is made with a
/// client certificate that is out of its dates: it can expire while the process runs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PerConnection(pub(crate) Option<Validity>);

impl<S> Layer<S> for PerConnection {
    type Service = NotedConnections<S>;

    fn layer(&self, inner: S) -> Self::Service {
        NotedConnections(Arc::new(inner), self.0)
    }
}

/// The service of [`PerConnection`]. It is cloned several times for each request, although few of them
/// make a connection: what is within is cloned only then.
#[derive(Debug)]
pub(crate) struct NotedConnections<S>(Arc<S>, Option<Validity>);

impl<S> Clone for NotedConnections<S> {
    fn clone(&self) -> Self {
        Self(self.0.clone(), self.1)
    }
}

impl<S, T> Service<T> for NotedConnections<S>
where
    S: Service<T, Error = BoxError> + Clone + Send + Sync + 'static,
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
        let fault = self.1.and_then(Validity::fault);
        let connecting = async move {
            if let Some(fault) = fault {
                return Err(fault.into());
            }
            poll_fn(|context| connector.poll_ready(context)).await?;
            connector.call(target).await
        };
        Box::pin(ASKED.scope(Cell::new(false), connecting))
    }
}
