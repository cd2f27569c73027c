//! Why a signature or a token that a service provides itself cannot be had.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::Error;

/// Why a [`Signer`](crate::auth::Signer) has no signature, or a [`TokenSource`](crate::auth::TokenSource) no token.
///
/// It says whether the reason passes. A call that fails for a transient one [can be made
/// again](Error::is_retryable), and the client does so as its [retry policy](crate::retry) says. The error beneath can
/// be reached by [`std::error::Error::source`] and is printed by `Debug`: it must not print a token or a key.
///
/// Every error becomes a permanent one with `?` or [`From`].
///
/// ```
/// use std::time::Duration;
/// use d1_facade::Error;
/// use d1_facade::auth::Unavailable;
///
/// let throttled = std::io::Error::other("too many requests");
/// let reason = Unavailable::transient(throttled).retry_after(Duration::from_secs(2));
/// let error = Error::token_unavailable(reason);
/// assert!(error.is_retryable());
/// assert_eq!(error.retry_after(), Some(Duration::from_secs(2)));
/// ```
pub struct Unavailable {
    source: Arc<dyn StdError + Send + Sync>,
    is_transient: bool,
    retry_after: Option<Duration>,
}

impl Unavailable {
    /// Returns a reason that passes, such as a KMS that is throttled or cannot be reached.
    #[must_use]
    pub fn transient(source: impl StdError + Send + Sync + 'static) -> Self {
        Self {
            source: Arc::new(source),
            is_transient: true,
            retry_after: None,
        }
    }

    /// Returns a reason that stays until someone acts, such as a key that does not exist.
    #[must_use]
    pub fn permanent(source: impl StdError + Send + Sync + 'static) -> Self {
        Self {
            is_transient: false,
            ..Self::transient(source)
        }
    }

    /// Sets how long to wait before the next attempt. The client waits a minute at most, and longer after repeated
    /// failures.
    #[must_use]
    pub fn retry_after(mut self, pause: Duration) -> Self {
        self.retry_after = Some(pause);
        self
    }

    pub(crate) fn is_transient(&self) -> bool {
        self.is_transient
    }

    /// Adds this reason to an error.
    pub(crate) fn explain(self, error: Error) -> Error {
        error.edit(|inner| {
            inner.source = Some(self.source);
            inner.is_transient = self.is_transient;
            inner.retry_after = self.retry_after;
        })
    }
}

impl<E: StdError + Send + Sync + 'static> From<E> for Unavailable {
    /// Returns a permanent reason.
    fn from(source: E) -> Self {
        Self::permanent(source)
    }
}

impl fmt::Debug for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unavailable")
            .field("source", &self.source.to_string())
            .field("is_transient", &self.is_transient)
            .field("retry_after", &self.retry_after)
            .finish()
    }
}
