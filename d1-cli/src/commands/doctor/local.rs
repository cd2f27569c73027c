//! What can be checked on this machine alone: settings, keys, certificate.

use openssl::asn1::{Asn1Time, Asn1TimeRef};
use openssl::error::ErrorStack;
use openssl::x509::X509;

use super::stage::{Finding, words};
use crate::config::{Config, Name};
use crate::connect;
use crate::failure::Failure;

/// How many days a certificate must have left.
const LEAST_DAYS: u32 = 30;

/// That the settings could not even be read.
pub(super) fn bad_settings(failure: &Failure) -> Finding {
    Finding::failed(
        words(failure),
        "Correct what the line names; d1 config show tells where a setting comes from.",
    )
}

/// Whether all settings are there that a call needs.
pub(super) fn settings(config: &Config) -> Finding {
    let needed = [
        Name::BaseUrl,
        Name::IssuerId,
        Name::SigningKey,
        Name::ClientCert,
        Name::ClientKey,
    ];
    let missing = needed.into_iter().find_map(|key| config.need(key).err());
    let wrong = missing
        .or_else(|| config.check_production().err())
        .or_else(|| connect::issuer(config).err())
        .or_else(|| connect::timeout(config).err())
        .or_else(|| super::connection::address(config).err())
        .or_else(|| connect::roots(config).err());
    if let Some(failure) = wrong {
        return bad_settings(&failure);
    }
    let file = config.file.as_ref().map(|path| path.display().to_string());
    let file = file.unwrap_or_else(|| "no d1.toml".to_owned());
    Finding::Passed(format!("{} ({file})", config.target()))
}

/// Whether the keys can be read and are of the right curve.
pub(super) fn keys(config: &Config) -> Finding {
    let key = match connect::signing_key(config) {
        Ok(key) => key,
        Err(failure) => {
            return Finding::failed(
                words(&failure),
                "Make one with: openssl ecparam -name prime256v1 -genkey -noout -out signing.key; then give \
                 Thales its public part, and set signing-kid to the id that they know it by.",
            );
        }
    };
    let Some(setting) = config.get(Name::EncryptionJwk) else {
        return Finding::Passed(format!(
            "P-256, kid {}; no encryption-jwk, so that no card credentials can be sent",
            key.kid()
        ));
    };
    match connect::encryption_key(config, setting) {
        Ok(theirs) => Finding::Passed(format!("P-256, kid {}; D1's {}", key.kid(), theirs.kid())),
        Err(failure) => Finding::failed(
            words(&failure),
            "Ask Thales for the public JWK that card credentials are encrypted to.",
        ),
    }
}

/// Whether the client certificate belongs to its key, and for how long it is good.
pub(super) fn certificate(config: &Config) -> Finding {
    // The facade tells whether certificate and key can be used and belong together.
    let leaf = match connect::client(config).and_then(|_| connect::client_certificate(config)) {
        Ok(leaf) => leaf,
        Err(failure) => {
            return Finding::failed(
                words(&failure),
                "Give the certificate that Thales signed for this key, and the key of its request, as files \
                 that are not encrypted.",
            );
        }
    };
    match leaf.map(|leaf| judge_time(&leaf)) {
        Some(Ok(finding)) => finding,
        Some(Err(_)) | None => Finding::failed(
            "client-cert: has dates that cannot be read",
            "Give the certificate as Thales sent it.",
        ),
    }
}

fn judge_time(der: &[u8]) -> Result<Finding, ErrorStack> {
    const MEND: &str = "Send Thales a new certificate request in time.";
    let certificate = X509::from_der(der)?;
    let now = Asn1Time::days_from_now(0)?;
    let soon = Asn1Time::days_from_now(LEAST_DAYS)?;
    let (from, to) = (certificate.not_before(), certificate.not_after());
    let left = days(&now, to)?;
    Ok(if from > now {
        Finding::failed(
            format!("the client certificate is not good before {from}"),
            "Check this machine's clock, and which certificate this is.",
        )
    } else if to < now {
        Finding::failed(format!("the client certificate expired on {to}"), MEND)
    } else if to < soon {
        Finding::warned(
            format!("the client certificate expires in {left} days, on {to}"),
            MEND,
        )
    } else {
        Finding::Passed(format!("matches its key, expires in {left} days, on {to}"))
    })
}

fn days(from: &Asn1TimeRef, to: &Asn1TimeRef) -> Result<i32, ErrorStack> {
    Ok(from.diff(to)?.days)
}
