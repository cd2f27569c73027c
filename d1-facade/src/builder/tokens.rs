//! How the client identifies itself: the assertion, its exchange, and tokens from elsewhere.

use std::sync::Arc;

use super::ClientBuilder;
use crate::auth::{AssertionPolicy, Signer, TokenExchange, TokenSource};

impl ClientBuilder {
    /// Adds a signer of assertions: a [`SigningKey`](crate::SigningKey), or a [`Signer`] whose key is in an HSM or a
    /// KMS.
    ///
    /// The first one is used unless [`sign_with`](Self::sign_with) names another. Thales must know the public key by
    /// the same `kid`.
    ///
    /// ```no_run
    /// # fn f(builder: d1_facade::ClientBuilder) -> Result<(), Box<dyn std::error::Error>> {
    /// use d1_facade::SigningKey;
    ///
    /// let key = SigningKey::from_pem(std::fs::read("signing.key")?, "bank-2026")?;
    /// let d1 = builder.signer(key).build()?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`build`](Self::build) fails where there is neither a signer nor a [`token_source`](Self::token_source), where
    /// two signers have the same `kid` (field `signer`), and where a `kid` is not 1 to 256 visible ASCII characters
    /// (field `signing_kid`).
    pub fn signer(mut self, signer: impl Signer) -> Self {
        self.tokens.signers.push(Arc::new(signer));
        self
    }

    /// Sets which of the signers is used, by its `kid`.
    ///
    /// With two keys configured, a rotation changes one setting and needs no new files:
    ///
    /// ```no_run
    /// # fn f(builder: d1_facade::ClientBuilder) -> Result<(), Box<dyn std::error::Error>> {
    /// use d1_facade::SigningKey;
    ///
    /// let d1 = builder
    ///     .signer(SigningKey::from_pem(std::fs::read("2026.key")?, "bank-2026")?)
    ///     .signer(SigningKey::from_pem(std::fs::read("2027.key")?, "bank-2027")?)
    ///     .sign_with(std::env::var("D1_SIGNING_KID")?)
    ///     .build()?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`build`](Self::build) fails where no signer has this `kid` (field `signer`).
    pub fn sign_with(mut self, kid: impl Into<String>) -> Self {
        self.tokens.sign_with = Some(kid.into());
        self
    }

    /// Calls as an aggregator: the assertion is issued by this id, the paths name the issuer of the card.
    ///
    /// An aggregator of several issuers builds an [`Aggregator`](crate::Aggregator) instead. Beside a
    /// [`token_source`](Self::token_source), the id is used only by [`reconcile`](crate::Client::reconcile), to recognize the
    /// aggregator's own operations.
    ///
    /// ```no_run
    /// # fn f(builder: d1_facade::ClientBuilder) -> Result<(), Box<dyn std::error::Error>> {
    /// let d1 = builder.aggregator_id("AGGREGATOR-1").build()?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`build`](Self::build) fails where it is not 1 to 64 visible ASCII characters (field `aggregator_id`).
    pub fn aggregator_id(mut self, id: impl Into<String>) -> Self {
        self.aggregator = Some(id.into());
        self
    }

    /// Sets which claims the assertion has beside `iss`, `sub` and `exp`.
    ///
    /// The default sends `aud` and `iat` as well; [`AssertionPolicy`] shows what can be changed.
    ///
    /// ```no_run
    /// # fn f(builder: d1_facade::ClientBuilder) -> Result<(), d1_facade::InvalidInput> {
    /// use d1_facade::auth::AssertionPolicy;
    ///
    /// let d1 = builder.assertion_policy(AssertionPolicy::default().jwt_id(true)).build()?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`build`](Self::build) fails where a claim cannot be sent, or where this is given beside a
    /// [`token_source`](Self::token_source) (field `assertion_policy`).
    pub fn assertion_policy(mut self, policy: AssertionPolicy) -> Self {
        self.tokens.assertion = Some(policy);
        self
    }

    /// Adds a header to the token exchange that this version has no method for.
    ///
    /// Card calls do not send it: each of them has a method of its own for headers.
    ///
    /// ```no_run
    /// # fn f(builder: d1_facade::ClientBuilder) -> Result<(), d1_facade::InvalidInput> {
    /// let d1 = builder.token_header("x-gateway-route", "d1-tokens").build()?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`build`](Self::build) fails where HTTP does not allow it, or the client sets it itself (field
    /// `token_header`).
    pub fn token_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.tokens.token_headers.push((name.into(), value.into()));
        self
    }

    /// Takes tokens from a source of your own instead of exchanging assertions.
    ///
    /// No signer is needed then. The client still keeps a token for all calls and asks for the next one before it
    /// ends, as [`TokenSource`] describes.
    ///
    /// ```no_run
    /// use d1_facade::auth::{AccessToken, TokenSource};
    /// use d1_facade::Error;
    ///
    /// /// Asks a service of the bank that exchanges assertions for all others.
    /// struct TokenService;
    ///
    /// # async fn ask() -> std::io::Result<(String, std::time::Duration)> {
    /// #     Ok(("a-token".to_owned(), std::time::Duration::from_secs(900)))
    /// # }
    /// impl TokenSource for TokenService {
    ///     async fn fetch(&self) -> Result<AccessToken, Error> {
    ///         let (token, lifetime) = ask().await.map_err(Error::token_unavailable)?;
    ///         AccessToken::new(token, lifetime).map_err(Error::token_unavailable)
    ///     }
    /// }
    ///
    /// # fn f(builder: d1_facade::ClientBuilder) -> Result<(), d1_facade::InvalidInput> {
    /// let d1 = builder.token_source(TokenService).build()?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`build`](Self::build) fails where something about the assertion or the exchange is given beside it.
    pub fn token_source(mut self, source: impl TokenSource) -> Self {
        self.tokens.own = Some(Arc::new(source));
        self
    }

    /// Wraps the client's own [`TokenExchange`] in a source of your own.
    ///
    /// It can share a token among the processes of a service (see the example `shared_token`), count exchanges, or
    /// keep them apart. The settings of the assertion and of the exchange stay the client's.
    ///
    /// ```no_run
    /// use d1_facade::Error;
    /// use d1_facade::auth::{AccessToken, TokenExchange, TokenSource};
    ///
    /// struct Counted(TokenExchange);
    ///
    /// impl TokenSource for Counted {
    ///     async fn fetch(&self) -> Result<AccessToken, Error> {
    ///         println!("one more exchange");
    ///         self.0.fetch().await
    ///     }
    ///
    ///     fn invalidate(&self, token: &AccessToken) {
    ///         self.0.invalidate(token);
    ///     }
    /// }
    ///
    /// # fn f(builder: d1_facade::ClientBuilder) -> Result<(), d1_facade::InvalidInput> {
    /// let d1 = builder.wrap_token_source(Counted).build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn wrap_token_source<S: TokenSource>(
        mut self,
        wrap: impl FnOnce(TokenExchange) -> S + Send + Sync + 'static,
    ) -> Self {
        self.tokens.wrap_exchange = Some(Box::new(|exchange| Arc::new(wrap(exchange))));
        self
    }
}
