//! How a client is configured, and what is checked before it is built.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::auth::{AssertionPolicy, Exchange, SigningKey, TokenCache, TokenSource};
use crate::client::{Client, ClientInner};
use crate::config::Environment;
use crate::error::InvalidInput;
use crate::http_client::HttpOptions;
use crate::jwe::EncryptionKey;
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
    signing_keys: Vec<SigningKey>,
    sign_with: Option<String>,
    encryption_keys: Vec<EncryptionKey>,
    assertion: AssertionPolicy,
    token_source: Option<Arc<dyn TokenSource>>,
    http: HttpOptions,
    fallback: ReasonCodeFallback,
    retry: Arc<dyn RetryPolicy>,
    timeout: Duration,
    body_limit: usize,
    plain_loopback: bool,
}

impl ClientBuilder {
    pub(crate) fn new(environment: Environment, issuer: IssuerId) -> Self {
        Self {
            environment,
            issuer,
            aggregator: None,
            signing_keys: Vec::new(),
            sign_with: None,
            encryption_keys: Vec::new(),
            assertion: AssertionPolicy::default(),
            token_source: None,
            http: HttpOptions::default(),
            fallback: ReasonCodeFallback::Never,
            retry: Arc::new(Backoff::default()),
            timeout: TIMEOUT,
            body_limit: BODY_LIMIT,
            plain_loopback: false,
        }
    }

    /// Adds a key that assertions can be signed with. The first one is used unless
    /// [`sign_with`](Self::sign_with) names another.
    pub fn signing_key(mut self, key: SigningKey) -> Self {
        self.signing_keys.push(key);
        self
    }

    /// Signs with the key of this `kid`: with two keys configured, a rotation is one word.
    pub fn sign_with(mut self, kid: impl Into<String>) -> Self {
        self.sign_with = Some(kid.into());
        self
    }

    /// Adds a key of D1 to which card credentials can be encrypted. The first one is used unless a
    /// [renewal names another](crate::Renewal::encrypt_to).
    pub fn encryption_key(mut self, key: EncryptionKey) -> Self {
        self.encryption_keys.push(key);
        self
    }

    /// Calls as an aggregator: the assertion speaks for this id, the paths name the cards' issuer.
    pub fn aggregator_id(mut self, id: impl Into<String>) -> Self {
        self.aggregator = Some(id.into());
        self
    }

    /// What the assertion says beyond who the client is.
    pub fn assertion_policy(mut self, policy: AssertionPolicy) -> Self {
        self.assertion = policy;
        self
    }

    /// Takes tokens from elsewhere; no signing key is needed then.
    pub fn token_source(mut self, source: impl TokenSource) -> Self {
        self.token_source = Some(Arc::new(source));
        self
    }

    /// The client certificate with its chain, and its private key (RSA or P-256), both PEM. D1 asks
    /// for it on every call, the token's included.
    pub fn client_identity(mut self, certificate: impl AsRef<[u8]>, key: impl AsRef<[u8]>) -> Self {
        self.http.identity = Some(Identity::from_pem(certificate.as_ref(), key.as_ref()));
        self
    }

    /// Trusts these certificate authorities (PEM) beside the system's.
    pub fn root_certificate(mut self, pem: impl AsRef<[u8]>) -> Self {
        if let Err(bad) = self.http.roots.add_pem(pem.as_ref()) {
            self.http.bad_root.get_or_insert(bad);
        }
        self
    }

    /// Trusts none of the system's certificate authorities, but only those of
    /// [`root_certificate`](Self::root_certificate).
    pub fn without_system_roots(mut self) -> Self {
        self.http.roots.without_system();
        self
    }

    /// How long a connection may take to be made; 10 seconds unless said otherwise.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.http.connect_timeout = timeout;
        self
    }

    /// How long D1 may be silent in the middle of an answer; 15 seconds unless said otherwise.
    pub fn read_timeout(mut self, timeout: Duration) -> Self {
        self.http.read_timeout = timeout;
        self
    }

    /// How long a whole call may take, waiting for a token and repeating included;
    /// 30 seconds unless said otherwise.
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
        self.http.proxy = Some(url.into());
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

    /// Uses this HTTP client as it is: certificates, roots, proxy, user agent and connect timeout
    /// are its own business then. Give it a redirect policy of none.
    pub fn http_client(mut self, client: reqwest::Client) -> Self {
        self.http.own = Some(client);
        self
    }

    /// Builds the client. Nothing is sent.
    ///
    /// # Errors
    /// When something is missing or wrong; the error names it.
    pub fn build(self) -> Result<Client, InvalidInput> {
        let base_url = self.environment.checked(self.plain_loopback)?;
        for (field, timeout) in [
            ("timeout", self.timeout),
            ("connect_timeout", self.http.connect_timeout),
            ("read_timeout", self.http.read_timeout),
        ] {
            if timeout.is_zero() {
                return Err(InvalidInput::new(field, "must be longer than nothing"));
            }
        }
        let http = self.http.build(base_url.starts_with("http:"))?;
        let transport = Arc::new(Transport::new(
            http,
            base_url,
            self.timeout,
            self.body_limit,
        ));
        let source = match self.token_source {
            Some(source) => source,
            None => Arc::new(Exchange::new(
                transport.clone(),
                subject(self.aggregator, &self.issuer)?,
                self.assertion,
                choose_signing_key(self.signing_keys, self.sign_with.as_deref())?,
            )),
        };
        unique_kids(
            self.encryption_keys.iter().map(EncryptionKey::kid),
            "encryption_key",
        )?;
        Ok(Client::new(ClientInner {
            transport,
            tokens: TokenCache::new(source),
            fallback: self.fallback,
            retry: self.retry,
            issuer: self.issuer,
            encryption_keys: self.encryption_keys,
        }))
    }
}

impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder")
            .field("issuer", &self.issuer)
            .field("signing_keys", &self.signing_keys)
            .field("encryption_keys", &self.encryption_keys)
            .finish_non_exhaustive()
    }
}

fn subject(aggregator: Option<String>, issuer: &IssuerId) -> Result<String, InvalidInput> {
    let Some(id) = aggregator else {
        return Ok(issuer.to_string());
    };
    let printable = id.bytes().all(|b| b.is_ascii_graphic());
    if !printable || !(1..=64).contains(&id.len()) {
        return Err(InvalidInput::new(
            "aggregator_id",
            "must be 1 to 64 visible ASCII characters",
        ));
    }
    Ok(id)
}

fn choose_signing_key(
    keys: Vec<SigningKey>,
    kid: Option<&str>,
) -> Result<SigningKey, InvalidInput> {
    unique_kids(keys.iter().map(SigningKey::kid), "signing_key")?;
    let rule = match kid {
        Some(_) => "must be given with the kid that sign_with names",
        None => "must be given, or a token_source",
    };
    keys.into_iter()
        .find(|k| kid.is_none_or(|kid| k.kid() == kid))
        .ok_or_else(|| InvalidInput::new("signing_key", rule))
}

fn unique_kids<'a>(
    kids: impl Iterator<Item = &'a str>,
    field: &'static str,
) -> Result<(), InvalidInput> {
    let mut seen = std::collections::BTreeSet::new();
    for kid in kids {
        if !seen.insert(kid) {
            return Err(InvalidInput::new(field, "is given twice with the same kid"));
        }
    }
    Ok(())
}
