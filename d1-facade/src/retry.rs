//! May a call be made again, and when?
//!
//! Two questions, kept apart. Whether sending again can do anything twice is answered here, by the
//! crate, and no policy can overrule it. Whether it is worth it, and after what pause, is the
//! [`RetryPolicy`]'s.

use std::time::Duration;

use crate::api_operation::ApiOperation;
use crate::error::{Error, ErrorKind, Outcome};

/// A call that failed and that may be made again without doing anything twice.
#[derive(Debug, Clone, Copy)]
pub struct Attempt<'a> {
    error: &'a Error,
    number: u32,
}

impl<'a> Attempt<'a> {
    pub(crate) fn new(error: &'a Error, number: u32) -> Self {
        Self { error, number }
    }

    /// Why it failed.
    #[must_use]
    pub fn error(&self) -> &'a Error {
        self.error
    }

    /// How many attempts were made, this one included: 1 after the first failure.
    #[must_use]
    pub fn number(&self) -> u32 {
        self.number
    }
}

/// Decides whether a failed call is made again.
///
/// It is asked only about calls that can be made again without doing anything twice:
///
/// - a read, whatever became of it;
/// - a change that was [not sent](Outcome::NotSent);
/// - a change whose token was refused (401) and that got no other one, since the token endpoint failed;
/// - a change that was refused with 429: what a rate limit turns away is not carried out, and D1
///   documents nothing to the contrary;
/// - a change that the caller marked with `repeat_if_unknown`.
///
/// A change that failed with 503 is not among them: D1 documents no such answer, the gateway before D1
/// gives it as well, and `Retry-After` does not say that D1 did nothing.
///
/// ```
/// use std::time::Duration;
/// use d1_facade::retry::{Attempt, RetryPolicy};
///
/// /// Once more, a second later.
/// struct Once;
///
/// impl RetryPolicy for Once {
///     fn pause(&self, attempt: &Attempt<'_>) -> Option<Duration> {
///         (attempt.number() == 1).then_some(Duration::from_secs(1))
///     }
/// }
/// ```
pub trait RetryPolicy: Send + Sync + 'static {
    /// How long to wait before the next attempt; `None` to give up.
    ///
    /// A pause that outlasts the call's timeout gives up as well, and for a change one that leaves
    /// less than a second of it (a quarter of it where that is less): what is sent with no time left
    /// ends with an unknown outcome.
    fn pause(&self, attempt: &Attempt<'_>) -> Option<Duration>;
}

/// The default policy: some attempts, with pauses that grow and are spread at random.
///
/// The pause is random between nothing and a ceiling that doubles with each attempt (*full jitter*).
/// Where D1 says how long to wait (`Retry-After`), it is at least that, unless that is longer than
/// [`longest_pause`](Self::longest_pause): then it gives up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    attempts: u32,
    first_pause: Duration,
    longest_pause: Duration,
}

impl Default for Backoff {
    /// Three attempts, the first pause up to 200 ms, none longer than 10 s.
    fn default() -> Self {
        Self {
            attempts: 3,
            first_pause: Duration::from_millis(200),
            longest_pause: Duration::from_secs(10),
        }
    }
}

impl Backoff {
    /// Makes at most this many attempts, the first included.
    #[must_use]
    pub fn attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts;
        self
    }

    /// The ceiling of the first pause; each further one is twice the one before.
    #[must_use]
    pub fn first_pause(mut self, pause: Duration) -> Self {
        self.first_pause = pause;
        self
    }

    /// The ceiling of all pauses.
    #[must_use]
    pub fn longest_pause(mut self, pause: Duration) -> Self {
        self.longest_pause = pause;
        self
    }

    fn ceiling(&self, number: u32) -> Duration {
        let doublings = number.saturating_sub(1).min(31);
        self.first_pause
            .saturating_mul(1 << doublings)
            .min(self.longest_pause)
    }
}

impl RetryPolicy for Backoff {
    fn pause(&self, attempt: &Attempt<'_>) -> Option<Duration> {
        if attempt.number() >= self.attempts || !is_worth_it(attempt.error()) {
            return None;
        }
        let pause = self.ceiling(attempt.number()).mul_f64(fastrand::f64());
        match attempt.error().retry_after() {
            Some(asked) if asked > self.longest_pause => None,
            Some(asked) => Some(asked.saturating_add(pause)),
            None => Some(pause),
        }
    }
}

/// No call is made again, but for the one that follows a refused token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct NoRetry;

impl RetryPolicy for NoRetry {
    fn pause(&self, _: &Attempt<'_>) -> Option<Duration> {
        None
    }
}

/// Whether the same call may succeed a little later.
fn is_worth_it(error: &Error) -> bool {
    match error.kind() {
        ErrorKind::Connect | ErrorKind::Timeout | ErrorKind::Transport | ErrorKind::RateLimited => {
            true
        }
        // 501 and 505 and the like stay as they are.
        ErrorKind::ServerError => matches!(error.status(), Some(500 | 502 | 503 | 504)),
        ErrorKind::InvalidInput
        | ErrorKind::Crypto
        | ErrorKind::TokenUnavailable
        | ErrorKind::TokenRejected
        | ErrorKind::InvalidRequest
        | ErrorKind::Forbidden
        | ErrorKind::NotFound
        | ErrorKind::UnknownCard
        | ErrorKind::UnknownOperation
        | ErrorKind::UnexpectedStatus
        | ErrorKind::InvalidResponse
        | ErrorKind::ResponseTooLarge
        | ErrorKind::Cancelled => false,
    }
}

/// Whether sending the call again can do anything twice, or lock an account. No policy is asked where it can.
pub(crate) fn is_harmless(error: &Error, changes_card: bool, repeat_if_unknown: bool) -> bool {
    if error.is_about_proxy_password() {
        return false;
    }
    match error.outcome() {
        Outcome::NotSent => true,
        // What failed at the token endpoint left the change refused, by the token that it had before.
        Outcome::Refused => {
            !changes_card
                || error.kind() == ErrorKind::RateLimited
                || error.operation() == ApiOperation::GetToken
        }
        Outcome::Unknown => !changes_card || repeat_if_unknown,
    }
}

#[cfg(test)]
#[path = "retry_tests.rs"]
mod tests;
