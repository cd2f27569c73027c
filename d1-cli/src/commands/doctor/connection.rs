//! The way to D1: name, TLS, client certificate and clock, looked at over one connection of its own.
//!
//! The facade makes its connections within a call, and tells of them only what matters to that call. So
//! this is a handshake with rustls, as strict as the facade's, and a `HEAD /` to see whether D1 goes on
//! talking: with TLS 1.3 a refused client certificate shows only after the handshake. The answer's `Date`
//! is D1's clock.

use std::io;
use std::time::{Duration, SystemTime};

use d1_facade::probe::ConnectionCause;
use rustls::Error as TlsError;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;

use super::stage::{Finding, Report, Stage, words};
use super::tls::{Address, PATIENCE, Tls, address};
use crate::config::{Config, Name};

/// How many seconds the clocks may differ.
const CLOCK_TOLERANCE: i64 = 60;

/// How much of an answer is read.
const LONGEST_HEAD: usize = 16 * 1024;

/// Looks at the way to D1; `None` where going on is of no use.
pub(super) async fn examine(config: &Config, report: &mut Report) -> Option<()> {
    if config.get(Name::Proxy).is_some() {
        return skip(report);
    }
    let prepared = address(config).and_then(|address| Ok((address, Tls::prepare(config)?)));
    let (address, tls) = match prepared {
        Ok(prepared) => prepared,
        Err(failure) => {
            let mend = "Correct what the line names.";
            return report.add(Stage::Host, Finding::failed(words(&failure), mend));
        }
    };
    report.add(Stage::Host, resolve(&address).await)?;
    let connection = match tls.connect(&address).await {
        Ok(connection) => connection,
        Err(error) => {
            if let Some(words) = refusal(&error) {
                report.add(
                    Stage::Tls,
                    Finding::Passed("D1 answers in TLS 1.2".to_owned()),
                );
                return report.add(Stage::ClientCertificate, not_accepted(&words));
            }
            return report.add(Stage::Tls, no_connection(&error));
        }
    };
    let version = connection.get_ref().1.protocol_version();
    let version = version
        .map(|version| format!("{version:?}"))
        .unwrap_or_default();
    report.add(
        Stage::Tls,
        Finding::Passed(format!("{version}, the server's certificate is trusted")),
    )?;
    if !tls.was_asked() {
        let finding = Finding::failed(
            "the server did not ask for the client certificate, so it is not D1",
            "Find out who opens TLS on the way: a proxy, a firewall, or a wrong base-url.",
        );
        return report.add(Stage::ClientCertificate, finding);
    }
    accepted(connection, &address.host, report).await
}

/// A proxy would be looked at instead of D1.
fn skip(report: &mut Report) -> Option<()> {
    let stages = [
        Stage::Host,
        Stage::Tls,
        Stage::ClientCertificate,
        Stage::Clock,
    ];
    for stage in stages {
        let why = "a proxy stands between: the token shows whether it works";
        report.add(stage, Finding::Skipped(why.to_owned()));
    }
    Some(())
}

/// Whether D1 goes on talking once it has seen the client certificate, and what its clock says.
async fn accepted(connection: TlsStream<TcpStream>, host: &str, report: &mut Report) -> Option<()> {
    let sent_at = SystemTime::now();
    match head(connection, host).await {
        Ok(answer) => {
            report.add(
                Stage::ClientCertificate,
                Finding::Passed("D1 asks for it and accepts it".to_owned()),
            )?;
            report.add(Stage::Clock, clock(&answer, sent_at))
        }
        Err(error) => {
            let finding = match refusal(&error) {
                Some(words) => not_accepted(&words),
                None => not_accepted_silently(&error),
            };
            report.add(Stage::ClientCertificate, finding)
        }
    }
}

async fn resolve(address: &Address) -> Finding {
    let found = timeout(PATIENCE, lookup_host((address.host.as_str(), address.port))).await;
    match found {
        Ok(Ok(mut addresses)) => match addresses.next() {
            Some(first) => Finding::Passed(format!("{} is {}", address.host, first.ip())),
            None => Finding::failed(format!("{} has no address", address.host), RESOLVE_MEND),
        },
        Ok(Err(_)) => Finding::failed(format!("{} does not resolve", address.host), RESOLVE_MEND),
        Err(_) => Finding::failed("the name servers do not answer", RESOLVE_MEND),
    }
}

const RESOLVE_MEND: &str = "Check base-url, and whether this machine may ask a name server.";

fn no_connection(error: &io::Error) -> Finding {
    let tls = error.get_ref().and_then(|e| e.downcast_ref::<TlsError>());
    let mend = match tls {
        Some(TlsError::InvalidCertificate(_)) => {
            "Check base-url, and ca where it is set: D1's certificate is vouched for by Amazon's public roots."
        }
        Some(_) => "Check whether a proxy or a firewall stands between; D1 speaks TLS 1.2 and 1.3.",
        None => {
            "Check whether this machine may reach the host and port: firewall, proxy, allow-list."
        }
    };
    let why = ConnectionCause::of(error).map_or_else(|| error.kind().to_string(), |c| c.words);
    let what = if tls.is_some() { "TLS " } else { "" };
    let why = format!("no {what}connection: {why}");
    Finding::failed(why, mend)
}

/// Why the server refuses the client certificate, if it is that.
fn refusal(error: &io::Error) -> Option<String> {
    let cause = ConnectionCause::of(error).filter(|cause| cause.is_client_certificate);
    cause.map(|cause| cause.words)
}

fn not_accepted(words: &str) -> Finding {
    Finding::failed(
        words,
        "Use the certificate that Thales signed for this environment: staging and production have one each.",
    )
}

fn not_accepted_silently(error: &io::Error) -> Finding {
    Finding::failed(
        format!(
            "the connection ends once D1 has seen the client certificate: {}",
            error.kind()
        ),
        "Use the certificate that Thales signed for this environment; ask Thales whether they know it.",
    )
}

fn clock(answer: &[u8], sent_at: SystemTime) -> Finding {
    let now = SystemTime::now();
    let Some(theirs) = date(answer) else {
        return Finding::Skipped("D1's answer has no Date".to_owned());
    };
    let seconds = |later: SystemTime, earlier: SystemTime| {
        let apart = later.duration_since(earlier).ok()?;
        i64::try_from(apart.as_secs()).ok()
    };
    // A `Date` is cut to seconds, and was written between sending and now.
    let ahead = seconds(sent_at, theirs + Duration::from_secs(1)).unwrap_or(0);
    let behind = seconds(theirs, now).unwrap_or(0);
    let offset = ahead - behind;
    let direction = if offset < 0 { "behind" } else { "ahead of" };
    let words = format!(
        "this machine's clock is {} s {direction} D1's",
        offset.abs()
    );
    if offset.abs() > CLOCK_TOLERANCE {
        Finding::warned(
            words,
            "Set this machine's clock (NTP): D1 refuses assertions of another time. A d1-sandbox with --seed, or whose \
             clock was moved, has another time on purpose.",
        )
    } else if offset == 0 {
        Finding::Passed("this machine's clock is D1's".to_owned())
    } else {
        Finding::Passed(words)
    }
}

fn date(answer: &[u8]) -> Option<SystemTime> {
    let text = String::from_utf8_lossy(answer);
    let mut lines = text.lines().skip(1);
    lines.find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("date")
            .then(|| httpdate::parse_http_date(value.trim()).ok())?
    })
}

/// Asks for nothing, and reads the head of the answer.
async fn head(mut connection: TlsStream<TcpStream>, host: &str) -> io::Result<Vec<u8>> {
    let request = format!("HEAD / HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
    let exchange = async {
        connection.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        let mut chunk = [0; 1024];
        while answer.len() < LONGEST_HEAD && !answer.windows(4).any(|end| end == b"\r\n\r\n") {
            match connection.read(&mut chunk).await? {
                0 if answer.is_empty() => return Err(io::ErrorKind::UnexpectedEof.into()),
                0 => break,
                read => answer.extend(chunk.iter().take(read)),
            }
        }
        Ok(answer)
    };
    let late = |_| io::Error::from(io::ErrorKind::TimedOut);
    timeout(PATIENCE, exchange).await.map_err(late)?
}
