//! What D1 asks of the issuer and tells it: the credentials of a renewal that brings none, and notifications.

use std::sync::Arc;
use std::time::Duration;

use d1_sandbox::{Card, IssuerServer, IssuerStub, Notifications, Sandbox, StartError};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::json;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::Mutex;
use tokio_rustls::TlsAcceptor;

use crate::common::Caller;

/// An issuer that says the same to everybody, and remembers what it was asked.
struct Issuer {
    url: String,
    says: Arc<Mutex<Vec<u8>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Issuer {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (says, asked) = (
            Arc::<Mutex<Vec<u8>>>::default(),
            Arc::<Mutex<Vec<String>>>::default(),
        );
        let (said, heard) = (says.clone(), asked.clone());
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut request = vec![0; 4096];
                let length = stream.read(&mut request).await.unwrap_or(0);
                let request = String::from_utf8_lossy(&request[..length]).into_owned();
                let line = request.lines().next().unwrap_or_default().to_owned();
                heard.lock().await.push(line);
                let _ = stream.write_all(&said.lock().await).await;
            }
        });
        Self { url, says, asked }
    }

    async fn say(&self, status: &str, body: &str) {
        let answer = format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\n\r\n{body}");
        *self.says.lock().await = answer.into_bytes();
    }
}

async fn sandbox(issuer: &Issuer) -> Sandbox {
    let url = issuer.url.clone();
    Sandbox::builder()
        .card(Card::new("Visa"))
        .card(Card::new("Amex").pan("378282246310005"))
        .get_card_credentials(IssuerStub::Endpoint { url })
        .start()
        .await
        .unwrap()
}

#[tokio::test]
async fn the_issuers_credentials_are_taken() {
    let issuer = Issuer::start().await;
    let sandbox = sandbox(&issuer).await;
    let caller = Caller::new(&sandbox).await;
    let token =
        caller.encrypt(r#"{"pan":"5555555555554444","exp":"0131","name":"A B","cvv":"123"}"#);
    issuer
        .say("200 OK", &json!({ "encryptedData": token }).to_string())
        .await;
    assert_eq!(caller.post("Visa", "renew", json!({})).await.0, 200);
    assert!(
        sandbox
            .card("Visa")
            .unwrap()
            .has_credentials("5555555555554444", "0131")
    );
    let asked = issuer.asked.lock().await.clone();
    assert_eq!(
        asked,
        ["GET /cms/api/v1/issuers/ISSUER_A-1/cards/Visa/credentials HTTP/1.1"]
    );
}

#[tokio::test]
async fn an_issuer_that_is_of_no_use_is_an_internal_error_and_changes_nothing() {
    let issuer = Issuer::start().await;
    let sandbox = sandbox(&issuer).await;
    let caller = Caller::new(&sandbox).await;
    for (status, body) in [
        ("500 No", "{}"),
        ("200 OK", "{"),
        ("200 OK", "{}"),
        ("200 OK", r#"{"encryptedData":"a.b.c.d.e"}"#),
    ] {
        issuer.say(status, body).await;
        assert_eq!(
            caller.post("Visa", "renew", json!({})).await.0,
            500,
            "{status} {body}"
        );
    }
    for answer in ["", "HTTP/1.1 200 OK\r\n", "not HTTP\r\n\r\n{}"] {
        *issuer.says.lock().await = answer.into();
        assert_eq!(caller.post("Visa", "renew", json!({})).await.0, 500);
    }
    let wrong = caller.encrypt(r#"{"pan":"12","exp":"0131"}"#);
    issuer
        .say("200 OK", &json!({ "encryptedData": wrong }).to_string())
        .await;
    assert_eq!(caller.post("Visa", "renew", json!({})).await.0, 500);
    assert!(
        sandbox
            .card("Visa")
            .unwrap()
            .has_credentials("4111111111111111", "1230")
    );
}

#[tokio::test]
async fn the_issuer_is_asked_only_where_d1_would() {
    let issuer = Issuer::start().await;
    let sandbox = sandbox(&issuer).await;
    let caller = Caller::new(&sandbox).await;
    assert_eq!(
        caller.post("Amex", "renew", json!({})).await.0,
        400,
        "mandatory there"
    );
    assert_eq!(caller.post("None", "renew", json!({})).await.0, 404);
    sandbox.set_consumer_state("Visa", d1_sandbox::ConsumerState::Inactive);
    assert_eq!(caller.post("Visa", "renew", json!({})).await.0, 403);
    assert!(issuer.asked.lock().await.is_empty());
}

#[tokio::test]
async fn an_endpoint_must_be_a_host_and_a_port() {
    let url = "https://issuer.example".to_owned();
    let notified = Sandbox::builder().notify_card_operations(Notifications::to(&url));
    let asked = Sandbox::builder().get_card_credentials(IssuerStub::Endpoint { url });
    for (builder, expected) in [(asked, "issuer endpoint"), (notified, "notifications")] {
        let Err(StartError::Setting { setting, .. }) = builder.start().await else {
            unreachable!("it was taken");
        };
        assert_eq!(setting, expected);
    }
}

/// Answers each request with the next of `statuses`, and returns the requests.
async fn notified(
    listener: &TcpListener,
    acceptor: Option<&TlsAcceptor>,
    statuses: &[&str],
) -> Vec<String> {
    let mut heard = Vec::new();
    for status in statuses {
        let (stream, _) = listener.accept().await.unwrap();
        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
        heard.push(match acceptor {
            Some(acceptor) => answered(acceptor.accept(stream).await.unwrap(), &answer).await,
            None => answered(stream, &answer).await,
        });
    }
    heard
}

async fn answered(mut stream: impl AsyncRead + AsyncWrite + Unpin, answer: &str) -> String {
    let mut request = String::new();
    while !request.ends_with('}') {
        let mut bytes = [0; 1024];
        let length = stream.read(&mut bytes).await.unwrap();
        request += std::str::from_utf8(&bytes[..length]).unwrap();
    }
    stream.write_all(answer.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    request
}

/// The TLS of a server of the issuer with this certificate, which takes the client certificate of D1 alone.
fn issuer_tls(d1: &Sandbox, server: &IssuerServer) -> TlsAcceptor {
    let provider = Arc::new(rustls_openssl::default_provider());
    let mut roots = RootCertStore::empty();
    let ca = d1.issuer_server().client_ca_pem().as_bytes();
    let ca = CertificateDer::from_pem_slice(ca).unwrap();
    roots.add(ca).unwrap();
    let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider.clone());
    let config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(rustls::ALL_VERSIONS)
        .unwrap()
        .with_client_cert_verifier(verifier.build().unwrap())
        .with_single_cert(
            vec![CertificateDer::from_pem_slice(server.certificate_pem().as_bytes()).unwrap()],
            PrivateKeyDer::from_pem_slice(server.key_pem().as_bytes()).unwrap(),
        )
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

#[tokio::test]
async fn a_notification_is_repeated_until_the_issuer_takes_it() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!(
        "https://localhost:{}",
        listener.local_addr().unwrap().port()
    );
    let notifications = Notifications::to(url).first_pause(Duration::from_millis(1));
    let builder = Sandbox::builder().notify_card_operations(notifications);
    let sandbox = builder.start().await.unwrap();
    let caller = Caller::new(&sandbox).await;
    let (tls, statuses) = (
        issuer_tls(&sandbox, sandbox.issuer_server()),
        ["503 Later", "500 No", "204 No Content"],
    );
    let (response, heard) = tokio::join!(
        caller.post("ReplaceMe01", "suspend", json!({})),
        notified(&listener, Some(&tls), &statuses),
    );
    assert_eq!(response.0, 200);
    for request in &heard {
        assert_eq!(request, &heard[0], "each attempt is the same");
    }
    let (head, body) = heard[0].split_once("\r\n\r\n").unwrap();
    let line = head.lines().next().unwrap();
    assert_eq!(
        line,
        "POST /notifications/d1/v1/issuers/ISSUER_A-1/cards/ReplaceMe01/notifications HTTP/1.1"
    );
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    let listed = caller.get("ReplaceMe01", "").await.1;
    let operation = &listed["operations"][0];
    for member in ["operationId", "operation", "status"] {
        assert_eq!(body[member], operation[member], "{member}");
    }
    assert_eq!(body["operation"], "SUSPEND");
}

#[tokio::test]
async fn a_server_with_a_certificate_of_the_issuers_own_is_called_where_its_authority_is_given() {
    // What another sandbox trusts is the issuer's own.
    let bank = Sandbox::start().await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let builder = || {
        let url = format!("https://localhost:{port}");
        Sandbox::builder().notify_card_operations(Notifications::to(url).attempts(1))
    };
    let ca = bank.issuer_server().client_ca_pem();
    for (builder, is_trusted) in [(builder(), false), (builder().issuer_ca(ca), true)] {
        let sandbox = builder.start().await.unwrap();
        let caller = Caller::new(&sandbox).await;
        let tls = issuer_tls(&sandbox, bank.issuer_server());
        assert_eq!(
            caller.post("ReplaceMe01", "suspend", json!({})).await.0,
            200
        );
        let (stream, _) = listener.accept().await.unwrap();
        assert_eq!(tls.accept(stream).await.is_ok(), is_trusted);
    }
    let broken = builder().issuer_ca("no certificate").start().await;
    assert!(matches!(
        broken,
        Err(StartError::Setting {
            setting: "issuer authority",
            ..
        })
    ));
}

#[tokio::test]
async fn a_notification_is_given_up_after_the_last_attempt_and_a_refused_change_has_none() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let notifications = Notifications::to(url)
        .attempts(2)
        .first_pause(Duration::from_millis(1));
    let builder = Sandbox::builder().notify_card_operations(notifications);
    let sandbox = builder.start().await.unwrap();
    let caller = Caller::new(&sandbox).await;
    assert_eq!(caller.post("None", "suspend", json!({})).await.0, 404);
    let (response, heard) = tokio::join!(
        caller.post("ReplaceMe01", "suspend", json!({})),
        notified(&listener, None, &["500 No", "500 No"]),
    );
    assert_eq!(response.0, 200);
    assert!(heard.iter().all(|request| request.contains("SUSPEND")));
    // There is no third attempt before the notification of the next change.
    let (response, heard) = tokio::join!(
        caller.post("ReplaceMe01", "delete", json!({})),
        notified(&listener, None, &["204 No Content"]),
    );
    assert_eq!(response.0, 200);
    assert!(heard[0].contains("DELETE"), "{heard:?}");
}
