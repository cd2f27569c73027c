//! An issuer whose cards a sandbox has.

use crate::card::Card;
use crate::onboarding::Pem;

/// An issuer: its id, its cards, and what it hands over before its first call.
#[derive(Clone, Debug)]
#[must_use = "an issuer does nothing until it is added to a builder"]
pub struct Issuer {
    pub(crate) id: String,
    pub(crate) client_request: Option<Pem>,
    /// Public keys, each with its kid.
    pub(crate) signing_keys: Vec<(String, Pem)>,
    pub(crate) cards: Vec<Card>,
}

impl Issuer {
    /// An issuer without cards, by its id of exactly 10 characters.
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
        self.client_request = Some(Pem::new(pem));
        self
    }

    /// Registers the public part (PEM) of a signing key, instead of making one; several are valid side by
    /// side.
    pub fn signing_key(mut self, kid: impl Into<String>, public_pem: impl Into<String>) -> Self {
        self.signing_keys.push((kid.into(), Pem::new(public_pem)));
        self
    }

    /// Adds a card.
    pub fn card(mut self, card: Card) -> Self {
        self.cards.push(card);
        self
    }
}
