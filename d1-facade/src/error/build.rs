//! How an [`Error`] is made, and what the layers above add to it.
//!
//! An error is made where the failure is found, with its kind and the outcome of that one request. The layers above add
//! what they alone know: the call its correlation id, its attempts and the outcome of all its requests, the token
//! exchange that the call was not sent. Errors are shared by all callers that waited for the same token, so each
//! change is made to a copy.

use std::error::Error as StdError;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::{HeaderMap, StatusCode};
use serde_json::Map;
use tokio::task::JoinError;

use super::connection::PROXY_WANTS_PASSWORD;
use super::{Error, ErrorKind, Fault, Inner, InvalidInput, NOTEWORTHY_OFFSET, Outcome};
use crate::reconcile::PendingChange;
use crate::values::{ApiOperation, CorrelationId};

impl Error {
    pub(crate) fn new(operation: ApiOperation, kind: ErrorKind, outcome: Outcome) -> Self {
        Self(Arc::new(Inner {
            kind,
            outcome,
            operation,
            status: None,
            headers: HeaderMap::new(),
            code: None,
            text: None,
            unknown_fields: Map::new(),
            correlation_id: None,
            token_correlation_id: None,
            retry_after: None,
            attempts: 0,
            causes: Vec::new(),
            clock_offset: None,
            pending: None,
            refused_before: None,
            fault: None,
            is_transient: false,
            source: None,
        }))
    }

    /// Returns the error of an input that was found wrong when the call was about to be made.
    pub(crate) fn invalid_input_of(operation: ApiOperation, input: InvalidInput) -> Self {
        Self::new(operation, ErrorKind::InvalidInput, Outcome::NotSent).with_source(input)
    }

    /// Returns the error of a call whose task ended without a result: the runtime was shut down, the task was
    /// aborted, or code of the caller, such as a retry policy, panicked. The outcome is unknown, and `change` is what
    /// [`pending_change`](Self::pending_change) returns.
    ///
    /// For services that run calls on tasks of their own; [`Change::spawn`](crate::Change::spawn) does it for them. The
    /// message of a panic is not repeated, since it may hold anything.
    #[must_use]
    pub fn task_lost(change: PendingChange, error: &JoinError) -> Self {
        let fault = match error.is_panic() {
            true => Fault::TASK_PANICKED,
            false => Fault::TASK_CANCELLED,
        };
        Self::new(change.operation(), ErrorKind::Cancelled, Outcome::Unknown)
            .with_fault(fault)
            .with_pending(|_| change.ended_by(SystemTime::now()))
    }

    pub(crate) fn with_status(self, status: StatusCode) -> Self {
        self.edit(|inner| inner.status = Some(status.as_u16()))
    }

    pub(crate) fn with_fault(self, fault: Fault) -> Self {
        self.edit(|inner| inner.fault = Some(fault))
    }

    pub(crate) fn with_source(self, source: impl StdError + Send + Sync + 'static) -> Self {
        self.edit(|inner| inner.source = Some(Arc::new(source)))
    }

    /// Adds what only the caller of a lower layer knows.
    pub(crate) fn with_call(self, correlation_id: &CorrelationId, attempts: u32) -> Self {
        self.edit(|inner| {
            inner.correlation_id = Some(correlation_id.clone());
            inner.attempts = inner.attempts.max(attempts);
        })
    }

    /// Adds what is needed to reconcile the change, where its outcome is unknown.
    pub(crate) fn with_pending(self, change: impl FnOnce(&Self) -> PendingChange) -> Self {
        if self.0.outcome != Outcome::Unknown {
            return self;
        }
        let change = change(&self);
        self.edit(|inner| inner.pending = Some(change))
    }

    /// Adds how long the call should not be made again, unless D1 asked for a longer time.
    pub(crate) fn with_pause(self, pause: Duration) -> Self {
        self.edit(|inner| inner.retry_after = inner.retry_after.max(Some(pause)))
    }

    /// Adds the refusal after which this second call was made.
    pub(crate) fn with_refused_before(self, refused: Self) -> Self {
        self.edit(|inner| inner.refused_before = Some(refused))
    }

    /// Returns this error of the last request of a call as that of the whole call, whose outcome may be another one: the
    /// end of the last request says nothing about those before it. Nor does its operation, where that was the token
    /// exchange and the change itself may have been carried out.
    pub(crate) fn with_outcome(self, operation: ApiOperation, outcome: Outcome) -> Self {
        if self.0.outcome == outcome {
            return self;
        }
        let last = self.clone();
        self.edit(|inner| {
            inner.outcome = outcome;
            if outcome == Outcome::Unknown {
                inner.operation = operation;
            }
            if outcome > last.0.outcome {
                inner.source = Some(Arc::new(last));
            }
        })
    }

    /// Returns this error as that of a token exchange: the call that needed the token was not sent, whatever the
    /// outcome of the exchange.
    pub(crate) fn of_token_exchange(self, correlation_id: &CorrelationId, attempts: u32) -> Self {
        self.edit(|inner| {
            let kind = inner.kind.of_token_exchange();
            if kind != inner.kind && inner.outcome == Outcome::Unknown {
                inner.fault.get_or_insert(Fault::NO_TOKEN);
            }
            inner.kind = kind;
            inner.outcome = Outcome::NotSent;
            inner.token_correlation_id = Some(correlation_id.clone());
            inner.attempts = inner.attempts.max(attempts);
        })
    }

    /// Returns whether a service's own signer or token source says that its failure passes.
    pub(crate) fn is_transient_by_source(&self) -> bool {
        self.0.is_transient
    }

    /// Changes this error, and not the one that others share with it.
    pub(super) fn edit(mut self, change: impl FnOnce(&mut Inner)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }

    /// Returns how many seconds this machine's clock is ahead of D1's, 0 where the difference does not matter;
    /// `None` where D1 did not say what time it is.
    pub(crate) fn measured_clock_offset(&self) -> Option<i64> {
        let seconds = self.0.clock_offset?;
        let matters = seconds.abs() > NOTEWORTHY_OFFSET;
        Some(if matters { seconds } else { 0 })
    }

    /// Returns whether the proxy wants a user and a password, or others: asking again with the same ones locks
    /// accounts.
    pub(crate) fn is_about_proxy_password(&self) -> bool {
        self.0.fault == Some(PROXY_WANTS_PASSWORD)
    }
}
