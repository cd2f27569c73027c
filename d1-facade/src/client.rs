//! A client, and what can be reached from it.

use std::fmt;
use std::sync::Arc;

use crate::api_operation::ApiOperation;
use crate::auth::{AccessToken, TokenCache};
use crate::builder::ClientBuilder;
use crate::bulk::Bulk;
use crate::call::LONGEST_TIMEOUT;
use crate::card::Card;
use crate::config::Environment;
use crate::error::{Error, ErrorBuilder, ErrorKind, InvalidInput, Outcome};
use crate::jwe::EncryptionKey;
use crate::reason::ReasonCodeFallback;
use crate::retry::RetryPolicy;
use crate::text::{CardId, IssuerId};
use crate::transport::Transport;

/// A client for one issuer's cards. Make one and keep it: clones share its connections and its
/// token.
///
/// ```no_run
/// use d1_facade::{Client, EncryptionKey, Environment, SigningKey};
///
/// # fn build() -> Result<(), Box<dyn std::error::Error>> {
/// use std::fs::read_to_string as read;
///
/// let d1 = Client::builder(Environment::Staging, "ISSUER_A-1".parse()?)
///     .signing_key(SigningKey::from_pem(read("signing.key")?, "my-kid")?)
///     .encryption_key(EncryptionKey::from_jwk(&read("d1-key.jwk")?)?)
///     .client_identity(read("client.pem")?, read("client.key")?)
///     .build()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Client {
    inner: Arc<ClientInner>,
}

pub(crate) struct ClientInner {
    pub(crate) transport: Arc<Transport>,
    pub(crate) tokens: TokenCache,
    pub(crate) fallback: ReasonCodeFallback,
    pub(crate) retry: Arc<dyn RetryPolicy>,
    pub(crate) issuer: IssuerId,
    pub(crate) aggregator: Option<String>,
    pub(crate) encryption_keys: Vec<EncryptionKey>,
}

impl Client {
    /// Starts to build a client that calls `environment` for the cards of `issuer`.
    pub fn builder(environment: Environment, issuer: IssuerId) -> ClientBuilder {
        ClientBuilder::new(environment, issuer)
    }

    /// A card of this client's issuer. Nothing is sent.
    #[must_use]
    pub fn card(&self, card: CardId) -> Card {
        Card::new(self.clone(), self.inner.issuer.clone(), card)
    }

    /// A card of another issuer, for whom the client calls as an
    /// [aggregator](ClientBuilder::aggregator_id). Nothing is sent.
    #[must_use]
    pub fn card_of(&self, issuer: IssuerId, card: CardId) -> Card {
        Card::new(self.clone(), issuer, card)
    }

    /// Many changes at once, of any cards: see [`Bulk`]. Nothing is sent until its outcomes are polled.
    pub fn bulk(&self) -> Bulk {
        Bulk::new()
    }

    /// The access token that this client uses, for calls to D1 that it has no method for. Its life time is
    /// what is left of it.
    ///
    /// It is the client's own to renew: ask for it again for each call.
    ///
    /// # Errors
    /// Those of the [token source](crate::auth::TokenSource), or when it takes longer than a call may.
    pub async fn access_token(&self) -> Result<AccessToken, Error> {
        let tokens = &self.inner.tokens;
        if let Some(token) = tokens.fresh() {
            return Ok(token.remaining());
        }
        let timeout = self.inner.transport.timeout().min(LONGEST_TIMEOUT);
        let token = tokio::time::timeout(timeout, tokens.get(timeout)).await;
        let late =
            |_| ErrorBuilder::new(ApiOperation::GetToken, ErrorKind::Timeout, Outcome::NotSent);
        Ok(token.map_err(|e| late(e).build())??.remaining())
    }

    pub(crate) fn new(inner: ClientInner) -> Self {
        Self {
            inner: Arc::new(inner),
        }
    }

    pub(crate) fn inner(&self) -> &ClientInner {
        &self.inner
    }
}

impl ClientInner {
    /// The key with this `kid`; without one, the first that was configured.
    pub(crate) fn encryption_key(&self, kid: Option<&str>) -> Result<&EncryptionKey, InvalidInput> {
        let key = match kid {
            Some(kid) => self.encryption_keys.iter().find(|k| k.kid() == kid),
            None => self.encryption_keys.first(),
        };
        key.ok_or_else(|| {
            InvalidInput::new(
                "encryption_key",
                match kid {
                    Some(_) => "must be configured with the kid that the renewal names",
                    None => "must be configured to send card credentials",
                },
            )
        })
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("host", &self.inner.transport.base_url())
            .field("issuer", &self.inner.issuer)
            .finish_non_exhaustive()
    }
}
