//! How a bulk is ended early.

use std::fmt;

use tokio::sync::watch;

/// Ends a [`Bulk`](crate::Bulk) early. Clones end the same one.
#[derive(Clone)]
pub struct BulkStop(watch::Sender<Stage>);

/// How far a bulk is from its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Running,
    Stopping,
    Abandoned,
}

impl BulkStop {
    pub(crate) fn new() -> Self {
        Self(watch::Sender::new(Stage::Running))
    }

    /// Takes no further changes; those under way are ended as they would be otherwise. The outcomes end with the
    /// last of them.
    pub fn stop(&self) {
        self.advance(Stage::Stopping);
    }

    /// Takes no further changes and cancels those under way: each is reported as an error of kind
    /// [`Cancelled`](d1_facade::ErrorKind::Cancelled), whose outcome is *not sent*, *refused* or *unknown*; an
    /// unknown one can be [reconciled](d1_facade::Client::reconcile).
    pub fn abandon(&self) {
        self.advance(Stage::Abandoned);
    }

    /// Completes when the bulk takes no further changes.
    pub fn stopped(&self) -> impl Future<Output = ()> + Send + use<> {
        self.reached(Stage::Stopping)
    }

    /// Returns whether the bulk takes no further changes.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        *self.0.borrow() >= Stage::Stopping
    }

    /// Completes when the changes under way are to be cancelled.
    pub(crate) fn abandoned(&self) -> impl Future<Output = ()> + Send + use<> {
        self.reached(Stage::Abandoned)
    }

    fn reached(&self, stage: Stage) -> impl Future<Output = ()> + Send + use<> {
        let sender = self.0.clone();
        async move {
            // It cannot fail while there is a sender.
            let _ = sender.subscribe().wait_for(|now| *now >= stage).await;
        }
    }

    fn advance(&self, to: Stage) {
        self.0.send_if_modified(|stage| {
            let is_later = *stage < to;
            *stage = to.max(*stage);
            is_later
        });
    }
}

impl fmt::Debug for BulkStop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("BulkStop").field(&*self.0.borrow()).finish()
    }
}
