//! How far a call has got.
//!
//! This module decides how much time must be left for a request, and the outcome of a call that ends while a request
//! is under way.

use std::time::Duration;

use d1_transport::{Claim, Written};
use tokio::time::Instant;

use super::core::Core;
use super::decide::{Effect, Evidence, History, Next};
use super::options::CallOptions;
use crate::error::Outcome;
use crate::http_client::LONGEST_TIMEOUT;
use crate::redact::mask_id;
use crate::values::{ApiOperation, CardId, CorrelationId};

/// How much of a call's time must be left when a change is sent again, or gets a stream of an HTTP/2 connection after
/// waiting for one: with less, it would most likely end with an unknown outcome. At most a quarter of the whole.
const SEND_FLOOR: Duration = Duration::from_secs(1);

/// How far a call of the service has got: what all of its requests have in common, also where it is sent again with
/// another reason code.
pub(crate) struct Progress {
    pub(super) correlation_id: CorrelationId,
    pub(super) deadline: Instant,
    send_floor: Duration,
    /// How many requests were sent.
    pub(super) sent: u32,
    first_sent_at: Option<Instant>,
    /// What the requests that have ended prove.
    pub(super) history: History,
    /// The claim to the body of the request that is under way.
    under_way: Option<Claim>,
    /// The change that is logged where its future is dropped.
    watched: Option<(ApiOperation, Option<CardId>)>,
}

impl Progress {
    /// Begins a call, whose time runs from now.
    pub(crate) fn begin(core: &Core, options: &CallOptions) -> Self {
        let timeout = options.timeout.unwrap_or(core.transport.timeout());
        let timeout = timeout.min(LONGEST_TIMEOUT);
        let correlation_id = options.correlation_id.clone();
        Self {
            correlation_id: correlation_id.unwrap_or_else(CorrelationId::random),
            deadline: Instant::now() + timeout,
            send_floor: SEND_FLOOR.min(timeout / 4),
            sent: 0,
            first_sent_at: None,
            history: History::new(Effect::Reads, false),
            under_way: None,
            watched: None,
        }
    }

    /// Begins a call that may be a change, of `card` where that is known. Where the future of a change is dropped before
    /// [`end`](Self::end), a warning is logged.
    pub(crate) fn begin_change(
        core: &Core,
        options: &CallOptions,
        operation: ApiOperation,
        card: Option<&CardId>,
    ) -> Self {
        let mut progress = Self::begin(core, options);
        progress.watched = operation.changes_card().then(|| (operation, card.cloned()));
        progress
    }

    /// Ends the call: its caller gets its result.
    pub(crate) fn end(&mut self) {
        self.watched = None;
    }

    /// Returns when the first request was sent.
    pub(crate) fn first_sent_at(&self) -> Instant {
        self.first_sent_at.unwrap_or_else(Instant::now)
    }

    /// Notes that a request is sent, and returns the claim to its body.
    pub(super) fn begin_request(&mut self) -> Claim {
        let claim = Claim::new();
        self.sent += 1;
        self.first_sent_at.get_or_insert_with(Instant::now);
        self.under_way = Some(claim.clone());
        claim
    }

    /// Adds how the request under way has ended, and decides what may follow.
    pub(super) fn request_failed(&mut self, evidence: Evidence) -> Next {
        let next = self.history.add(evidence);
        self.under_way = None;
        next
    }

    /// Returns the outcome of the call if no more is done. A request that was not written yet never will be.
    pub(super) fn give_up(&mut self) -> Outcome {
        let written = self.under_way.take().map(|claim| claim.withdraw());
        let evidence = written.unwrap_or(Written::No).into();
        self.history.outcome_with(evidence)
    }

    /// Returns the time that the call has left.
    pub(super) fn remaining(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// Returns how much time must be left for the next request of a call with this effect.
    pub(super) fn floor(&self, operation: ApiOperation) -> Duration {
        match operation.changes_card() {
            true => self.send_floor,
            false => Duration::ZERO,
        }
    }

    /// Returns the time that is left before no further request can be sent.
    pub(super) fn time_to_send(&self, operation: ApiOperation) -> Duration {
        self.remaining().saturating_sub(self.floor(operation))
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        let Some((operation, card)) = self.watched.take() else {
            return;
        };
        let outcome = self.give_up();
        tracing::warn!(
            d1.operation = operation.operation_id(),
            d1.card = card.map(|card| tracing::field::display(mask_id(card.as_str()).into_owned())),
            d1.correlation_id = self.correlation_id.as_str(),
            %outcome,
            "the future of a change was dropped before it ended",
        );
    }
}
