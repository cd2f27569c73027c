//! What can be checked on this machine alone: settings, keys, certificate.

use openssl::asn1::Asn1Time;
use openssl::error::ErrorStack;
use openssl::x509::X509;

use super::stage::Finding;
use crate::config::{Config, Name};
use crate::connect;

/// How many days a certificate must have left.
const LEAST_DAYS: u32 = 30;

/// Checks whether all settings are there that a call needs.
pub(super) fn settings(config: &Config) -> Result<Finding, Finding> {
    for name in [
        Name::BaseUrl,
        Name::IssuerId,
        Name::SigningKey,
        Name::ClientCert,
        Name::ClientKey,
    ] {
        config.need(name)?;
    }
    config.check_production()?;
    connect::check_host(config)?;
    let file = config.file.as_ref().map(|path| path.display().to_string());
    let file = file.unwrap_or_else(|| "no d1.toml".to_owned());
    Ok(Finding::passed(format!("{} ({file})", config.target())))
}

/// Checks whether the keys can be read and are of the right curve.
pub(super) fn keys(config: &Config) -> Result<Finding, Finding> {
    let key = connect::signing_key(config).map_err(|failure| {
        let fix = "Make one with: openssl ecparam -name prime256v1 -genkey -noout -out signing.key; then give Thales \
                   its public part, and set signing-kid to the id that they know it by.";
        Finding::of(&failure, fix)
    })?;
    let Some(setting) = config.get(Name::EncryptionJwk) else {
        return Ok(Finding::passed(format!(
            "P-256, kid {}; no encryption-jwk, so that no card credentials can be sent",
            key.kid()
        )));
    };
    let d1_key = connect::encryption_key(config, setting).map_err(|failure| {
        let fix = "Ask Thales for the public JWK that card credentials are encrypted to.";
        Finding::of(&failure, fix)
    })?;
    let (kid, d1_kid) = (key.kid(), d1_key.kid());
    Ok(Finding::passed(format!("P-256, kid {kid}; D1's {d1_kid}")))
}

/// Checks whether the client certificate belongs to its key, and for how long it is good.
pub(super) fn certificate(config: &Config) -> Result<Finding, Finding> {
    let leaf = connect::client(config).and_then(|_| connect::client_certificate(config));
    let leaf = leaf.map_err(|failure| {
        let fix = "Give the certificate that Thales signed for this key, and the key of its request, as files that \
                   are not encrypted.";
        Finding::of(&failure, fix)
    })?;
    let unreadable = || {
        let fix = "Give the certificate as Thales sent it.";
        Finding::failed("client-cert: has dates that cannot be read", fix)
    };
    let leaf = leaf.ok_or_else(unreadable)?;
    judge_dates(&leaf).map_err(|_| unreadable())?
}

/// Judges until when a certificate is good; one that expires soon is a failure that the later stages do not feel.
fn judge_dates(der: &[u8]) -> Result<Result<Finding, Finding>, ErrorStack> {
    const FIX: &str = "Send Thales a new certificate request before it expires.";
    let certificate = X509::from_der(der)?;
    let now = Asn1Time::days_from_now(0)?;
    let (from, to) = (certificate.not_before(), certificate.not_after());
    let left = now.diff(to)?.days;
    Ok(if from > now {
        let why = format!("the client certificate is not good before {from}");
        let fix = "Check this machine's clock, and which certificate this is.";
        Err(Finding::failed(why, fix))
    } else if to < now {
        let why = format!("the client certificate expired on {to}");
        Err(Finding::failed(why, FIX))
    } else if to < Asn1Time::days_from_now(LEAST_DAYS)? {
        let why = format!("the client certificate expires in {left} days, on {to}");
        Ok(Finding::failed(why, FIX))
    } else {
        let detail = format!("matches its key, expires in {left} days, on {to}");
        Ok(Finding::passed(detail))
    })
}
