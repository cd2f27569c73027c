//! Runs the requests of a bulk: takes one whenever there is room, and gives outcomes as they come.

use std::collections::HashMap;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_util::future::{BoxFuture, Either, select};
use futures_util::stream::{BoxStream, StreamExt as _};
use futures_util::{FutureExt as _, Stream};
use tokio::task::{Id, JoinError, JoinSet};
use tracing::Instrument as _;

use super::{BulkOutcome, Pace};
use crate::api_operation::ApiOperation;
use crate::call::abandoned;
use crate::card::{Change, Receipt};
use crate::error::{Error, Outcome};
use crate::limiter::Limiter as _;

type Finished = Result<(Id, Result<Receipt, Error>), JoinError>;

/// Whether the next request may be sent.
enum Turn {
    Unasked,
    Awaited(BoxFuture<'static, ()>),
    Come,
}

/// A bulk that runs.
pub(super) struct Run<'a, K> {
    /// None when it ended, or is not to be read any more.
    input: Option<BoxStream<'a, (K, Change)>>,
    pace: Arc<Pace>,
    stopped: BoxFuture<'static, ()>,
    turn: Turn,
    tasks: JoinSet<Result<Receipt, Error>>,
    keys: HashMap<Id, (K, ApiOperation)>,
}

impl<'a, K: Send + 'a> Run<'a, K> {
    pub(super) fn new<S>(requests: S, pace: Arc<Pace>) -> Self
    where
        S: Stream<Item = (K, Change)> + Send + 'a,
    {
        Self {
            input: Some(requests.boxed()),
            stopped: pace.clone().stopped().boxed(),
            pace,
            turn: Turn::Unasked,
            tasks: JoinSet::new(),
            keys: HashMap::new(),
        }
    }

    fn begin(&mut self, key: K, request: Change) {
        let operation = request.operation();
        let task = send(request, self.pace.clone()).in_current_span();
        let id = self.tasks.spawn(task).id();
        self.keys.insert(id, (key, operation));
    }

    /// The outcome of a task; none where it is not one of ours, which cannot be.
    fn outcome(&mut self, finished: Finished) -> Option<BulkOutcome<K>> {
        let (id, result) = match finished {
            Ok((id, result)) => (id, Ok(result)),
            Err(error) => (error.id(), Err(error)),
        };
        let (key, operation) = self.keys.remove(&id)?;
        let result = result.unwrap_or_else(|error| Err(Error::of_lost_task(operation, &error)));
        Some(BulkOutcome { key, result })
    }

    /// Waits until another request may be sent.
    fn poll_turn(&mut self, context: &mut Context<'_>) -> Poll<()> {
        loop {
            self.turn = match &mut self.turn {
                Turn::Come => return Poll::Ready(()),
                Turn::Unasked if self.pace.is_free() => Turn::Come,
                Turn::Unasked => {
                    let pace = self.pace.clone();
                    Turn::Awaited(async move { pace.acquire().await }.boxed())
                }
                Turn::Awaited(turn) => {
                    ready!(turn.poll_unpin(context));
                    Turn::Come
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
                let ended = this.tasks.is_empty();
                return if ended {
                    Poll::Ready(None)
                } else {
                    Poll::Pending
                };
            }
            // A request that ends makes room, and wakes this task.
            if !this.pace.has_room(this.tasks.len()) {
                return Poll::Pending;
            }
            ready!(this.poll_turn(context));
            let Some(input) = &mut this.input else {
                continue;
            };
            match ready!(input.poll_next_unpin(context)) {
                Some((key, request)) => {
                    this.turn = Turn::Unasked;
                    this.begin(key, request);
                }
                None => this.input = None,
            }
        }
    }
}

/// Sends a request of the bulk. What takes the processor long is done off the reactor.
async fn send(mut request: Change, pace: Arc<Pace>) -> Result<Receipt, Error> {
    if request.is_to_be_encrypted() {
        let operation = request.operation();
        let encrypted = pin!(pace.off_the_reactor(move || request.encrypted()));
        request = match select(encrypted, pace.cancelled()).await {
            Either::Left((Some(encrypted), _)) => encrypted?,
            Either::Left((None, _)) | Either::Right(_) => {
                return Err(abandoned(operation, Outcome::NotSent));
            }
        };
    }
    request.limited_by(pace).await
}
