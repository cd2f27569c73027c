//! How a sandbox is configured: what the documentation leaves open is a switch here.

mod builder;
pub(crate) mod card;
pub(crate) mod check;
mod fixtures;
mod issuer;
mod options;
mod outbound;

pub use builder::Builder;
pub use fixtures::FixtureError;
pub use issuer::Issuer;
pub(crate) use options::Options;
pub(crate) use outbound::Endpoint;
pub use outbound::Notifications;

use crate::pan::MASK;
use serde::Serialize;
use std::fmt;

/// Whether the tenant was migrated to V2, which forbids some requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "options", derive(clap::ValueEnum))]
pub enum Mode {
    /// A V1 tenant: every reason code is taken.
    #[default]
    V1,
    /// A tenant after the migration: the reason codes and renewals of V2 alone are allowed.
    Migrated,
}

/// The response to a successful change, which is not documented.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "options", derive(clap::ValueEnum))]
pub enum SuccessStyle {
    /// 200 with `operationId` and `status`.
    #[default]
    Body,
    /// 204.
    NoContent,
}

/// The body of an error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "options", derive(clap::ValueEnum))]
pub enum ErrorBodies {
    /// `error`, and `errorCode` where one is documented.
    #[default]
    WithCode,
    /// `error` alone.
    WithoutCode,
    /// No body.
    Empty,
}

/// The response of the issuer's *Get Card Credentials*, which D1 calls when a renewal brings no credentials.
/// `Debug` shows no card data.
#[derive(Clone, PartialEq, Eq)]
pub enum IssuerStub {
    /// The PAN that the card has, with this expiry (MMYY).
    KeepsPan {
        /// The expiry, MMYY.
        exp: String,
    },
    /// This PAN and expiry, whatever the card.
    Answers {
        /// The PAN, 10 to 19 digits.
        pan: String,
        /// The expiry, MMYY.
        exp: String,
    },
    /// The response of the *Get Card Credentials* at this address, `http://host:port` or `https://host:port`: a JWE
    /// to the sandbox's own key. The renewal fails with a 500 when the response cannot be used. For `https`, see
    /// [`issuer_server`](crate::Sandbox::issuer_server).
    Endpoint {
        /// The address.
        url: String,
    },
    /// None: the renewal fails with a 500.
    Unavailable,
}

impl fmt::Debug for IssuerStub {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KeepsPan { .. } => write!(formatter, "KeepsPan({MASK})"),
            Self::Answers { .. } => write!(formatter, "Answers({MASK})"),
            Self::Endpoint { url } => write!(formatter, "Endpoint({url})"),
            Self::Unavailable => formatter.write_str("Unavailable"),
        }
    }
}

/// Why a sandbox does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// A setting is not valid.
    #[error("{setting}: {rule}")]
    Setting {
        /// The setting.
        setting: &'static str,
        /// The rule that it breaks.
        rule: String,
    },
    /// The address or port cannot be bound.
    #[error("cannot listen")]
    Listen(#[source] std::io::Error),
    /// Keys or certificates cannot be made.
    #[error("cannot make keys and certificates: {0}")]
    Keys(String),
    /// The OpenAPI document cannot be used.
    #[error("cannot use the OpenAPI document: {0}")]
    Spec(String),
}

impl StartError {
    pub(crate) fn setting(setting: &'static str, rule: &str) -> Self {
        let rule = rule.to_owned();
        Self::Setting { setting, rule }
    }

    pub(crate) fn keys(error: impl fmt::Display) -> Self {
        Self::Keys(error.to_string())
    }
}

impl From<openssl::error::ErrorStack> for StartError {
    fn from(error: openssl::error::ErrorStack) -> Self {
        Self::keys(error)
    }
}
