//! Where the card numbers are: in a real service a vault of its own, in this example a file of test cards.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use d1_facade::{CardCredentials, CardId};
use serde::Deserialize;

use crate::settings::{Error, read};

/// Why the vault has no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum VaultError {
    /// It cannot be reached or does not answer: it may later.
    #[error("the vault does not answer")]
    Unavailable,
}

/// Knows the credentials of the issuer's cards. Nothing else in the service holds one, and nothing stores one.
#[async_trait]
pub(crate) trait Vault: Send + Sync + 'static {
    /// Returns the PAN and the expiry of a card; `None` where there is no such card. D1 waits for it: it must end within
    /// a second or two.
    async fn credentials(&self, card: &CardId) -> Result<Option<CardCredentials>, VaultError>;
}

/// Test cards out of a file: `{"ReplaceMe01": {"pan": "4111111111111111", "exp": "1230"}}`. Without the file it does not
/// answer.
pub(crate) struct TestCards(PathBuf);

#[derive(Deserialize)]
struct TestCard {
    pan: String,
    exp: String,
}

impl TestCards {
    /// Returns the cards of a file, which must be there now. The error holds no value of it.
    pub(crate) fn new(path: &Path) -> Result<Self, Error> {
        let cards = Self(path.to_owned());
        cards.read()?;
        Ok(cards)
    }

    fn read(&self) -> Result<BTreeMap<CardId, CardCredentials>, Error> {
        let invalid = |_| format!("{} is not a file of test cards", self.0.display());
        let cards: BTreeMap<CardId, TestCard> =
            serde_json::from_slice(&read(&self.0)?).map_err(invalid)?;
        let credentials =
            |(id, card): (CardId, TestCard)| Ok((id, CardCredentials::new(card.pan, card.exp)?));
        cards.into_iter().map(credentials).collect()
    }
}

#[async_trait]
impl Vault for TestCards {
    async fn credentials(&self, card: &CardId) -> Result<Option<CardCredentials>, VaultError> {
        let mut cards = self.read().map_err(|_| VaultError::Unavailable)?;
        Ok(cards.remove(card))
    }
}
