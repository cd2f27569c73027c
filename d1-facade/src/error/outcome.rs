//! Whether a request that failed reached D1, and whether it may have changed a card.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The outcome of a request that failed, the least worrying first.
///
/// It decides what a service does next:
///
/// | outcome | was a card changed? | what to do |
/// |---|---|---|
/// | [`NotSent`](Self::NotSent) | no | Make the call again when it can succeed ([`Error::is_retryable`](crate::Error::is_retryable)). |
/// | [`Refused`](Self::Refused) | no | Correct the request, as [`Error::advice`](crate::Error::advice) says. |
/// | [`Unknown`](Self::Unknown) | perhaps | [Reconcile](crate::Client::reconcile) a change before it is made again; read again. |
///
/// Outcomes are ordered: the outcome of a call is the greatest outcome of its attempts.
///
/// ```
/// use d1_facade::Outcome;
///
/// assert!(Outcome::NotSent < Outcome::Refused && Outcome::Refused < Outcome::Unknown);
/// assert_eq!(Outcome::Unknown.to_string(), "the outcome is unknown");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub enum Outcome {
    /// D1 did not process the request: it did not leave this machine, or the server proved that it was not read.
    /// The same call can be made again without doing anything twice.
    NotSent,
    /// D1 refused the request. Nothing was changed.
    ///
    /// Every status 4xx except 408 means this. It counts from a gateway as well, which refuses a request instead
    /// of passing it on. A gateway that replaces responses of D1 by a 4xx of its own breaks this rule, and must
    /// not stand in front of D1.
    Refused,
    /// D1 may have carried out the request, or not: the connection broke, the time ran out, or the response says
    /// nothing that can be relied on.
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
