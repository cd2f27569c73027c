//! What went wrong, as a list of kinds.
//!
//! Two failures have different kinds where a service can act differently on them, and not for their technical reason: a
//! name that does not resolve and a refused client certificate are both [`ErrorKind::Connect`], and the line of the error
//! says which of them it is.

use std::fmt;

use http::StatusCode;
use serde::{Deserialize, Serialize};

/// What went wrong.
///
/// The kind says what a service can do about an error in code. Whether a card may have been changed is not said by the
/// kind but by the [`Outcome`](crate::Outcome).
///
/// ```
/// use d1_facade::{Error, ErrorKind};
///
/// /// Returns the status of the response to the caller of a service.
/// fn status(error: &Error) -> u16 {
///     match error.kind() {
///         ErrorKind::InvalidInput | ErrorKind::InvalidRequest => 400,
///         ErrorKind::NotFound | ErrorKind::UnknownCard | ErrorKind::UnknownOperation => 404,
///         ErrorKind::Timeout => 504,
///         _ => 502,
///     }
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub enum ErrorKind {
    /// The caller's input was refused before anything was sent.
    ///
    /// [`Error::invalid_input`](crate::Error::invalid_input) names the field and the rule.
    InvalidInput,
    /// The card credentials could not be encrypted, or the assertion could not be signed. Nothing was sent.
    ///
    /// [`Error::is_retryable`](crate::Error::is_retryable) says whether a [`Signer`](crate::auth::Signer) of your own
    /// calls it transient.
    Crypto,
    /// No connection could be made: name resolution, TCP, proxy, TLS or the client certificate failed.
    ///
    /// Nothing was sent. The error's `Display` names the cause, such as a name that does not resolve or a client
    /// certificate that has expired.
    Connect,
    /// The time for the call, or for a part of it, ran out.
    ///
    /// The outcome says whether the request may have been processed: one that waited for a token, a
    /// [limiter](crate::limiter), a connection or a stream was not sent.
    Timeout,
    /// The connection broke after the request was on its way.
    ///
    /// The outcome is unknown unless the server proved that it has not processed the request.
    Transport,
    /// No access token could be obtained: D1 refused the assertion (400, 401), or its response has no token, or a
    /// [`TokenSource`](crate::auth::TokenSource) of your own has none.
    ///
    /// The issuer id, the signing key, its `kid` or this machine's clock is wrong;
    /// [`Error::clock_offset_seconds`](crate::Error::clock_offset_seconds) says whether it is the clock.
    TokenUnavailable,
    /// D1 refused the access token (401), and a fresh one as well.
    ///
    /// The token endpoint accepted the assertion, so the issuer id, the scope or the client certificate is likely wrong.
    TokenRejected,
    /// D1 found the request not valid (400). The same request fails again.
    InvalidRequest,
    /// D1 refused the request (403), for one of the [causes](crate::Error::causes) that it documents.
    Forbidden,
    /// D1 does not know something that the path names (404), and does not say what.
    NotFound,
    /// D1 does not know the card (404 `UNKNOWN_CARD`).
    UnknownCard,
    /// D1 does not know the operation (404 `UNKNOWN_OPERATION`).
    UnknownOperation,
    /// D1 received too many requests (429). [`Error::retry_after`](crate::Error::retry_after) says how long to wait,
    /// where D1 does.
    RateLimited,
    /// D1, or the gateway in front of it, failed (5xx). After a change the outcome is unknown.
    ServerError,
    /// The response has a status that D1 does not document for this call.
    UnexpectedStatus,
    /// The status says success, but the body cannot be read, or says that it failed. After a change the outcome is
    /// unknown.
    InvalidResponse,
    /// The response is longer than
    /// [`ClientBuilder::max_response_size`](crate::ClientBuilder::max_response_size).
    ResponseTooLarge,
    /// The caller cancelled the call ([`Change::cancel_on`](crate::Change::cancel_on)), or its task ended.
    Cancelled,
}

impl ErrorKind {
    /// Returns the kind of a response with a status of an error, by the code that it gives.
    pub(super) fn of_status(status: StatusCode, code: Option<&str>) -> Self {
        match (status.as_u16(), code) {
            (404, Some("UNKNOWN_CARD")) => Self::UnknownCard,
            (404, Some("UNKNOWN_OPERATION")) => Self::UnknownOperation,
            (400, _) => Self::InvalidRequest,
            (401, _) => Self::TokenRejected,
            (403, _) => Self::Forbidden,
            (404, _) => Self::NotFound,
            (429, _) => Self::RateLimited,
            (500..=599, _) => Self::ServerError,
            _ => Self::UnexpectedStatus,
        }
    }

    /// Returns whether the same call may succeed later.
    pub(crate) fn is_transient(self) -> bool {
        match self {
            Self::Connect
            | Self::Timeout
            | Self::Transport
            | Self::RateLimited
            | Self::ServerError
            | Self::Cancelled => true,
            Self::InvalidInput
            | Self::Crypto
            | Self::TokenUnavailable
            | Self::TokenRejected
            | Self::InvalidRequest
            | Self::Forbidden
            | Self::NotFound
            | Self::UnknownCard
            | Self::UnknownOperation
            | Self::UnexpectedStatus
            | Self::InvalidResponse
            | Self::ResponseTooLarge => false,
        }
    }

    /// Returns the kind of a call whose token exchange failed with this kind. Everything that the token endpoint
    /// refuses, and every response of it that cannot be read, means that there is no token.
    pub(crate) fn of_token_exchange(self) -> Self {
        let is_local = matches!(self, Self::InvalidInput | Self::Crypto);
        match self.is_transient() || is_local {
            true => self,
            false => Self::TokenUnavailable,
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InvalidInput => "invalid input",
            Self::Crypto => "cryptographic failure",
            Self::Connect => "no connection",
            Self::Timeout => "time ran out",
            Self::Transport => "the connection broke",
            Self::TokenUnavailable => "no access token",
            Self::TokenRejected => "access token rejected",
            Self::InvalidRequest => "invalid request",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not found",
            Self::UnknownCard => "unknown card",
            Self::UnknownOperation => "unknown operation",
            Self::RateLimited => "too many requests",
            Self::ServerError => "server error",
            Self::UnexpectedStatus => "unexpected status",
            Self::InvalidResponse => "invalid response",
            Self::ResponseTooLarge => "response too large",
            Self::Cancelled => "cancelled",
        })
    }
}
