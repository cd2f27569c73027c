//! Makes the HTTP client: TLS, timeouts, pool, proxy; no redirects, no decompression.

use std::time::Duration;

use crate::builder::refuse_beside;
use crate::call::LONGEST_TIMEOUT;
use crate::client_auth::PerConnection;
use crate::error::InvalidInput;
use crate::tls::{self, Identity, Roots};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Less than the 60 seconds for which many gateways keep an idle connection.
const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(55);
const USER_AGENT: &str = concat!("d1-facade/", env!("CARGO_PKG_VERSION"));

/// What the HTTP client is made of.
#[derive(Default)]
pub(crate) struct HttpOptions {
    pub(crate) own: Option<reqwest::Client>,
    pub(crate) identity: Option<Result<Identity, InvalidInput>>,
    pub(crate) roots: Roots,
    pub(crate) connect_timeout: Option<Duration>,
    pub(crate) read_timeout: Option<Duration>,
    pub(crate) pool_idle_timeout: Option<Duration>,
    pub(crate) user_agent: Option<String>,
    pub(crate) proxy: Option<String>,
}

impl HttpOptions {
    /// The TLS alone, with the client certificate if there is one.
    pub(crate) fn tls(self, base_url: &str) -> Result<rustls::ClientConfig, InvalidInput> {
        tls::config(self.roots, self.identity.transpose()?, base_url)
    }

    /// Builds it for calls to a server whose address was checked, that take no longer than `timeout`.
    pub(crate) fn build(
        self,
        base_url: &str,
        timeout: Duration,
    ) -> Result<reqwest::Client, InvalidInput> {
        if let Some(client) = self.own {
            let beside = [
                ("client_identity", self.identity.is_some()),
                ("root_certificate", self.roots.has_own()),
                ("without_system_roots", self.roots.is_without_system()),
                ("proxy", self.proxy.is_some()),
                ("user_agent", self.user_agent.is_some()),
                ("connect_timeout", self.connect_timeout.is_some()),
                ("read_timeout", self.read_timeout.is_some()),
                ("pool_idle_timeout", self.pool_idle_timeout.is_some()),
            ];
            refuse_beside("http_client", beside)?;
            return Ok(client);
        }
        let identity = match self.identity {
            Some(identity) => Some(identity?),
            None if base_url.starts_with("http:") => None,
            None => {
                return Err(InvalidInput::new(
                    "client_identity",
                    "must be given: D1 asks for a client certificate on every call",
                ));
            }
        };
        let is_shown = base_url.starts_with("https:");
        let validity = identity
            .as_ref()
            .filter(|_| is_shown)
            .and_then(Identity::validity);
        let connect_timeout = self.connect_timeout.unwrap_or(CONNECT_TIMEOUT);
        let connect_timeout = connect_timeout.min(timeout / 2);
        let mut builder = reqwest::Client::builder()
            .tls_backend_preconfigured(tls::config(self.roots, identity, base_url)?)
            .connector_layer(PerConnection(validity))
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            // Whatever another user of reqwest enables: what is read is what is counted.
            .no_gzip()
            .no_brotli()
            .no_deflate()
            .no_zstd()
            .connect_timeout(connect_timeout)
            // One host: all idle connections are worth keeping. A limit of their number would close and open
            // some all the time under many calls.
            .pool_idle_timeout(self.pool_idle_timeout.unwrap_or(POOL_IDLE_TIMEOUT))
            .tcp_keepalive(Duration::from_secs(30))
            .http2_max_header_list_size(64 * 1024)
            .http2_adaptive_window(true)
            .user_agent(user_agent(self.user_agent)?)
            .no_proxy();
        if let Some(silence) = self.read_timeout {
            // reqwest counts from before it connects: silence must not end first.
            builder = builder.read_timeout(silence.max(connect_timeout).min(LONGEST_TIMEOUT));
        }
        if let Some(url) = self.proxy {
            // The URL may hold a password: reqwest's error is not passed on.
            let proxy = reqwest::Proxy::all(url).map_err(|_| {
                InvalidInput::new("proxy", "must be a URL such as http://host:port")
            })?;
            builder = builder.proxy(proxy);
        }
        builder
            .build()
            .map_err(|_| InvalidInput::new("http_client", "cannot be built"))
    }
}

fn user_agent(text: Option<String>) -> Result<http::HeaderValue, InvalidInput> {
    let text = text.unwrap_or_else(|| USER_AGENT.to_owned());
    http::HeaderValue::from_str(&text)
        .map_err(|_| InvalidInput::new("user_agent", "must be visible ASCII characters"))
}
