//! Where the card numbers are: in a real service a vault of its own, in this example a file of test cards.

use std::collections::BTreeMap;
use std::path::Path;

use d1_facade::{CardCredentials, CardId, InvalidInput};
use serde::Deserialize;

use crate::settings::{SettingsError, read};

/// Returns whether a text holds as many digits in a row as a card number has, 13 to 19, or more.
#[must_use]
pub fn may_hold_card_number(text: &str) -> bool {
    let numbers = text.split(|letter: char| !letter.is_ascii_digit());
    numbers.map(str::len).any(|digits| digits >= 13)
}

/// Knows the credentials of the issuer's cards. Nothing else in the service holds one, and nothing stores one.
pub trait Vault: Send + Sync + 'static {
    /// Returns the PAN and the expiry of a card; `None` where there is no such card.
    fn credentials(&self, card: &CardId) -> Option<CardCredentials>;
}

/// Test cards out of a file: `{"ReplaceMe01": {"pan": "4111111111111111", "exp": "1230"}}`.
pub struct TestCards(BTreeMap<String, CardCredentials>);

#[derive(Deserialize)]
struct TestCard {
    pan: String,
    exp: String,
}

impl TestCards {
    /// Reads the file.
    ///
    /// # Errors
    /// If it cannot be read, or a card is not valid. The error holds no value of it.
    pub fn read(path: &Path) -> Result<Self, SettingsError> {
        let invalid = |_| std::io::Error::from(std::io::ErrorKind::InvalidData);
        let cards: BTreeMap<String, TestCard> = serde_json::from_slice(&read(path)?)
            .map_err(invalid)
            .map_err(|e| SettingsError::File(path.to_owned(), e))?;
        Ok(Self::new(cards.iter().map(|(id, card)| {
            (id.as_str(), card.pan.as_str(), card.exp.as_str())
        }))?)
    }

    /// Makes a vault of cards, each an id, a PAN and an expiry.
    ///
    /// # Errors
    /// If a PAN or an expiry is not valid.
    pub fn new<'c>(
        cards: impl IntoIterator<Item = (&'c str, &'c str, &'c str)>,
    ) -> Result<Self, InvalidInput> {
        let credentials = |(id, pan, exp): (&str, &str, &str)| {
            Ok((id.to_owned(), CardCredentials::new(pan, exp)?))
        };
        cards
            .into_iter()
            .map(credentials)
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

impl Vault for TestCards {
    fn credentials(&self, card: &CardId) -> Option<CardCredentials> {
        self.0.get(card.as_str()).cloned()
    }
}
