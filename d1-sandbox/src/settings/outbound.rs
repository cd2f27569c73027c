//! Where D1 calls the issuer.

use http::uri::Authority;
use std::time::Duration;

/// A server of the issuer.
#[derive(Clone, Debug)]
pub(crate) struct Endpoint {
    pub(crate) authority: Authority,
    pub(crate) is_tls: bool,
}

impl Endpoint {
    /// What an address must be.
    pub(crate) const RULE: &str = "http://host:port or https://host:port";

    /// Reads the address of a server: a scheme, a host and a port.
    pub(crate) fn read(url: &str) -> Option<Self> {
        let (scheme, authority) = url.split_once("://")?;
        let is_tls = match scheme {
            "http" => false,
            "https" => true,
            _ => return None,
        };
        let authority: Authority = authority.trim_end_matches('/').parse().ok()?;
        let is_plain = authority.port_u16().is_some() && !authority.as_str().contains('@');
        is_plain.then_some(Self { authority, is_tls })
    }
}

/// The issuer's *Notify Card Operations*, which D1 calls after each change.
///
/// That D1 repeats a notification which is not taken is documented; how often, and after which pauses, is not: the
/// numbers here are choices of the sandbox. Any 2xx ends the attempts.
#[derive(Clone, Debug)]
#[must_use = "give it to Builder::notify_card_operations"]
pub struct Notifications {
    pub(crate) url: String,
    pub(crate) attempts: u32,
    pub(crate) first_pause: Duration,
}

impl Notifications {
    /// Notifies the server at this address, `http://host:port` or `https://host:port`: at most 5 times for each
    /// change, with a pause of 1 second after the first attempt. For `https`, see
    /// [`issuer_server`](crate::Sandbox::issuer_server).
    pub fn to(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            attempts: 5,
            first_pause: Duration::from_secs(1),
        }
    }

    /// Sets how often the notification of a change is sent at most, 5 by default.
    pub fn attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts;
        self
    }

    /// Sets the pause after the first attempt, 1 second by default. Each pause is twice as long as the one before.
    pub fn first_pause(mut self, pause: Duration) -> Self {
        self.first_pause = pause;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_scheme_a_host_and_a_port_are_an_endpoint() {
        for (url, is_tls) in [
            ("http://127.0.0.1:1", false),
            ("http://localhost:80/", false),
            ("https://[::1]:1", true),
        ] {
            let endpoint = Endpoint::read(url);
            assert_eq!(
                endpoint.map(|endpoint| endpoint.is_tls),
                Some(is_tls),
                "{url}"
            );
        }
        for url in [
            "ftp://127.0.0.1:1",
            "http://host",
            "http://a@b:1",
            "http://b:1/x",
            "127.0.0.1:1",
            "",
        ] {
            assert!(Endpoint::read(url).is_none(), "{url}");
        }
    }
}
