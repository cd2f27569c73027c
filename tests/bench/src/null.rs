//! A server behind mutual TLS that does no more than answer: what the sandbox, and clients over TLS, are measured
//! beside. It speaks TLS as the sandbox does.

use std::net::TcpListener;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum_server::accept::NoDelayAcceptor;
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use rcgen::{BasicConstraints, Certificate, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::PrivateKeyDer;

use crate::callers::Secured;

const TOKEN: &str = r#"{"access_token":"null","token_type":"Bearer","expires_in":900}"#;

/// Starts a server that answers a token call with a token, and every other call with 204. It ends with the
/// runtime.
pub async fn serve(http1_only: bool) -> Secured {
    let mut authority = CertificateParams::default();
    let name = &mut authority.distinguished_name;
    name.push(DnType::CommonName, "benchmark CA");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let root = authority.self_signed(&key).unwrap();
    let authority = Issuer::new(authority, key);
    let (certificate, key) = signed("localhost", &authority);
    let (client, client_key) = signed("client", &authority);

    let provider = Arc::new(rustls_openssl::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(root.der().clone()).unwrap();
    let clients = WebPkiClientVerifier::builder_with_provider(roots.into(), Arc::clone(&provider));
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(clients.build().unwrap())
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        )
        .unwrap();
    config.alpn_protocols = match http1_only {
        true => vec![b"http/1.1".to_vec()],
        false => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
    };

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let tls = RustlsAcceptor::new(RustlsConfig::from_config(Arc::new(config)));
    let server = axum_server::from_tcp(listener)
        .unwrap()
        .acceptor(tls.acceptor(NoDelayAcceptor::new()));
    // An HTTP/2 stream whose body is not read is reset, and a connection with many of those is ended.
    let router = Router::new()
        .route("/authz/v1/oauth2/token", post(async |_: Bytes| token()))
        .fallback(async |_: Bytes| StatusCode::NO_CONTENT);
    tokio::spawn(server.serve(router.into_make_service()));
    Secured {
        base_url: format!("https://localhost:{port}"),
        ca: root.pem(),
        certificate: client.pem(),
        key: client_key.serialize_pem(),
    }
}

fn signed(name: &str, authority: &Issuer<'_, KeyPair>) -> (Certificate, KeyPair) {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new([name.to_owned()]).unwrap();
    (params.signed_by(&key, authority).unwrap(), key)
}

fn token() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], TOKEN).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::callers::Caller;
    use crate::samples::CARD;

    #[tokio::test]
    async fn it_answers_every_call_behind_mutual_tls() {
        for http1_only in [true, false] {
            let server = serve(http1_only).await;
            for caller in ["facade", "bare"] {
                let caller = Caller::secured(caller, &server).unwrap();
                assert!(caller.suspend(CARD).await);
            }
            let url = format!("{}/authz/v1/oauth2/token", server.base_url);
            let answer = server.bare().post(url).send().await.unwrap();
            assert_eq!(answer.text().await.unwrap(), TOKEN);
        }
    }
}
