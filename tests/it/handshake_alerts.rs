//! TLS alerts that refuse a client certificate: in the handshake nothing was sent; the same ones later prove nothing.

use bytes::Bytes;
use d1_facade::{ErrorKind, Outcome};
use d1_tests::CARD;
use d1_tests::hostile_server::scripted::{accept, answer, builder_at, read};
use d1_tests::hostile_server::{Protocol, ScriptedServer, Tls, Wire, ends_with_alert};
use h2::server::Builder;
use rustls::CertificateError;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// The alerts by which a server refuses a certificate, and the reasons for which it sends them.
const ALERTS: [(CertificateError, u8, &str); 3] = [
    (
        CertificateError::BadSignature,
        51,
        "its signature, or that of its key, does not fit",
    ),
    (
        CertificateError::ApplicationVerificationFailure,
        49,
        "it has no access",
    ),
    (
        CertificateError::UnknownIssuer,
        48,
        "an authority that it does not trust",
    ),
];

#[tokio::test]
async fn an_alert_in_the_handshake_is_named_and_nothing_was_sent() {
    for protocol in [Protocol::Http1, Protocol::Http2] {
        for (reason, _, said) in ALERTS {
            // The first connection is good for one call, the others refuse.
            let refuses = move |number| (number > 0).then(|| reason.clone());
            let server =
                ScriptedServer::start(protocol, refuses, move |_, tls| one_answer(protocol, tls));
            let server = server.await;
            let client = builder_at(server.url()).build().unwrap();
            let card = client.card(CARD.parse().unwrap());
            card.suspend().await.unwrap();
            let mut refused = 0;
            for _ in 0..20 {
                let error = card.suspend().await.unwrap_err();
                // The close of the first connection may come while the next request is written.
                if error.kind() == ErrorKind::Connect {
                    assert_eq!(error.outcome(), Outcome::NotSent, "{error}");
                    assert!(error.to_string().contains(said), "{error}");
                    refused += 1;
                }
            }
            assert!(refused >= 19, "{refused}");
        }
    }
}

/// Answers one request, and closes.
async fn one_answer(protocol: Protocol, mut tls: Tls) {
    if protocol == Protocol::Http1 {
        request_of_http1(&mut tls).await;
        let _ = tls.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await;
        let _ = tls.shutdown().await;
        return;
    }
    let mut connection = accept(tls, 100).await;
    if let Some(Ok((request, respond))) = connection.accept().await {
        tokio::spawn(async move { answer((read(request).await, respond).1) });
        connection.graceful_shutdown();
        while connection.accept().await.is_some() {}
    }
}

async fn request_of_http1(tls: &mut Tls) {
    let mut read = Vec::new();
    while !read.ends_with(b"}") {
        read.push(tls.read_u8().await.unwrap());
    }
}

#[tokio::test]
async fn the_same_alert_after_a_request_was_read_leaves_the_outcome_unknown() {
    for protocol in [Protocol::Http1, Protocol::Http2] {
        for (_, alert, _) in ALERTS {
            let server = ScriptedServer::start(
                protocol,
                |_| None,
                move |_, mut tls| async move {
                    if protocol == Protocol::Http1 {
                        request_of_http1(&mut tls).await;
                        return ends_with_alert(tls, alert).await;
                    }
                    let wire = Wire::new(tls);
                    let mut connection = Builder::new()
                        .handshake::<_, Bytes>(wire.clone())
                        .await
                        .unwrap();
                    if let Some(Ok((request, _respond))) = connection.accept().await {
                        let mut reading = std::pin::pin!(read(request));
                        tokio::select! {
                            _ = &mut reading => {}
                            _ = connection.accept() => {}
                        }
                        ends_with_alert(wire.end().unwrap(), alert).await;
                    }
                },
            );
            let server = server.await;
            // The first change of a client with a token source of its own.
            let client = builder_at(server.url()).build().unwrap();
            let error = client
                .card(CARD.parse().unwrap())
                .suspend()
                .await
                .unwrap_err();
            assert_eq!(
                (error.kind(), error.outcome()),
                (ErrorKind::Transport, Outcome::Unknown),
                "{protocol:?}: {error}"
            );
        }
    }
}
