//! The contents of a renewal, and which of them are encrypted.
//!
//! This module decides when credentials are encrypted and to which key, which renewals are refused before they are
//! sent, and what must not be repeated in a response.

use d1_generated::types;

use super::Card;
use crate::crypto::CardCredentials;
use crate::error::{Error, InvalidInput, RequestContext};
use crate::redact::card_number::looks_like_card_number;
use crate::redact::{Redactor, Secret};
use crate::values::{ApiOperation, CardId, CardState, EncryptedData};

/// The contents of a renewal: the id, the state and the credentials of the card afterwards.
///
/// ```
/// use d1_facade::{CardCredentials, CardState, Renewal};
///
/// // A new card replaces the old one:
/// let replaced = Renewal::to("ReplaceMe02".parse()?)
///     .credentials(CardCredentials::new("4111111111111111", "1230")?)
///     .state(CardState::Active);
/// // The card keeps its id; D1 asks the issuer's Get Card Credentials for PAN and expiry:
/// let extended = Renewal::same_card();
/// # Ok::<(), d1_facade::InvalidInput>(())
/// ```
#[derive(Debug, Clone)]
#[must_use = "give it to Card::renew"]
pub struct Renewal {
    new_card_id: NewCardId,
    state: Option<CardState>,
    is_american_express: bool,
    /// What goes into `encryptedData`.
    credentials: Option<Box<CardCredentials>>,
    /// The same, encrypted by the caller or from the credentials.
    encrypted: Option<EncryptedData>,
    kid: Option<String>,
}

/// What is sent as `newCardId`.
#[derive(Debug, Clone)]
enum NewCardId {
    Other(CardId),
    /// The id of the card that is renewed.
    Same,
    /// Nothing.
    Unsaid,
}

impl Renewal {
    /// Returns a renewal after which the card has this id (D1: `newCardId`).
    pub fn to(card: CardId) -> Self {
        Self::new(NewCardId::Other(card))
    }

    /// Returns a renewal after which the card has the same id, which is sent as `newCardId`.
    pub fn same_card() -> Self {
        Self::new(NewCardId::Same)
    }

    /// Returns a renewal without `newCardId`. D1 does not document what it does then.
    pub fn without_new_card_id() -> Self {
        Self::new(NewCardId::Unsaid)
    }

    fn new(new_card_id: NewCardId) -> Self {
        Self {
            new_card_id,
            state: None,
            is_american_express: false,
            credentials: None,
            encrypted: None,
            kid: None,
        }
    }

    /// Sends the credentials of the renewed card, encrypted to [D1's key](crate::ClientBuilder::encryption_key)
    /// (D1: `encryptedData`).
    ///
    /// Without them D1 calls the issuer's *Get Card Credentials*. American Express cards need them. They replace
    /// [`encrypted_data`](Self::encrypted_data).
    ///
    /// ```
    /// use d1_facade::{CardCredentials, Renewal};
    ///
    /// let credentials = CardCredentials::new("4111111111111111", "1230")?;
    /// let renewal = Renewal::to("ReplaceMe02".parse()?).credentials(credentials);
    /// # Ok::<(), d1_facade::InvalidInput>(())
    /// ```
    pub fn credentials(mut self, credentials: CardCredentials) -> Self {
        self.credentials = Some(Box::new(credentials));
        self.encrypted = None;
        self
    }

    /// Sends credentials that were encrypted elsewhere (D1: `encryptedData`), as
    /// [`EncryptionKey::encrypt`](crate::EncryptionKey::encrypt) does. It replaces [`credentials`](Self::credentials).
    pub fn encrypted_data(mut self, data: EncryptedData) -> Self {
        self.credentials = None;
        self.encrypted = Some(data);
        self
    }

    /// Encrypts the [credentials](Self::credentials) to the key of D1 with this `kid`, instead of the first one that the
    /// client has: for the time in which D1 replaces its key.
    ///
    /// ```
    /// use d1_facade::{CardCredentials, Renewal};
    ///
    /// let credentials = CardCredentials::new("4111111111111111", "1230")?;
    /// let renewal = Renewal::same_card().credentials(credentials).encrypt_to("d1-key-2");
    /// # Ok::<(), d1_facade::InvalidInput>(())
    /// ```
    ///
    /// # Errors
    /// The call fails with [`InvalidInput`](crate::ErrorKind::InvalidInput) where the client has no such key.
    pub fn encrypt_to(mut self, kid: impl Into<String>) -> Self {
        self.kid = Some(kid.into());
        self
    }

    /// Sets the state of the card after the renewal (D1: `state`); not sent by default.
    pub fn state(mut self, state: CardState) -> Self {
        self.state = Some(state);
        self
    }

    /// Declares that the card is one of American Express, which is not sent: without credentials, such a renewal is
    /// refused before anything is sent.
    pub fn american_express(mut self) -> Self {
        self.is_american_express = true;
        self
    }

    /// Returns the `newCardId` that is sent for this card.
    pub(super) fn new_card_id<'a>(&'a self, card: &'a Card) -> Option<&'a CardId> {
        match &self.new_card_id {
            NewCardId::Other(id) => Some(id),
            NewCardId::Same => Some(card.id()),
            NewCardId::Unsaid => None,
        }
    }

    /// Returns whether there are credentials that were not encrypted yet.
    pub(super) fn needs_encryption(&self) -> bool {
        self.credentials.is_some() && self.encrypted.is_none()
    }

    /// Checks the renewal, and returns it with its credentials encrypted to a key of the client.
    pub(super) fn encrypt(mut self, card: &Card) -> Result<Self, Error> {
        let invalid = |e| Error::invalid_input_of(ApiOperation::RenewCard, e);
        let missing = |field, rule| Err(invalid(InvalidInput::new(field, rule)));
        if let Some(CardState::Unknown(text)) = &self.state
            && looks_like_card_number(text)
        {
            return missing("state", "must not hold what looks like a card number");
        }
        let kid = self.kid.take();
        match &self.credentials {
            Some(credentials) if self.encrypted.is_none() => {
                let key = card.core().encryption_key(kid.as_deref());
                self.encrypted = Some(key.map_err(invalid)?.encrypt(credentials)?);
                Ok(self)
            }
            Some(_) | None if kid.is_some() => missing(
                "encrypt_to",
                "names a key for credentials that the client encrypts: none are given",
            ),
            None if self.is_american_express && self.encrypted.is_none() => missing(
                "encryptedData",
                "is mandatory for American Express cards: give the renewal its credentials",
            ),
            Some(_) | None => Ok(self),
        }
    }

    /// Returns the body of the request, from what the body of every change has.
    pub(super) fn request(
        &self,
        card: &Card,
        change: types::CardOperationRequest,
    ) -> types::RenewRequest {
        let state = self.state.as_ref();
        types::RenewRequest {
            encrypted_data: self.encrypted.as_ref().map(|data| data.raw().clone()),
            new_card_id: self.new_card_id(card).map(|id| id.raw().clone()),
            // Reserved: changing the product is not supported.
            new_card_product_id: None,
            reason: change.reason,
            reason_code: change.reason_code,
            state: state.map(|s| types::CardState(s.as_str().to_owned())),
            extra: change.extra,
        }
    }

    /// Returns what decides which documented causes of a refusal can apply.
    pub(super) fn request_context(&self, card: &Card) -> RequestContext {
        RequestContext {
            new_card_id_differs: self.new_card_id(card).map(|id| id != card.id()),
            inactive: match &self.state {
                Some(CardState::Inactive) => Some(true),
                Some(CardState::Active) => Some(false),
                Some(CardState::Unknown(_)) | None => None,
            },
            other_reason_code: false, // Known to the change.
        }
    }

    /// Returns all of it that must not be repeated.
    pub(super) fn secrets(&self) -> Redactor {
        let mut redactor = Redactor::default();
        if let Some(credentials) = &self.credentials {
            credentials.hold_in(&mut redactor);
        }
        if let Some(sent) = &self.encrypted {
            redactor.hold(Secret::new(sent.as_str()));
        }
        redactor
    }
}
