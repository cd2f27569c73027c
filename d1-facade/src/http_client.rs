//! Makes the HTTP client: TLS, timeouts, pool, proxy; no redirects, no decompression.

use std::time::Duration;

use crate::error::InvalidInput;
use crate::tls::{self, Identity, Roots};

const READ_TIMEOUT: Duration = Duration::from_secs(15);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const USER_AGENT: &str = concat!("d1-facade/", env!("CARGO_PKG_VERSION"));

/// What the HTTP client is made of.
pub(crate) struct HttpOptions {
    pub(crate) own: Option<reqwest::Client>,
    pub(crate) identity: Option<Result<Identity, InvalidInput>>,
    pub(crate) roots: Roots,
    pub(crate) bad_root: Option<InvalidInput>,
    pub(crate) connect_timeout: Duration,
    pub(crate) read_timeout: Duration,
    pub(crate) user_agent: Option<String>,
    pub(crate) proxy: Option<String>,
}

impl Default for HttpOptions {
    fn default() -> Self {
        Self {
            own: None,
            identity: None,
            roots: Roots::default(),
            bad_root: None,
            connect_timeout: CONNECT_TIMEOUT,
            read_timeout: READ_TIMEOUT,
            user_agent: None,
            proxy: None,
        }
    }
}

impl HttpOptions {
    pub(crate) fn build(self, plain: bool) -> Result<reqwest::Client, InvalidInput> {
        if let Some(client) = self.own {
            let own_tls = self.identity.is_none() && self.roots.is_default();
            if !own_tls || self.proxy.is_some() || self.user_agent.is_some() {
                return Err(InvalidInput::new(
                    "http_client",
                    "brings its own certificates, roots, proxy and user agent: none can be given beside it",
                ));
            }
            return Ok(client);
        }
        if let Some(bad) = self.bad_root {
            return Err(bad);
        }
        let identity = match self.identity {
            Some(identity) => Some(identity?),
            None if plain => None,
            None => {
                return Err(InvalidInput::new(
                    "client_identity",
                    "must be given: D1 asks for a client certificate on every call",
                ));
            }
        };
        let mut builder = reqwest::Client::builder()
            .tls_backend_preconfigured(tls::config(self.roots, identity)?)
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            // Whatever another user of reqwest enables: what is read is what is counted.
            .no_gzip()
            .no_brotli()
            .no_deflate()
            .no_zstd()
            .connect_timeout(self.connect_timeout)
            .read_timeout(self.read_timeout)
            // One host: idle connections are worth keeping, but not beyond what a gateway keeps.
            .pool_idle_timeout(Duration::from_secs(55))
            .pool_max_idle_per_host(64)
            .tcp_keepalive(Duration::from_secs(30))
            .http1_max_headers(100)
            .http2_max_header_list_size(64 * 1024)
            .http2_adaptive_window(true)
            .user_agent(user_agent(self.user_agent)?)
            .no_proxy();
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
