//! How a client is configured, and what is checked before it is built.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use zeroize::Zeroizing;

use crate::auth::{
    AssertionPolicy, Exchange, SigningKey, TokenCache, TokenOptions, TokenSource, unique_kids,
};
use crate::client::Client;
use crate::config::Environment;
use crate::core::Core;
use crate::dry_run::PreparedRequest;
use crate::error::InvalidInput;
use crate::http_client::{HttpClient, HttpOptions, LONGEST_TIMEOUT};
use crate::jwe::EncryptionKey;
use crate::limiter::Limiter;
use crate::reason::ReasonCodeFallback;
use crate::retry::{Backoff, RetryPolicy};
use crate::text::IssuerId;
use crate::tls::Identity;
use crate::transport::Transport;

const TIMEOUT: Duration = Duration::from_secs(30);
const BODY_LIMIT: usize = 1024 * 1024;

/// How a [`Client`] is to be. Whatever is wrong is told by [`build`](Self::build), which names it.
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
    limiters: Vec<Arc<dyn Limiter>>,
    timeout: Duration,
    body_limit: usize,
    plain_loopback: bool,
}

impl Client {
    /// Starts to build a client that calls `environment` for the cards of `issuer`.
    pub fn builder(environment: Environment, issuer: IssuerId) -> ClientBuilder {
        ClientBuilder::new(environment, issuer)
    }
}

impl ClientBuilder {
    pub(crate) fn new(environment: Environment, issuer: IssuerId) -> Self {
        Self {
            environment,
            issuer,
            aggregator: None,
            encryption_keys: Vec::new(),
            tokens: TokenOptions::default(),
            http: HttpOptions::default(),
            fallback: ReasonCodeFallback::Never,
            retry: Arc::new(Backoff::default()),
            limiters: Vec::new(),
            timeout: TIMEOUT,
            body_limit: BODY_LIMIT,
            plain_loopback: false,
        }
    }

    /// Adds a key that assertions can be signed with. The first one is used unless
    /// [`sign_with`](Self::sign_with) names another.
    pub fn signing_key(mut self, key: SigningKey) -> Self {
        self.tokens.signing_keys.push(key);
        self
    }

    /// Signs with the key of this `kid`: with two keys configured, a rotation is one word.
    pub fn sign_with(mut self, kid: impl Into<String>) -> Self {
        self.tokens.sign_with = Some(kid.into());
        self
    }

    /// Adds a key of D1 to which card credentials can be encrypted. The first one is used unless a
    /// [renewal names another](crate::Renewal::encrypt_to).
    pub fn encryption_key(mut self, key: EncryptionKey) -> Self {
        self.encryption_keys.push(key);
        self
    }

    /// Calls as an aggregator: the assertion speaks for this id, the paths name the cards' issuer.
    /// Beside a [`token_source`](Self::token_source) it only tells [`reconcile`](Client::reconcile) by
    /// whom D1 says that the cards were changed.
    pub fn aggregator_id(mut self, id: impl Into<String>) -> Self {
        self.aggregator = Some(id.into());
        self
    }

    /// What the assertion says beyond who the client is.
    pub fn assertion_policy(mut self, policy: AssertionPolicy) -> Self {
        self.tokens.assertion = Some(policy);
        self
    }

    /// Adds a header to the token's call that this version knows nothing of. Claims that it knows
    /// nothing of are the [`AssertionPolicy`]'s.
    pub fn token_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.tokens.token_headers.push((name.into(), value.into()));
        self
    }

    /// Takes tokens from elsewhere: no signing key is needed then, and whatever is about the
    /// assertion or the token's call must not be given beside it.
    pub fn token_source(mut self, source: impl TokenSource) -> Self {
        self.tokens.own = Some(Arc::new(source));
        self
    }

    /// Takes tokens from a source of one's own that has the client's [`Exchange`] to fall back on: one
    /// that shares a token among the processes of a service, counts exchanges, or keeps them apart.
    /// Everything about the assertion and the token's call stays the client's.
    ///
    /// ```no_run
    /// use d1_facade::auth::{AccessToken, Exchange, TokenFuture, TokenSource};
    ///
    /// struct Counted(Exchange);
    ///
    /// impl TokenSource for Counted {
    ///     fn fetch(&self) -> TokenFuture<'_> {
    ///         println!("one exchange more");
    ///         self.0.fetch()
    ///     }
    ///
    ///     fn refused(&self, token: &AccessToken) {
    ///         self.0.refused(token);
    ///     }
    /// }
    ///
    /// # fn f(builder: d1_facade::ClientBuilder) -> Result<(), d1_facade::InvalidInput> {
    /// let d1 = builder.token_source_with(Counted).build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn token_source_with<S: TokenSource>(
        mut self,
        around: impl FnOnce(Exchange) -> S + Send + Sync + 'static,
    ) -> Self {
        self.tokens.around_exchange = Some(Box::new(|exchange| Arc::new(around(exchange))));
        self
    }

    /// The client certificate with its chain, and its private key (RSA or P-256), both PEM. D1 asks
    /// for it on every connection, the token's included: a server that does not ask is refused before
    /// anything is sent, for then somebody else has answered. Where a proxy of one's own has the
    /// certificate, [`http_client`](Self::http_client) is the way.
    ///
    /// The dates of the certificate are checked before each connection, not here: it can expire while the
    /// process runs. With one that is out of its dates a call is not sent
    /// ([`ErrorKind::Connect`](crate::ErrorKind::Connect)), and the error names the date.
    pub fn client_identity(mut self, certificate: impl AsRef<[u8]>, key: impl AsRef<[u8]>) -> Self {
        self.http.identity = Some(Identity::from_pem(certificate.as_ref(), key.as_ref()));
        self
    }

    /// Trusts these certificate authorities (PEM) beside the system's.
    pub fn root_certificate(mut self, pem: impl AsRef<[u8]>) -> Self {
        self.http.roots.add_pem(pem.as_ref());
        self
    }

    /// Trusts none of the system's certificate authorities, but only those of
    /// [`root_certificate`](Self::root_certificate).
    pub fn without_system_roots(mut self) -> Self {
        self.http.roots.without_system();
        self
    }

    /// Sets the cryptography of TLS, which is OpenSSL (`rustls-openssl`) by default.
    ///
    /// The default adds no second crypto library, since josekit links OpenSSL anyway, and does not affect other users
    /// of rustls in the process: no feature of rustls is enabled, and no provider is installed for the process.
    /// *ring* and aws-lc-rs make new connections faster. Measured with OpenSSL 3.0: a full TLS 1.3 handshake on P-256
    /// takes the client 0.84 ms of CPU time with OpenSSL, 0.27 ms with *ring* and 0.23 ms with aws-lc-rs. With a
    /// client key of RSA 4096 bits, the signature dominates: 4.9 ms, 4.2 ms and 1.6 ms. A request on a connection
    /// that is open takes 42 µs with OpenSSL and 35 µs with *ring*.
    ///
    /// Signatures and JWE are not affected. Beside [`http_client`](Self::http_client), this is the only method with a
    /// type of another crate of the HTTP stack: it needs rustls of the same version.
    ///
    /// ```no_run
    /// use rustls::crypto::CryptoProvider;
    ///
    /// # fn f(mut builder: d1_facade::ClientBuilder) {
    /// // The provider that the service has installed.
    /// if let Some(provider) = CryptoProvider::get_default() {
    ///     builder = builder.crypto_provider(provider.clone());
    /// }
    /// # }
    /// ```
    pub fn crypto_provider(mut self, provider: Arc<rustls::crypto::CryptoProvider>) -> Self {
        self.http.crypto_provider = Some(provider);
        self
    }

    /// How long a connection may take to be made; 10 seconds unless said otherwise, and at most half
    /// the [`timeout`](Self::timeout): a call that ends while its connection is being made is known
    /// not to have been sent only when it is this time that ran out.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.http.connect_timeout = Some(timeout);
        self
    }

    /// How long D1 may be silent, before its answer or in the middle of it; as long as the call may take
    /// unless said otherwise, and never less than the [`connect_timeout`](Self::connect_timeout).
    pub fn read_timeout(mut self, timeout: Duration) -> Self {
        self.http.read_timeout = Some(timeout);
        self
    }

    /// Sets how long an idle connection is kept; 55 seconds by default. It should be less than what the
    /// gateways on the way allow: a request on a connection that the other side is closing can end with an
    /// unknown outcome.
    pub fn pool_idle_timeout(mut self, timeout: Duration) -> Self {
        self.http.pool_idle_timeout = Some(timeout);
        self
    }

    /// How long a whole call may take, waiting for a token and repeating included;
    /// 30 seconds unless said otherwise, a day at most.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How long an answer may be, in bytes; 1 MiB unless said otherwise. A longer one is an error,
    /// never cut off.
    pub fn answer_limit(mut self, bytes: usize) -> Self {
        self.body_limit = bytes;
        self
    }

    /// The `User-Agent` header.
    pub fn user_agent(mut self, text: impl Into<String>) -> Self {
        self.http.user_agent = Some(text.into());
        self
    }

    /// Calls through this proxy (`http://user:password@host:port`), the token's call included. The
    /// environment's proxy variables are not read.
    pub fn proxy(mut self, url: impl Into<String>) -> Self {
        self.http.proxy = Some(Zeroizing::new(url.into()));
        self
    }

    /// Allows `http://` to a loopback address, for tests without TLS.
    pub fn allow_plain_loopback(mut self) -> Self {
        self.plain_loopback = true;
        self
    }

    /// What to do when D1 refuses another reason code than `ISSUER_DECISION`; nothing unless said
    /// otherwise.
    pub fn reason_code_fallback(mut self, fallback: ReasonCodeFallback) -> Self {
        self.fallback = fallback;
        self
    }

    /// Decides which failed calls are made again, and when; [`Backoff`] unless said otherwise.
    pub fn retry(mut self, policy: impl RetryPolicy) -> Self {
        self.retry = Arc::new(policy);
        self
    }

    /// Adds a limiter for all calls of the client: see [`limiter`](crate::limiter), which has examples. None unless
    /// added.
    pub fn limiter(mut self, limiter: impl Limiter) -> Self {
        self.limiters.push(Arc::new(limiter));
        self
    }

    /// Sends the calls with this HTTP client. Its certificates, roots, cryptography, proxy, user agent and timeouts are its
    /// own, and must not be given beside it. It needs a redirect policy of none, no retries, no decompression, and
    /// timeouts.
    ///
    /// reqwest does not tell what was written, so this client promises less than the usual one:
    ///
    /// - A change is [*not sent*](crate::Outcome::NotSent) only where no connection could be made. A refused stream,
    ///   a GOAWAY, a pooled connection that was closed, waiting for a stream and a client certificate that is refused
    ///   leave its outcome [*unknown*](crate::Outcome::Unknown).
    /// - reqwest's own retries, where they are on, send changes again: [`attempts`](crate::Error::attempts) does not
    ///   count them.
    /// - A server that does not ask for the client certificate is not refused, and a certificate that is out of its
    ///   dates is used.
    /// - An HTTP/2 connection that goes silent is left only if the client pings it
    ///   (`http2_keep_alive_interval`, `http2_keep_alive_timeout`, `http2_keep_alive_while_idle`).
    /// - Errors name the cause of a failed connection less exactly.
    /// - A client that follows a redirect has sent the request elsewhere. The call ends as
    ///   [`UnexpectedStatus`](crate::ErrorKind::UnexpectedStatus) with an unknown outcome. Where nothing answers at
    ///   the other address, it looks like a request that was not sent, and is sent again.
    pub fn http_client(mut self, client: reqwest::Client) -> Self {
        self.http.own = Some(client);
        self
    }

    /// Hands every request to `sink` instead of sending it: to show what would be sent, or for a service's tests.
    ///
    /// No connection is made. The token's request is handed out before the first call of the client, which then goes
    /// on with a token that nobody can use; a [`token_source`](Self::token_source) is asked as usual. Each call ends
    /// as [*not sent*](crate::Outcome::NotSent), with an error of kind
    /// [`Cancelled`](crate::ErrorKind::Cancelled). The settings are checked as they are for sending.
    ///
    /// ```no_run
    /// # async fn f(builder: d1_facade::ClientBuilder) -> Result<(), Box<dyn std::error::Error>> {
    /// let d1 = builder
    ///     .dry_run(|request| println!("{} {}", request.method(), request.url()))
    ///     .build()?;
    /// let error = d1.card("ReplaceMe01".parse()?).suspend().await.unwrap_err();
    /// assert_eq!(error.outcome(), d1_facade::Outcome::NotSent);
    /// # Ok(())
    /// # }
    /// ```
    pub fn dry_run(mut self, sink: impl Fn(PreparedRequest) + Send + Sync + 'static) -> Self {
        self.http.dry_run = Some(Arc::new(sink));
        self
    }

    /// Returns the HTTP client of calls that take no longer than `timeout`, and the address that it calls.
    pub(crate) fn http_client_of(
        self,
        timeout: Duration,
    ) -> Result<(HttpClient, String), InvalidInput> {
        let base_url = self.environment.checked(self.plain_loopback)?;
        Ok((self.http.build_transport(&base_url, timeout)?, base_url))
    }

    /// Returns the client certificate, in DER.
    pub(crate) fn leaf(self) -> Result<Option<Vec<u8>>, InvalidInput> {
        let identity = self.http.identity.transpose()?;
        Ok(identity.and_then(|identity| identity.leaf()))
    }

    /// Builds the client. Nothing is sent.
    ///
    /// # Errors
    /// When something is missing or wrong; the error names it.
    pub fn build(self) -> Result<Client, InvalidInput> {
        let base_url = self.environment.checked(self.plain_loopback)?;
        for (field, timeout) in [
            ("timeout", Some(self.timeout)),
            ("connect_timeout", self.http.connect_timeout),
            ("read_timeout", self.http.read_timeout),
            ("pool_idle_timeout", self.http.pool_idle_timeout),
        ] {
            if timeout.is_some_and(|t| t.is_zero()) {
                return Err(InvalidInput::new(field, "must be longer than nothing"));
            }
        }
        let timeout = self.timeout.min(LONGEST_TIMEOUT);
        let http = self.http.build(&base_url, timeout)?;
        let transport = Transport::new(http, base_url, timeout, self.body_limit)?;
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
