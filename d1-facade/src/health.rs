//! What a service shows of its client: certificate, token, connections and clock.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Serialize;

use crate::call::Core;
use crate::error::ErrorKind;

const DAY: i64 = 24 * 60 * 60;

/// The state of a client, by [`Client::health`](crate::Client::health). It holds no card data, tokens or keys.
///
/// Serialized, it has times in seconds, with `certificateExpiresAt` counted from 1970.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Health {
    certificate_expires_at: Option<i64>,
    certificate_days_left: Option<i64>,
    token_age: Option<u64>,
    token_expires_in: Option<u64>,
    token_failure: Option<ErrorKind>,
    open_connections: Option<usize>,
    protocol: Option<&'static str>,
    clock_offset: Option<i64>,
}

impl Health {
    pub(crate) fn of(core: &Core) -> Self {
        let transport = &core.transport;
        let expires_at = transport.http().certificate_expires_at();
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.map_or(0, |now| i64::try_from(now.as_secs()).unwrap_or(i64::MAX));
        let token = core.tokens.health();
        let open = transport.http().open_connections();
        Self {
            certificate_expires_at: expires_at,
            certificate_days_left: expires_at.map(|end| (end - now).div_euclid(DAY)),
            token_age: token.age.map(|age| age.as_secs()),
            token_expires_in: token.expires_in.map(|left| left.as_secs()),
            token_failure: token.failure,
            open_connections: open.map(|open| open.http1 + open.http2),
            protocol: open.and_then(|open| match (open.http1, open.http2) {
                (0, 0) => None,
                (_, 0) => Some("HTTP/1.1"),
                (_, _) => Some("HTTP/2"),
            }),
            clock_offset: transport.d1_clock().offset(),
        }
    }

    /// Returns until when the client certificate is valid; `None` where the client has none, or an
    /// [`http_client`](crate::ClientBuilder::http_client) has it.
    #[must_use]
    pub fn certificate_expires_at(&self) -> Option<SystemTime> {
        let seconds = u64::try_from(self.certificate_expires_at?).ok()?;
        UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
    }

    /// Returns how many whole days the client certificate has left; negative where it has expired. From 30 days on,
    /// the client also warns of it in the log, once a day at most, when it is used.
    #[must_use]
    pub fn certificate_days_left(&self) -> Option<i64> {
        self.certificate_days_left
    }

    /// Returns how long ago the present token was obtained; `None` without a token.
    #[must_use]
    pub fn token_age(&self) -> Option<Duration> {
        self.token_age.map(Duration::from_secs)
    }

    /// Returns how long the present token is still valid; zero where it has expired, `None` without a token.
    #[must_use]
    pub fn token_expires_in(&self) -> Option<Duration> {
        self.token_expires_in.map(Duration::from_secs)
    }

    /// Returns why the last exchange failed; `None` where it succeeded, or none was made.
    #[must_use]
    pub fn token_failure(&self) -> Option<ErrorKind> {
        self.token_failure
    }

    /// Returns how many connections are open, those of a client certificate that was replaced included; `None` where
    /// an [`http_client`](crate::ClientBuilder::http_client) has them.
    #[must_use]
    pub fn open_connections(&self) -> Option<usize> {
        self.open_connections
    }

    /// Returns the protocol of the open connections, `HTTP/2` or `HTTP/1.1`.
    #[must_use]
    pub fn protocol(&self) -> Option<&'static str> {
        self.protocol
    }

    /// Returns by how many seconds this machine's clock was ahead of D1's at the last successful response; negative
    /// where it was behind.
    #[must_use]
    pub fn clock_offset(&self) -> Option<i64> {
        self.clock_offset
    }
}
