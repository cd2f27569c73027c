//! When a failed call is sent again.
//!
//! Whether it may be is not a policy's to decide: a change is only sent again where it cannot have been carried out, or
//! the caller allows it. Among the calls that may be sent again, a [`RetryPolicy`] says for which it is worth it, and
//! after what delay.

use std::time::Duration;

use crate::error::{Error, ErrorKind};

/// A call that failed and may be sent again.
#[derive(Debug, Clone, Copy)]
pub struct Attempt<'a> {
    error: &'a Error,
    number: u32,
}

impl<'a> Attempt<'a> {
    pub(crate) fn new(error: &'a Error, number: u32) -> Self {
        Self { error, number }
    }

    /// Returns why it failed.
    #[must_use]
    pub fn error(&self) -> &'a Error {
        self.error
    }

    /// Returns how many attempts were made, this one included: 1 after the first failure.
    #[must_use]
    pub fn number(&self) -> u32 {
        self.number
    }
}

/// Decides whether a failed call is sent again, and when.
///
/// It is asked only about calls that may be sent again:
///
/// - a read, whatever its outcome;
/// - a change that was [not sent](crate::Outcome::NotSent);
/// - a change that was refused with 429: what a rate limit turns away is not carried out, and D1
///   documents nothing to the contrary;
/// - a change whose token was refused (401) and that got no other one, since the token endpoint failed;
/// - a change that the caller marked with [`retry_if_unknown`](crate::Change::retry_if_unknown).
///
/// A change that failed with 503 is not among them: D1 documents no such response, the gateway before D1
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
///     fn delay(&self, attempt: &Attempt<'_>) -> Option<Duration> {
///         (attempt.number() == 1).then_some(Duration::from_secs(1))
///     }
/// }
/// ```
pub trait RetryPolicy: Send + Sync + 'static {
    /// Returns how long to wait before the next attempt, or `None` to end the call.
    ///
    /// A delay that is longer than the time that the call has left ends it as well. For a change, it must leave a
    /// second, or a quarter of the timeout where that is less: a request that is sent with no time left ends with an
    /// unknown outcome.
    fn delay(&self, attempt: &Attempt<'_>) -> Option<Duration>;
}

/// The default policy: a few attempts, with delays that grow and are random.
///
/// Each delay is random between zero and a maximum that doubles with each attempt (*full jitter*).
/// Where D1 says how long to wait (`Retry-After`), the delay is at least that, unless that is longer than
/// [`max_delay`](Self::max_delay): then the call ends.
///
/// ```
/// use std::time::Duration;
/// use d1_facade::retry::ExponentialBackoff;
///
/// # fn f(builder: d1_facade::ClientBuilder) {
/// let builder = builder.retry(
///     ExponentialBackoff::default().max_attempts(5).max_delay(Duration::from_secs(3)),
/// );
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExponentialBackoff {
    max_attempts: u32,
    initial_delay: Duration,
    max_delay: Duration,
}

impl Default for ExponentialBackoff {
    /// Returns a policy of three attempts, with a first delay of up to 200 ms and no delay above 10 s.
    fn default() -> Self {
        Self {
            max_attempts: 3,
            initial_delay: Duration::from_millis(200),
            max_delay: Duration::from_secs(10),
        }
    }
}

impl ExponentialBackoff {
    /// Sets how many attempts are made at most, the first included; 3 unless set.
    #[must_use]
    pub fn max_attempts(mut self, attempts: u32) -> Self {
        self.max_attempts = attempts;
        self
    }

    /// Sets the maximum of the first delay; each further maximum is twice the one before. 200 ms unless set.
    #[must_use]
    pub fn initial_delay(mut self, delay: Duration) -> Self {
        self.initial_delay = delay;
        self
    }

    /// Sets the maximum of all delays; 10 seconds unless set.
    #[must_use]
    pub fn max_delay(mut self, delay: Duration) -> Self {
        self.max_delay = delay;
        self
    }

    fn ceiling(&self, number: u32) -> Duration {
        let doublings = number.saturating_sub(1).min(31);
        self.initial_delay
            .saturating_mul(1 << doublings)
            .min(self.max_delay)
    }
}

impl RetryPolicy for ExponentialBackoff {
    fn delay(&self, attempt: &Attempt<'_>) -> Option<Duration> {
        if attempt.number() >= self.max_attempts || !is_worth_it(attempt.error()) {
            return None;
        }
        let delay = self.ceiling(attempt.number()).mul_f64(fastrand::f64());
        match attempt.error().retry_after() {
            Some(asked) if asked > self.max_delay => None,
            Some(asked) => Some(asked.saturating_add(delay)),
            None => Some(delay),
        }
    }
}

/// Sends no call again, but for the one that follows a refused token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct NoRetry;

impl RetryPolicy for NoRetry {
    fn delay(&self, _: &Attempt<'_>) -> Option<Duration> {
        None
    }
}

/// Returns whether the same call may succeed a little later.
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

#[cfg(test)]
#[path = "retry_tests.rs"]
mod tests;
