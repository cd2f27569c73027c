//! What happens before a request has arrived: certificates of other sandboxes, and clients that send half
//! of what they should.

use d1_sandbox::Sandbox;
use openssl::ssl::{SslConnector, SslMethod, SslStream};
use openssl::x509::X509;
use std::io::{Read, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use crate::common::{http_client, http_client_with};

#[tokio::test]
async fn each_sandbox_has_a_ca_and_a_client_certificate_of_its_own() {
    let (own, other) = tokio::join!(Sandbox::start(), Sandbox::start());
    let (own, other) = (own.unwrap(), other.unwrap());
    assert_ne!(own.ca_pem(), other.ca_pem());
    let of_other = (other.client_certificate_pem(), other.client_key_pem());
    let stranger = http_client_with(&own, Some(of_other), rustls::ALL_VERSIONS);
    assert!(stranger.get(own.base_url()).send().await.is_err());
    assert!(own.requests().is_empty(), "it got no further than TLS");

    let client = http_client(&own, true, rustls::ALL_VERSIONS);
    assert!(client.get(own.base_url()).send().await.is_ok());
    assert!(
        client.get(other.base_url()).send().await.is_err(),
        "the server's certificate comes from another CA"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_whose_certificate_is_refused_is_told_so() {
    let (own, other) = tokio::join!(Sandbox::start(), Sandbox::start());
    let (own, other) = (own.unwrap(), other.unwrap());
    let client = tokio::task::spawn_blocking(move || {
        // By TLS 1.3 the request is on its way before the certificate is refused, here with a long body.
        let mut stream = tls_as(&own, port(own.base_url()), &other);
        stream.write_all(&vec![b'x'; 16 << 20]).unwrap();
        stream.read(&mut [0]).unwrap_err().to_string()
    });
    let alert = client.await.unwrap();
    assert!(alert.contains("unknown ca"), "{alert}");
}

/// A TLS connection to the sandbox.
fn tls(sandbox: &Sandbox, port: u16) -> SslStream<TcpStream> {
    tls_as(sandbox, port, sandbox)
}

/// A TLS connection to the sandbox, with the client certificate of `other`.
fn tls_as(sandbox: &Sandbox, port: u16, other: &Sandbox) -> SslStream<TcpStream> {
    let mut builder = SslConnector::builder(SslMethod::tls_client()).unwrap();
    let ca = X509::from_pem(sandbox.ca_pem().as_bytes()).unwrap();
    builder.cert_store_mut().add_cert(ca).unwrap();
    let certificate = X509::from_pem(other.client_certificate_pem().as_bytes()).unwrap();
    builder.set_certificate(&certificate).unwrap();
    let key = openssl::pkey::PKey::private_key_from_pem(other.client_key_pem().as_bytes());
    builder.set_private_key(&key.unwrap()).unwrap();
    let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    builder.build().connect("localhost", stream).unwrap()
}

/// Reads until the other side closes. A test that fails here hangs.
fn until_closed(mut stream: impl Read) {
    let mut buffer = [0; 256];
    while stream.read(&mut buffer).is_ok_and(|length| length > 0) {}
}

fn port(url: &str) -> u16 {
    url.rsplit_once(':').unwrap().1.parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_stops_halfway_is_left() {
    // Long enough for a busy machine to make a handshake; all clients wait for it at the same time.
    let builder = Sandbox::builder().read_timeout(Duration::from_secs(3));
    let sandbox = builder.control_port(0).start().await.unwrap();
    let (own, control) = (
        port(sandbox.base_url()),
        port(sandbox.control_url().unwrap()),
    );
    let settings = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    let plain = [
        (own, &b""[..]),
        (own, b"\x16\x03\x01\x02\x00\x01"),
        (control, b""),
        (control, b"GET /api/state HTTP/1.1\r\nhost: local"),
    ];
    let secured = [
        &b""[..],
        b"PRI * HT",
        b"GET /banking HTTP/1.1\r\nhost: loc",
        b"POST /banking HTTP/1.1\r\nhost: localhost\r\ncontent-length: 10\r\n\r\n{",
        settings,
        &[settings, &b"\0\0\x01\x01\0\0\0\0\x01\x82"[..]].concat(),
    ];
    tokio::task::block_in_place(|| {
        std::thread::scope(|threads| {
            for (port, half) in plain {
                threads.spawn(move || {
                    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
                    stream.write_all(half).unwrap();
                    until_closed(stream);
                });
            }
            for half in secured {
                threads.spawn(|| {
                    let mut stream = tls(&sandbox, own);
                    stream.write_all(half).unwrap();
                    until_closed(stream);
                });
            }
        });
    });
    let statuses: Vec<u16> = sandbox.requests().iter().map(|r| r.status).collect();
    assert_eq!(
        statuses,
        [404],
        "half a body is a request, to no known path"
    );
}
