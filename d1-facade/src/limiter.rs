//! What limits calls that are made together.

use futures_util::future::BoxFuture;
use tokio::time::Instant;

use crate::api_operation::ApiOperation;
use crate::error::Error;

/// Decides when a call may be sent, receives its result, and may cancel it.
pub(crate) trait Limiter: Send + Sync {
    /// Waits until one more request may be sent.
    fn acquire(&self) -> BoxFuture<'_, ()>;

    /// A request that was sent at `sent_at` succeeded.
    fn succeeded(&self, operation: ApiOperation, sent_at: Instant);

    /// A request that was sent at `sent_at`, or was to be, failed.
    fn failed(&self, sent_at: Instant, error: &Error);

    /// Ends when the calls under way are to be cancelled.
    fn cancelled(&self) -> BoxFuture<'_, ()>;
}
