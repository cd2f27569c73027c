//! What the end of a request proves, and whether the call may be sent again.
//!
//! These are the rules that keep a change from being carried out twice, and an outcome from being untrue. They are
//! pure: nothing here sends, waits, or reads a clock, so that a test can try every combination of their inputs.
//!
//! They assume of D1 and of what stands before it:
//!
//! - A request of which no byte was written is not carried out.
//! - A request that is answered with a status of 4xx, except 408, is not carried out, and never will be.

use d1_transport::Written;
use http::StatusCode;

use crate::error::Outcome;

/// What a call does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Effect {
    /// It changes nothing: sending it again is harmless.
    Reads,
    /// It changes a card.
    Changes,
}

/// How a request ended that did not succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Evidence {
    /// There was no token for it, so it was not written.
    NoToken,
    /// No byte of its body was written, and none ever will be.
    NotWritten,
    /// The same, because the proxy asked for a user and a password: the same ones again may lock the account.
    NotWrittenForPassword,
    /// A dry run has handed it out instead of sending it.
    HandedOut,
    /// Its body may have been written, and no response arrived.
    MaybeWritten,
    /// D1 refused its token (401).
    TokenRefused {
        /// Whether another token may be accepted.
        has_another: bool,
    },
    /// It was refused because there were too many (429).
    RateLimited,
    /// It was refused for another reason (4xx).
    Refused,
    /// A response arrived that does not prove that nothing was done: another status, or a status of success with a
    /// response that cannot be used.
    Unproven,
}

impl From<Written> for Evidence {
    /// Returns what is known of a request that got no response.
    fn from(written: Written) -> Self {
        match written {
            Written::No => Self::NotWritten,
            Written::Maybe => Self::MaybeWritten,
        }
    }
}

impl Evidence {
    /// Returns what the status of a response proves that is not a usable success.
    ///
    /// A client error is a refusal. What a 5xx, a redirect or any other status left behind is not known; nor what a
    /// 408 did, which a gateway may send while D1 is still at work.
    pub(crate) fn of_status(status: StatusCode) -> Self {
        match status {
            StatusCode::REQUEST_TIMEOUT => Self::Unproven,
            StatusCode::UNAUTHORIZED => Self::TokenRefused { has_another: false },
            StatusCode::TOO_MANY_REQUESTS => Self::RateLimited,
            status if status.is_client_error() => Self::Refused,
            _ => Self::Unproven,
        }
    }

    /// Returns the outcome of this one request.
    pub(crate) fn outcome(self) -> Outcome {
        match self {
            Self::NoToken | Self::NotWritten | Self::NotWrittenForPassword | Self::HandedOut => {
                Outcome::NotSent
            }
            Self::TokenRefused { .. } | Self::RateLimited | Self::Refused => Outcome::Refused,
            Self::MaybeWritten | Self::Unproven => Outcome::Unknown,
        }
    }
}

/// What may follow a request that did not succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// The call may be sent again at once, with another token.
    AnotherToken,
    /// The call may be sent again, if the retry policy wants it.
    AskPolicy,
    /// The call must not be sent again, or it is of no use.
    End,
}

/// What the requests of one call have proven together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct History {
    effect: Effect,
    /// Whether the caller allows that a change is carried out twice.
    retry_if_unknown: bool,
    outcome: Outcome,
    token_was_refused: bool,
}

impl History {
    /// The history of a call of which no request has ended.
    pub(crate) fn new(effect: Effect, retry_if_unknown: bool) -> Self {
        Self {
            effect,
            retry_if_unknown,
            outcome: Outcome::NotSent,
            token_was_refused: false,
        }
    }

    /// Returns the outcome of the call by the requests that have ended.
    pub(crate) fn outcome(&self) -> Outcome {
        self.outcome
    }

    /// Returns the outcome of the call if it ended now, while a request may be under way that ends as `evidence` says.
    pub(crate) fn outcome_with(&self, evidence: Evidence) -> Outcome {
        match self.effect {
            // Earlier requests have left nothing behind.
            Effect::Reads => evidence.outcome(),
            // A later refusal says nothing about an earlier request that may have been carried out.
            Effect::Changes => self.outcome.max(evidence.outcome()),
        }
    }

    /// Adds a request that did not succeed, and decides what may follow.
    pub(crate) fn add(&mut self, evidence: Evidence) -> Next {
        self.outcome = self.outcome_with(evidence);
        let is_harmless = match self.effect {
            Effect::Reads => true,
            Effect::Changes => self.outcome != Outcome::Unknown || self.retry_if_unknown,
        };
        match evidence {
            _ if !is_harmless => Next::End,
            Evidence::NotWrittenForPassword | Evidence::HandedOut => Next::End,
            Evidence::TokenRefused { has_another: true } if !self.token_was_refused => {
                self.token_was_refused = true;
                Next::AnotherToken
            }
            // D1 has refused the change itself.
            Evidence::TokenRefused { .. } | Evidence::Refused
                if self.effect == Effect::Changes && self.outcome == Outcome::Refused =>
            {
                Next::End
            }
            Evidence::NoToken
            | Evidence::NotWritten
            | Evidence::MaybeWritten
            | Evidence::TokenRefused { .. }
            | Evidence::RateLimited
            | Evidence::Refused
            | Evidence::Unproven => Next::AskPolicy,
        }
    }
}

#[cfg(test)]
#[path = "decide_tests.rs"]
mod tests;
