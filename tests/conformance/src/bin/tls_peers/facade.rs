//! The facade before OpenSSL's server, one that differs in one thing each time.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use d1_facade::retry::ExponentialBackoff;
use d1_facade::{Client, EncryptionKey, Environment, Error, ErrorKind, Identity, Outcome};
use d1_tests::{CARD, D1_JWK, FixedToken, ISSUER};

use xtask::programs::found;

use crate::sandbox::VERSIONS;
use crate::{Pair, Rows};

/// OpenSSL's server, which answers from files.
struct Server {
    port: u16,
    child: Child,
}

impl Server {
    fn start(folder: &Path, pair: &Pair, flags: &str) -> Self {
        let child = Command::new("openssl")
            .args(["s_server", "-HTTP", "-accept", "127.0.0.1:0", "-cert"])
            .arg(&pair.certificate)
            .arg("-key")
            .arg(&pair.key)
            .args(flags.split(' '))
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
            Identity::from_pem(
                std::fs::read(&client.certificate).unwrap(),
                std::fs::read(&client.key).unwrap(),
            )
            .unwrap(),
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

/// The certificates of the servers and of the facade.
struct Pairs {
    good: Pair,
    rsa: Pair,
    expired: Pair,
    other: Pair,
    client: Pair,
    client_rsa: Pair,
}

/// A server for the facade.
struct Case<'c> {
    name: String,
    server: &'c Pair,
    trusted: &'c Pair,
    client: &'c Pair,
    flags: String,
    refused_for: Option<&'static str>,
}

impl Pairs {
    fn new(folder: &Path) -> Self {
        Self {
            good: Pair::p256(folder, "server", "localhost", 2),
            rsa: Pair::rsa(folder, "server-rsa", "localhost", 2048),
            expired: Pair::p256(folder, "expired", "localhost", -1),
            other: Pair::p256(folder, "other", "elsewhere.example", 2),
            client: Pair::p256(folder, "client", "client", 2),
            client_rsa: Pair::rsa(folder, "client-rsa", "client", 4096),
        }
    }

    /// A server that is accepted, unless something about it is changed.
    fn case(&self, name: impl Into<String>, flags: &str) -> Case<'_> {
        Case {
            name: name.into(),
            server: &self.good,
            trusted: &self.good,
            client: &self.client,
            flags: format!("-Verify 1 {flags}").trim_end().to_owned(),
            refused_for: None,
        }
    }

    /// A server that shows another certificate, which is trusted.
    fn showing<'c>(&'c self, server: &'c Pair, name: impl Into<String>, flags: &str) -> Case<'c> {
        Case {
            server,
            trusted: server,
            ..self.case(name, flags)
        }
    }

    fn accepted(&self) -> Vec<Case<'_>> {
        let of_version = |(version, flag): (&str, &str)| {
            [
                self.case(format!("{version}, P-256 client key"), flag),
                Case {
                    client: &self.client_rsa,
                    ..self.case(format!("{version}, RSA-4096 client key"), flag)
                },
                self.showing(&self.rsa, format!("{version}, RSA server key"), flag),
            ]
        };
        VERSIONS.into_iter().flat_map(of_version).collect()
    }

    fn refused(&self) -> Vec<Case<'_>> {
        let weak = "-tls1_2 -cipher AES128-SHA:ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0";
        let unknown = Case {
            trusted: &self.other,
            ..self.case("certificate of an unknown CA refused", "")
        };
        let asks_for_none = |(version, flag): (&str, &str)| Case {
            flags: flag.to_owned(),
            ..self.case(
                format!("{version}, no client certificate asked, refused"),
                "",
            )
        };
        let [asks_for_none, asks_for_none_1_2] = VERSIONS.map(asks_for_none);
        let cases = [
            (
                self.showing(&self.expired, "expired certificate refused", ""),
                "expired",
            ),
            (
                self.showing(&self.other, "certificate of another name refused", ""),
                "another host name",
            ),
            (unknown, "authority"),
            (asks_for_none, "not D1"),
            (asks_for_none_1_2, "not D1"),
            (
                self.case("TLS 1.1 only refused", "-tls1_1 -cipher ALL:@SECLEVEL=0"),
                "no connection",
            ),
            (
                self.case("TLS 1.0 only refused", "-tls1 -cipher ALL:@SECLEVEL=0"),
                "no connection",
            ),
            (
                self.showing(&self.rsa, "CBC without forward secrecy refused", weak),
                "no connection",
            ),
            (
                self.case("CBC with forward secrecy refused", weak),
                "no connection",
            ),
        ];
        let refused_for = |(case, words)| Case {
            refused_for: Some(words),
            ..case
        };
        cases.into_iter().map(refused_for).collect()
    }
}

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
    let pairs = Pairs::new(folder);
    for case in pairs.accepted().into_iter().chain(pairs.refused()) {
        let server = Server::start(folder, case.server, &case.flags);
        let result = read(&server, &case.trusted.certificate, case.client).await;
        let verdict = verdict(result, case.refused_for);
        rows.add(&format!("facade: {}", case.name), verdict);
    }
}
