//! How the client reaches D1: TLS, time limits, proxy, or an HTTP client of the caller's own.
//!
//! All of it applies to the token exchange as well as to the calls. The defaults are the strict ones: TLS 1.2 at least,
//! the system's certificate authorities, no redirects, no proxy but one that is given here, a limit for every time and
//! for the size of a response.

use std::sync::Arc;
use std::time::Duration;

use zeroize::Zeroizing;

use super::ClientBuilder;
use crate::crypto::Identity;
use crate::dry_run::{Local, PreparedRequest};
use crate::error::InvalidInput;

impl ClientBuilder {
    /// Sets the client certificate, with its chain and its private key.
    ///
    /// D1 asks for it on every connection, those of the token exchange included. A server that does not ask is refused
    /// before anything is sent, since it is not D1. Where a proxy of your own has the certificate, use
    /// [`http_client`](Self::http_client).
    ///
    /// The dates of the certificate are checked before each request, not here: it can expire while the process runs.
    /// With a certificate that is out of its dates nothing is sent
    /// ([`ErrorKind::Connect`](crate::ErrorKind::Connect)), and the error names the date.
    ///
    /// ```no_run
    /// # fn f(builder: d1_facade::ClientBuilder) -> Result<(), Box<dyn std::error::Error>> {
    /// use d1_facade::Identity;
    /// use std::fs::read;
    ///
    /// let identity = Identity::from_pem(read("client.pem")?, read("client.key")?)?;
    /// let d1 = builder.client_identity(identity).build()?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`build`](Self::build) fails where neither this nor an `http_client` is given for an https address (field
    /// `client_identity`), or where the [`crypto_provider`](Self::crypto_provider) does not take the key (field
    /// `client_identity_key`).
    pub fn client_identity(mut self, identity: Identity) -> Self {
        self.http.identity = Some(identity);
        self
    }

    /// Trusts these certificate authorities (PEM or DER) in addition to those of the operating system.
    ///
    /// D1's own certificate needs none: it is issued under a public authority. A sandbox or a gateway may. Several calls
    /// add up, and a file may have several certificates. [`without_system_roots`](Self::without_system_roots) has an
    /// example.
    ///
    /// # Errors
    /// [`build`](Self::build) fails where it has no certificate (field `root_certificate`).
    pub fn root_certificate(mut self, pem: impl AsRef<[u8]>) -> Self {
        self.http.roots.files.push(pem.as_ref().to_owned());
        self
    }

    /// Trusts none of the operating system's certificate authorities, but only those of
    /// [`root_certificate`](Self::root_certificate).
    ///
    /// ```no_run
    /// # fn f(builder: d1_facade::ClientBuilder) -> Result<(), Box<dyn std::error::Error>> {
    /// let d1 = builder
    ///     .root_certificate(std::fs::read("d1-authority.pem")?)
    ///     .without_system_roots()
    ///     .build()?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`build`](Self::build) fails where no `root_certificate` is given.
    pub fn without_system_roots(mut self) -> Self {
        self.http.roots.without_system = true;
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
    /// Signatures and JWE are not affected. Beside [`http_client`](Self::http_client) and
    /// [`Identity::from_resolver`], this is the only method with a type of another crate of the HTTP stack: it needs
    /// rustls of the same version.
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

    /// Refuses to build a client whose cryptography is not carried out by a FIPS module.
    ///
    /// The module is chosen by OpenSSL's configuration alone, before the process starts: the chapter *FIPS* of the guide
    /// has the file, and what stays outside of the module. TLS offers the cipher suites and key exchanges of the module
    /// and nothing else (no X25519, no ChaCha20), and TLS 1.2 requires the extended master secret. A
    /// [`crypto_provider`](Self::crypto_provider) is reduced to the parts that say they are FIPS.
    ///
    /// Of a [`token_source`](Self::token_source), a [`signer`](Self::signer) other than a
    /// [`SigningKey`](crate::SigningKey), and a client key of a resolver, the cryptography is not known: they are taken.
    ///
    /// ```
    /// # fn f(builder: d1_facade::ClientBuilder) {
    /// let refused = builder.require_fips().build();
    /// // require_fips needs `default_properties = fips=yes` in OpenSSL's configuration, the file of OPENSSL_CONF
    /// println!("{}", refused.unwrap_err());
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`build`](Self::build) fails where something is missing, and names it (field `require_fips`): the default
    /// properties of OpenSSL, an active module, a part of the `crypto_provider`, a client key of a kind that the module
    /// signs with. It fails beside an [`http_client`](Self::http_client), whose cryptography is not known.
    pub fn require_fips(mut self) -> Self {
        self.http.require_fips = true;
        self
    }

    /// Sets how long it may take to make a connection; 10 seconds by default, and never more than half the
    /// [`timeout`](Self::timeout).
    ///
    /// It covers the name, TCP, the tunnel through a proxy and TLS. A call that ends because this time ran out is known
    /// not to have been sent. One whose whole time runs out while its connection is being made is not.
    ///
    /// # Errors
    /// [`build`](Self::build) fails where it is zero (field `connect_timeout`).
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.http.connect_timeout = Some(timeout);
        self
    }

    /// Sets how long D1 may send nothing, before its response or in the middle of it; no limit but the
    /// [`timeout`](Self::timeout) by default.
    ///
    /// It is never less than the [`connect_timeout`](Self::connect_timeout). A change that ends this way has an
    /// [unknown](crate::Outcome::Unknown) outcome: D1 may be slow and carry it out later.
    ///
    /// # Errors
    /// [`build`](Self::build) fails where it is zero (field `read_timeout`).
    pub fn read_timeout(mut self, timeout: Duration) -> Self {
        self.http.read_timeout = Some(timeout);
        self
    }

    /// Sets how long an idle connection is kept; 55 seconds by default.
    ///
    /// It should be less than what the gateways on the way allow: a request on a connection that the other side is
    /// closing can end with an unknown outcome.
    ///
    /// # Errors
    /// [`build`](Self::build) fails where it is zero (field `pool_idle_timeout`).
    pub fn pool_idle_timeout(mut self, timeout: Duration) -> Self {
        self.http.pool_idle_timeout = Some(timeout);
        self
    }

    /// Sets how long a whole call may take, including the wait for a token and all attempts; 30 seconds by
    /// default, one day at most.
    ///
    /// Every request has a method of the same name for one call.
    ///
    /// ```no_run
    /// # fn f(builder: d1_facade::ClientBuilder) -> Result<(), d1_facade::InvalidInput> {
    /// use std::time::Duration;
    ///
    /// let d1 = builder
    ///     .timeout(Duration::from_secs(20))
    ///     .connect_timeout(Duration::from_secs(3))
    ///     .build()?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`build`](Self::build) fails where it is zero (field `timeout`).
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets the largest response that is read, in bytes; 1 MiB by default.
    ///
    /// A larger one is an error ([`ResponseTooLarge`](crate::ErrorKind::ResponseTooLarge)) and is never cut off. After a
    /// change the outcome is unknown then. Pages of operations become smaller with
    /// [`limit`](crate::ListOperations::limit).
    pub fn max_response_size(mut self, bytes: usize) -> Self {
        self.max_response_size = bytes;
        self
    }

    /// Sets the `User-Agent` header; `d1-facade/` and the version of this crate by default.
    ///
    /// ```no_run
    /// # fn f(builder: d1_facade::ClientBuilder) -> Result<(), d1_facade::InvalidInput> {
    /// let d1 = builder.user_agent("card-service/3.1").build()?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`build`](Self::build) fails where a header cannot carry it (field `user_agent`).
    pub fn user_agent(mut self, text: impl Into<String>) -> Self {
        self.http.user_agent = Some(text.into());
        self
    }

    /// Sets the proxy of all calls, those of the token exchange included (`http://user:password@host:port`).
    ///
    /// The proxy is asked for a tunnel (`CONNECT`), so it sees neither headers nor bodies. User and password are
    /// percent-encoded in the URL; a proxy that refuses them is not asked again by a retry, which could lock the account.
    /// The proxy variables of the process environment, such as `HTTPS_PROXY`, are not read.
    ///
    /// ```no_run
    /// # fn f(builder: d1_facade::ClientBuilder) -> Result<(), d1_facade::InvalidInput> {
    /// let d1 = builder.proxy("http://service:p%40ss@proxy.bank.example:3128").build()?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`build`](Self::build) fails where the URL has an unknown scheme or cannot be read (field `proxy`); the error
    /// does not repeat it.
    pub fn proxy(mut self, url: impl Into<String>) -> Self {
        self.http.proxy = Some(Zeroizing::new(url.into()));
        self
    }

    /// Allows an `http://` address of this machine, for tests without TLS and for a proxy of your own beside the
    /// service.
    ///
    /// Every other host needs https.
    ///
    /// ```
    /// # fn f(source: impl d1_facade::auth::TokenSource) -> Result<(), d1_facade::InvalidInput> {
    /// use d1_facade::{Client, Environment};
    ///
    /// let local = Environment::Custom("http://127.0.0.1:8080".to_owned());
    /// let d1 = Client::builder(local, "ISSUER_A-1".parse()?)
    ///     .allow_plain_loopback()
    ///     .token_source(source)
    ///     .build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn allow_plain_loopback(mut self) -> Self {
        self.plain_loopback = true;
        self
    }

    /// Sends the calls with this HTTP client instead of the built-in one.
    ///
    /// Its certificates, roots, cryptography, proxy, user agent and timeouts are its own, and must not be set here
    /// as well. It needs a redirect policy of none, no retries, no decompression, and timeouts.
    ///
    /// ```no_run
    /// # fn f(builder: d1_facade::ClientBuilder) -> Result<(), Box<dyn std::error::Error>> {
    /// let http = reqwest::Client::builder()
    ///     .redirect(reqwest::redirect::Policy::none())
    ///     .retry(reqwest::retry::never())
    ///     .connect_timeout(std::time::Duration::from_secs(10))
    ///     .http2_keep_alive_interval(std::time::Duration::from_secs(5))
    ///     .build()?;
    /// let d1 = builder.http_client(http).build()?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// reqwest does not report what was written, so errors and retries are less exact than with the built-in client:
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
    ///   [`UnexpectedStatus`](crate::ErrorKind::UnexpectedStatus) with an unknown outcome. Where no server responds at
    ///   the other address, it looks like a request that was not sent, and is sent again.
    pub fn http_client(mut self, client: reqwest::Client) -> Self {
        self.http.own = Some(client);
        self
    }

    /// Passes every request to `sink` instead of sending it: to show what would be sent, or for a service's tests.
    ///
    /// No connection is made. The request of the token exchange comes before the first call of the client, which then
    /// continues with a placeholder for the token; [`access_token`](crate::Client::access_token) returns it as well. A
    /// [`token_source`](Self::token_source) or a [source around the exchange](Self::wrap_token_source) is not called.
    /// Each call ends as [*not sent*](crate::Outcome::NotSent), with an error of kind
    /// [`Cancelled`](crate::ErrorKind::Cancelled), and is not retried. The settings are checked as they are for sending.
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
        self.http.local = Some(Local::dry_run(sink));
        self
    }

    /// Refuses time limits of zero, which no call can keep.
    pub(super) fn check_timeouts(&self) -> Result<(), InvalidInput> {
        let timeouts = [
            ("timeout", Some(self.timeout)),
            ("connect_timeout", self.http.connect_timeout),
            ("read_timeout", self.http.read_timeout),
            ("pool_idle_timeout", self.http.pool_idle_timeout),
        ];
        match timeouts
            .into_iter()
            .find(|(_, t)| *t == Some(Duration::ZERO))
        {
            Some((field, _)) => Err(InvalidInput::new(field, "must be greater than zero")),
            None => Ok(()),
        }
    }
}
