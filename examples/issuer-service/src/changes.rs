//! Makes changes: each once, however often a channel asks for it, and none lost, whatever ends in between.
//!
//! What remains is an instance that is frozen between writing a change down and sending it for longer than the call's
//! timeout and the settling time together, and then continues: D1 knows no request id that could rule it out.

use std::time::{Duration, Instant};

use axum::http::StatusCode;
use d1_facade::{
    CardId, CardState, Change, CorrelationId, Error, Inconclusive, ReasonCode, Receipt,
    Reconciliation, Renewal, Response,
};
use serde::{Deserialize, Serialize};
use tracing::Instrument as _;

use crate::outcome::{self, Reply};
use crate::service::Service;
use crate::store::{Begun, Due, Sent, State, StoreError};

/// How long writing a change down may take; what takes longer is not sent.
const MARGIN: Duration = Duration::from_secs(2);

/// What is done to a card.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Verb {
    Suspend,
    Resume,
    Delete,
    Renew,
}

/// What a channel may say of a change. All is optional.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Details {
    /// The reason code; D1's default is ISSUER_DECISION.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason_code: Option<ReasonCode>,
    /// Of a renewal: the id of the new card.
    #[serde(skip_serializing_if = "Option::is_none")]
    new_card_id: Option<CardId>,
    /// Of a renewal: the state of the card after it.
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<CardState>,
}

/// A change that a channel asks for.
#[derive(Serialize)]
pub(crate) struct Order {
    pub(crate) card: CardId,
    pub(crate) verb: Verb,
    pub(crate) details: Details,
}

impl Order {
    /// Checks what the types do not: only a renewal has a new card, and a code or a state that is deserialized can be
    /// any text, such as a card number.
    fn check(&self) -> Result<(), Reply> {
        let Details {
            reason_code,
            new_card_id,
            state,
        } = &self.details;
        if self.verb != Verb::Renew && (new_card_id.is_some() || state.is_some()) {
            return Err(Reply::invalid("newCardId and state belong to a renewal"));
        }
        let code = reason_code.as_ref().is_none_or(|code| is_id(code.as_str()));
        match code && state.as_ref().is_none_or(|state| is_id(state.as_str())) {
            true => Ok(()),
            false => Err(Reply::invalid("reasonCode or state is not valid")),
        }
    }
}

/// Returns whether a text can be an id or a name: 1 to 64 letters, digits, `_`, `-`, `.` and spaces that do not look
/// like a card number, which must be neither stored nor logged.
pub(crate) fn is_id(text: &str) -> bool {
    text.parse::<CorrelationId>().is_ok()
}

impl Service {
    // ANCHOR: make
    /// Makes the change that a channel asks for, or says what is known of it where its request id was seen before.
    pub(crate) async fn make(
        &self,
        request_id: String,
        order: &Order,
        correlation_id: CorrelationId,
    ) -> Result<Reply, Reply> {
        let change = self.change(order).await?;
        let change = change.correlation_id(correlation_id.clone());
        let request = serde_json::to_string(order).map_err(StoreError::from)?;
        let service = self.clone();
        // The browser may leave, and this future is dropped then: the task continues.
        let task = async move {
            service
                .begin_and_send(&request_id, request, change, correlation_id)
                .await
        };
        let task = self.tasks.spawn(task.in_current_span());
        task.await.unwrap_or_else(|_| Err(Reply::unavailable()))
    }

    /// Writes a change down, sends it, and writes its outcome down.
    async fn begin_and_send(
        &self,
        request_id: &str,
        request: String,
        change: Change,
        correlation_id: CorrelationId,
    ) -> Result<Reply, Reply> {
        let (pending, started) = (change.pending(), Instant::now());
        let ends_within = self.times.call_timeout + MARGIN;
        let begun = self
            .store
            .begin(request_id, &request, &pending, &correlation_id, ends_within);
        let sent = match begun.await? {
            Begun::Send(sent) => sent,
            Begun::Before(before) if before.request == request => {
                return Ok(Reply::of(
                    before.state,
                    before.status(),
                    &before.correlation_id,
                ));
            }
            Begun::Before(_) => {
                return Err(Reply::invalid("the request id is that of another change"));
            }
            Begun::CardBusy => {
                let text = "another change of this card is not finished";
                return Err(Reply::error(StatusCode::CONFLICT, text));
            }
        };
        if started.elapsed() >= MARGIN {
            self.end(&sent, State::NotDone, StatusCode::SERVICE_UNAVAILABLE)
                .await;
            return Err(Reply::unavailable());
        }
        let result = change.spawn().await;
        Ok(self.record(&sent, &result, correlation_id).await)
    }
    // ANCHOR_END: make

    async fn change(&self, order: &Order) -> Result<Change, Reply> {
        order.check()?;
        let card = self.d1.card(order.card.clone());
        let change = match order.verb {
            Verb::Suspend => card.suspend(),
            Verb::Resume => card.resume(),
            Verb::Delete => card.delete(),
            Verb::Renew => card.renew(self.renewal(order).await?),
        };
        // A reason that no other change has: it is recognized by it in D1's list.
        let reason = CorrelationId::random().as_str().replace('-', "");
        let code = order.details.reason_code.clone().unwrap_or_default();
        Ok(change.reason_code(code).reason(reason.parse()?))
    }

    // ANCHOR: renewal
    /// D1 asks for the credentials of a renewal that brings none, at *Get Card Credentials*. American Express cards
    /// must bring them.
    async fn renewal(&self, order: &Order) -> Result<Renewal, Reply> {
        let details = &order.details;
        let mut renewal = match &details.new_card_id {
            Some(card) => Renewal::to(card.clone()),
            None => Renewal::same_card(),
        };
        if let Some(state) = &details.state {
            renewal = renewal.state(state.clone());
        }
        let card = details.new_card_id.as_ref().unwrap_or(&order.card);
        Ok(match self.vault.credentials(card).await? {
            Some(credentials) if credentials.pan().is_american_express() => {
                renewal.credentials(credentials)
            }
            Some(_) | None => renewal,
        })
    }
    // ANCHOR_END: renewal

    /// Writes the outcome of a call down.
    async fn record(
        &self,
        sent: &Sent,
        result: &Result<Response<Receipt>, Error>,
        correlation_id: CorrelationId,
    ) -> Reply {
        let (state, status) = outcome::of_change(result);
        let mut reply = Reply::of(state, status, correlation_id.as_str());
        if let Err(error) = result {
            tracing::warn!(%error, kind = ?error.kind(), "a change failed");
            reply.body["advice"] = error.advice().into();
            reply.retry_after = error.retry_after().or(reply.retry_after);
            if state == State::Sending {
                if let Some(pending) = error.pending_change() {
                    was_written(state, self.store.keep_open(sent, pending).await);
                }
                return reply;
            }
        }
        self.end(sent, state, status).await;
        reply
    }

    /// Writes down where a change stands. Where that fails it stays open, and is reconciled.
    async fn end(&self, sent: &Sent, state: State, status: StatusCode) {
        was_written(state, self.store.end(sent, state, status).await);
    }

    // ANCHOR: reconcile
    /// Reconciles the changes whose outcome is not known and whose call has ended: those of an instance that was
    /// killed, and those whose response was lost.
    pub(crate) async fn reconcile_due(&self) -> Result<(), StoreError> {
        for due in self.store.due(self.times.reconcile_every).await? {
            let (request_id, correlation_id, age) =
                (&due.sent.request_id, &due.correlation_id, due.age);
            let span = tracing::error_span!("reconcile", request_id, correlation_id, age);
            self.reconcile(&due).instrument(span).await;
        }
        Ok(())
    }

    /// Asks D1 for a change. It stays open if only a later look can tell, however old it is: that D1 was down for hours
    /// says nothing about it.
    async fn reconcile(&self, due: &Due) {
        let found = match serde_json::from_str(&due.pending) {
            Ok(pending) => {
                let reconciled = self.d1.reconcile(&pending).unique_reason();
                reconciled.settle(self.times.settling_time).await
            }
            Err(_) => Ok(Reconciliation::Inconclusive(Inconclusive::Unreadable)),
        };
        let (state, status) = match found {
            Ok(Reconciliation::Done(_)) => (State::Done, StatusCode::OK),
            Ok(Reconciliation::NotDone(_)) => (State::NotDone, StatusCode::SERVICE_UNAVAILABLE),
            Ok(Reconciliation::Inconclusive(why)) if outcome::may_be_reconciled_later(why) => {
                return tracing::warn!(?why, "a change is open");
            }
            Ok(why) => {
                tracing::error!(?why, "a person must look at this change");
                (State::Unknown, StatusCode::ACCEPTED)
            }
            Err(error) => return tracing::warn!(%error, kind = ?error.kind(), "a look failed"),
        };
        self.end(&due.sent, state, status).await;
    }
    // ANCHOR_END: reconcile
}

/// Logs an outcome that was not written down.
pub(crate) fn was_written(state: State, written: Result<bool, StoreError>) {
    match written {
        Ok(true) => {}
        Ok(false) => tracing::error!(?state, "another outcome is written down already"),
        Err(error) => tracing::error!(?state, %error, "an outcome was not written down"),
    }
}
