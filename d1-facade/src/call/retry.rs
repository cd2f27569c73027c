//! When a failed call is sent again.
//!
//! Whether it may be is not a policy's to decide: a change is only sent again where it cannot have been carried out, or
//! the caller allows it. Among the calls that may be sent again, a [`RetryPolicy`] says for which it is worth it, and
//! after what delay.

use std::time::Duration;

use crate::error::{Error, ErrorKind};

/// Decides whether a failed call is sent again, and when.
///
/// A client has one ([`ClientBuilder::retry`](crate::ClientBuilder::retry)), which is [`ExponentialBackoff`] by
/// default. A single call can have another (its method `retry`).
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
/// use d1_facade::Error;
/// use d1_facade::retry::RetryPolicy;
///
/// /// Once more, a second later.
/// struct Once;
///
/// impl RetryPolicy for Once {
///     fn delay(&self, _: &Error, attempts: u32) -> Option<Duration> {
///         (attempts == 1).then_some(Duration::from_secs(1))
///     }
/// }
/// ```
pub trait RetryPolicy: Send + Sync + 'static {
    /// Returns how long to wait before the next attempt, or `None` to end the call.
    ///
    /// `error` is that of the last attempt. `attempts` says how many were made: 1 after the first failure.
    ///
    /// A delay that is longer than the time that the call has left ends it as well. For a change, it must leave a
    /// second, or a quarter of the timeout where that is less: a request that is sent with no time left ends with an
    /// unknown outcome.
    fn delay(&self, error: &Error, attempts: u32) -> Option<Duration>;
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
    /// Sets how many attempts are made at most, the first included; 3 unless set. With 1, no call is sent again but for
    /// the one that follows a refused token.
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

    /// Returns the maximum of the delay after this number of attempts.
    fn ceiling(&self, attempts: u32) -> Duration {
        let doublings = attempts.saturating_sub(1).min(31);
        self.initial_delay
            .saturating_mul(1 << doublings)
            .min(self.max_delay)
    }
}

impl RetryPolicy for ExponentialBackoff {
    fn delay(&self, error: &Error, attempts: u32) -> Option<Duration> {
        if attempts >= self.max_attempts || !is_worth_it(error) {
            return None;
        }
        let delay = self.ceiling(attempts).mul_f64(fastrand::f64());
        match error.retry_after() {
            Some(asked) if asked > self.max_delay => None,
            Some(asked) => Some(asked.saturating_add(delay)),
            None => Some(delay),
        }
    }
}

/// Returns whether the same call may succeed a little later.
fn is_worth_it(error: &Error) -> bool {
    let kind = error.kind();
    if kind == ErrorKind::ServerError {
        // 501 and 505 and the like do not change.
        return matches!(error.status(), Some(500 | 502 | 503 | 504));
    }
    // A service's own signer or token source may say that its failure passes.
    error.is_transient_by_source() || kind.is_transient() && kind != ErrorKind::Cancelled
}

#[cfg(test)]
#[path = "retry_tests.rs"]
mod tests;
