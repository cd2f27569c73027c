//! The rules that settings follow, before anything is started.

use super::{Builder, Issuer, IssuerStub, StartError};
use crate::issuer::Endpoint;
use crate::pan;
use std::collections::HashSet;

type Checked = Result<(), StartError>;

fn rule(kept: bool, setting: &'static str, rule: &str) -> Checked {
    let rule = rule.to_owned();
    kept.then_some(())
        .ok_or(StartError::Setting { setting, rule })
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

impl Builder {
    pub(crate) fn check(&self) -> Checked {
        for issuer in self.issuers() {
            check_issuer(issuer)?;
        }
        unique("issuer", self.issuers().map(|issuer| issuer.id.as_str()))?;
        rule(
            self.aggregator.as_deref() != Some(""),
            "aggregator",
            "not empty",
        )?;
        let is_issuer = |id: &String| self.issuers().any(|issuer| issuer.id == *id);
        rule(
            !self.aggregator.as_ref().is_some_and(is_issuer),
            "aggregator",
            "another id than those of the issuers",
        )?;
        let kids = self.encryption_keys.iter().map(|(kid, _)| kid.as_str());
        unique("encryption key", kids)?;
        self.check_issuer_stub()
    }

    fn check_issuer_stub(&self) -> Checked {
        let (pan, exp) = match &self.issuer_stub {
            IssuerStub::KeepsPan { exp } => (None, Some(exp)),
            IssuerStub::Answers { pan, exp } => (Some(pan), Some(exp)),
            IssuerStub::Unavailable => (None, None),
            IssuerStub::Endpoint { url } => {
                let is_endpoint = Endpoint::parse(url).is_some();
                rule(is_endpoint, "issuer endpoint", "http://host:port")?;
                (None, None)
            }
        };
        rule(
            pan.is_none_or(|pan| is_pan(pan)),
            "PAN from the issuer",
            "10 to 19 digits",
        )?;
        rule(
            exp.is_none_or(|exp| is_expiry(exp)),
            "expiry from the issuer",
            "MMYY",
        )
    }
}

fn check_issuer(issuer: &Issuer) -> Checked {
    rule(
        issuer.id.len() == 10 && is_id(&issuer.id),
        "issuer",
        "exactly 10 characters out of A-Z a-z 0-9 _ -",
    )?;
    for card in &issuer.cards {
        rule(
            is_card_id(&card.id),
            "card id",
            "1 to 48 characters out of A-Z a-z 0-9 _ -",
        )?;
        rule(is_pan(&card.pan), "card PAN", "10 to 19 digits")?;
        rule(is_expiry(&card.exp), "card expiry", "MMYY")?;
    }
    unique("card id", issuer.cards.iter().map(|card| card.id.as_str()))?;
    let kids = issuer.signing_keys.iter().map(|(kid, _)| kid.as_str());
    unique("signing key", kids)
}

fn is_id(text: &str) -> bool {
    text.bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

fn is_card_id(text: &str) -> bool {
    (1..=48).contains(&text.len()) && is_id(text)
}

fn is_pan(text: &str) -> bool {
    (10..=19).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_expiry(text: &str) -> bool {
    text.len() == 4
        && text.bytes().all(|byte| byte.is_ascii_digit())
        && matches!(text.get(..2), Some(month) if ("01"..="12").contains(&month))
}
