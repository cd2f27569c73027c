//! Calls the sandbox through nginx, whose connections are short-lived, whose buffers are small and whose
//! workers are replaced all the time: `http_peers CALLS FOLDER`.
//!
//! Afterwards each change must be in the card's history exactly as often as was reported to its caller. Prints a
//! row for each check; exits with 1 when one of them failed.
#![allow(clippy::unwrap_used)]

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Duration;

use d1_facade::retry::ExponentialBackoff;
use d1_facade::{
    Client, EncryptionKey, Environment, Error, Identity, Outcome, Reconciliation, SigningKey,
};
use d1_sandbox::{Card as Fixture, Sandbox};
use d1_tests::{certificate, sandbox_client, say};
use futures_util::TryStreamExt as _;
use futures_util::future::join_all;
use tokio::net::TcpSocket;
use xtask::programs::found;

/// How many cards are changed at the same time.
const CARDS: usize = 16;

/// How often nginx replaces its workers.
const RELOAD: Duration = Duration::from_millis(500);

struct Nginx {
    http1: u16,
    http2: u16,
    configuration: PathBuf,
    child: Child,
    _reserved: [TcpSocket; 2],
}

impl Nginx {
    fn start(folder: &Path, sandbox: &Sandbox) -> Self {
        let write = |name: &str, text: &[u8]| std::fs::write(folder.join(name), text).unwrap();
        let (certificate, key) = certificate("localhost", 2);
        write("server.pem", &certificate.to_pem().unwrap());
        write("server.key", &key.private_key_to_pem_pkcs8().unwrap());
        write("ca.pem", sandbox.ca_pem().as_bytes());
        write("client.pem", sandbox.client_certificate_pem().as_bytes());
        write("client.key", sandbox.client_key_pem().as_bytes());
        let ((first, http1), (second, http2)) = (reserved_port(), reserved_port());
        let upstream = sandbox.base_url().rsplit(':').next().unwrap();
        let template = include_str!("../../nginx.conf");
        let text = template
            .replace("{folder}", &folder.display().to_string())
            .replace("{http1}", &http1.to_string())
            .replace("{http2}", &http2.to_string())
            .replace("{upstream}", upstream);
        let upstream = include_str!("../../nginx-upstream.conf");
        let upstream = upstream.replace("{folder}", &folder.display().to_string());
        write("upstream.conf", upstream.as_bytes());
        let configuration = folder.join("nginx.conf");
        write("nginx.conf", text.as_bytes());
        let child = Command::new("nginx")
            .arg("-c")
            .arg(&configuration)
            .args(["-g", "daemon off;"])
            .stderr(Stdio::null())
            .spawn();
        let mut child = found("nginx", child);
        while std::net::TcpStream::connect(("127.0.0.1", http2)).is_err() {
            let ended = child.try_wait().unwrap();
            assert_eq!(ended, None, "nginx ended; {} says why", folder.display());
            std::thread::yield_now();
        }
        Self {
            http1,
            http2,
            configuration,
            child,
            _reserved: [first, second],
        }
    }

    /// Lets other workers take over.
    fn reload(&self) {
        let done = Command::new("nginx")
            .arg("-c")
            .arg(&self.configuration)
            .args(["-s", "reload"])
            .stderr(Stdio::null())
            .status();
        assert!(done.unwrap().success());
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let stop = Command::new("nginx")
            .arg("-c")
            .arg(&self.configuration)
            .args(["-s", "stop"])
            .status();
        if !stop.is_ok_and(|stop| stop.success()) {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}

/// A port that nginx alone can listen on while the socket lives: `reuseport`, which both set, lets a second socket of
/// the same user have the port.
fn reserved_port() -> (TcpSocket, u16) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_reuseport(true).unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let port = socket.local_addr().unwrap().port();
    (socket, port)
}

fn client(folder: &Path, sandbox: &Sandbox, port: u16) -> Client {
    let url = format!("https://localhost:{port}");
    let key = SigningKey::from_pem(sandbox.signing_key_pem(), sandbox.signing_kid()).unwrap();
    Client::builder(
        Environment::Custom(url),
        sandbox.issuer_id().parse().unwrap(),
    )
    .root_certificate(std::fs::read(folder.join("server.pem")).unwrap())
    .without_system_roots()
    .client_identity(
        Identity::from_pem(sandbox.client_certificate_pem(), sandbox.client_key_pem()).unwrap(),
    )
    .encryption_key(EncryptionKey::from_jwk(sandbox.encryption_jwk()).unwrap())
    .signer(key)
    // With sixteen calls at a time on connections that end after 25 requests, a call can meet several such ends in a row.
    .retry(ExponentialBackoff::default().max_attempts(10))
    .build()
    .unwrap()
}

/// What was reported to the caller of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Reported {
    Done,
    /// Done, by what `reconcile` found.
    Confirmed,
    NotDone,
    Unknown,
}

impl Reported {
    /// What the answer says, or what a look at the card's operations says where it does not.
    async fn of<T>(client: &Client, result: Result<T, Error>) -> Self {
        let error = match result {
            Ok(_) => return Self::Done,
            Err(error) if error.outcome() != Outcome::Unknown => return Self::NotDone,
            Err(error) => error,
        };
        let Some(pending) = error.pending_change() else {
            return Self::Unknown;
        };
        match client.reconcile(pending).await {
            Ok(Reconciliation::Done(_)) => Self::Confirmed,
            Ok(Reconciliation::NotDone(_)) => Self::NotDone,
            _ => Self::Unknown,
        }
    }

    fn allows(self, times: usize) -> bool {
        match self {
            Self::Done | Self::Confirmed => times == 1,
            Self::NotDone => times == 0,
            Self::Unknown => times <= 1,
        }
    }
}

/// Suspends, resumes and reads one card, one after the other: what was reported of each change, by the
/// change's reason, and why reads failed.
async fn live(client: &Client, card: &str, calls: usize) -> (Vec<(String, Reported)>, Vec<String>) {
    let card = client.card(card.parse().unwrap());
    let mut reported = Vec::new();
    let mut failed_reads = Vec::new();
    for call in 0..calls {
        let reason = format!("call {call}");
        let parsed = reason.parse().unwrap();
        match call % 3 {
            0 => {
                let result = card.suspend().reason(parsed).await;
                reported.push((reason, Reported::of(client, result).await));
            }
            1 => {
                let result = card.resume().reason(parsed).await;
                reported.push((reason, Reported::of(client, result).await));
            }
            _ => {
                let read = card.operations().limit(5).await;
                failed_reads.extend(read.err().map(|error| with_sources(&error)));
            }
        }
    }
    (reported, failed_reads)
}

/// What an error says, and what stands behind it.
fn with_sources(error: &Error) -> String {
    let first: &dyn std::error::Error = error;
    let texts = std::iter::successors(Some(first), |error| error.source());
    let texts: Vec<String> = texts.map(ToString::to_string).collect();
    format!("{} after {} attempts", texts.join(": "), error.attempts())
}

/// How often each reason stands in the history of a card.
async fn history(client: &Client, card: &str) -> HashMap<String, usize> {
    let operations = client.card(card.parse().unwrap()).operations().limit(50);
    let all: Vec<_> = operations.stream().try_collect().await.unwrap();
    let mut times = HashMap::new();
    for operation in &all {
        if let Some(reason) = operation.reason() {
            *times.entry(reason.to_owned()).or_default() += 1;
        }
    }
    times
}

/// Calls through one port of nginx, and compares; false if anything was lost or doubled.
async fn run(protocol: &str, calls: usize, folder: &Path, sandbox: &Sandbox, port: u16) -> bool {
    let through = client(folder, sandbox, port);
    let cards: Vec<String> = (0..CARDS).map(|n| format!("{protocol}{n:04}")).collect();
    let each = calls.div_ceil(CARDS);
    let results = join_all(cards.iter().map(|card| live(&through, card, each))).await;

    let direct = sandbox_client(sandbox);
    let mut counts: HashMap<Reported, usize> = HashMap::new();
    let (mut wrong, mut failed_reads) = (Vec::new(), Vec::new());
    for (card, (reported, failed)) in cards.iter().zip(results) {
        let times = history(&direct, card).await;
        failed_reads.extend(failed);
        for (reason, reported) in reported {
            *counts.entry(reported).or_default() += 1;
            let times = times.get(&reason).copied().unwrap_or(0);
            if !reported.allows(times) {
                wrong.push(format!(
                    "{card} {reason}: {reported:?}, and {times} times in its history"
                ));
            }
        }
    }
    let count = |reported| counts.get(&reported).copied().unwrap_or(0);
    let done = count(Reported::Done);
    let (confirmed, not_done) = (count(Reported::Confirmed), count(Reported::NotDone));
    let unknown = count(Reported::Unknown);
    let verdict = if !wrong.is_empty() {
        format!("failed: {}", wrong.join("; "))
    } else if !failed_reads.is_empty() {
        format!("failed: reads were given up: {}", failed_reads.join("; "))
    } else if done < calls / 2 {
        "failed: hardly anything was done".to_owned()
    } else {
        "ok".to_owned()
    };
    say!(
        "{protocol} through nginx, nothing lost or doubled\t{} calls: {done} changes done, \
         {confirmed} confirmed, {not_done} not done, {unknown} unknown\t{verdict}",
        each * CARDS
    );
    verdict == "ok"
}

#[tokio::main]
async fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let calls: usize = arguments.next().unwrap().parse().unwrap();
    let folder = PathBuf::from(arguments.next().unwrap());
    std::fs::create_dir_all(&folder).unwrap();
    let folder = folder.canonicalize().unwrap();

    let fixtures = ["HTTP1-", "HTTP2-"]
        .iter()
        .flat_map(|protocol| (0..CARDS).map(move |n| Fixture::new(format!("{protocol}{n:04}"))));
    let builder = fixtures.fold(Sandbox::builder(), d1_sandbox::Builder::card);
    let sandbox = builder.start().await.unwrap();
    let nginx = Nginx::start(&folder, &sandbox);
    let (http1, http2) = (nginx.http1, nginx.http2);
    let (stop, mut stopped) = tokio::sync::oneshot::channel::<()>();
    let reloading = tokio::spawn(async move {
        let mut reloads = 0;
        let mut ticks = tokio::time::interval(RELOAD);
        loop {
            tokio::select! {
                _ = &mut stopped => return reloads,
                _ = ticks.tick() => {
                    nginx.reload();
                    reloads += 1;
                }
            }
        }
    });
    let first = run("HTTP1-", calls / 2, &folder, &sandbox, http1).await;
    let second = run("HTTP2-", calls / 2, &folder, &sandbox, http2).await;
    drop(stop);
    let reloads: u32 = reloading.await.unwrap();
    let verdict = if reloads > 5 {
        "ok"
    } else {
        "failed: too few to tell"
    };
    say!("nginx's workers were replaced\t{reloads}\t{verdict}");
    if first && second && verdict == "ok" {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
