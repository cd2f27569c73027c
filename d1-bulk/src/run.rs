//! Runs the changes of a bulk: takes one whenever there is room, and returns outcomes as they come.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use d1_facade::{Change, Error, PendingChange, Receipt, Response};
use futures_util::future::BoxFuture;
use futures_util::stream::{BoxStream, StreamExt as _};
use futures_util::{FutureExt as _, Stream};
use tokio::task::{Id, JoinError, JoinSet};
use tracing::Instrument as _;

use crate::cpu_pool::CpuPool;
use crate::limiter::{BulkLimiter, ChangeLimiter};
use crate::stop::BulkStop;

/// The outcome of one change of a [`Bulk`](crate::Bulk).
#[derive(Debug)]
#[non_exhaustive]
pub struct BulkOutcome<K> {
    /// The key that came with the change.
    pub key: K,
    /// The receipt of the change, or an error that says whether it was not sent, was refused, or may have been
    /// carried out.
    pub result: Result<Response<Receipt>, Error>,
}

type Finished = Result<(Id, Result<Response<Receipt>, Error>), JoinError>;

/// Whether the next request may be sent.
enum Turn {
    NotAcquired,
    Waiting(BoxFuture<'static, ()>),
    Acquired,
}

/// A bulk that runs.
pub(crate) struct Run<'a, K> {
    /// None when it ended, or is not to be read any more.
    input: Option<BoxStream<'a, (K, Change)>>,
    shared: Arc<Shared>,
    stopped: BoxFuture<'static, ()>,
    turn: Turn,
    tasks: JoinSet<Result<Response<Receipt>, Error>>,
    /// The keys of the changes that run, and what is reported where the task of one is lost.
    keys: HashMap<Id, (K, PendingChange)>,
}

/// What the tasks share.
struct Shared {
    limiter: Arc<BulkLimiter>,
    cpu: CpuPool,
    stop: BulkStop,
}

impl<'a, K: Send + 'a> Run<'a, K> {
    pub(crate) fn new<S>(changes: S, limiter: BulkLimiter, stop: BulkStop) -> Self
    where
        S: Stream<Item = (K, Change)> + Send + 'a,
    {
        Self {
            input: Some(changes.boxed()),
            stopped: stop.stopped().boxed(),
            shared: Arc::new(Shared {
                limiter: Arc::new(limiter),
                cpu: CpuPool::new(),
                stop,
            }),
            turn: Turn::NotAcquired,
            tasks: JoinSet::new(),
            keys: HashMap::new(),
        }
    }

    fn begin(&mut self, key: K, change: Change) {
        let pending = change.pending();
        let task = send(change, self.shared.clone()).in_current_span();
        let id = self.tasks.spawn(task).id();
        self.keys.insert(id, (key, pending));
    }

    /// Returns the outcome of a task; none where the task is not one of this bulk, which cannot be.
    fn outcome(&mut self, finished: Finished) -> Option<BulkOutcome<K>> {
        let (id, result) = match finished {
            Ok((id, result)) => (id, Ok(result)),
            Err(error) => (error.id(), Err(error)),
        };
        let (key, pending) = self.keys.remove(&id)?;
        let result = result.unwrap_or_else(|error| Err(Error::task_lost(pending, &error)));
        Some(BulkOutcome { key, result })
    }

    /// Waits until another request may be sent.
    fn poll_turn(&mut self, context: &mut Context<'_>) -> Poll<()> {
        loop {
            self.turn = match &mut self.turn {
                Turn::Acquired => return Poll::Ready(()),
                Turn::NotAcquired if self.shared.limiter.is_free() => Turn::Acquired,
                Turn::NotAcquired => {
                    let limiter = self.shared.limiter.clone();
                    Turn::Waiting(async move { limiter.acquire().await }.boxed())
                }
                Turn::Waiting(acquired) => {
                    ready!(acquired.poll_unpin(context));
                    Turn::Acquired
                }
            };
        }
    }
}

// The keys are not pinned: they lie in a map.
impl<K> Unpin for Run<'_, K> {}

impl<'a, K: Send + 'a> Stream for Run<'a, K> {
    type Item = BulkOutcome<K>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        loop {
            if let Poll::Ready(Some(finished)) = this.tasks.poll_join_next_with_id(context) {
                match this.outcome(finished) {
                    Some(outcome) => return Poll::Ready(Some(outcome)),
                    None => continue,
                }
            }
            if this.input.is_some() && this.stopped.poll_unpin(context).is_ready() {
                this.input = None;
            }
            if this.input.is_none() {
                return match this.tasks.is_empty() {
                    true => Poll::Ready(None),
                    false => Poll::Pending,
                };
            }
            // A change that ends makes room, and wakes this task.
            if !this.shared.limiter.has_room(this.tasks.len()) {
                return Poll::Pending;
            }
            ready!(this.poll_turn(context));
            let Some(input) = &mut this.input else {
                continue;
            };
            match ready!(input.poll_next_unpin(context)) {
                Some((key, change)) => {
                    this.turn = Turn::NotAcquired;
                    this.begin(key, change);
                }
                None => this.input = None,
            }
        }
    }
}

/// Sends a change of the bulk. Its credentials are encrypted where that does not hold up the runtime.
async fn send(mut change: Change, shared: Arc<Shared>) -> Result<Response<Receipt>, Error> {
    if change.needs_encryption() {
        change = shared.cpu.run(move || change.prepare()).await?;
    }
    change
        .limiter(ChangeLimiter::new(shared.limiter.clone()))
        .cancel_on(shared.stop.abandoned())
        .await
}
