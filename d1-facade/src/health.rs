//! What a service shows of its client: certificate, keys, token, connections, clock and cryptography.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Serialize, Serializer};

use crate::call::Core;
use crate::crypto::fips::Cryptography;
use crate::error::ErrorKind;

const DAY: i64 = 24 * 60 * 60;

/// The state of a client, by [`Client::health`](crate::Client::health). It holds no card data, tokens or keys.
///
/// Serialized, it has times in whole seconds, with `certificateExpiresAt` counted from 1970.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Health {
    /// Until when the client certificate is valid; `None` where the client has none, or an
    /// [`http_client`](crate::ClientBuilder::http_client) has it.
    #[serde(serialize_with = "since_1970")]
    pub certificate_expires_at: Option<SystemTime>,
    /// How many whole days the client certificate has left; negative where it has expired. From 30 days on, the client
    /// also warns of it in the log, once a day at most, when it is used.
    pub certificate_days_left: Option<i64>,
    /// How long ago the present token was obtained; `None` without a token.
    #[serde(serialize_with = "seconds")]
    pub token_age: Option<Duration>,
    /// How long the present token is still valid; zero where it has expired, `None` without a token.
    #[serde(serialize_with = "seconds")]
    pub token_expires_in: Option<Duration>,
    /// Why the last exchange failed; `None` where it succeeded, or none was made.
    pub token_failure: Option<ErrorKind>,
    /// How many connections are open, those of a client certificate that was replaced included; `None` where an
    /// [`http_client`](crate::ClientBuilder::http_client) has them.
    pub open_connections: Option<usize>,
    /// The protocol of the open connections, `HTTP/2` or `HTTP/1.1`.
    pub protocol: Option<&'static str>,
    /// By how many seconds this machine's clock was ahead of D1's at the last successful response; negative where it
    /// was behind.
    pub clock_offset: Option<i64>,
    /// The `kid` of the key that signs assertions; `None` where the tokens come from a
    /// [`token_source`](crate::ClientBuilder::token_source).
    pub signing_kid: Option<String>,
    /// The `kid` of the key that card credentials are encrypted to by default; `None` without a key.
    pub encryption_kid: Option<String>,
    /// How many whole days that key has left, where it was given as an X.509 certificate; negative where it has
    /// expired. Only D1 decides whether it still takes the key.
    pub encryption_key_days_left: Option<i64>,
    /// What carries out the cryptography; `None` where an [`http_client`](crate::ClientBuilder::http_client) does, and
    /// without TLS.
    pub cryptography: Option<Cryptography>,
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
            certificate_expires_at: expires_at.and_then(time_of),
            certificate_days_left: expires_at.map(days_left),
            token_age: token.age,
            token_expires_in: token.expires_in,
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
}

fn time_of(since_1970: i64) -> Option<SystemTime> {
    let seconds = u64::try_from(since_1970).ok()?;
    UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}

fn seconds<S: Serializer>(time: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    time.map(|time| time.as_secs()).serialize(serializer)
}

fn since_1970<S: Serializer>(time: &Option<SystemTime>, serializer: S) -> Result<S::Ok, S::Error> {
    let since = time.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    seconds(&since, serializer)
}
