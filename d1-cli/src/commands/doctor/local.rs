//! What can be checked on this machine alone: settings, keys, certificate.

use d1_facade::{Client, probe};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::stage::{Finding, Report, Stage};
use crate::config::{Config, Name};
use crate::connect::Refused;

/// What to do about a certificate that has expired, or will.
const RENEW: &str = "Send Thales a new certificate request before it expires.";

/// Reports by which setting no client can be built; the stages before the one that checks it pass.
pub(super) fn refused(config: &Config, refused: &Refused, report: &mut Report) -> Option<()> {
    let (stage, fix) = match refused.name {
        Name::SigningKey | Name::SigningKid => (
            Stage::Key,
            "Give the file with the private key on P-256 whose public part Thales has, and the kid by which they know it.",
        ),
        Name::EncryptionJwk | Name::EncryptionKid => (
            Stage::Key,
            "Give the file with the public key that Thales names for card credentials, and its kid where it is no JWK.",
        ),
        Name::ClientCert | Name::ClientKey => (
            Stage::Certificate,
            "Give the certificate that Thales signed, and the key of its request, as files that are not encrypted.",
        ),
        _ => (Stage::Config, Finding::CHECK_SETTINGS),
    };
    if stage != Stage::Config {
        report.add(Stage::Config, Ok(settings(config)));
    }
    if stage == Stage::Certificate {
        report.add(Stage::Key, Ok(Finding::passed("P-256")));
    }
    report.add(stage, Err(Finding::of(&refused.failure, fix)))
}

/// Reports that no setting is missing.
pub(super) fn settings(config: &Config) -> Finding {
    let file = config.file.as_ref().map(|path| path.display().to_string());
    let file = file.unwrap_or_else(|| "no d1.toml".to_owned());
    Finding::passed(format!("{} ({file})", config.target()))
}

/// Reports the keys of a client, and for how long D1's is valid where that is known.
pub(super) fn keys(client: &Client, warn_days: i64) -> Finding {
    let health = client.health();
    let kid = health.signing_kid.unwrap_or_default();
    let Some(d1_kid) = health.encryption_kid else {
        let rest = "no encryption-jwk, so that no card credentials can be sent";
        return Finding::passed(format!("P-256, kid {kid}; {rest}"));
    };
    let keys = format!("P-256, kid {kid}; D1's {d1_kid}");
    match health.encryption_key_days_left {
        Some(days) if days < warn_days => Finding::warning(
            format!("{keys}, whose certificate ends in {days} days"),
            "Ask Thales for the key that comes after it.",
        ),
        Some(_) | None => Finding::passed(keys),
    }
}

/// Checks for how long the client certificate is valid.
pub(super) fn certificate(client: &Client, warn_days: i64) -> Result<Finding, Finding> {
    if let Some(why) = probe::certificate_fault(client) {
        let fix = format!("{RENEW} Check this machine's clock too.");
        return Err(Finding::failed(why, &fix));
    }
    let health = client.health();
    let days = health.certificate_days_left;
    let end = health.certificate_expires_at.map(OffsetDateTime::from);
    let end = end.and_then(|end| end.format(&Rfc3339).ok());
    let (Some(days), Some(end)) = (days, end) else {
        let fix = "Give the certificate as Thales sent it.";
        return Err(Finding::failed("has dates that cannot be read", fix));
    };
    let detail = format!("matches its key, expires in {days} days, on {end}");
    Ok(match days < warn_days {
        true => Finding::warning(detail, RENEW),
        false => Finding::passed(detail),
    })
}
