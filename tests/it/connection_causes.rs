//! Why there was no connection stands in the error's one line, in words of ours.

use d1_facade::{Client, ClientBuilder, Environment, ErrorKind, Identity, Outcome};
use d1_tests::fault_server::{Act, FaultServer};
use d1_tests::tls_server::TlsServer;
use d1_tests::{
    CARD, FixedToken, ISSUER, NO_SUCH_HOST, RESOLVER_TIME, certificate, certificate_of_days,
    closed_port, foreign_identity, strict_sandbox,
};
use openssl::hash::MessageDigest;
use openssl::pkey::{PKey, Private};
use openssl::x509::X509;
use openssl::x509::extension::BasicConstraints;

fn builder(url: String, root: &[u8]) -> ClientBuilder {
    let (certificate, key) = foreign_identity();
    Client::builder(Environment::Custom(url), ISSUER.parse().unwrap())
        .client_identity(Identity::from_pem(certificate, key).unwrap())
        .root_certificate(root)
        .without_system_roots()
        .token_source(FixedToken)
        .timeout(2 * RESOLVER_TIME)
        .connect_timeout(RESOLVER_TIME)
        .retry(d1_facade::retry::ExponentialBackoff::default().max_attempts(1))
}

/// The error of a change that reaches no server, and its advice.
async fn line(builder: ClientBuilder) -> String {
    let card = builder.build().unwrap().card(CARD.parse().unwrap());
    let error = card.suspend().await.unwrap_err();
    assert_eq!(
        (error.kind(), error.outcome()),
        (ErrorKind::Connect, Outcome::NotSent),
        "{error}"
    );
    assert!(!error.advice().contains("look"), "{}", error.advice());
    format!("{error} | {}", error.advice())
}

fn assert_names(line: &str, words: &str) {
    assert!(line.contains(words), "not \"{words}\": {line}");
}

fn root() -> Vec<u8> {
    certificate("localhost", 1).0.to_pem().unwrap()
}

#[tokio::test]
async fn the_way_to_the_host_is_named() {
    let unknown = line(builder(format!("https://{NO_SUCH_HOST}"), &root())).await;
    assert_names(&unknown, "the name of the host cannot be resolved (DNS)");

    let (_socket, port) = closed_port();
    let refused = line(builder(format!("https://127.0.0.1:{port}"), &root())).await;
    assert_names(&refused, "the host refuses connections to this port");
    assert!(!refused.contains("proxy "), "there is none: {refused}");
}

#[tokio::test]
async fn a_proxy_that_fails_is_named() {
    let through = |proxy: String| builder(format!("https://{NO_SUCH_HOST}"), &root()).proxy(proxy);
    let (_socket, port) = closed_port();
    let dead = line(through(format!("http://127.0.0.1:{port}"))).await;
    assert_names(&dead, "the proxy refuses connections to its port");

    let unknown = line(through(format!("http://{NO_SUCH_HOST}:3128"))).await;
    assert_names(&unknown, "the name of the proxy cannot be resolved (DNS)");

    let closing = FaultServer::start(|_, _| Act::ResetAfterRequest).await;
    assert_names(
        &line(through(closing.url())).await,
        "the proxy does not respond as a proxy",
    );
    let other = TlsServer::with(certificate("localhost", 1));
    let port = other.port;
    assert_names(
        &line(through(format!("https://localhost:{port}"))).await,
        "TLS to the proxy failed",
    );

    for (answer, words) in [
        (403, "the proxy refuses to connect to the host"),
        (502, "the proxy refuses to connect to the host"),
        (407, "the proxy asks for a user and a password"),
    ] {
        let proxy = FaultServer::start(move |path, _| match path {
            "" => Act::Say(Vec::new()),
            _ => Act::answer(answer, "text/plain", ""),
        });
        let proxy = proxy.await;
        assert_names(&line(through(proxy.url())).await, words);
    }
}

/// A certificate for `localhost` of this X.509 version, which may be that of an authority.
fn server_certificate(version: i32, is_authority: bool) -> (X509, PKey<Private>) {
    let (usual, key) = certificate("localhost", 1);
    let mut builder = X509::builder().unwrap();
    builder.set_version(version - 1).unwrap();
    builder.set_serial_number(usual.serial_number()).unwrap();
    builder.set_subject_name(usual.subject_name()).unwrap();
    builder.set_issuer_name(usual.subject_name()).unwrap();
    builder.set_pubkey(&key).unwrap();
    builder.set_not_before(usual.not_before()).unwrap();
    builder.set_not_after(usual.not_after()).unwrap();
    if is_authority {
        let may_sign = BasicConstraints::new().critical().ca().build().unwrap();
        builder.append_extension(may_sign).unwrap();
    }
    builder.sign(&key, MessageDigest::sha256()).unwrap();
    (builder.build(), key)
}

#[tokio::test]
async fn what_the_server_shows_is_named() {
    let wrong = |server: &TlsServer, root: &[u8]| {
        line(builder(format!("https://localhost:{}", server.port), root))
    };
    for (server, words) in [
        (
            TlsServer::with(certificate("localhost", -1)),
            "the certificate of the server has expired",
        ),
        (
            TlsServer::with(certificate_of_days("localhost", 1, 2)),
            "the certificate of the server is not valid yet",
        ),
        (
            TlsServer::with(certificate("elsewhere.example", 1)),
            "the certificate of the server is for another host name",
        ),
        (
            TlsServer::with(certificate("localhost", 1)),
            "the server did not ask for the client certificate",
        ),
        (
            TlsServer::with(server_certificate(3, true)),
            "the certificate of the server is that of an authority",
        ),
        (
            TlsServer::with(server_certificate(1, false)),
            "the certificate of the server is of an X.509 version before 3",
        ),
        (
            TlsServer::that_refuses_certificates(),
            "the server refuses the client certificate",
        ),
        (
            TlsServer::of_version_1_1(),
            "the server speaks no version of TLS that this client allows",
        ),
    ] {
        assert_names(&wrong(&server, &server.certificate).await, words);
    }
    let server = TlsServer::with(certificate("localhost", 1));
    let other = certificate("other.example", 1).0.to_pem().unwrap();
    assert_names(
        &wrong(&server, &other).await,
        "the certificate of the server is from an authority that is not trusted",
    );
    // An authority that was made anew under its old name.
    assert_names(
        &wrong(&server, &root()).await,
        "the certificate of the server is not signed by the trusted authority that it names",
    );
}

#[tokio::test]
async fn a_port_without_tls_is_named() {
    let plain = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = plain.local_addr().unwrap().port();
    let answering = tokio::spawn(async move {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        while let Ok((mut stream, _)) = plain.accept().await {
            let _ = stream.read(&mut [0; 64]).await;
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        }
    });
    let line = line(builder(format!("https://127.0.0.1:{port}"), &root())).await;
    assert_names(&line, "the server does not speak TLS on this port");
    answering.abort();
}

#[tokio::test]
async fn a_client_certificate_out_of_its_dates_is_named_and_not_used() {
    let sandbox = strict_sandbox().await;
    for (first, last, words) in [
        (
            -30,
            -1,
            "the client certificate has expired: it was valid until ",
        ),
        (
            1,
            30,
            "the client certificate is not valid yet: it is valid from ",
        ),
    ] {
        let (certificate, key) = certificate_of_days("client", first, last);
        let key = key.private_key_to_pem_pkcs8().unwrap();
        let url = sandbox.base_url().to_owned();
        let identity = certificate.to_pem().unwrap();
        let builder = builder(url, sandbox.ca_pem().as_ref())
            .client_identity(Identity::from_pem(identity, key).unwrap());
        let line = line(builder).await;
        assert_names(&line, words);
        let date = if last < 0 {
            certificate.not_after()
        } else {
            certificate.not_before()
        };
        let year = date.to_string();
        let year = year.split_whitespace().nth(3).unwrap();
        assert_names(&line, year);
    }
    assert!(sandbox.requests().is_empty());
}
