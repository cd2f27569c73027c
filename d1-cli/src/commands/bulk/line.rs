//! A line of the input: one change of one card.

use std::fmt;

use clap::ValueEnum;
use d1_facade::{CardId, CorrelationId, EncryptedData, EncryptionKey, InvalidInput, Renewal};
use openssl::sha::sha256;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::change::{CardChange, Kind, card_state, renewal};
use crate::credentials::{Luhn, PlainCredentials};
use crate::json_errors;
use crate::reason_codes;
use crate::text::did_you_mean;

/// Why a line stands among those that are not done.
pub(super) const WHY: &str = "why";

/// A line as it is written. It may hold card credentials, so it has no `Debug`, and they are not written again.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Written {
    why: Option<String>,
    key: Option<String>,
    operation: String,
    card_id: String,
    reason_code: Option<String>,
    reason: Option<String>,
    new_card_id: Option<String>,
    state: Option<String>,
    american_express: Option<bool>,
    #[serde(skip_serializing)]
    credentials: Option<PlainCredentials>,
    encrypted_data: Option<String>,
}

/// What a line asks for, without card data.
#[derive(Debug, Clone)]
pub(super) struct LineSummary {
    pub(super) number: u64,
    /// A digest of everything in the line that is no card data: a digest of a PAN could be guessed.
    pub(super) digest: u128,
    pub(super) key: Option<String>,
    pub(super) kind: Kind,
    pub(super) card: CardId,
    new_card: Option<CardId>,
}

impl LineSummary {
    /// Returns the ids of the card: the one that the line names, and the one that a renewal gives.
    pub(super) fn cards(&self) -> impl Iterator<Item = &CardId> {
        [Some(&self.card), self.new_card.as_ref()]
            .into_iter()
            .flatten()
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = &str> {
        self.cards().map(CardId::as_str)
    }
}

/// A line that can be sent.
pub(super) struct Line {
    pub(super) summary: LineSummary,
    pub(super) change: CardChange,
}

/// What is wrong with a line: the field and its rule, and no value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BadLine {
    pub(super) number: u64,
    pub(super) rule: String,
    /// The ids of its card: the one that it names, if that can be read, and the one that a renewal gives.
    pub(super) cards: Vec<CardId>,
}

impl BadLine {
    /// Describes a bad line of which only the text is known, and reads the ids from it if they can be read.
    pub(super) fn new(number: u64, rule: String, text: &[u8]) -> Self {
        let ids: Result<Ids, _> = serde_json::from_slice(text);
        let ids = ids.map(|ids| [ids.card_id, ids.new_card_id]);
        let ids = ids.into_iter().flatten();
        Self {
            number,
            rule,
            cards: ids.filter_map(|id| id.as_str()?.parse().ok()).collect(),
        }
    }
}

/// The ids of a line's card, whatever else the line says.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Ids {
    card_id: Value,
    new_card_id: Value,
}

impl fmt::Display for BadLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.number, self.rule)
    }
}

impl Line {
    /// Reads a line.
    pub(super) fn parse(number: u64, text: &[u8]) -> Result<Self, BadLine> {
        let bad = |rule: String| BadLine::new(number, rule, text);
        let written: Written = json_errors::read(text).map_err(bad)?;
        written.checked(number).map_err(bad)
    }

    /// Returns a good line as it is written again, with why, for a file that holds no card data: credentials are encrypted
    /// to D1's key. Where that cannot be done, the new line is a bad one, rather than a renewal without credentials.
    pub(super) fn again(text: &[u8], why: String, key: Option<&EncryptionKey>) -> Value {
        let Ok(mut written) = serde_json::from_slice::<Written>(text) else {
            return json!({ WHY: why });
        };
        written.why = Some(why);
        if let Some(plain) = written.credentials.take() {
            let checked = plain.checked(Luhn::Checked).ok();
            let data = checked.and_then(|credentials| key?.encrypt(&credentials).ok());
            let data = data.map(|data| data.as_str().to_owned());
            written.encrypted_data = data.or_else(|| Some(LEFT_OUT.to_owned()));
        }
        let mut line = json!(written);
        if let Some(fields) = line.as_object_mut() {
            fields.retain(|_, value| !value.is_null());
        }
        line
    }
}

/// Stands for credentials that could not be encrypted. It is no JWE.
const LEFT_OUT: &str = "left out: give the credentials";

impl Written {
    fn checked(self, number: u64) -> Result<Line, String> {
        let rule = |error: InvalidInput| error.to_string();
        if let Some(outcome) = self.why.as_deref().and_then(needs_a_look) {
            return Err(format!("why says {outcome}: see to it, then remove why"));
        }
        let kind = Kind::from_str(&self.operation, false).map_err(|_| {
            let meant = did_you_mean(&self.operation, ["suspend", "resume", "delete", "renew"]);
            format!("operation must be suspend, resume, delete or renew{meant}")
        })?;
        let new_card = self.new_card_id.as_deref().map(str::parse).transpose();
        let new_card: Option<CardId> =
            new_card.map_err(|error: InvalidInput| format!("newCardId {}", error.rule()))?;
        let reason = self.reason.as_deref().map(str::parse).transpose();
        let code = self.reason_code.as_deref().map(reason_codes::parse);
        let card: CardId = self.card_id.parse().map_err(rule)?;
        let change = CardChange {
            kind,
            card: card.clone(),
            reason_code: code.transpose().map_err(rule)?.unwrap_or_default(),
            reason: reason.map_err(rule)?,
            new_card: new_card.clone(),
            renewal: self.renewal(kind, new_card.as_ref())?,
        };
        let summary = LineSummary {
            number,
            digest: self.digest(),
            key: self.key.as_deref().map(key).transpose()?,
            kind,
            card,
            new_card,
        };
        Ok(Line { summary, change })
    }

    fn renewal(&self, kind: Kind, new_card: Option<&CardId>) -> Result<Renewal, String> {
        let state = self.state.as_deref().map(card_state).transpose();
        let state = state.map_err(|rule| format!("state {rule}"))?;
        let given = [
            ("newCardId", new_card.is_some()),
            ("state", state.is_some()),
            ("americanExpress", self.american_express.is_some()),
            ("credentials", self.credentials.is_some()),
            ("encryptedData", self.encrypted_data.is_some()),
        ];
        let given = given.into_iter().find(|(_, given)| *given);
        if let Some((field, _)) = given.filter(|_| kind != Kind::Renew) {
            return Err(format!("{field} is for operation renew only"));
        }
        let mut renewal = renewal(new_card);
        if let Some(state) = state {
            renewal = renewal.state(state);
        }
        match (&self.credentials, &self.encrypted_data) {
            (Some(_), Some(_)) => {
                return Err("credentials cannot be given beside encryptedData".to_owned());
            }
            (Some(plain), None) => {
                let checked = plain.checked(Luhn::Checked);
                let credentials = checked.map_err(|error| format!("credentials: {error}"))?;
                renewal = renewal.credentials(credentials);
            }
            (None, Some(data)) => {
                let data = data.parse::<EncryptedData>();
                renewal = renewal.encrypted_data(data.map_err(|error| error.to_string())?);
            }
            (None, None) if self.american_express == Some(true) => {
                return Err("credentials are mandatory for American Express cards".to_owned());
            }
            (None, None) => {}
        }
        if self.american_express == Some(true) {
            renewal = renewal.american_express();
        }
        Ok(renewal)
    }

    /// Returns the digest that binds a journal to this line.
    fn digest(&self) -> u128 {
        let said = json!([
            self.key,
            self.operation,
            self.card_id,
            self.reason_code,
            self.reason,
            self.new_card_id,
            self.state,
            self.american_express,
            self.credentials.is_some(),
            self.encrypted_data.is_some(),
        ]);
        let digest = sha256(said.to_string().as_bytes()).into_iter();
        digest
            .take(16)
            .fold(0, |digest, byte| digest << 8 | u128::from(byte))
    }
}

/// Returns the outcome that `why` begins with, where a person must look at the line before it may be sent: sending a line
/// of unknown outcome again may do it twice, and a bad one lacks what was wrong.
fn needs_a_look(why: &str) -> Option<&str> {
    let outcome = why.split(',').next()?.trim();
    ["unknown", "bad"].contains(&outcome).then_some(outcome)
}

/// Checks a key. It is kept in the journal and printed, so it follows the rule of a correlation id, which holds no card
/// number.
fn key(text: &str) -> Result<String, String> {
    match text.parse::<CorrelationId>() {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(format!("key {}", error.rule())),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn rule(text: &str) -> String {
        match Line::parse(7, text.as_bytes()) {
            Ok(_) => String::new(),
            Err(bad) => bad.to_string(),
        }
    }

    #[test]
    fn what_is_wrong_is_named_and_not_repeated() {
        for (text, expected) in [
            ("{", "line 7: must be a JSON object, and ends within it"),
            (
                r#"{"operation":"suspnd","cardId":"A"}"#,
                "line 7: operation must be suspend, resume, delete or renew; did you mean suspend?",
            ),
            (
                r#"{"operation":"suspend","cardId":"a b"}"#,
                "line 7: cardId has a wrong character at position 2, must have 1 to 48",
            ),
            (
                r#"{"operation":"suspend","cardId":"4111111111111111"}"#,
                "line 7: cardId must not",
            ),
            (
                r#"{"operation":"suspend","cardId":"A","key":"4111 1111 1111 1111"}"#,
                "line 7: key must not",
            ),
            (
                r#"{"operation":"suspend","cardId":"A","reasonCode":"x-1"}"#,
                "line 7: reasonCode has a wrong character at position 2",
            ),
            (
                r#"{"operation":"suspend","cardId":"A","reason":"a_b"}"#,
                "line 7: reason has a wrong character at position 2",
            ),
            (
                r#"{"operation":"suspend","cardId":"A","state":"ACTIVE"}"#,
                "line 7: state is for",
            ),
            (
                r#"{"operation":"renew","cardId":"A","state":"X"}"#,
                "line 7: state must be",
            ),
            (
                r#"{"operation":"renew","cardId":"A","newCardId":"ä"}"#,
                "line 7: newCardId has a wrong character at position 1",
            ),
            (
                r#"{"operation":"renew","cardId":"A","credentials":{"pan":"4111111111111112","exp":"1230"}}"#,
                "line 7: credentials: pan must pass",
            ),
            (
                r#"{"operation":"renew","cardId":"A","credentials":{"pan":4111111111111111,"exp":"1230"}}"#,
                "line 7: credentials.pan must be a string",
            ),
            (
                r#"{"operation":"suspend","cardId":"A","reason_code":"1"}"#,
                "line 7: reason_code is not a field; did you mean reasonCode?",
            ),
        ] {
            let found = rule(text);
            assert!(found.starts_with(expected), "{text}: {found}");
            assert!(!found.contains("4111"), "{found}");
        }
    }

    #[test]
    fn the_digest_tells_lines_apart_and_knows_no_card_data() {
        let digest = |text: &str| Line::parse(1, text.as_bytes()).unwrap().summary.digest;
        let suspend = digest(r#"{"operation":"suspend","cardId":"A"}"#);
        assert_eq!(
            suspend,
            digest(r#"{ "cardId":"A", "operation":"suspend" }"#)
        );
        assert_ne!(suspend, digest(r#"{"operation":"suspend","cardId":"B"}"#));
        assert_ne!(suspend, digest(r#"{"operation":"resume","cardId":"A"}"#));
        let renew = |pan: &str| {
            digest(&format!(
                r#"{{"operation":"renew","cardId":"A","credentials":{{"pan":"{pan}","exp":"1230"}}}}"#
            ))
        };
        assert_eq!(renew("4111111111111111"), renew("5555555555554444"));
    }
}
