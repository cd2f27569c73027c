//! HTTP/1.1.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use d1_transport::{BodyError, Cause, Claim, HttpClient, Written};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::server::{SHORT, Server, Tls, options, post};

const HTTP1: &str = "http/1.1";

/// Reads one request with its body.
pub(crate) async fn request(tls: &mut Tls) -> Option<String> {
    let mut read = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&read).into_owned();
        if text.ends_with('}') {
            return Some(text);
        }
        let mut space = [0; 1024];
        match tls.read(&mut space).await {
            Ok(0) | Err(_) => return None,
            Ok(count) => read.extend_from_slice(&space[..count]),
        }
    }
}

#[tokio::test]
async fn a_response_comes_with_status_headers_and_body() {
    let server = Server::start(HTTP1, |_, mut tls| async move {
        while request(&mut tls).await.is_some() {
            let answer = b"HTTP/1.1 202 Accepted\r\nx-a: b\r\ncontent-length: 4\r\n\r\ndone";
            tls.write_all(answer).await.unwrap();
        }
    })
    .await;
    let client = server.client();
    for _ in 0..3 {
        let response = server.post(&client).await.unwrap();
        assert_eq!(response.status.as_u16(), 202);
        assert_eq!(response.headers["x-a"], "b");
        assert_eq!(response.body.unwrap(), "done");
    }
    assert_eq!(server.connections(), 1, "the connection is kept");
}

#[tokio::test]
async fn a_response_that_is_too_long_or_breaks_off_has_no_body() {
    let server = Server::start(HTTP1, |number, mut tls| async move {
        request(&mut tls).await;
        let length = [4096, 100][number];
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\nbegin");
        tls.write_all(head.as_bytes()).await.unwrap();
        tls.shutdown().await.unwrap();
    })
    .await;
    let too_long = server.post(&server.client()).await.unwrap();
    assert_eq!(too_long.body, Err(BodyError::TooLarge));
    let broken = server.post(&server.client()).await.unwrap();
    assert!(matches!(
        broken.body,
        Err(BodyError::Broken(Cause::Closed(_)))
    ));
}

#[tokio::test]
async fn a_connection_that_ends_after_the_request_may_have_carried_it() {
    let server = Server::start(HTTP1, |_, mut tls| async move {
        request(&mut tls).await;
    })
    .await;
    let failure = server.post(&server.client()).await.unwrap_err();
    assert_eq!(failure.written, Written::Maybe);
    assert!(matches!(failure.cause, Cause::Closed(_)), "{failure:?}");
    assert_eq!(server.connections(), 1, "nothing is sent again");
}

#[tokio::test]
async fn a_server_that_does_not_answer_may_have_got_it() {
    let server = Server::start(HTTP1, |_, mut tls| async move {
        request(&mut tls).await;
        std::future::pending::<()>().await;
    })
    .await;
    let failure = server.post(&server.client()).await.unwrap_err();
    assert_eq!(
        (failure.written, &failure.cause),
        (Written::Maybe, &Cause::TimedOut)
    );
}

#[tokio::test]
async fn a_pooled_connection_that_was_closed_is_replaced_before_anything_is_written() {
    let requests = Arc::new(AtomicUsize::new(0));
    let closed = Arc::new(AtomicUsize::new(0));
    let (seen, ended) = (requests.clone(), closed.clone());
    let server = Server::start(HTTP1, move |_, mut tls| {
        let (seen, ended) = (seen.clone(), ended.clone());
        async move {
            if request(&mut tls).await.is_some() {
                seen.fetch_add(1, Ordering::SeqCst);
                tls.write_all(b"HTTP/1.1 204 No Content\r\n\r\n")
                    .await
                    .unwrap();
                tls.shutdown().await.unwrap();
                // Until the client has closed its side.
                let _ = tls.read(&mut [0; 16]).await;
                ended.fetch_add(1, Ordering::SeqCst);
            }
        }
    })
    .await;
    let client = server.client();
    for _ in 0..20 {
        server.post(&client).await.unwrap();
        // The client has seen the close, and closed its side.
        while closed.load(Ordering::SeqCst) < server.connections() {
            tokio::task::yield_now().await;
        }
    }
    assert_eq!(requests.load(Ordering::SeqCst), 20);
}

#[tokio::test]
async fn without_a_connection_nothing_was_written() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let client = HttpClient::new(options(None, None)).unwrap();
    let at = |host: &str| format!("http://{host}/change");
    let claim = Claim::new();
    let refused = post(&client, &at(&format!("127.0.0.1:{port}")), &claim, SHORT)
        .await
        .unwrap_err();
    assert_eq!(refused.written, Written::No);
    assert_eq!(
        refused.cause,
        Cause::Connect(std::io::ErrorKind::ConnectionRefused)
    );
    let unknown = post(&client, &at("no-such-host.invalid"), &Claim::new(), SHORT)
        .await
        .unwrap_err();
    assert_eq!(
        (unknown.written, &unknown.cause),
        (Written::No, &Cause::Dns)
    );
}
