//! The way to D1: name, TLS, client certificate and clock, by one request that is sent as a call would be.
//!
//! It has no token: whatever D1 answers to it shows that D1 has accepted the client certificate, and the response's
//! `Date` is D1's clock.

use std::time::Duration;

use d1_facade::Client;
use d1_facade::probe::{self, Obstacle, Place};
use tokio::net::lookup_host;
use tokio::time::timeout;
use url::Url;

use super::stage::{Finding, Report, Stage};
use crate::config::{Config, Name};

/// How many seconds the clocks may differ.
const CLOCK_TOLERANCE: u64 = 60;

/// How long each step may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Checks whether the name of the host resolves.
pub(super) async fn resolve(config: &Config, client: &Client) -> Result<Finding, Finding> {
    if config.get(Name::Proxy).is_some() {
        return Ok(Finding::skipped("the proxy resolves the name"));
    }
    let url = Url::parse(client.environment().url()).ok();
    let name = url.as_ref().and_then(Url::host_str).unwrap_or_default();
    let failed = |why: &str| {
        let fix = "Check base-url, and whether this machine may ask a name server.";
        Finding::failed(format!("{name} {why}"), fix)
    };
    // An IPv6 address has brackets here, as in the URL.
    let found = timeout(PATIENCE, lookup_host(format!("{name}:443"))).await;
    let found = found.map_err(|_| failed("does not resolve: the name servers do not answer"))?;
    let mut addresses = found.map_err(|_| failed("does not resolve"))?;
    match addresses.next() {
        Some(first) => Ok(Finding::passed(format!("{name} is {}", first.ip()))),
        None => Err(failed("has no address")),
    }
}

/// Checks TLS, the client certificate and the clock; `None` where a later stage cannot pass.
pub(super) async fn examine(client: &Client, report: &mut Report) -> Option<()> {
    let offset = match probe::reach(client, PATIENCE).await {
        Ok(offset) => offset,
        Err(obstacle) => return stopped(client, &obstacle, report),
    };
    report.add(Stage::Tls, Ok(trusted(client)))?;
    let accepted = Finding::passed("D1 asks for it and accepts it");
    report.add(Stage::ClientCertificate, Ok(accepted))?;
    report.add(Stage::Clock, Ok(clock(offset)))
}

/// Reports TLS that works, and what carries out the cryptography.
fn trusted(client: &Client) -> Finding {
    let health = client.health();
    let cryptography = health.cryptography.as_ref().map(ToString::to_string);
    let cryptography = cryptography.unwrap_or_default();
    Finding::passed(format!(
        "the server's certificate is trusted; {cryptography}"
    ))
}

/// Reports where the way to D1 ended.
fn stopped(client: &Client, obstacle: &Obstacle, report: &mut Report) -> Option<()> {
    let (stage, before, fix) = match obstacle.place {
        Place::Name => (
            Stage::Tls,
            "no connection: ",
            "Check base-url and proxy, and whether this machine may ask a name server.",
        ),
        Place::Connection => (
            Stage::Tls,
            "no connection: ",
            "Check whether this machine may reach the host and port: firewall, proxy, allow-list.",
        ),
        Place::Tls => (
            Stage::Tls,
            "no TLS connection: ",
            "Check base-url, and ca where it is set; D1's certificate is vouched for by Amazon's public roots, and D1 \
             speaks TLS 1.2 and 1.3. Check whether a proxy or a firewall stands between.",
        ),
        Place::ClientCertificate => (
            Stage::ClientCertificate,
            "",
            "Use the certificate that Thales signed for this environment: staging and production have one each. A \
             server that does not ask for it is not D1: find out who opens TLS on the way.",
        ),
        Place::Response => (
            Stage::ClientCertificate,
            "the connection ends once D1 has seen the client certificate: ",
            "Use the certificate that Thales signed for this environment; ask Thales whether they know it.",
        ),
    };
    if stage == Stage::ClientCertificate {
        report.add(Stage::Tls, Ok(trusted(client)))?;
    }
    let why = format!("{before}{}", obstacle.words);
    report.add(stage, Err(Finding::failed(why, fix)))
}

/// Judges by how many seconds this machine's clock is ahead of D1's.
fn clock(offset: Option<i64>) -> Finding {
    let Some(offset) = offset else {
        return Finding::skipped("D1's answer has no Date");
    };
    let direction = if offset > 0 { "ahead of" } else { "behind" };
    let seconds = offset.unsigned_abs();
    let words = format!("this machine's clock is {seconds} s {direction} D1's");
    match seconds {
        // A `Date` has whole seconds.
        0..=1 => Finding::passed("this machine's clock is D1's"),
        2..=CLOCK_TOLERANCE => Finding::passed(words),
        _ => Finding::failed(
            words,
            "Set this machine's clock (NTP): D1 refuses assertions of another time. A d1-sandbox with --seed, or whose \
             clock was moved, has another time on purpose.",
        ),
    }
}
