//! An issuer whose cards a sandbox has.

use super::card::Card;
use crate::secret::Secret;

/// An issuer: its id, its cards, and what it hands over before its first call.
#[derive(Clone, Debug)]
#[must_use = "an issuer does nothing until it is added to a builder"]
pub struct Issuer {
    pub(crate) id: String,
    pub(crate) client_request: Option<Secret>,
    /// Public keys, each with its kid.
    pub(crate) signing_keys: Vec<(String, Secret)>,
    pub(crate) cards: Vec<Card>,
}

impl Issuer {
    /// Creates an issuer without cards, by its id of exactly 10 characters.
    pub fn new(id: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            client_request: None,
            signing_keys: Vec::new(),
            cards: Vec::new(),
        }
    }

    /// Signs the client certificate that this request (PEM) asks for, instead of making one.
    pub fn client_certificate_request(mut self, pem: impl Into<String>) -> Self {
        self.client_request = Some(Secret::new(pem));
        self
    }

    /// Registers the public part (PEM) of a signing key, instead of making one. Several keys, each with
    /// another `kid`, are valid side by side, as while keys are rotated.
    pub fn signing_key(mut self, kid: impl Into<String>, public_pem: impl Into<String>) -> Self {
        self.signing_keys
            .push((kid.into(), Secret::new(public_pem)));
        self
    }

    /// Adds a card.
    pub fn card(mut self, card: Card) -> Self {
        self.cards.push(card);
        self
    }
}
