//! A change that runs on a task of its own.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::task::JoinHandle;
use tracing::Instrument as _;

use super::Receipt;
use crate::error::Error;
use crate::reconcile::PendingChange;
use crate::response::Response;

/// A change that runs to its end whether it is awaited or not: what [`Change::spawn`](crate::Change::spawn) returns.
#[derive(Debug)]
pub struct SpawnedChange {
    /// What is reported where the task is lost.
    pending: PendingChange,
    task: JoinHandle<Result<Response<Receipt>, Error>>,
}

impl SpawnedChange {
    pub(super) fn new(
        pending: PendingChange,
        change: impl Future<Output = Result<Response<Receipt>, Error>> + Send + 'static,
    ) -> Self {
        let task = tokio::spawn(change.in_current_span());
        Self { pending, task }
    }
}

impl Future for SpawnedChange {
    type Output = Result<Response<Receipt>, Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let result = ready!(Pin::new(&mut self.task).poll(context));
        Poll::Ready(result.unwrap_or_else(|e| Err(Error::task_lost(self.pending.clone(), &e))))
    }
}
