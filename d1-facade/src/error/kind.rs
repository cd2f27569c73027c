//! The kinds of errors and of outcomes, and what each of them means for a caller.

use std::fmt;

/// What went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The caller's input was refused before anything was sent.
    InvalidInput,
    /// The card data could not be encrypted, or the assertion not signed.
    Crypto,
    /// No connection: name resolution, TCP, proxy or TLS.
    Connect,
    /// Time ran out.
    Timeout,
    /// The connection broke after the request was on its way.
    Transport,
    /// No access token: D1 refused the assertion, or answered without a token that can be read.
    TokenUnavailable,
    /// D1 refused the token (401), a fresh one as well.
    TokenRejected,
    /// D1 found the request not valid (400).
    InvalidRequest,
    /// D1 refuses the request (403).
    Forbidden,
    /// Something that the path names does not exist (404).
    NotFound,
    /// The card is not known (404 `UNKNOWN_CARD`).
    UnknownCard,
    /// The operation is not known (404 `UNKNOWN_OPERATION`).
    UnknownOperation,
    /// Too many requests (429).
    RateLimited,
    /// D1, or the gateway before it, failed (5xx).
    ServerError,
    /// A status that is not documented.
    UnexpectedStatus,
    /// D1 answered with success, but its answer cannot be read.
    InvalidResponse,
    /// The answer is longer than the configured limit.
    ResponseTooLarge,
    /// The caller cancelled the call ([`Change::cancel_on`](crate::Change::cancel_on)), or its task ended.
    Cancelled,
}

impl ErrorKind {
    /// Whether the same call may succeed later.
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

    /// Returns the kind of a call that got no token because its exchange failed so: whatever the token
    /// endpoint refuses, and whatever it answers that cannot be read, is no access.
    pub(crate) fn of_token_exchange(self) -> Self {
        match self {
            Self::InvalidInput
            | Self::Crypto
            | Self::Connect
            | Self::Timeout
            | Self::Transport
            | Self::RateLimited
            | Self::ServerError
            | Self::Cancelled => self,
            Self::TokenUnavailable
            | Self::TokenRejected
            | Self::InvalidRequest
            | Self::Forbidden
            | Self::NotFound
            | Self::UnknownCard
            | Self::UnknownOperation
            | Self::UnexpectedStatus
            | Self::InvalidResponse
            | Self::ResponseTooLarge => Self::TokenUnavailable,
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

/// What became of a request that failed, the least worrying first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Outcome {
    /// D1 did not receive it. Asking again does nothing twice.
    NotSent,
    /// It was received and refused. Nothing was changed.
    ///
    /// A status of 4xx says so, except 408. It counts from a gateway as well, which refuses a request
    /// in place of passing it on. A gateway that replaces answers of D1 by a 4xx of its own breaks this
    /// rule, and must not stand in front of D1.
    Refused,
    /// D1 may have carried it out, or not.
    Unknown,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotSent => "not sent",
            Self::Refused => "refused, nothing was changed",
            Self::Unknown => "the outcome is unknown",
        })
    }
}
