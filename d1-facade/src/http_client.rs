//! Builds the HTTP client from the builder's settings, and sends requests with it.
//!
//! It is `d1-transport`'s, which knows what was written, the caller's `reqwest::Client`, which does not, or a closure of
//! this process. The rest of the crate sees one [`HttpClient`] and its [`Failure`]s, and need not know which it is.
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
use crate::dry_run::{Local, PreparedRequest};
use crate::error::{Fault, InvalidInput, refuse_beside};
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
    pub(crate) local: Option<Local>,
}

impl HttpOptions {
    /// Builds the client of calls to a server whose address was checked, that take no longer than `timeout`.
    pub(crate) fn build(
        mut self,
        base_url: &str,
        timeout: Duration,
    ) -> Result<HttpClient, InvalidInput> {
        if let Some(local) = self.local.take_if(|local| !local.is_dry_run) {
            let user_agent = user_agent(None)?;
            return Ok(HttpClient::new(Kind::Local { local, user_agent }));
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
                ("dry_run", self.local.is_some()),
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

    /// Builds `d1-transport`'s client.
    fn build_transport(
        self,
        base_url: &str,
        timeout: Duration,
    ) -> Result<HttpClient, InvalidInput> {
        let is_tls = base_url.starts_with("https:");
        let provider = self.crypto_provider;
        let tls = tls::options(provider, &self.roots, self.identity, self.require_fips)?;
        let certificate = tls.identity.clone().filter(|_| is_tls);
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
            proxy: proxy.map(Arc::new),
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
        let user_agent = user_agent(self.user_agent)?;
        // All of it is checked for a dry run as well, which then makes no connection.
        Ok(HttpClient::new(match self.local {
            Some(local) => Kind::Local { local, user_agent },
            None => Kind::BuiltIn(BuiltIn {
                client,
                user_agent,
                read_timeout,
                certificate: certificate.map(Presented::by),
            }),
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
    BuiltIn(BuiltIn),
    Own(reqwest::Client),
    Local {
        local: Local,
        user_agent: HeaderValue,
    },
}

/// `d1-transport`'s client, and what it needs beside.
struct BuiltIn {
    client: d1_transport::HttpClient,
    user_agent: HeaderValue,
    read_timeout: Option<Duration>,
    certificate: Option<Presented>,
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

    fn built_in(&self) -> Option<&BuiltIn> {
        match &*self.0 {
            Kind::BuiltIn(built_in) => Some(built_in),
            Kind::Own(_) | Kind::Local { .. } => None,
        }
    }

    /// Returns why nothing must be sent now: there is no client certificate, or it is not valid yet, or no longer. It can
    /// expire while the process runs.
    pub(crate) fn fault(&self) -> Option<Fault> {
        let built_in = self.built_in()?;
        let certificate = built_in.certificate.as_ref()?;
        certificate.fault(|| built_in.client.replace_connections())
    }

    /// Returns the end of the client certificate, in seconds since 1970.
    pub(crate) fn certificate_expires_at(&self) -> Option<i64> {
        self.built_in()?.certificate.as_ref()?.expires_at()
    }

    /// Returns how many connections are open; `None` where the caller's own HTTP client has them.
    pub(crate) fn open_connections(&self) -> Option<OpenConnections> {
        Some(self.built_in()?.client.open_connections())
    }

    /// Returns what carries out the cryptography; `None` for an HTTP client of the caller's own.
    pub(crate) fn cryptography(&self) -> Option<Cryptography> {
        self.built_in()?.client.tls().map(fips::in_use)
    }

    /// Returns whether requests are handed out instead of being sent.
    pub(crate) fn is_dry_run(&self) -> bool {
        matches!(&*self.0, Kind::Local { local, .. } if local.is_dry_run)
    }

    /// Returns the client with which the generated code makes its requests.
    pub(crate) fn for_requests(&self) -> Result<reqwest::Client, InvalidInput> {
        match &*self.0 {
            Kind::Own(client) => Ok(client.clone()),
            Kind::BuiltIn(_) | Kind::Local { .. } => requests_client(),
        }
    }

    /// Sends a request once.
    pub(crate) async fn send(
        &self,
        request: reqwest::Request,
        claim: &Claim,
        limits: Limits,
    ) -> Result<RawResponse, Failure> {
        let (http, redirected) = match &*self.0 {
            Kind::BuiltIn(built_in) => {
                let limits = Limits {
                    read_timeout: built_in.read_timeout,
                    ..limits
                };
                let request = plain(request, &built_in.user_agent)?;
                (built_in.client.send(request, claim, &limits).await?, false)
            }
            Kind::Own(client) => own_http_client::send(client, request, claim, limits).await?,
            Kind::Local { local, user_agent } => {
                let request = PreparedRequest::new(plain(request, user_agent)?);
                ((local.respond)(request, claim)?, false)
            }
        };
        Ok(RawResponse { http, redirected })
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
