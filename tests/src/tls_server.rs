//! A server that speaks TLS, but not as it should: it handshakes and says nothing.

use std::net::TcpListener;

use openssl::pkey::{PKey, Private};
use openssl::ssl::{SslAcceptor, SslAcceptorBuilder, SslMethod, SslVerifyMode, SslVersion};
use openssl::x509::X509;

use crate::certificate;

/// The server. It ends with the process.
pub struct TlsServer {
    /// Where it listens, on `localhost`.
    pub port: u16,
    /// The certificate that it shows, as PEM.
    pub certificate: Vec<u8>,
}

impl TlsServer {
    /// A server that shows `certificate` and asks for none.
    pub fn with(certificate: (X509, PKey<Private>)) -> Self {
        Self::start(certificate, |_| {})
    }

    /// A server that speaks TLS 1.1 at most.
    pub fn of_version_1_1() -> Self {
        Self::start(certificate("localhost", 1), |acceptor| {
            let old = (Some(SslVersion::TLS1), Some(SslVersion::TLS1_1));
            acceptor.set_min_proto_version(old.0).unwrap();
            acceptor.set_max_proto_version(old.1).unwrap();
        })
    }

    /// A server that refuses every client certificate, within the handshake (TLS 1.2).
    pub fn that_refuses_certificates() -> Self {
        Self::start(certificate("localhost", 1), |acceptor| {
            let version = Some(SslVersion::TLS1_2);
            acceptor.set_max_proto_version(version).unwrap();
            let mode = SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT;
            acceptor.set_verify(mode);
        })
    }

    fn start(
        (certificate, key): (X509, PKey<Private>),
        edit: impl FnOnce(&mut SslAcceptorBuilder),
    ) -> Self {
        let mut acceptor = SslAcceptor::mozilla_intermediate(SslMethod::tls()).unwrap();
        acceptor.set_certificate(&certificate).unwrap();
        acceptor.set_private_key(&key).unwrap();
        edit(&mut acceptor);
        let acceptor = acceptor.build();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // It fails: that is what it is for.
                let _ = acceptor.accept(stream);
            }
        });
        let certificate = certificate.to_pem().unwrap();
        Self { port, certificate }
    }
}
