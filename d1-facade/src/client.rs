//! The client, and what can be reached from it.
//!
//! `ClientBuilder` decides how a client is made. This module only hands out what the calls of one client share.

use std::sync::{Arc, PoisonError};

use tokio::time::{Instant, sleep, timeout_at};

use crate::auth::{AccessToken, Signer, unique_kids};
use crate::call::{CallOptions, Core};
use crate::card::Card;
use crate::config::Environment;
use crate::crypto::EncryptionKey;
use crate::error::{Error, ErrorKind, InvalidInput, Outcome};
use crate::health::Health;
use crate::http_client::LONGEST_TIMEOUT;
use crate::values::{ApiOperation, CardId, IssuerId};

/// A client for the cards of one issuer.
///
/// Make one and keep it for the lifetime of the service: clones are cheap and share its connections and its token. It
/// can be used from any task of a tokio runtime with the time and network drivers.
///
/// ```no_run
/// use d1_facade::{Client, EncryptionKey, Environment, Identity, SigningKey};
///
/// # fn build() -> Result<(), Box<dyn std::error::Error>> {
/// use std::fs::read_to_string as read;
///
/// let d1 = Client::builder(Environment::Staging, "ISSUER_A-1".parse()?)
///     .signer(SigningKey::from_pem(read("signing.key")?, "my-kid")?)
///     .encryption_key(EncryptionKey::from_jwk(&read("d1-key.jwk")?)?)
///     .client_identity(Identity::from_pem(read("client.pem")?, read("client.key")?)?)
///     .build()?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Client {
    core: Arc<Core>,
    issuer: IssuerId,
}

impl Client {
    /// Returns a handle of a card of this client's issuer (D1: `cardId`). Nothing is sent.
    ///
    /// ```no_run
    /// # async fn f(d1: d1_facade::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// let card = d1.card("ReplaceMe01".parse()?);
    /// card.suspend().await?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn card(&self, card: CardId) -> Card {
        self.card_for_issuer(self.issuer.clone(), card)
    }

    /// Returns a handle of a card of any issuer: a change may be reconciled with the client of another one.
    pub(crate) fn card_for_issuer(&self, issuer: IssuerId, card: CardId) -> Card {
        Card::new(self.core.clone(), issuer, card)
    }

    /// Returns the issuer of the client's cards (D1: `issuerId`).
    #[must_use]
    pub fn issuer(&self) -> &IssuerId {
        &self.issuer
    }

    /// Returns the environment that the client calls.
    #[must_use]
    pub fn environment(&self) -> Environment {
        Environment::of(self.core.transport.base_url())
    }

    /// Returns D1's public key that card credentials are encrypted to by default, such as to answer D1's
    /// *Get Card Credentials*. It is the present one after
    /// [`replace_encryption_keys`](Self::replace_encryption_keys).
    ///
    /// ```no_run
    /// # fn f(d1: d1_facade::Client, card: d1_facade::CardCredentials) -> Result<(), Box<dyn std::error::Error>> {
    /// let encrypted = d1.encryption_key()?.encrypt(&card)?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When the client has none (field `encryption_key`).
    pub fn encryption_key(&self) -> Result<EncryptionKey, InvalidInput> {
        self.core.encryption_key(None)
    }

    /// Returns a client whose calls begin with other options: a shorter timeout, another retry policy, a limiter or a
    /// header. It shares the connections and the token.
    ///
    /// `set` gets the options of this client, which has none at first, and returns those of the new one. An option that a
    /// call sets itself counts before them; headers, query parameters, limiters and signals add up.
    ///
    /// ```no_run
    /// # async fn f(d1: d1_facade::Client, card: d1_facade::CardId) -> Result<(), d1_facade::Error> {
    /// use std::time::Duration;
    /// use d1_facade::retry::ExponentialBackoff;
    ///
    /// let once = ExponentialBackoff::default().max_attempts(1);
    /// let interactive = d1.with(|calls| calls.timeout(Duration::from_secs(5)).retry(once));
    /// interactive.card(card).suspend().await?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn with(&self, set: impl FnOnce(CallOptions) -> CallOptions) -> Self {
        let mut core = Core::clone(&self.core);
        core.defaults = set(core.defaults);
        Self::new(Arc::new(core), self.issuer.clone())
    }

    /// Returns the access token that this client uses, for calls to D1 that it has no method for.
    ///
    /// Its lifetime is the time that is left. The client refreshes it: ask for it again for each call. An exchange that
    /// fails is made again as the client's [retry policy](crate::ClientBuilder::retry) decides.
    ///
    /// ```no_run
    /// # async fn f(d1: d1_facade::Client) -> Result<(), d1_facade::Error> {
    /// let token = d1.access_token().await?;
    /// let header = format!("Bearer {}", token.expose_secret());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Those of the [token source](crate::auth::TokenSource), or of kind [`Timeout`](ErrorKind::Timeout) when it takes
    /// longer than the [`timeout`](crate::ClientBuilder::timeout).
    pub async fn access_token(&self) -> Result<AccessToken, Error> {
        let tokens = &self.core.tokens;
        if let Some(token) = tokens.fresh() {
            return Ok(token.remaining());
        }
        let deadline = Instant::now() + self.core.transport.timeout().min(LONGEST_TIMEOUT);
        let mut failures = 0;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let token = timeout_at(deadline, tokens.get(left)).await;
            let late = |_| Error::new(ApiOperation::GetToken, ErrorKind::Timeout, Outcome::NotSent);
            let error = match token.map_err(late)? {
                Ok(token) => return Ok(token.remaining()),
                Err(error) => error,
            };
            failures += 1;
            let policy = self.core.defaults.retry.as_ref();
            let delay = policy.unwrap_or(&self.core.retry).delay(&error, failures);
            let left = deadline.saturating_duration_since(Instant::now());
            match delay.filter(|delay| *delay < left) {
                Some(delay) => sleep(delay).await,
                None => return Err(error),
            }
        }
    }

    /// Signs the assertions that follow with another signer, in all clones of this client.
    ///
    /// An exchange that is under way ends with the signer before, and its token stays in use until it expires. Thales
    /// must know the new key before.
    ///
    /// ```no_run
    /// # fn f(d1: d1_facade::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// use d1_facade::SigningKey;
    ///
    /// d1.replace_signer(SigningKey::from_pem(std::fs::read("2027.key")?, "bank-2027")?)?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When the client has a [`token_source`](crate::ClientBuilder::token_source) of the caller's (field `signer`), or
    /// the `kid` is not 1 to 256 visible ASCII characters (field `signing_kid`). The signer before is kept then.
    pub fn replace_signer(&self, signer: impl Signer) -> Result<(), InvalidInput> {
        let rule = "must not be given: the tokens come from a token_source";
        let current = self.core.signer.as_ref();
        let current = current.ok_or_else(|| InvalidInput::new("signer", rule))?;
        current.replace(Arc::new(signer))
    }

    /// Replaces D1's public keys, the default one first, in all clones of this client.
    ///
    /// A renewal whose credentials are encrypted already is sent as it is, also where it is sent again.
    ///
    /// ```no_run
    /// # fn f(d1: d1_facade::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// use d1_facade::EncryptionKey;
    ///
    /// let key = EncryptionKey::from_jwk(&std::fs::read_to_string("d1-key-2027.jwk")?)?;
    /// d1.replace_encryption_keys([key])?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When two keys have the same `kid` (field `encryption_key`). The keys before are kept then.
    pub fn replace_encryption_keys(
        &self,
        keys: impl IntoIterator<Item = EncryptionKey>,
    ) -> Result<(), InvalidInput> {
        let keys: Vec<_> = keys.into_iter().collect();
        unique_kids(keys.iter().map(EncryptionKey::kid), "encryption_key")?;
        let current = self.core.encryption_keys.write();
        *current.unwrap_or_else(PoisonError::into_inner) = keys;
        Ok(())
    }

    /// Returns the state of the client certificate, the keys, the token, the connections, the clock and the cryptography,
    /// as the calls before have left it. Nothing is sent.
    ///
    /// ```no_run
    /// # fn f(d1: d1_facade::Client) {
    /// let health = d1.health();
    /// if health.certificate_days_left.is_some_and(|days| days < 14) {
    ///     println!("renew the client certificate");
    /// }
    /// # }
    /// ```
    #[must_use]
    pub fn health(&self) -> Health {
        Health::of(&self.core)
    }

    pub(crate) fn new(core: Arc<Core>, issuer: IssuerId) -> Self {
        Self { core, issuer }
    }

    pub(crate) fn core(&self) -> &Core {
        &self.core
    }
}
