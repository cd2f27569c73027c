//! Builds the HTTP client from the builder's settings, and sends requests with it.
//!
//! It is `d1-transport`'s, which knows what was written, or the caller's `reqwest::Client`, which does not. The rest of
//! the crate sees one [`HttpClient`] and its [`Failure`]s, and need not know which of the two it is.
//!
//! A setting that has no effect is refused when the client is built, rather than ignored: a proxy for an address that is
//! called directly, a client certificate beside an HTTP client that has its own.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use d1_transport::{
    Cause, Claim, ClientOptions, Failure, HttpResponse, Limits, OpenConnections, Proxy, Written,
};
use http::{HeaderValue, header};
use rustls::crypto::CryptoProvider;
use zeroize::Zeroizing;

use crate::crypto::fips::{self, Cryptography};
use crate::crypto::{Identity, Presented};
use crate::dry_run::{PreparedRequest, RequestSink};
use crate::error::{Fault, InvalidInput, refuse_beside};
#[cfg(feature = "test-util")]
use crate::in_memory::Responder;
use crate::own_http_client;
use crate::tls::{self, Roots};

/// The longest time for a call; short enough to be added to a clock.
pub(crate) const LONGEST_TIMEOUT: Duration = Duration::from_secs(24 * 60 * 60);

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Less than the 60 seconds for which many gateways keep an idle connection.
const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(55);
/// An HTTP/2 connection that is silent for this long is pinged, and closed when the ping is not answered in time.
const PING_INTERVAL: Duration = Duration::from_secs(5);
const PING_TIMEOUT: Duration = Duration::from_secs(5);
const USER_AGENT: &str = concat!("d1-facade/", env!("CARGO_PKG_VERSION"));

/// The settings of the HTTP client.
#[derive(Default)]
pub(crate) struct HttpOptions {
    pub(crate) own: Option<reqwest::Client>,
    pub(crate) identity: Option<Identity>,
    pub(crate) roots: Roots,
    pub(crate) crypto_provider: Option<Arc<CryptoProvider>>,
    pub(crate) require_fips: bool,
    pub(crate) connect_timeout: Option<Duration>,
    pub(crate) read_timeout: Option<Duration>,
    pub(crate) pool_idle_timeout: Option<Duration>,
    pub(crate) user_agent: Option<String>,
    pub(crate) proxy: Option<Zeroizing<String>>,
    pub(crate) dry_run: Option<RequestSink>,
    #[cfg(feature = "test-util")]
    pub(crate) in_memory: Option<Responder>,
}

impl HttpOptions {
    /// Builds the client of calls to a server whose address was checked, that take no longer than `timeout`.
    pub(crate) fn build(
        self,
        base_url: &str,
        timeout: Duration,
    ) -> Result<HttpClient, InvalidInput> {
        #[cfg(feature = "test-util")]
        if let Some(responder) = self.in_memory {
            return Ok(HttpClient::new(Kind::InMemory(responder)));
        }
        if let Some(client) = self.own {
            let beside = [
                ("client_identity", self.identity.is_some()),
                ("root_certificate", !self.roots.files.is_empty()),
                ("without_system_roots", self.roots.without_system),
                ("crypto_provider", self.crypto_provider.is_some()),
                (fips::FIELD, self.require_fips),
                ("proxy", self.proxy.is_some()),
                ("user_agent", self.user_agent.is_some()),
                ("connect_timeout", self.connect_timeout.is_some()),
                ("read_timeout", self.read_timeout.is_some()),
                ("pool_idle_timeout", self.pool_idle_timeout.is_some()),
                ("dry_run", self.dry_run.is_some()),
            ];
            refuse_beside("http_client", beside)?;
            return Ok(HttpClient::new(Kind::Own(client)));
        }
        if self.identity.is_none() && base_url.starts_with("https:") {
            return Err(InvalidInput::new(
                "client_identity",
                "must be given: D1 asks for a client certificate on every call",
            ));
        }
        self.build_transport(base_url, timeout)
    }

    /// Builds `d1-transport`'s client, with a client certificate or without.
    pub(crate) fn build_transport(
        self,
        base_url: &str,
        timeout: Duration,
    ) -> Result<HttpClient, InvalidInput> {
        let is_tls = base_url.starts_with("https:");
        let provider = self.crypto_provider;
        let tls = tls::options(provider, &self.roots, self.identity, self.require_fips)?;
        // A dry run makes no connection, for which the dates of the certificate would matter.
        let connects = is_tls && self.dry_run.is_none();
        let certificate = tls.identity.clone().filter(|_| connects);
        if is_tls {
            tls::check_server_name(base_url)?;
        }
        let proxy = self.proxy.as_deref().map(|url| Proxy::parse(url));
        let proxy = proxy
            .transpose()
            .map_err(|rule| InvalidInput::new("proxy", rule))?;
        if !is_tls && proxy.is_some() {
            let rule = "must not be given for an http address: it is used for https alone";
            return Err(InvalidInput::new("proxy", rule));
        }
        let connect_timeout = self.connect_timeout.unwrap_or(CONNECT_TIMEOUT);
        let connect_timeout = connect_timeout.min(timeout / 2);
        let client = d1_transport::HttpClient::new(ClientOptions {
            tls: Some(tls),
            proxy,
            connect_timeout,
            // There is one host, so every idle connection is useful. A limit on their number would close and open
            // connections continuously under load.
            pool_idle_timeout: self.pool_idle_timeout.unwrap_or(POOL_IDLE_TIMEOUT),
            ping_interval: PING_INTERVAL,
            ping_timeout: PING_TIMEOUT,
        });
        let client = client.map_err(tls::setup_error)?;
        if self.require_fips {
            fips::check_tls(client.tls())?;
        }
        // It is counted from before the connection is made, so it must not end first.
        let read_timeout = self
            .read_timeout
            .map(|silence| silence.max(connect_timeout).min(LONGEST_TIMEOUT));
        Ok(HttpClient::new(Kind::Transport {
            client,
            user_agent: user_agent(self.user_agent)?,
            read_timeout,
            certificate: certificate.map(Presented::by),
            dry_run: self.dry_run,
        }))
    }
}

/// Returns the value of the `User-Agent` header.
fn user_agent(text: Option<String>) -> Result<HeaderValue, InvalidInput> {
    let text = text.unwrap_or_else(|| USER_AGENT.to_owned());
    HeaderValue::from_str(&text)
        .map_err(|_| InvalidInput::new("user_agent", "must be visible ASCII characters"))
}

/// Sends requests.
#[derive(Clone)]
pub(crate) struct HttpClient(Arc<Kind>);

#[allow(clippy::large_enum_variant)] // It stands behind an `Arc`.
enum Kind {
    Transport {
        client: d1_transport::HttpClient,
        user_agent: HeaderValue,
        read_timeout: Option<Duration>,
        certificate: Option<Presented>,
        dry_run: Option<RequestSink>,
    },
    Own(reqwest::Client),
    #[cfg(feature = "test-util")]
    InMemory(Responder),
}

/// A response before it is decoded.
pub(crate) struct RawResponse {
    pub(crate) http: HttpResponse,
    /// Whether it came from another address than that of the request: a redirect was followed.
    pub(crate) redirected: bool,
}

impl HttpClient {
    fn new(kind: Kind) -> Self {
        Self(Arc::new(kind))
    }

    /// Returns why nothing must be sent now: there is no client certificate, or it is not valid yet, or no longer. It can
    /// expire while the process runs.
    pub(crate) fn fault(&self) -> Option<Fault> {
        match &*self.0 {
            Kind::Transport {
                certificate,
                client,
                ..
            } => certificate.as_ref()?.fault(|| client.replace_connections()),
            Kind::Own(_) => None,
            #[cfg(feature = "test-util")]
            Kind::InMemory(_) => None,
        }
    }

    /// Returns the end of the client certificate, in seconds since 1970.
    pub(crate) fn certificate_expires_at(&self) -> Option<i64> {
        match &*self.0 {
            Kind::Transport { certificate, .. } => certificate.as_ref()?.expires_at(),
            Kind::Own(_) => None,
            #[cfg(feature = "test-util")]
            Kind::InMemory(_) => None,
        }
    }

    /// Returns how many connections are open; `None` where the caller's own HTTP client has them.
    pub(crate) fn open_connections(&self) -> Option<OpenConnections> {
        match &*self.0 {
            Kind::Transport { client, .. } => Some(client.open_connections()),
            Kind::Own(_) => None,
            #[cfg(feature = "test-util")]
            Kind::InMemory(_) => None,
        }
    }

    /// Returns what carries out the cryptography; `None` for an HTTP client of the caller's own.
    pub(crate) fn cryptography(&self) -> Option<Cryptography> {
        match &*self.0 {
            Kind::Transport { client, .. } => client.tls().map(fips::in_use),
            Kind::Own(_) => None,
            #[cfg(feature = "test-util")]
            Kind::InMemory(_) => None,
        }
    }

    /// Returns whether requests are handed out instead of being sent.
    pub(crate) fn is_dry_run(&self) -> bool {
        match &*self.0 {
            Kind::Transport { dry_run, .. } => dry_run.is_some(),
            Kind::Own(_) => false,
            #[cfg(feature = "test-util")]
            Kind::InMemory(_) => false,
        }
    }

    /// Returns the client with which the generated code makes its requests.
    pub(crate) fn for_requests(&self) -> Result<reqwest::Client, InvalidInput> {
        match &*self.0 {
            Kind::Own(client) => Ok(client.clone()),
            #[cfg(feature = "test-util")]
            Kind::InMemory(_) => requests_client(),
            Kind::Transport { .. } => requests_client(),
        }
    }

    /// Sends a request once.
    pub(crate) async fn send(
        &self,
        request: reqwest::Request,
        claim: &Claim,
        limits: Limits,
    ) -> Result<RawResponse, Failure> {
        match &*self.0 {
            Kind::Transport {
                client,
                user_agent,
                read_timeout,
                certificate: _,
                dry_run,
            } => {
                let limits = Limits {
                    read_timeout: *read_timeout,
                    ..limits
                };
                let request = plain(request, user_agent)?;
                if let Some(sink) = dry_run {
                    sink(PreparedRequest::new(request));
                    return Err(Failure::new(Written::No, Cause::BadRequest));
                }
                let http = client.send(request, claim, &limits).await?;
                Ok(RawResponse {
                    http,
                    redirected: false,
                })
            }
            Kind::Own(client) => {
                let sent = own_http_client::send(client, request, claim, limits).await;
                sent.map(|(http, redirected)| RawResponse { http, redirected })
            }
            #[cfg(feature = "test-util")]
            Kind::InMemory(responder) => {
                let request = plain(request, &HeaderValue::from_static(USER_AGENT))?;
                let http = responder(PreparedRequest::new(request)).end(claim)?;
                Ok(RawResponse {
                    http,
                    redirected: false,
                })
            }
        }
    }
}

/// Makes a client that only makes requests, and sends none.
///
/// reqwest sets up its TLS here, if another crate of the service has enabled any. Its feature `rustls-no-provider`
/// panics then where no process-wide provider is installed, which is not ours to install. So it gets a configuration
/// that is ready, where it takes one.
fn requests_client() -> Result<reqwest::Client, InvalidInput> {
    #[allow(unused_imports)] // Where reqwest has TLS, its own method of this name is called.
    use WithoutTls as _;
    let unusable = |_| InvalidInput::new("http_client", "cannot be built");
    let builder = reqwest::Client::builder().tls_backend_preconfigured(tls::no_trust()?);
    // With another TLS than rustls it takes no configuration of rustls, and needs none.
    let client = builder.build();
    client.or_else(|_| reqwest::Client::builder().build().map_err(unusable))
}

/// Stands in for the method that reqwest has with TLS alone.
#[allow(dead_code)]
trait WithoutTls {
    fn tls_backend_preconfigured(self, _: rustls::ClientConfig) -> Self;
}

impl WithoutTls for reqwest::ClientBuilder {
    fn tls_backend_preconfigured(self, _: rustls::ClientConfig) -> Self {
        self
    }
}

/// Returns the request without reqwest's types.
fn plain(
    request: reqwest::Request,
    user_agent: &HeaderValue,
) -> Result<http::Request<Bytes>, Failure> {
    let unusable = |_| Failure::new(Written::No, Cause::BadRequest);
    let (mut head, body) = http::Request::<reqwest::Body>::try_from(request)
        .map_err(unusable)?
        .into_parts();
    head.headers
        .entry(header::USER_AGENT)
        .or_insert_with(|| user_agent.clone());
    let body = body.as_bytes().map(Bytes::copy_from_slice);
    Ok(http::Request::from_parts(head, body.unwrap_or_default()))
}
