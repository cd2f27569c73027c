//! Limits how many requests are sent, and when.
//!
//! A [`Limiter`] limits all calls of a client ([`ClientBuilder::limiter`](crate::ClientBuilder::limiter)) or a
//! single call (its method `limiter`). It is asked for a [`Permit`] before each request, also before one that is
//! sent again, and the permit learns how the request ended.
//!
//! # A limit on requests at once
//!
//! ```
//! use std::sync::Arc;
//! use d1_facade::limiter::{Limiter, Permit};
//! use tokio::sync::Semaphore;
//!
//! struct AtMost(Arc<Semaphore>);
//!
//! impl Limiter for AtMost {
//!     async fn acquire(&self) -> Box<dyn Permit> {
//!         let permit: Box<dyn Permit> = match self.0.clone().acquire_owned().await {
//!             Ok(permit) => Box::new(permit), // given back when the request has ended
//!             Err(_closed) => std::future::pending().await, // nothing more is permitted
//!         };
//!         permit
//!     }
//! }
//!
//! # fn f(builder: d1_facade::ClientBuilder) {
//! let builder = builder.limiter(AtMost(Arc::new(Semaphore::new(16))));
//! # }
//! ```
//!
//! # A limit on requests per second
//!
//! ```
//! use std::time::Duration;
//! use d1_facade::limiter::{Limiter, Permit};
//! use tokio::sync::Mutex;
//! use tokio::time::{Instant, sleep_until};
//!
//! /// One request each 20 ms: 50 per second.
//! struct Paced(Mutex<Instant>);
//!
//! impl Limiter for Paced {
//!     async fn acquire(&self) -> Box<dyn Permit> {
//!         let mut next = self.0.lock().await; // the others wait here, in order
//!         sleep_until(*next).await;
//!         *next = Instant::now() + Duration::from_millis(20);
//!         Box::new(())
//!     }
//! }
//! ```

use futures_util::future::BoxFuture;
use tokio::sync::OwnedSemaphorePermit;

use crate::error::{Error, ErrorKind};
use crate::values::ApiOperation;

/// Decides when a request may be sent. The [module](self) has two examples.
///
/// A call that has several limiters waits for each of them, its own first. The wait counts against the timeout of the
/// call: where the timeout ends first, the request is not sent, and the call fails with
/// [`Timeout`](ErrorKind::Timeout).
///
/// Token exchanges are not limited: one of them serves many calls. A request waits for its token first, and for its
/// permits then.
///
/// A request holds the permits that it has while it waits for the next one. So give limiters that calls share to all of
/// them in the same order, and none to both a call and its client: such calls wait for each other until their timeout.
/// The same happens where a future that holds a permit is not polled any more, as in a buffered stream whose consumer
/// waits: [`spawn`](crate::Change::spawn) such changes.
pub trait Limiter: Send + Sync + 'static {
    /// Waits until one more request may be sent, and returns the permit for it.
    ///
    /// The future is dropped where the call is cancelled or its time runs out.
    fn acquire(&self) -> impl Future<Output = Box<dyn Permit>> + Send;
}

/// A [`Limiter`] of any type.
pub(crate) trait AnyLimiter: Send + Sync {
    fn acquire(&self) -> BoxFuture<'_, Box<dyn Permit>>;
}

impl<L: Limiter> AnyLimiter for L {
    fn acquire(&self) -> BoxFuture<'_, Box<dyn Permit>> {
        Box::pin(Limiter::acquire(self))
    }
}

/// The permission to send one request. The client keeps it until the request has ended.
///
/// The permit of a request that was cancelled is dropped, and neither method is called. The error is that of one
/// request: the call may be retried, and knows its correlation id and attempts. `()` is a permit that nothing
/// depends on, and tokio's semaphore permit is one that is given back.
pub trait Permit: Send + 'static {
    /// Notes that the request succeeded. Does nothing by default.
    fn succeeded(self: Box<Self>, operation: ApiOperation) {
        let _ = operation;
    }

    /// Notes that the request failed with `error`, or was not sent because there was no token for it. Does nothing by
    /// default.
    ///
    /// [`Error::affects_all_calls`] says whether the next one is likely to fail as well.
    fn failed(self: Box<Self>, error: &Error) {
        let _ = error;
    }
}

impl Error {
    /// Returns whether the next call is likely to fail the same way, whatever it asks for: D1 cannot be reached, limits
    /// the rate, gives no token, or the gateway before it fails. For limiters and circuit breakers:
    ///
    /// ```
    /// use std::sync::atomic::{AtomicU32, Ordering};
    /// use d1_facade::limiter::Permit;
    /// use d1_facade::{ApiOperation, Error};
    ///
    /// /// Counts the failures since the last success.
    /// struct Counting(&'static AtomicU32);
    ///
    /// impl Permit for Counting {
    ///     fn succeeded(self: Box<Self>, _: ApiOperation) {
    ///         self.0.store(0, Ordering::Relaxed);
    ///     }
    ///
    ///     fn failed(self: Box<Self>, error: &Error) {
    ///         if error.affects_all_calls() {
    ///             self.0.fetch_add(1, Ordering::Relaxed);
    ///         }
    ///     }
    /// }
    /// ```
    #[must_use]
    pub fn affects_all_calls(&self) -> bool {
        let kind = self.kind();
        if kind == ErrorKind::ServerError {
            // A 500 may be about the card.
            return matches!(self.status(), Some(502..=504));
        }
        let is_about_token =
            kind == ErrorKind::TokenUnavailable || self.operation() == ApiOperation::GetToken;
        is_about_token || kind.is_transient() && kind != ErrorKind::Cancelled
    }
}

impl Permit for () {}

impl Permit for OwnedSemaphorePermit {}
