//! The facade before OpenSSL's server, one that differs in one thing each time.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use d1_facade::retry::ExponentialBackoff;
use d1_facade::{Client, EncryptionKey, Environment, Error, ErrorKind, Outcome};
use d1_tests::{CARD, D1_JWK, FixedToken, ISSUER};

use xtask::programs::found;

use crate::{Pair, Rows};

/// OpenSSL's server, which answers from files.
struct Server {
    port: u16,
    child: Child,
}

impl Server {
    fn start(folder: &Path, pair: &Pair, flags: &[&str]) -> Self {
        let child = Command::new("openssl")
            .args(["s_server", "-HTTP", "-accept", "127.0.0.1:0", "-cert"])
            .arg(&pair.certificate)
            .arg("-key")
            .arg(&pair.key)
            .args(flags)
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let mut child = found("openssl", child);
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let port = lines.by_ref().map_while(Result::ok).find_map(|line| {
            let address = line.strip_prefix("ACCEPT ")?;
            address.rsplit(':').next()?.parse().ok()
        });
        let Some(port) = port else {
            unreachable!("openssl s_server did not start");
        };
        // Whatever else it says must not fill the pipe.
        std::thread::spawn(move || lines.for_each(drop));
        Self { port, child }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A read of the facade at a server.
async fn read(server: &Server, trusted: &Path, client: &Pair) -> Result<(), Error> {
    let url = format!("https://localhost:{}", server.port);
    let client = Client::builder(Environment::Custom(url), ISSUER.parse().unwrap())
        .root_certificate(std::fs::read(trusted).unwrap())
        .without_system_roots()
        .client_identity(
            std::fs::read(&client.certificate).unwrap(),
            std::fs::read(&client.key).unwrap(),
        )
        .encryption_key(EncryptionKey::from_jwk(D1_JWK).unwrap())
        .token_source(FixedToken)
        .timeout(Duration::from_secs(10))
        .retry(ExponentialBackoff::default().max_attempts(1))
        .build()
        .unwrap();
    let id = "op-0001".parse().unwrap();
    client
        .card(CARD.parse().unwrap())
        .operation(&id)
        .await
        .map(drop)
}

/// What a server must be refused for; nothing for one that is good.
fn verdict(result: Result<(), Error>, refused_for: Option<&str>) -> Result<(), String> {
    match (result, refused_for) {
        (Ok(()), None) => Ok(()),
        (Ok(()), Some(_)) => Err("accepted".to_owned()),
        (Err(error), None) => Err(format!("{error} {error:?}")),
        (Err(error), Some(words)) => {
            let shown = error.to_string();
            let unsent = error.kind() == ErrorKind::Connect && error.outcome() == Outcome::NotSent;
            (unsent && shown.contains(words)).then_some(()).ok_or(shown)
        }
    }
}

/// A server for the facade: what it is, its certificate, the trusted one, the facade's own, flags, and what
/// it is refused for.
type ServerCase<'c> = (
    &'c str,
    &'c Pair,
    &'c Pair,
    &'c Pair,
    Vec<&'static str>,
    Option<&'static str>,
);

/// The facade before servers that differ in one thing each.
pub(crate) async fn check(folder: &Path, rows: &mut Rows) {
    let path = folder.join(format!(
        "banking/v1/issuers/{ISSUER}/cards/{CARD}/operations"
    ));
    std::fs::create_dir_all(&path).unwrap();
    let body = r#"{"operationId":"op-0001"}"#;
    let head = "HTTP/1.0 200 OK\r\ncontent-type: application/json";
    let answer = format!("{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    std::fs::write(path.join("op-0001"), answer).unwrap();

    let good = Pair::p256(folder, "server", "localhost", 2);
    let rsa = Pair::rsa(folder, "server-rsa", "localhost", 2048);
    let expired = Pair::p256(folder, "expired", "localhost", -1);
    let other = Pair::p256(folder, "other", "elsewhere.example", 2);
    let client = Pair::p256(folder, "client", "client", 2);
    let client_rsa = Pair::rsa(folder, "client-rsa", "client", 4096);

    const ASKS: [&str; 2] = ["-Verify", "1"];
    let old = ["-cipher", "ALL:@SECLEVEL=0"];
    let weak = [
        "-tls1_2",
        "-cipher",
        "AES128-SHA:ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0",
    ];
    let with = |flags: &[&'static str]| [flags, &ASKS].concat();
    let untrusted = Some("authority");
    let cases: [ServerCase<'_>; 15] = [
        (
            "TLS 1.3, P-256 client key",
            &good,
            &good,
            &client,
            with(&["-tls1_3"]),
            None,
        ),
        (
            "TLS 1.2, P-256 client key",
            &good,
            &good,
            &client,
            with(&["-tls1_2"]),
            None,
        ),
        (
            "TLS 1.3, RSA-4096 client key",
            &good,
            &good,
            &client_rsa,
            with(&["-tls1_3"]),
            None,
        ),
        (
            "TLS 1.2, RSA-4096 client key",
            &good,
            &good,
            &client_rsa,
            with(&["-tls1_2"]),
            None,
        ),
        (
            "TLS 1.3, RSA server key",
            &rsa,
            &rsa,
            &client,
            with(&["-tls1_3"]),
            None,
        ),
        (
            "TLS 1.2, RSA server key",
            &rsa,
            &rsa,
            &client,
            with(&["-tls1_2"]),
            None,
        ),
        (
            "expired certificate refused",
            &expired,
            &expired,
            &client,
            with(&[]),
            Some("expired"),
        ),
        (
            "certificate of another name refused",
            &other,
            &other,
            &client,
            with(&[]),
            Some("another host name"),
        ),
        (
            "certificate of an unknown CA refused",
            &good,
            &other,
            &client,
            with(&[]),
            untrusted,
        ),
        (
            "TLS 1.3, no client certificate asked, refused",
            &good,
            &good,
            &client,
            vec!["-tls1_3"],
            Some("not D1"),
        ),
        (
            "TLS 1.2, no client certificate asked, refused",
            &good,
            &good,
            &client,
            vec!["-tls1_2"],
            Some("not D1"),
        ),
        (
            "TLS 1.1 only refused",
            &good,
            &good,
            &client,
            with(&[&["-tls1_1"][..], &old].concat()),
            Some("no connection"),
        ),
        (
            "TLS 1.0 only refused",
            &good,
            &good,
            &client,
            with(&[&["-tls1"][..], &old].concat()),
            Some("no connection"),
        ),
        (
            "CBC without forward secrecy refused",
            &rsa,
            &rsa,
            &client,
            with(&weak),
            Some("no connection"),
        ),
        (
            "CBC with forward secrecy refused",
            &good,
            &good,
            &client,
            with(&weak),
            Some("no connection"),
        ),
    ];
    for (name, server, trusted, client, flags, refused_for) in cases {
        let server = Server::start(folder, server, &flags);
        let result = read(&server, &trusted.certificate, client).await;
        rows.add(&format!("facade: {name}"), verdict(result, refused_for));
    }
}
