//! What is known of a failure beyond its kind, in words of our own.

use std::fmt;

use super::connection::ConnectionFault;

/// What is known of a failure beyond its kind. The words of a server are in none of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    Connection(ConnectionFault),
    /// The answer is a page, or JSON without any member of D1's errors.
    NotD1s,
    UndocumentedCode,
    /// The answer has a member twice, with different values.
    Contradictory,
    /// The answer of the token endpoint has no token.
    NoToken,
    RedirectFollowed,
}

impl Fault {
    /// What to do about it.
    pub(super) fn advice(self) -> &'static str {
        match self {
            Self::Connection(fault) => fault.advice(),
            Self::NotD1s => {
                "Ask who operates the gateway or firewall in front of D1 what this answer means."
            }
            Self::Contradictory => "Give Thales the correlation id.",
            Self::UndocumentedCode => {
                "Read D1's own words, and give Thales the code and the correlation id."
            }
            Self::NoToken => "Give Thales the correlation id of the token exchange.",
            Self::RedirectFollowed => "Build the HTTP client with a redirect policy of none.",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connection(fault) => return fault.fmt(f),
            Self::NotD1s => "the answer is not D1's",
            Self::UndocumentedCode => "the code of the answer is not documented",
            Self::Contradictory => "the answer contradicts itself",
            Self::NoToken => "the answer has no access token that can be read",
            Self::RedirectFollowed => {
                "http_client followed a redirect: give it a redirect policy of none"
            }
        })
    }
}
