//! What is known of a failure beyond its kind: one line says what happened, one sentence what to do.
//!
//! A kind is for code and there are few; a fault is for the person who reads the log, and there are many. Both texts are
//! `&'static str` by type, so that no text of a server can get into them.

use std::fmt;

use time::OffsetDateTime;

/// What is known of a failure beyond its kind, in fixed words.
///
/// The errors of the HTTP stack may quote what a server sent, and a server may send back what it was sent. So none
/// of their texts is passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fault {
    text: &'static str,
    detail: Detail,
    advice: &'static str,
}

const CHECK_KEYS: &str = "Check the keys that the client was built with.";
const CHECK_SIGNER: &str = "Check the signing key, and this service's access to it.";
const LATER: &str = "Send it again later.";
const LOST_TASK: &str = "Check that the runtime lives as long as its requests.";

/// What ends the line of a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Detail {
    None,
    Words(&'static str),
    /// A time in seconds since 1970, of which the day in UTC is shown.
    Day(i64),
}

impl Fault {
    /// The response is a page, or JSON without any member of D1's errors.
    pub(crate) const NOT_FROM_D1: Self = Self::new(
        "the response is not from D1",
        "Ask who operates the gateway or firewall in front of D1 what this response means.",
    );
    pub(crate) const UNDOCUMENTED_CODE: Self = Self::new(
        "the code of the response is not documented",
        "Read D1's own text, and give Thales the code and the correlation id.",
    );
    /// The response has a member twice, with different values.
    pub(crate) const CONTRADICTORY: Self = Self::new(
        "the response contradicts itself",
        "Give Thales the correlation id.",
    );
    /// The response of the token endpoint has no token.
    pub(crate) const NO_TOKEN: Self = Self::new(
        "the response has no access token that can be read",
        "Give Thales the correlation id of the token exchange.",
    );
    pub(crate) const REDIRECT_FOLLOWED: Self = Self::new(
        "http_client followed a redirect: give it a redirect policy of none",
        "Build the HTTP client with a redirect policy of none.",
    );

    /// The resolver of a client identity has presented nothing.
    pub(crate) const NO_CERTIFICATE: Self = Self::new(
        "there is no client certificate: the resolver of the client identity has none",
        "Check where the resolver takes the client certificate from.",
    );
    pub(crate) const SIGNING_FAILED: Self =
        Self::new("the assertion could not be signed", CHECK_SIGNER);
    pub(crate) const SIGNER_BUSY: Self =
        Self::new("the assertion cannot be signed at the moment", LATER);
    pub(crate) const SIGNER_TOO_LATE: Self = Self::new(
        "the assertion was not signed in time",
        "Check the HSM or the KMS that has the signing key, or give each call more time.",
    );
    pub(crate) const SIGNER_PANICKED: Self = Self::new(
        "the signer of the assertion panicked",
        "Correct the signer: its panic is in the output of this process.",
    );
    pub(crate) const BAD_SIGNATURE: Self = Self::new(
        "the signer returned no ES256 signature: it must be r and s of 32 bytes each, or DER",
        "Check that the signer signs with a P-256 key and SHA-256.",
    );
    pub(crate) const TOKEN_SOURCE_BUSY: Self =
        Self::new("the token source has no token at the moment", LATER);
    pub(crate) const TOKEN_SOURCE_PANICKED: Self = Self::new(
        "the token source panicked",
        "Correct the token source: its panic is in the output of this process.",
    );
    pub(crate) const ENCRYPTION_FAILED: Self =
        Self::new("the card credentials could not be encrypted", CHECK_KEYS);
    pub(crate) const TASK_PANICKED: Self = Self::new("the task of the request panicked", LOST_TASK);
    pub(crate) const TASK_CANCELLED: Self =
        Self::new("the task of the request was cancelled", LOST_TASK);

    pub(super) const fn new(text: &'static str, advice: &'static str) -> Self {
        Self {
            text,
            detail: Detail::None,
            advice,
        }
    }

    /// Returns a fault whose line ends with `words`.
    pub(super) const fn with_words(self, words: &'static str) -> Self {
        Self {
            detail: Detail::Words(words),
            ..self
        }
    }

    /// Returns the fault of a client certificate that was valid until `seconds` since 1970.
    pub(crate) const fn certificate_expired(seconds: i64) -> Self {
        Self {
            text: "the client certificate has expired: it was valid until",
            detail: Detail::Day(seconds),
            advice: "Configure a client certificate that is valid.",
        }
    }

    /// Returns the fault of a client certificate that is valid from `seconds` since 1970.
    pub(crate) const fn certificate_not_yet_valid(seconds: i64) -> Self {
        Self {
            text: "the client certificate is not valid yet: it is valid from",
            detail: Detail::Day(seconds),
            advice: "Check this machine's clock, or configure a client certificate that is valid.",
        }
    }

    /// Returns what to do about it.
    pub(super) fn advice(self) -> &'static str {
        self.advice
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text)?;
        match self.detail {
            Detail::None => Ok(()),
            Detail::Words(words) => write!(f, " {words}"),
            Detail::Day(seconds) => match OffsetDateTime::from_unix_timestamp(seconds) {
                Ok(time) => write!(f, " {} (UTC)", time.date()),
                Err(_) => f.write_str(" an unknown day"),
            },
        }
    }
}
