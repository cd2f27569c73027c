//! A client, and what can be reached from it.

use std::fmt;
use std::sync::Arc;

use crate::api_operation::ApiOperation;
use crate::auth::AccessToken;
use crate::card::Card;
use crate::core::Core;
use crate::error::{Error, ErrorBuilder, ErrorKind, Outcome};
use crate::http_client::LONGEST_TIMEOUT;
use crate::text::{CardId, IssuerId};

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
    core: Arc<Core>,
}

impl Client {
    /// A card of this client's issuer. Nothing is sent.
    #[must_use]
    pub fn card(&self, card: CardId) -> Card {
        Card::new(self.core.clone(), self.core.issuer.clone(), card)
    }

    /// A card of another issuer, for whom the client calls as an
    /// [aggregator](crate::ClientBuilder::aggregator_id). Nothing is sent.
    #[must_use]
    pub fn card_of(&self, issuer: IssuerId, card: CardId) -> Card {
        Card::new(self.core.clone(), issuer, card)
    }

    /// The access token that this client uses, for calls to D1 that it has no method for. Its life time is
    /// what is left of it.
    ///
    /// It is the client's own to renew: ask for it again for each call.
    ///
    /// # Errors
    /// Those of the [token source](crate::auth::TokenSource), or when it takes longer than a call may.
    pub async fn access_token(&self) -> Result<AccessToken, Error> {
        let tokens = &self.core.tokens;
        if let Some(token) = tokens.fresh() {
            return Ok(token.remaining());
        }
        let timeout = self.core.transport.timeout().min(LONGEST_TIMEOUT);
        let token = tokio::time::timeout(timeout, tokens.get(timeout)).await;
        let late =
            |_| ErrorBuilder::new(ApiOperation::GetToken, ErrorKind::Timeout, Outcome::NotSent);
        Ok(token.map_err(|e| late(e).build())??.remaining())
    }

    pub(crate) fn new(core: Core) -> Self {
        Self {
            core: Arc::new(core),
        }
    }

    pub(crate) fn core(&self) -> &Core {
        &self.core
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.core, f)
    }
}
