//! The addresses of D1, and the checks of an address before a client is built.
//!
//! The addresses come from the spec. An address of the caller's own is scheme, host and port alone, since the paths are
//! D1's; it is https, since tokens are sent to it, unless it is this machine and the caller has allowed that
//! explicitly. An error does not repeat the address, which may hold a password.

use d1_generated::constants;
use reqwest::Url;

use crate::error::InvalidInput;

/// The environment of D1 that is called.
///
/// Staging and production are separate: each has a client certificate of its own. [`Client::builder`](crate::Client::builder)
/// takes it.
///
/// ```
/// use d1_facade::Environment;
///
/// assert_eq!(Environment::Staging.url(), "https://api.d1-stg.thalescloud.io");
/// let local = Environment::Custom("https://localhost:8443".to_owned());
/// assert_eq!(local.url(), "https://localhost:8443");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Environment {
    /// Production: `https://api.d1.thalescloud.io`.
    Production,
    /// Staging (D1: PreProd): `https://api.d1-stg.thalescloud.io`.
    Staging,
    /// Another host, such as a `d1-sandbox` or a gateway: scheme, host and port, without a path.
    ///
    /// It must be https, unless
    /// [`allow_plain_loopback`](crate::ClientBuilder::allow_plain_loopback) allows http to this machine;
    /// [`ClientBuilder::build`](crate::ClientBuilder::build) checks it.
    Custom(String),
}

impl Environment {
    /// Returns the address of the host, such as `https://api.d1.thalescloud.io`; a [custom](Self::Custom) one as it was
    /// given, not yet checked.
    #[must_use]
    pub fn url(&self) -> &str {
        match self {
            Self::Production => constants::PRODUCTION_SERVER,
            Self::Staging => constants::STAGING_SERVER,
            Self::Custom(url) => url,
        }
    }

    /// Returns the environment with a checked address.
    pub(crate) fn of(base_url: &str) -> Self {
        let known = [Self::Production, Self::Staging];
        let mut known = known.into_iter();
        let found = known.find(|environment| environment.url() == base_url);
        found.unwrap_or_else(|| Self::Custom(base_url.to_owned()))
    }

    /// Returns the address without a slash at its end, if it is allowed.
    pub(crate) fn checked(&self, plain_loopback: bool) -> Result<String, InvalidInput> {
        let bad = |rule: &'static str| InvalidInput::new("environment", rule);
        let url =
            Url::parse(self.url()).map_err(|_| bad("must be a URL such as https://host:port"))?;
        let plain = match url.scheme() {
            "https" => false,
            "http" => true,
            _ => return Err(bad("must be an https URL")),
        };
        if plain && !(plain_loopback && is_loopback(&url)) {
            return Err(bad(
                "must be an https URL; plain http is for loopback addresses, when asked for",
            ));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(bad("must not hold a user name or a password"));
        }
        if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
            return Err(bad(
                "must be scheme, host and port alone: the paths are D1's",
            ));
        }
        Ok(url.origin().ascii_serialization())
    }
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or("");
    let ip = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || ip
            .parse::<std::net::IpAddr>()
            .is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(url: &str, plain_loopback: bool) -> Result<String, InvalidInput> {
        Environment::Custom(url.to_owned()).checked(plain_loopback)
    }

    #[test]
    fn hosts_are_taken() {
        for (url, expected) in [
            ("https://host", "https://host"),
            ("https://host/", "https://host"),
            ("https://HOST:8443/", "https://host:8443"),
            ("https://[::1]:1/", "https://[::1]:1"),
        ] {
            assert_eq!(checked(url, false).as_deref(), Ok(expected));
        }
        assert_eq!(
            checked("http://127.0.0.1:80", true).as_deref(),
            Ok("http://127.0.0.1")
        );
    }

    #[test]
    fn everything_else_is_refused_without_being_repeated() {
        for (url, plain_loopback) in [
            ("", false),
            ("host", false),
            ("ftp://host", false),
            ("http://127.0.0.1", false),
            ("http://example.com", true),
            ("http://localhost.example.com", true),
            ("https://user:secret@host", false),
            ("https://host/banking", false),
            ("https://host?x=1", false),
            ("https://host#x", false),
        ] {
            let Err(refused) = checked(url, plain_loopback) else {
                unreachable!("{url} was taken");
            };
            assert_eq!(refused.field(), "environment");
            assert!(!refused.to_string().contains("secret"));
        }
    }
}
