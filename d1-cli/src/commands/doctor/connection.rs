//! The way to D1: name, TLS, client certificate and clock, by one request that is sent as a call would be.
//!
//! It has no token: whatever D1 answers to it shows that D1 has accepted the client certificate, and the response's
//! `Date` is D1's clock.

use std::time::{Duration, SystemTime};

use d1_facade::probe::{self, Obstacle, Place};
use tokio::net::lookup_host;
use tokio::time::timeout;
use url::Url;

use super::stage::{Finding, Report, Stage};
use crate::config::{Config, Name};
use crate::connect;
use crate::failure::Failure;

/// How many seconds the clocks may differ.
const CLOCK_TOLERANCE: u64 = 60;

/// How long each step may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Checks whether the name of the host resolves.
pub(super) async fn resolve(config: &Config) -> Result<Finding, Finding> {
    const FIX: &str = "Check base-url, and whether this machine may ask a name server.";
    if config.get(Name::Proxy).is_some() {
        return Ok(Finding::skipped("the proxy resolves the name"));
    }
    let setting = config.need(Name::BaseUrl)?;
    let url = Url::parse(&setting.text).ok();
    let address = url
        .as_ref()
        .and_then(|url| Some((url.host_str()?, url.port_or_known_default()?)));
    let bad = || Failure::input(&setting.source, "must be a URL such as https://host:port");
    let (host, port) = address.ok_or_else(bad)?;
    let failed = |why: String| Finding::failed(why, FIX);
    // An IPv6 address has brackets here, as in the URL.
    let found = timeout(PATIENCE, lookup_host(format!("{host}:{port}"))).await;
    let found = found.map_err(|_| failed("the name servers do not answer".to_owned()))?;
    let mut addresses = found.map_err(|_| failed(format!("{host} does not resolve")))?;
    match addresses.next() {
        Some(first) => Ok(Finding::passed(format!("{host} is {}", first.ip()))),
        None => Err(failed(format!("{host} has no address"))),
    }
}

/// Checks TLS, the client certificate and the clock; `None` where a later stage cannot pass.
pub(super) async fn examine(config: &Config, report: &mut Report) -> Option<()> {
    let sent_at = SystemTime::now();
    let reached = async {
        let reached = probe::reach(connect::without_keys(config)?, PATIENCE).await;
        reached.map_err(|error| connect::of_setting(config, error))
    };
    match reached.await {
        Err(failure) => report.add(Stage::Tls, Err(failure.into())),
        Ok(Err(obstacle)) => stopped(config, &obstacle, report),
        Ok(Ok(date)) => {
            report.add(Stage::Tls, trusted(config))?;
            let accepted = Finding::passed("D1 asks for it and accepts it");
            report.add(Stage::ClientCertificate, Ok(accepted))?;
            report.add(Stage::Clock, Ok(clock(date, sent_at)))
        }
    }
}

/// Reports TLS that works, and what carries out the cryptography.
fn trusted(config: &Config) -> Result<Finding, Finding> {
    let cryptography = connect::cryptography(config)?;
    let detail = format!("the server's certificate is trusted; {cryptography}");
    Ok(Finding::passed(detail))
}

/// Reports where the way to D1 ended.
fn stopped(config: &Config, obstacle: &Obstacle, report: &mut Report) -> Option<()> {
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
        report.add(Stage::Tls, trusted(config))?;
    }
    let why = format!("{before}{}", obstacle.words);
    report.add(stage, Err(Finding::failed(why, fix)))
}

fn clock(date: Option<SystemTime>, sent_at: SystemTime) -> Finding {
    let Some(d1_time) = date else {
        return Finding::skipped("D1's answer has no Date");
    };
    let seconds = |later: SystemTime, earlier: SystemTime| {
        let apart = later.duration_since(earlier);
        apart.map_or(0, |apart| apart.as_secs())
    };
    // A `Date` is cut to seconds, and was written between sending and now.
    let ahead = seconds(sent_at, d1_time + Duration::from_secs(1));
    let behind = seconds(d1_time, SystemTime::now());
    let (offset, direction) = match behind {
        0 => (ahead, "ahead of"),
        _ => (behind, "behind"),
    };
    let words = format!("this machine's clock is {offset} s {direction} D1's");
    match offset {
        0 => Finding::passed("this machine's clock is D1's"),
        1..=CLOCK_TOLERANCE => Finding::passed(words),
        _ => Finding::failed(
            words,
            "Set this machine's clock (NTP): D1 refuses assertions of another time. A d1-sandbox with --seed, or whose \
             clock was moved, has another time on purpose.",
        ),
    }
}
