//! How an [`Error`] is made, and what the layers above add to it.

use std::error::Error as StdError;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Map;

use super::{
    ConnectionFault, Error, ErrorKind, Fault, Inner, InvalidInput, NOTEWORTHY_OFFSET, Outcome,
};
use crate::api_operation::ApiOperation;
use crate::reconcile::PendingChange;
use crate::text::CorrelationId;

/// Makes an [`Error`].
pub(crate) struct ErrorBuilder(pub(super) Inner);

impl ErrorBuilder {
    pub(crate) fn new(operation: ApiOperation, kind: ErrorKind, outcome: Outcome) -> Self {
        Self(Inner {
            kind,
            outcome,
            operation,
            status: None,
            code: None,
            text: None,
            unknown_fields: Map::new(),
            correlation_id: None,
            token_correlation_id: None,
            retry_after: None,
            attempts: 0,
            causes: Vec::new(),
            documented_retryable: None,
            clock_offset: None,
            pending: None,
            refused_before: None,
            fault: None,
            source: None,
        })
    }

    pub(crate) fn status(mut self, status: http::StatusCode) -> Self {
        self.0.status = Some(status.as_u16());
        self
    }

    pub(crate) fn correlation_id(mut self, id: &CorrelationId) -> Self {
        self.0.correlation_id = Some(id.clone());
        self
    }

    pub(crate) fn attempts(mut self, attempts: u32) -> Self {
        self.0.attempts = attempts;
        self
    }

    pub(crate) fn fault(mut self, fault: Fault) -> Self {
        self.0.fault = Some(fault);
        self
    }

    pub(crate) fn source(mut self, source: impl StdError + Send + Sync + 'static) -> Self {
        self.0.source = Some(Arc::new(source));
        self
    }

    pub(crate) fn build(self) -> Error {
        Error(Arc::new(self.0))
    }
}

impl Error {
    /// An input that was found wrong when the call was about to be made.
    pub(crate) fn invalid_input_of(operation: ApiOperation, input: InvalidInput) -> Self {
        ErrorBuilder::new(operation, ErrorKind::InvalidInput, Outcome::NotSent)
            .source(input)
            .build()
    }

    /// How many seconds this machine's clock is ahead of D1's, as far as it matters; `None` where D1
    /// did not say what time it is.
    pub(crate) fn measured_clock_offset(&self) -> Option<i64> {
        let seconds = self.0.clock_offset?;
        let matters = seconds.abs() > NOTEWORTHY_OFFSET;
        Some(if matters { seconds } else { 0 })
    }

    /// Whether the proxy wants a user and a password, or others: asking again with the same ones locks accounts.
    pub(crate) fn is_about_proxy_password(&self) -> bool {
        self.0.fault == Some(Fault::Connection(ConnectionFault::ProxyWantsPassword))
    }

    /// This error with what is needed to find out, where its outcome is unknown.
    pub(crate) fn with_pending(self, change: impl FnOnce(&Self) -> PendingChange) -> Self {
        if self.0.outcome != Outcome::Unknown {
            return self;
        }
        let change = change(&self);
        self.edit(|inner| inner.pending = Some(change))
    }

    /// This error with the time for which nobody should ask again, unless D1 named a longer one.
    pub(crate) fn with_pause(self, pause: Duration) -> Self {
        self.edit(|inner| inner.retry_after = inner.retry_after.max(Some(pause)))
    }

    /// This error as that of a second call, made because the first was refused.
    pub(crate) fn with_refused_before(self, refused: Self) -> Self {
        self.edit(|inner| inner.refused_before = Some(refused))
    }

    /// This error as the last one of a change whose earlier attempts left `earlier` behind: what
    /// became of the last attempt says nothing about them, nor does its operation, where that was the
    /// token exchange and the change itself may have been carried out.
    pub(crate) fn after(self, operation: ApiOperation, earlier: Outcome) -> Self {
        if self.0.outcome >= earlier {
            return self;
        }
        let mut inner = Inner::clone(&self.0);
        inner.outcome = earlier;
        if earlier == Outcome::Unknown {
            inner.operation = operation;
        }
        inner.source = Some(Arc::new(self));
        Self(Arc::new(inner))
    }

    /// This error as one of a token exchange: the call that wanted the token was not sent, whatever
    /// became of the exchange.
    pub(crate) fn of_token_exchange(self, correlation_id: &CorrelationId, attempts: u32) -> Self {
        self.edit(|inner| {
            let kind = inner.kind.of_token_exchange();
            if kind != inner.kind && inner.outcome == Outcome::Unknown {
                inner.fault.get_or_insert(Fault::NoToken);
            }
            inner.kind = kind;
            inner.outcome = Outcome::NotSent;
            inner.token_correlation_id = Some(correlation_id.clone());
            inner.attempts = inner.attempts.max(attempts);
        })
    }

    /// This error with what only the caller of a lower layer knows.
    pub(crate) fn with_call(self, correlation_id: &CorrelationId, attempts: u32) -> Self {
        self.edit(|inner| {
            inner.correlation_id = Some(correlation_id.clone());
            inner.attempts = inner.attempts.max(attempts);
        })
    }

    /// Changes this error, and not the one that others share with it.
    fn edit(mut self, change: impl FnOnce(&mut Inner)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }
}
