//! The way to D1: name, TLS, client certificate and clock, by one request that is sent as a call would be.
//!
//! It has no token: whatever D1 answers to it shows that D1 has accepted the client certificate, and the response's
//! `Date` is D1's clock.

use std::time::{Duration, SystemTime};

use d1_facade::probe::{self, Obstacle, Place};
use tokio::net::lookup_host;
use tokio::time::timeout;
use url::{Host, Url};

use super::stage::{Finding, Report, Stage, words};
use crate::config::{Config, Name};
use crate::connect;
use crate::failure::Failure;

/// How many seconds the clocks may differ.
const CLOCK_TOLERANCE: i64 = 60;

/// How long each step may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where D1 listens.
pub(super) struct Address {
    host: String,
    port: u16,
}

/// Where D1 listens, by the settings.
pub(super) fn address(config: &Config) -> Result<Address, Failure> {
    let setting = config.need(Name::BaseUrl)?;
    let bad = || Failure::input(&setting.source, "must be a URL such as https://host:port");
    let url = Url::parse(&setting.text).map_err(|_| bad())?;
    let port = url.port_or_known_default().ok_or_else(bad)?;
    // An IPv6 address has brackets in a URL only.
    let host = match url.host().ok_or_else(bad)? {
        Host::Domain(name) => name.to_owned(),
        Host::Ipv4(address) => address.to_string(),
        Host::Ipv6(address) => address.to_string(),
    };
    if !url.username().is_empty() || url.password().is_some() {
        let rule = "must not hold a user name or a password";
        return Err(Failure::input(&setting.source, rule));
    }
    if url.scheme() != "https" {
        return Err(Failure::input(&setting.source, "must be an https URL"));
    }
    Ok(Address { host, port })
}

/// Looks at the way to D1; `None` where a later stage cannot pass.
pub(super) async fn examine(config: &Config, report: &mut Report) -> Option<()> {
    let address = match address(config) {
        Ok(address) => address,
        Err(failure) => return report.add(Stage::Host, bad_setting(&failure)),
    };
    let name = match config.get(Name::Proxy) {
        None => resolve(&address).await,
        Some(_) => Finding::Skipped("the proxy resolves the name".to_owned()),
    };
    report.add(Stage::Host, name)?;
    let sent_at = SystemTime::now();
    let reached = async {
        let reached = probe::reach(connect::without_keys(config)?, PATIENCE).await;
        reached.map_err(|error| connect::of_setting(config, error))
    };
    match reached.await {
        Err(failure) => report.add(Stage::Tls, bad_setting(&failure)),
        Ok(Err(obstacle)) => stopped(&obstacle, report),
        Ok(Ok(date)) => {
            let trusted = "the server's certificate is trusted".to_owned();
            report.add(Stage::Tls, Finding::Passed(trusted))?;
            let accepted = "D1 asks for it and accepts it".to_owned();
            report.add(Stage::ClientCertificate, Finding::Passed(accepted))?;
            report.add(Stage::Clock, clock(date, sent_at))
        }
    }
}

fn bad_setting(failure: &Failure) -> Finding {
    Finding::failed(words(failure), "Correct what the line names.")
}

/// Reports where the way to D1 ended.
fn stopped(obstacle: &Obstacle, report: &mut Report) -> Option<()> {
    let why = &obstacle.words;
    let (stage, what, fix) = match obstacle.place {
        Place::Name => (
            Stage::Tls,
            format!("no connection: {why}"),
            "Check base-url and proxy, and whether this machine may ask a name server.",
        ),
        Place::Connection => (
            Stage::Tls,
            format!("no connection: {why}"),
            "Check whether this machine may reach the host and port: firewall, proxy, allow-list.",
        ),
        Place::Tls => (
            Stage::Tls,
            format!("no TLS connection: {why}"),
            "Check base-url, and ca where it is set; D1's certificate is vouched for by Amazon's public roots, and D1 \
             speaks TLS 1.2 and 1.3. Check whether a proxy or a firewall stands between.",
        ),
        Place::ClientCertificate => (
            Stage::ClientCertificate,
            why.clone(),
            "Use the certificate that Thales signed for this environment: staging and production have one each. A \
             server that does not ask for it is not D1: find out who opens TLS on the way.",
        ),
        Place::Response => (
            Stage::ClientCertificate,
            format!("the connection ends once D1 has seen the client certificate: {why}"),
            "Use the certificate that Thales signed for this environment; ask Thales whether they know it.",
        ),
    };
    if stage == Stage::ClientCertificate {
        let trusted = "the server's certificate is trusted".to_owned();
        report.add(Stage::Tls, Finding::Passed(trusted))?;
    }
    report.add(stage, Finding::failed(what, fix))
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

fn clock(date: Option<SystemTime>, sent_at: SystemTime) -> Finding {
    let now = SystemTime::now();
    let Some(theirs) = date else {
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
