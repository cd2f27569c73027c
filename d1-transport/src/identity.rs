//! The client's certificate, and the refusal of servers that do not ask for it.
//!
//! A server that stands between without knowing the client's key, such as a proxy that opens TLS, does not ask. It is
//! refused before a request is written.

use std::cell::Cell;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use rustls::client::ResolvesClientCert;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::sign::{CertifiedKey, Signer, SigningKey};
use rustls::{
    CertificateError, DigitallySignedStruct, Error as TlsError, OtherError, SignatureAlgorithm,
    SignatureScheme,
};
use rustls_pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};

tokio::task_local! {
    /// Whether the server of the connection that is being made has asked for the client certificate.
    static HAS_ASKED: Cell<bool>;
}

/// Makes a connection, and tracks whether its server asks for the client certificate.
pub(crate) async fn tracked<F: Future>(handshake: F) -> F::Output {
    HAS_ASKED.scope(Cell::new(false), handshake).await
}

/// The error of a handshake with a server that did not ask for the client certificate. No verifier that
/// [`RequireClientAuth`] stands around returns it: it is meant for verifiers of applications.
pub(crate) const NOT_ASKED: TlsError =
    TlsError::InvalidCertificate(CertificateError::ApplicationVerificationFailure);

/// Presents the client certificate, and tracks that it was asked for.
#[derive(Debug)]
pub(crate) struct TrackingCertResolver(pub(crate) Arc<dyn ResolvesClientCert>);

impl ResolvesClientCert for TrackingCertResolver {
    fn resolve(
        &self,
        root_hint_subjects: &[&[u8]],
        schemes: &[SignatureScheme],
    ) -> Option<Arc<CertifiedKey>> {
        if HAS_ASKED.try_with(|asked| asked.set(true)).is_ok() {
            tracing::debug!("the server asks for the client certificate");
        }
        let certified = self.0.resolve(root_hint_subjects, schemes)?;
        let mut tracked = (*certified).clone();
        tracked.key = Arc::new(TrackedKey(tracked.key));
        Some(Arc::new(tracked))
    }

    fn has_certs(&self) -> bool {
        self.0.has_certs()
    }
}

/// The key of the client certificate, which may be in an HSM: its failures are told from all others of a handshake.
struct TrackedKey(Arc<dyn SigningKey>);

impl SigningKey for TrackedKey {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        let signer = self.0.choose_scheme(offered)?;
        Some(Box::new(TrackedSigner(signer)))
    }

    fn public_key(&self) -> Option<SubjectPublicKeyInfoDer<'_>> {
        self.0.public_key()
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        self.0.algorithm()
    }
}

debug_fields!(TrackedKey);

struct TrackedSigner(Box<dyn Signer>);

impl Signer for TrackedSigner {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, TlsError> {
        // A panic would end the caller's task, and with it every request that waits for this connection.
        let signed = catch_unwind(AssertUnwindSafe(|| self.0.sign(message)));
        let failed = || TlsError::Other(OtherError(Arc::new(KeyFailed)));
        signed.map_err(|_| failed())?.map_err(|_| failed())
    }

    fn scheme(&self) -> SignatureScheme {
        self.0.scheme()
    }
}

debug_fields!(TrackedSigner);

/// The error of a client key that did not sign. What the key itself says is not passed on: it may be anything.
#[derive(Debug)]
pub(crate) struct KeyFailed;

impl fmt::Display for KeyFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the key of the client certificate could not sign")
    }
}

impl std::error::Error for KeyFailed {}

/// Verifies a certificate as `inner` does, and that its server has asked for ours. In TLS 1.2 and 1.3 a server asks
/// before its certificate is verified.
///
/// One verifier serves all connections: rustls resumes a session only with the same verifier.
#[derive(Debug)]
pub(crate) struct RequireClientAuth(pub(crate) Arc<dyn ServerCertVerifier>);

impl ServerCertVerifier for RequireClientAuth {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        let verified = self.0.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        )?;
        match HAS_ASKED.try_with(Cell::get) {
            Ok(true) => Ok(verified),
            _ => Err(NOT_ASKED),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        self.0
            .verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        self.0
            .verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}
