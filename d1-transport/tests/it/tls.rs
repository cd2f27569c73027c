//! TLS and proxies.

use std::io::ErrorKind;
use std::sync::Arc;

use d1_transport::{Cause, Claim, Proxy, Written};
use rustls::AlertDescription;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use crate::http1::request;
use crate::server::{Authority, SHORT, Server, post};

#[tokio::test]
async fn a_refused_client_certificate_is_named_every_time() {
    for protocol in ["http/1.1", "h2"] {
        let server = Server::start(protocol, |_, _| async {}).await;
        let foreign = server.client_of(&Authority::new(), None);
        for _ in 0..40 {
            let failure = server.post(&foreign).await.unwrap_err();
            assert_eq!(failure.written, Written::No, "{protocol}: {failure:?}");
            let alert = Cause::Alert(AlertDescription::UnknownCA);
            assert_eq!(failure.cause, alert, "{protocol}");
        }
        assert!(server.refused_handshakes() > 0);
    }
}

#[tokio::test]
async fn a_refusal_is_not_the_cause_of_what_fails_after_it() {
    let server = Server::start("http/1.1", |_, _| async {}).await;
    let foreign = server.client_of(&Authority::new(), None);
    let refused = server.post(&foreign).await.unwrap_err();
    assert!(matches!(refused.cause, Cause::Alert(_)), "{refused:?}");
    let closed = TcpSocket::new_v4().unwrap();
    closed.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let uri = format!("https://127.0.0.1:{}/", closed.local_addr().unwrap().port());
    let failure = post(&foreign, &uri, &Claim::new(), SHORT).await;
    let expected = Cause::Connect(ErrorKind::ConnectionRefused);
    assert_eq!(failure.unwrap_err().cause, expected);
}

#[tokio::test]
async fn a_server_that_does_not_ask_for_the_certificate_is_refused() {
    let authority = Arc::new(Authority::new());
    let server = Server::start_with(authority, "http/1.1", None, |_, mut tls| async move {
        assert_eq!(request(&mut tls).await, None, "a request was written");
    })
    .await;
    let failure = server.post(&server.client()).await.unwrap_err();
    assert_eq!(
        (failure.written, &failure.cause),
        (Written::No, &Cause::NotAsked)
    );
}

#[tokio::test]
async fn a_server_that_is_not_trusted_gets_nothing() {
    let server = Server::start("http/1.1", |_, _| async {}).await;
    let other = Server::start("http/1.1", |_, _| async {}).await;
    let failure = server.post(&other.client()).await.unwrap_err();
    assert_eq!(failure.written, Written::No);
    assert!(matches!(failure.cause, Cause::Tls(_)), "{failure:?}");
}

/// A proxy that answers CONNECT with `answer`, and then passes bytes on to `port` where that is a success.
async fn proxy(answer: &'static str, port: u16) -> (Proxy, Arc<std::sync::Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://user:p%40ss@{}", listener.local_addr().unwrap());
    let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
    let heads = seen.clone();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(client.read_u8().await.unwrap());
            }
            heads.lock().unwrap().push(String::from_utf8(head).unwrap());
            client.write_all(answer.as_bytes()).await.unwrap();
            if answer.contains(" 200 ") {
                let mut server = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                tokio::spawn(async move {
                    tokio::io::copy_bidirectional(&mut client, &mut server).await
                });
            }
        }
    });
    (Proxy::parse(&url).unwrap(), seen)
}

#[tokio::test]
async fn a_tunnel_leads_through_a_proxy() {
    let server = Server::start("http/1.1", |_, mut tls| async move {
        request(&mut tls).await;
        tls.write_all(b"HTTP/1.1 204 No Content\r\n\r\n")
            .await
            .unwrap();
    })
    .await;
    let (proxy, seen) = proxy("HTTP/1.1 200 OK\r\n\r\n", server.port).await;
    let client = server.client_of(&server.authority, Some(proxy));
    let response = server.post(&client).await.unwrap();
    assert_eq!(response.status.as_u16(), 204);
    let head = seen.lock().unwrap().remove(0);
    let target = format!("CONNECT localhost:{} HTTP/1.1\r\n", server.port);
    assert!(head.starts_with(&target), "{head}");
    assert!(
        head.contains("Proxy-Authorization: Basic dXNlcjpwQHNz\r\n"),
        "{head}"
    );
}

#[tokio::test]
async fn the_status_of_a_proxy_that_refuses_is_told() {
    let server = Server::start("http/1.1", |_, _| async {}).await;
    let (proxy, seen) = proxy("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", 0).await;
    let client = server.client_of(&server.authority, Some(proxy));
    let failure = server.post(&client).await.unwrap_err();
    assert_eq!(failure.written, Written::No);
    let status = http::StatusCode::PROXY_AUTHENTICATION_REQUIRED;
    assert_eq!(failure.cause, Cause::ProxyRefused(status));
    assert_eq!(seen.lock().unwrap().len(), 1, "it is asked once");
}
