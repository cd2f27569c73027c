//! The contents of a renewal, and which of them are encrypted.

use d1_generated::types;
use serde_json::Map;

use super::Card;
use crate::crypto::CardCredentials;
use crate::error::{Error, InvalidInput, RequestContext};
use crate::redact::{self, Redactor};
use crate::values::{ApiOperation, CardId, CardState, EncryptedData};

/// The scheme of a card, where it matters to a renewal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CardScheme {
    /// American Express: a renewal must carry the card's credentials.
    AmericanExpress,
    /// Any other scheme.
    Other,
}

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
    scheme: Option<CardScheme>,
    secret: Secret,
    kid: Option<String>,
}

#[derive(Debug, Clone)]
enum NewCardId {
    Other(CardId),
    Same,
    Unsaid,
}

/// What goes into `encryptedData`.
#[derive(Debug, Clone)]
enum Secret {
    None,
    Plain(Box<CardCredentials>),
    Encrypted(EncryptedData),
    /// Encrypted by the client.
    Both(Box<CardCredentials>, EncryptedData),
}

impl Secret {
    fn encrypted(&self) -> Option<&EncryptedData> {
        match self {
            Self::Encrypted(data) | Self::Both(_, data) => Some(data),
            Self::None | Self::Plain(_) => None,
        }
    }
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
            scheme: None,
            secret: Secret::None,
            kid: None,
        }
    }

    /// Sends the credentials of the renewed card, encrypted to [D1's key](crate::ClientBuilder::encryption_key)
    /// (D1: `encryptedData`).
    ///
    /// Without them D1 calls the issuer's *Get Card Credentials*. American Express cards need them.
    pub fn credentials(mut self, credentials: CardCredentials) -> Self {
        self.secret = Secret::Plain(Box::new(credentials));
        self
    }

    /// Sends credentials that were encrypted elsewhere (D1: `encryptedData`), as
    /// [`EncryptionKey::encrypt`](crate::EncryptionKey::encrypt) does.
    pub fn encrypted_data(mut self, data: EncryptedData) -> Self {
        self.secret = Secret::Encrypted(data);
        self
    }

    /// Encrypts the [credentials](Self::credentials) to the key of D1 with this `kid`, instead of the first one that the
    /// client has.
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

    /// Sets the scheme of the card, which is not sent: an American Express card without credentials is refused before
    /// anything is sent.
    pub fn scheme(mut self, scheme: CardScheme) -> Self {
        self.scheme = Some(scheme);
        self
    }

    pub(super) fn new_card_id<'a>(&'a self, card: &'a Card) -> Option<&'a CardId> {
        match &self.new_card_id {
            NewCardId::Other(id) => Some(id),
            NewCardId::Same => Some(card.id()),
            NewCardId::Unsaid => None,
        }
    }

    pub(super) fn needs_encryption(&self) -> bool {
        matches!(self.secret, Secret::Plain(_))
    }

    /// Returns the renewal with its credentials encrypted to a key of the client.
    pub(super) fn encrypt(mut self, card: &Card) -> Result<Self, Error> {
        let invalid = |e| Error::invalid_input_of(ApiOperation::RenewCard, e);
        let credentials = match self.secret {
            Secret::Plain(credentials) => credentials,
            Secret::Encrypted(_) | Secret::Both(..) | Secret::None if self.kid.is_some() => {
                return Err(invalid(InvalidInput::new(
                    "encrypt_to",
                    "names a key for credentials that the client encrypts: none are given",
                )));
            }
            Secret::None if self.scheme == Some(CardScheme::AmericanExpress) => {
                return Err(invalid(InvalidInput::new(
                    "encryptedData",
                    "is mandatory for American Express cards: give the renewal its credentials",
                )));
            }
            Secret::Encrypted(_) | Secret::Both(..) | Secret::None => return Ok(self),
        };
        let key = card.core().encryption_key(self.kid.take().as_deref());
        let data = key.map_err(invalid)?.encrypt(&credentials)?;
        self.secret = Secret::Both(credentials, data);
        Ok(self)
    }

    /// Returns the body of the request, without what every change has.
    pub(super) fn request(&self, card: &Card) -> types::RenewRequest {
        let state = self.state.as_ref();
        types::RenewRequest {
            encrypted_data: self.secret.encrypted().map(|data| data.raw().clone()),
            new_card_id: self.new_card_id(card).map(|id| id.raw().clone()),
            // Reserved: changing the product is not supported.
            new_card_product_id: None,
            reason: None,
            reason_code: None, // Set with the reason.
            state: state.map(|s| types::CardState(s.as_str().to_owned())),
            extra: Map::new(),
        }
    }

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
        match &self.secret {
            Secret::Plain(credentials) | Secret::Both(credentials, _) => {
                credentials.hold_in(&mut redactor);
            }
            Secret::None | Secret::Encrypted(_) => {}
        }
        if let Some(sent) = self.secret.encrypted() {
            redactor.hold(redact::Secret::new(sent.as_str()));
        }
        redactor
    }
}
