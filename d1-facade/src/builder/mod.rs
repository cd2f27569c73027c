//! How a client is configured, and what is checked before it is built.
//!
//! Methods never fail: [`ClientBuilder::build`] checks everything at one place, so that a service has one error to
//! handle at its start. It refuses what would be ignored: a setting beside another one that makes it useless, and two
//! keys with the same `kid`. What a call needs, and not every client, is checked by the call: a client without an
//! encryption key is complete for a service that renews no cards.
//!
//! `connection` has the settings of the way to D1, this file those of the calls and of the token.

mod connection;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::auth::{
    AssertionPolicy, SigningKey, TokenCache, TokenExchange, TokenOptions, TokenSource, unique_kids,
};
use crate::call::limiter::{AnyLimiter, Limiter};
use crate::call::retry::{ExponentialBackoff, RetryPolicy};
use crate::call::{Core, Transport};
use crate::client::Client;
use crate::config::Environment;
use crate::crypto::EncryptionKey;
use crate::error::InvalidInput;
use crate::http_client::{HttpOptions, LONGEST_TIMEOUT};
use crate::values::{IssuerId, ReasonCodeFallback};

const TIMEOUT: Duration = Duration::from_secs(30);
const MAX_RESPONSE_SIZE: usize = 1024 * 1024;

/// Configures and builds a [`Client`].
///
/// A client needs three things: a [signing key](Self::signing_key), or another [source of
/// tokens](Self::token_source); a [client certificate](Self::client_identity); and, to renew cards with card
/// credentials, [D1's encryption key](Self::encryption_key). Everything else has a default.
///
/// Methods accept what they are given; [`build`](Self::build) returns an error that names the first value that is
/// missing or cannot be used.
///
/// ```no_run
/// use std::time::Duration;
/// use d1_facade::{Client, EncryptionKey, Environment, SigningKey};
///
/// # fn build() -> Result<(), Box<dyn std::error::Error>> {
/// use std::fs::read;
///
/// let d1 = Client::builder(Environment::Production, "ISSUER_A-1".parse()?)
///     .signing_key(SigningKey::from_pem(read("signing.key")?, "my-kid")?)
///     .encryption_key(EncryptionKey::from_pem(read("d1-public.pem")?, "d1-kid")?)
///     .client_identity(read("client.pem")?, read("client.key")?)
///     .proxy("http://proxy.bank.example:3128")
///     .timeout(Duration::from_secs(10))
///     .build()?;
/// # Ok(())
/// # }
/// ```
#[must_use = "a builder does nothing until it is built"]
pub struct ClientBuilder {
    environment: Environment,
    issuer: IssuerId,
    aggregator: Option<String>,
    encryption_keys: Vec<EncryptionKey>,
    tokens: TokenOptions,
    http: HttpOptions,
    fallback: ReasonCodeFallback,
    retry: Arc<dyn RetryPolicy>,
    limiters: Vec<Arc<dyn AnyLimiter>>,
    timeout: Duration,
    max_response_size: usize,
    plain_loopback: bool,
}

impl Client {
    /// Returns a builder of a client that calls `environment` for the cards of `issuer` (D1: `issuerId`).
    ///
    /// ```
    /// use d1_facade::{Client, Environment};
    ///
    /// let builder = Client::builder(Environment::Staging, "ISSUER_A-1".parse()?);
    /// # Ok::<(), d1_facade::InvalidInput>(())
    /// ```
    pub fn builder(environment: Environment, issuer: IssuerId) -> ClientBuilder {
        ClientBuilder {
            environment,
            issuer,
            aggregator: None,
            encryption_keys: Vec::new(),
            tokens: TokenOptions::default(),
            http: HttpOptions::default(),
            fallback: ReasonCodeFallback::Never,
            retry: Arc::new(ExponentialBackoff::default()),
            limiters: Vec::new(),
            timeout: TIMEOUT,
            max_response_size: MAX_RESPONSE_SIZE,
            plain_loopback: false,
        }
    }
}

impl ClientBuilder {
    /// Adds a key that assertions can be signed with.
    ///
    /// The first one is used unless [`sign_with`](Self::sign_with) names another. Thales must know its public part by
    /// the same `kid`.
    ///
    /// ```no_run
    /// # fn f(builder: d1_facade::ClientBuilder) -> Result<(), Box<dyn std::error::Error>> {
    /// use d1_facade::SigningKey;
    ///
    /// let key = SigningKey::from_pem(std::fs::read("signing.key")?, "bank-2026")?;
    /// let d1 = builder.signing_key(key).build()?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`build`](Self::build) fails where there is neither a signing key nor a [`token_source`](Self::token_source), and
    /// where two keys have the same `kid` (field `signing_key`).
    pub fn signing_key(mut self, key: SigningKey) -> Self {
        self.tokens.signing_keys.push(key);
        self
    }

    /// Sets which of the signing keys is used, by its `kid`.
    ///
    /// With two keys configured, a rotation changes one setting and needs no new files:
    ///
    /// ```no_run
    /// # fn f(builder: d1_facade::ClientBuilder) -> Result<(), Box<dyn std::error::Error>> {
    /// use d1_facade::SigningKey;
    ///
    /// let d1 = builder
    ///     .signing_key(SigningKey::from_pem(std::fs::read("2026.key")?, "bank-2026")?)
    ///     .signing_key(SigningKey::from_pem(std::fs::read("2027.key")?, "bank-2027")?)
    ///     .sign_with(std::env::var("D1_SIGNING_KID")?)
    ///     .build()?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`build`](Self::build) fails where no key has this `kid` (field `signing_key`).
    pub fn sign_with(mut self, kid: impl Into<String>) -> Self {
        self.tokens.sign_with = Some(kid.into());
        self
    }

    /// Adds a public key of D1 to which card credentials can be encrypted.
    ///
    /// The first one is used unless a [renewal names another](crate::Renewal::encrypt_to). A client without one can
    /// do everything but renew a card with [credentials](crate::Renewal::credentials).
    ///
    /// ```no_run
    /// # fn f(builder: d1_facade::ClientBuilder) -> Result<(), Box<dyn std::error::Error>> {
    /// use d1_facade::EncryptionKey;
    ///
    /// let key = EncryptionKey::from_jwk(&std::fs::read_to_string("d1-key.jwk")?)?;
    /// let d1 = builder.encryption_key(key).build()?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`build`](Self::build) fails where two keys have the same `kid` (field `encryption_key`).
    pub fn encryption_key(mut self, key: EncryptionKey) -> Self {
        self.encryption_keys.push(key);
        self
    }

    /// Calls as an aggregator: the assertion is issued by this id, the paths name the issuer of the card.
    ///
    /// [`Client::card_for_issuer`] names another issuer than the client's own. Beside a
    /// [`token_source`](Self::token_source), the id is used only by [`reconcile`](Client::reconcile), to recognize the
    /// aggregator's own operations.
    ///
    /// ```no_run
    /// # fn f(builder: d1_facade::ClientBuilder) -> Result<(), Box<dyn std::error::Error>> {
    /// let d1 = builder.aggregator_id("AGGREGATOR-1").build()?;
    /// let card = d1.card_for_issuer("ISSUER_B-2".parse()?, "ReplaceMe01".parse()?);
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
    /// No signing key is needed then. The client still keeps a token for all calls and asks for the next one before it
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

    /// Sets what to do when D1 refuses (403) another reason code than `ISSUER_DECISION`.
    ///
    /// The default is [`ReasonCodeFallback::Never`]: the error is returned. A change can
    /// [set its own](crate::Change::reason_code_fallback).
    ///
    /// ```no_run
    /// # fn f(builder: d1_facade::ClientBuilder) -> Result<(), d1_facade::InvalidInput> {
    /// use d1_facade::ReasonCodeFallback;
    ///
    /// let d1 = builder.reason_code_fallback(ReasonCodeFallback::IssuerDecision).build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn reason_code_fallback(mut self, fallback: ReasonCodeFallback) -> Self {
        self.fallback = fallback;
        self
    }

    /// Sets which failed calls are made again, and when; [`ExponentialBackoff`] by default.
    ///
    /// A policy is asked only about calls that can be made again without doing anything twice. Every request has a
    /// method of the same name for one call.
    ///
    /// ```no_run
    /// # fn f(builder: d1_facade::ClientBuilder) -> Result<(), d1_facade::InvalidInput> {
    /// use d1_facade::retry::ExponentialBackoff;
    ///
    /// let d1 = builder.retry(ExponentialBackoff::default().max_attempts(5)).build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn retry(mut self, policy: impl RetryPolicy) -> Self {
        self.retry = Arc::new(policy);
        self
    }

    /// Adds a limiter of all calls of the client, such as a limit on concurrent calls; none by default.
    ///
    /// A request waits for a permit of each limiter before it is sent, those of its call first. The module
    /// [`limiter`](crate::limiter) has examples, and says in which order limiters must be given.
    pub fn limiter(mut self, limiter: impl Limiter) -> Self {
        self.limiters.push(Arc::new(limiter));
        self
    }

    /// Builds the client. Nothing is sent.
    ///
    /// # Errors
    /// When something is missing or cannot be used, or has no effect beside something else; the error names the
    /// method.
    ///
    /// ```
    /// use d1_facade::{Client, Environment};
    ///
    /// # fn f() -> Result<(), d1_facade::InvalidInput> {
    /// let refused = Client::builder(Environment::Staging, "ISSUER_A-1".parse()?).build();
    /// assert_eq!(refused.unwrap_err().field(), "client_identity");
    /// # Ok(())
    /// # }
    /// # f().unwrap();
    /// ```
    pub fn build(self) -> Result<Client, InvalidInput> {
        let base_url = self.environment.checked(self.plain_loopback)?;
        self.check_timeouts()?;
        let timeout = self.timeout.min(LONGEST_TIMEOUT);
        let http = self.http.build(&base_url, timeout)?;
        let transport = Transport::new(http, base_url, timeout, self.max_response_size)?;
        let transport = Arc::new(transport);
        let aggregator = checked_aggregator(self.aggregator)?;
        let subject = aggregator.clone();
        let subject = subject.unwrap_or_else(|| self.issuer.to_string());
        let source = self.tokens.build(subject, &transport)?;
        unique_kids(
            self.encryption_keys.iter().map(EncryptionKey::kid),
            "encryption_key",
        )?;
        Ok(Client::new(Core {
            transport,
            tokens: TokenCache::new(source),
            fallback: self.fallback,
            retry: self.retry,
            limiters: self.limiters,
            issuer: self.issuer,
            aggregator,
            encryption_keys: self.encryption_keys,
        }))
    }
}

impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder")
            .field("issuer", &self.issuer)
            .field("signing_keys", &self.tokens.signing_keys)
            .field("encryption_keys", &self.encryption_keys)
            .finish_non_exhaustive()
    }
}

/// Returns the id of an aggregator, if it can be a claim.
fn checked_aggregator(id: Option<String>) -> Result<Option<String>, InvalidInput> {
    let printable = |id: &String| id.bytes().all(|b| b.is_ascii_graphic());
    if id
        .as_ref()
        .is_some_and(|id| !printable(id) || !(1..=64).contains(&id.len()))
    {
        return Err(InvalidInput::new(
            "aggregator_id",
            "must be 1 to 64 visible ASCII characters",
        ));
    }
    Ok(id)
}
