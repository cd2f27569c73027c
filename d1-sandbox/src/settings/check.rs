//! The rules that settings follow, before anything is started.

use super::{Builder, Endpoint, Issuer, IssuerStub, StartError};
use crate::pan;
use rustls_pki_types::ServerName;
use std::collections::HashSet;
use std::ops::RangeInclusive;

type Checked = Result<(), StartError>;

const CHARACTERS: &str = "characters out of A-Z a-z 0-9 _ -";

impl Builder {
    pub(crate) fn check(&self) -> Checked {
        for issuer in self.issuers() {
            check_issuer(issuer)?;
        }
        unique("issuer", self.issuers().map(|issuer| issuer.id.as_str()))?;
        for name in &self.options.server_names {
            let is_name = ServerName::try_from(name.as_str()).is_ok();
            rule(is_name, "server name", "a DNS name or an IP address")?;
        }
        if let Some(id) = &self.options.aggregator {
            rule(!id.is_empty(), "aggregator", "not empty")?;
            let is_issuer = self.issuers().any(|issuer| issuer.id == *id);
            let other_id = "another id than those of the issuers";
            rule(!is_issuer, "aggregator", other_id)?;
        }
        let kids = self.encryption_keys.iter().map(|(kid, _)| kid.as_str());
        unique("encryption key", kids)?;
        if let Some(notifications) = &self.notifications {
            let is_endpoint = Endpoint::read(&notifications.url).is_some();
            rule(is_endpoint, "notifications", Endpoint::RULE)?;
        }
        match &self.issuer_stub {
            IssuerStub::KeepsPan { exp } => check_expiry("expiry from the issuer", exp),
            IssuerStub::Answers { pan, exp } => {
                check_pan("PAN from the issuer", pan)?;
                check_expiry("expiry from the issuer", exp)
            }
            IssuerStub::Endpoint { url } => rule(
                Endpoint::read(url).is_some(),
                "issuer endpoint",
                Endpoint::RULE,
            ),
            IssuerStub::Unavailable => Ok(()),
        }
    }
}

fn check_issuer(issuer: &Issuer) -> Checked {
    let exactly_10 = format!("exactly 10 {CHARACTERS}");
    rule(is_id(&issuer.id, 10..=10), "issuer", &exactly_10)?;
    for card in &issuer.cards {
        let up_to_48 = format!("1 to 48 {CHARACTERS}");
        rule(is_id(&card.id, 1..=48), "card id", &up_to_48)?;
        check_pan("card PAN", &card.pan)?;
        check_expiry("card expiry", &card.exp)?;
    }
    unique("card id", issuer.cards.iter().map(|card| card.id.as_str()))?;
    let kids = issuer.signing_keys.iter().map(|(kid, _)| kid.as_str());
    unique("signing key", kids)
}

fn check_pan(setting: &'static str, pan: &str) -> Checked {
    let is_pan = (10..=19).contains(&pan.len()) && is_digits(pan);
    rule(is_pan, setting, "10 to 19 digits")
}

fn check_expiry(setting: &'static str, exp: &str) -> Checked {
    let is_month = matches!(exp.get(..2), Some(month) if ("01"..="12").contains(&month));
    let is_expiry = exp.len() == 4 && is_digits(exp) && is_month;
    rule(is_expiry, setting, "MMYY")
}

fn rule(kept: bool, setting: &'static str, rule: &str) -> Checked {
    let broken = || StartError::setting(setting, rule);
    kept.then_some(()).ok_or_else(broken)
}

/// Refuses a name that stands twice, and says which.
fn unique<'n>(setting: &'static str, names: impl Iterator<Item = &'n str>) -> Checked {
    let mut seen = HashSet::new();
    for name in names {
        let twice = format!("{} is given twice", pan::masked_text(name));
        rule(seen.insert(name), setting, &twice)?;
    }
    Ok(())
}

fn is_id(text: &str, length: RangeInclusive<usize>) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    length.contains(&text.len()) && text.bytes().all(is_part)
}

fn is_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}
