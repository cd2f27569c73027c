//! How a client is configured, and what is checked before it is built.
//!
//! Methods never fail: [`ClientBuilder::build`] checks everything at one place, so that a service has one error to
//! handle at its start. It refuses what would be ignored: a setting beside another one that makes it useless, and two
//! keys with the same `kid`. What a call needs, and not every client, is checked by the call: a client without an
//! encryption key is complete for a service that renews no cards.
//!
//! `connection` has the settings of the way to D1, `tokens` those of the token, `env` those that variables of the
//! environment give, this file those of the calls.

mod connection;
mod env;
#[cfg(feature = "test-util")]
mod in_memory;
mod tokens;

use std::fmt;
use std::sync::{Arc, RwLock};
use std::time::Duration;

#[cfg(feature = "metrics")]
use opentelemetry::metrics::Meter;

use crate::auth::{TokenCache, TokenOptions, unique_kids};
use crate::call::limiter::{AnyLimiter, Limiter};
#[cfg(feature = "metrics")]
use crate::call::metrics::observe_token_age;
use crate::call::retry::{ExponentialBackoff, RetryPolicy};
use crate::call::{CallOptions, Core, Transport};
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
/// A client needs three things: a [signer](Self::signer), such as a `SigningKey`, or another [source of
/// tokens](Self::token_source); a [client certificate](Self::client_identity); and, to renew cards with card
/// credentials, [D1's encryption key](Self::encryption_key). Everything else has a default.
///
/// Methods accept what they are given; [`build`](Self::build) returns an error that names the first value that is
/// missing or cannot be used.
///
/// ```no_run
/// use std::time::Duration;
/// use d1_facade::{Client, EncryptionKey, Environment, Identity, SigningKey};
///
/// # fn build() -> Result<(), Box<dyn std::error::Error>> {
/// use std::fs::read;
///
/// let d1 = Client::builder(Environment::Production, "ISSUER_A-1".parse()?)
///     .signer(SigningKey::from_pem(read("signing.key")?, "my-kid")?)
///     .encryption_key(EncryptionKey::from_pem(read("d1-public.pem")?, "d1-kid")?)
///     .client_identity(Identity::from_pem(read("client.pem")?, read("client.key")?)?)
///     .proxy("http://proxy.bank.example:3128")
///     .timeout(Duration::from_secs(10))
///     .build()?;
/// # Ok(())
/// # }
/// ```
#[must_use = "a builder does nothing until it is built"]
pub struct ClientBuilder {
    environment: Environment,
    /// `None` for an aggregator, unless the environment names one.
    issuer: Option<IssuerId>,
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
    #[cfg(feature = "metrics")]
    meter: Option<Meter>,
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
        ClientBuilder::new(environment, Some(issuer))
    }
}

impl ClientBuilder {
    pub(crate) fn new(environment: Environment, issuer: Option<IssuerId>) -> Self {
        Self {
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
            #[cfg(feature = "metrics")]
            meter: None,
        }
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

    /// Records metrics of the client's requests with a meter of OpenTelemetry (feature `metrics`); none by default.
    ///
    /// Each attempt of a call is a request, and so is the token exchange. Nothing is registered for the process: where
    /// the numbers go is up to the provider of the meter. It takes a meter of `opentelemetry` 0.33.
    ///
    /// | instrument | kind, unit | |
    /// |---|---|---|
    /// | `http.client.request.duration` | histogram, s | from the wait for a connection to the end of the response |
    /// | `http.client.active_requests` | up-down counter | requests under way |
    /// | `d1.client.retries` | counter | requests that repeat an earlier one of their call |
    /// | `d1.client.token.age` | gauge, s | since the present token was obtained; of several clients with one meter and one host, that of one of them |
    ///
    /// The attributes are `server.address`, `server.port`, `http.request.method` and `d1.operation`, and of a duration
    /// `http.response.status_code` and `error.type` where there are any. None of them tells a card, an issuer or a
    /// correlation id.
    ///
    /// ```
    /// # fn f(builder: d1_facade::ClientBuilder) -> Result<(), d1_facade::InvalidInput> {
    /// let d1 = builder.meter(opentelemetry::global::meter("d1")).build()?;
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "metrics")]
    pub fn meter(mut self, meter: Meter) -> Self {
        self.meter = Some(meter);
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
        let issuer = self.issuer.clone();
        let core = self.build_core()?;
        let rule = "must be given, or build_aggregator called";
        let issuer = issuer.ok_or_else(|| InvalidInput::new("issuer", rule))?;
        Ok(Client::new(Arc::new(core), issuer))
    }

    /// Builds what the calls share.
    pub(crate) fn build_core(self) -> Result<Core, InvalidInput> {
        let base_url = self.environment.checked(self.plain_loopback)?;
        self.check_timeouts()?;
        let timeout = self.timeout.min(LONGEST_TIMEOUT);
        let http = self.http.build(&base_url, timeout)?;
        let transport = Transport::new(http, base_url, timeout, self.max_response_size)?;
        #[cfg(feature = "metrics")]
        let transport = transport.with_meter(self.meter.as_ref());
        let transport = Arc::new(transport);
        let aggregator = checked_aggregator(self.aggregator)?;
        let issuer = self.issuer.as_ref().map(ToString::to_string);
        let subject = aggregator.clone().or(issuer).unwrap_or_default();
        let (source, signer) = self.tokens.build(subject, &transport)?;
        let tokens = TokenCache::new(source);
        #[cfg(feature = "metrics")]
        if let Some(meter) = &self.meter {
            observe_token_age(meter, transport.host(), tokens.age());
        }
        unique_kids(
            self.encryption_keys.iter().map(EncryptionKey::kid),
            "encryption_key",
        )?;
        Ok(Core {
            transport,
            tokens,
            fallback: self.fallback,
            retry: self.retry,
            limiters: self.limiters,
            defaults: CallOptions::default(),
            aggregator,
            signer,
            encryption_keys: Arc::new(RwLock::new(self.encryption_keys)),
        })
    }
}

impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder")
            .field("issuer", &self.issuer)
            .field("signers", &self.tokens.kids())
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
