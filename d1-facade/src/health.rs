//! What a service shows of its client: certificate, keys, token, connections, clock and cryptography.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Serialize;

use crate::call::Core;
use crate::crypto::fips::Cryptography;
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
    signing_kid: Option<String>,
    encryption_kid: Option<String>,
    encryption_key_days_left: Option<i64>,
    cryptography: Option<Cryptography>,
}

impl Health {
    pub(crate) fn of(core: &Core) -> Self {
        let transport = &core.transport;
        let expires_at = transport.http().certificate_expires_at();
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.map_or(0, |now| i64::try_from(now.as_secs()).unwrap_or(i64::MAX));
        let token = core.tokens.health();
        let open = transport.http().open_connections();
        let days_left = |end: i64| (end - now).div_euclid(DAY);
        let encryption_key = core.encryption_key(None).ok();
        Self {
            certificate_expires_at: expires_at,
            certificate_days_left: expires_at.map(days_left),
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
            signing_kid: core.signer.as_ref().map(|s| s.get().kid().to_owned()),
            encryption_key_days_left: encryption_key
                .as_ref()
                .and_then(|key| Some(days_left(key.expires_at()?))),
            encryption_kid: encryption_key.map(|key| key.kid().to_owned()),
            cryptography: transport.http().cryptography(),
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

    /// Returns the `kid` of the key that signs assertions; `None` where the tokens come from a
    /// [`token_source`](crate::ClientBuilder::token_source).
    #[must_use]
    pub fn signing_kid(&self) -> Option<&str> {
        self.signing_kid.as_deref()
    }

    /// Returns the `kid` of the key that card credentials are encrypted to by default; `None` without a key.
    #[must_use]
    pub fn encryption_kid(&self) -> Option<&str> {
        self.encryption_kid.as_deref()
    }

    /// Returns how many whole days that key has left, where it was given as an X.509 certificate; negative where it has
    /// expired. Only D1 decides whether it still takes the key.
    #[must_use]
    pub fn encryption_key_days_left(&self) -> Option<i64> {
        self.encryption_key_days_left
    }

    /// Returns what carries out the cryptography; `None` where an [`http_client`](crate::ClientBuilder::http_client)
    /// does, and without TLS.
    #[must_use]
    pub fn cryptography(&self) -> Option<&Cryptography> {
        self.cryptography.as_ref()
    }
}
