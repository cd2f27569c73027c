//! Renewing a card: what it is to be, and what is encrypted of it.

use std::future::IntoFuture;
use std::pin::pin;
use std::sync::Arc;

use d1_generated::types;
use futures_util::future::{BoxFuture, Either, select};

use super::change::{Body, ChangeCall, Why, change_options, submit};
use super::{Card, Receipt};
use crate::api_operation::ApiOperation;
use crate::bulk::Pace;
use crate::call::abandoned;
use crate::credentials::CardCredentials;
use crate::error::{Error, InvalidInput, Outcome, RequestFacts};
use crate::open_enum::open_enum;
use crate::options::{CallOptions, call_options, check_body};
use crate::reason::ReasonCodeFallback;
use crate::redact::{self, Redactor};
use crate::text::{CardId, EncryptedData};

open_enum! {
    /// The state of a card (D1: `state`).
    CardState {
        /// The card can be used.
        Active = "ACTIVE",
        /// The card cannot be used.
        Inactive = "INACTIVE",
    }
}

/// The scheme of a card, where it matters to a renewal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CardScheme {
    /// American Express: a renewal must carry the card's credentials.
    AmericanExpress,
    /// Any other scheme.
    Other,
}

/// What a card is to be after its renewal.
///
/// ```
/// use d1_facade::{CardCredentials, CardState, Renewal};
///
/// // A new card takes the place of the old one:
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
    /// All of it, for what must not repeat it; `sent` is what it was encrypted to.
    fn redactor(&self, sent: Option<&EncryptedData>) -> Redactor {
        let mut redactor = Redactor::default();
        match self {
            Self::Plain(credentials) | Self::Both(credentials, _) => {
                credentials.hold_in(&mut redactor);
            }
            Self::None | Self::Encrypted(_) => {}
        }
        if let Some(sent) = sent {
            redactor.hold(redact::Secret::new(sent.as_str()));
        }
        redactor
    }
}

impl Renewal {
    /// The card gets this id (D1: `newCardId`).
    pub fn to(card: CardId) -> Self {
        Self::new(NewCardId::Other(card))
    }

    /// The card keeps its id, which is sent as `newCardId`.
    pub fn same_card() -> Self {
        Self::new(NewCardId::Same)
    }

    /// No `newCardId` is sent; what D1 makes of that is not documented.
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

    /// Sends the credentials of the renewed card, encrypted. Without them D1 asks the issuer's
    /// *Get Card Credentials*; American Express cards need them.
    pub fn credentials(mut self, credentials: CardCredentials) -> Self {
        self.secret = Secret::Plain(Box::new(credentials));
        self
    }

    /// Sends credentials that were encrypted elsewhere.
    pub fn encrypted_data(mut self, data: EncryptedData) -> Self {
        self.secret = Secret::Encrypted(data);
        self
    }

    /// Encrypts the [credentials](Self::credentials) to the D1 key with this `kid`, instead of the
    /// first one configured.
    pub fn encrypt_to(mut self, kid: impl Into<String>) -> Self {
        self.kid = Some(kid.into());
        self
    }

    /// The state of the card after the renewal (D1: `state`).
    pub fn state(mut self, state: CardState) -> Self {
        self.state = Some(state);
        self
    }

    /// The scheme of the card. With it, an American Express card without credentials is refused
    /// before anything is sent.
    pub fn scheme(mut self, scheme: CardScheme) -> Self {
        self.scheme = Some(scheme);
        self
    }
}

/// A renewal that is about to be sent: await it.
///
/// # Errors
/// See [`Error`]. It is sent again, or given up, as a [`Change`](crate::Change) is.
#[derive(Debug, Clone)]
#[must_use = "nothing is sent until it is awaited"]
pub struct Renew {
    card: Card,
    renewal: Renewal,
    why: Why,
    fallback: Option<ReasonCodeFallback>,
    options: CallOptions,
}

impl Renew {
    pub(crate) fn new(card: Card, renewal: Renewal) -> Self {
        Self {
            card,
            renewal,
            why: Why::default(),
            fallback: None,
            options: CallOptions::default(),
        }
    }

    async fn send(self) -> Result<Receipt, Error> {
        let encrypted = self.encrypted_data()?;
        let call = ChangeCall {
            card: &self.card,
            operation: ApiOperation::RenewCard,
            secrets: self.renewal.secret.redactor(encrypted.as_ref()),
            body: Body::Renew(self.body(encrypted)?),
            facts: self.facts(),
            reason: self.why.reason.clone(),
            new_card: self.other_card().cloned(),
        };
        submit(call, self.why.reason_code, self.fallback, &self.options).await
    }

    #[allow(clippy::unused_self)] // A change of another kind has one of several.
    fn operation(&self) -> ApiOperation {
        ApiOperation::RenewCard
    }

    /// The other card that it makes of this one.
    fn other_card(&self) -> Option<&CardId> {
        self.new_card_id().filter(|id| *id != self.card.id())
    }

    /// Sends it as part of a bulk: what takes the processor long is done off the reactor.
    pub(crate) async fn send_within(mut self, pace: Arc<Pace>) -> Result<Receipt, Error> {
        if matches!(self.renewal.secret, Secret::Plain(_)) {
            let encrypted = pin!(pace.off_the_reactor(move || self.encrypted()));
            self = match select(encrypted, pin!(pace.abandoned())).await {
                Either::Left((Some(encrypted), _)) => encrypted?,
                _ => return Err(abandoned(ApiOperation::RenewCard, Outcome::NotSent)),
            };
        }
        self.options.pace = Some(pace);
        self.send().await
    }

    /// The same with its credentials encrypted.
    fn encrypted(mut self) -> Result<Self, Error> {
        if let Some(data) = self.encrypted_data()?
            && let Secret::Plain(credentials) = self.renewal.secret
        {
            self.renewal.secret = Secret::Both(credentials, data);
            self.renewal.kid = None;
        }
        Ok(self)
    }

    fn body(&self, encrypted: Option<EncryptedData>) -> Result<types::RenewRequest, Error> {
        let invalid = |e| Error::invalid_input_of(ApiOperation::RenewCard, e);
        check_body(ApiOperation::RenewCard, &self.options.body).map_err(invalid)?;
        let state = self.renewal.state.as_ref();
        Ok(types::RenewRequest {
            encrypted_data: encrypted.map(|data| data.raw().clone()),
            new_card_id: self.new_card_id().map(|id| id.raw().clone()),
            // Reserved: changing the product is not supported.
            new_card_product_id: None,
            reason: self.why.reason.as_ref().map(|r| r.raw().clone()),
            reason_code: None, // Set by `submit`.
            state: state.map(|s| types::CardState(s.as_str().to_owned())),
            extra: self.options.body.clone(),
        })
    }

    fn new_card_id(&self) -> Option<&CardId> {
        match &self.renewal.new_card_id {
            NewCardId::Other(id) => Some(id),
            NewCardId::Same => Some(self.card.id()),
            NewCardId::Unsaid => None,
        }
    }

    fn encrypted_data(&self) -> Result<Option<EncryptedData>, Error> {
        let invalid = |e| Error::invalid_input_of(ApiOperation::RenewCard, e);
        let plain = matches!(self.renewal.secret, Secret::Plain(_));
        if self.renewal.kid.is_some() && !plain {
            return Err(invalid(InvalidInput::new(
                "encrypt_to",
                "names a key for credentials that the client encrypts: none are given",
            )));
        }
        let credentials = match &self.renewal.secret {
            Secret::Encrypted(data) | Secret::Both(_, data) => return Ok(Some(data.clone())),
            Secret::None if self.renewal.scheme == Some(CardScheme::AmericanExpress) => {
                return Err(invalid(InvalidInput::new(
                    "encryptedData",
                    "is mandatory for American Express cards: give the renewal its credentials",
                )));
            }
            Secret::None => return Ok(None),
            Secret::Plain(credentials) => credentials,
        };
        let key = self
            .card
            .client()
            .inner()
            .encryption_key(self.renewal.kid.as_deref())
            .map_err(invalid)?;
        key.encrypt(credentials).map(Some)
    }

    fn facts(&self) -> RequestFacts {
        RequestFacts {
            new_card_id_differs: self.new_card_id().map(|id| id != self.card.id()),
            inactive: match &self.renewal.state {
                Some(CardState::Inactive) => Some(true),
                Some(CardState::Active) => Some(false),
                Some(CardState::Unknown(_)) | None => None,
            },
            other_reason_code: false, // Known when the code is set.
        }
    }
}

call_options!(Renew);
change_options!(Renew);

impl IntoFuture for Renew {
    type Output = Result<Receipt, Error>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}
