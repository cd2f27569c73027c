//! Makes changes: each once, however often a channel asks for it, and none lost, whatever ends in between.
//!
//! What remains is an instance that is frozen between writing a change down and sending it for longer than the call's
//! timeout and the settling time together, and then goes on: D1 knows no request id that could rule it out.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use d1_facade::{
    CardId, CardState, Change, Client, CorrelationId, Error, ReasonCode, Receipt, Reconciliation,
    Renewal, Response,
};
use serde::{Deserialize, Serialize};
use tokio_util::task::TaskTracker;

use crate::outcome;
use crate::settings::Times;
use crate::store::{Begun, Due, NewChange, State, Store, StoreError};
use crate::vault::Vault;

/// How long writing a change down may take; what takes longer is not sent.
const MARGIN: Duration = Duration::from_secs(2);

/// What is done to a card.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verb {
    /// Suspends it.
    Suspend,
    /// Resumes it.
    Resume,
    /// Deletes it.
    Delete,
    /// Renews or replaces it.
    Renew,
}

/// What a channel may say of a change. All is optional.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Details {
    /// The reason code; D1's default is ISSUER_DECISION.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason_code: Option<ReasonCode>,
    /// Of a renewal: the id of the new card.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new_card_id: Option<CardId>,
    /// Of a renewal: the state of the card after it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<CardState>,
}

/// A change that a channel asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Order {
    /// The card.
    pub card: CardId,
    /// What is done to it.
    pub verb: Verb,
    /// What else is said of it.
    pub details: Details,
}

/// What is known of a change after an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Where it stands.
    pub state: State,
    /// The status of the response.
    pub status: StatusCode,
    /// The correlation id of its last call.
    pub correlation_id: String,
    /// What to do, for whoever operates the channel.
    pub advice: Option<String>,
    /// When to ask again.
    pub retry_after: Option<Duration>,
}

/// Why an order got no further.
#[derive(Debug, thiserror::Error)]
pub enum OrderError {
    /// The request id was used for another order.
    #[error("the request id was used for another change")]
    OtherRequest,
    /// The card has a change whose outcome is not known yet.
    #[error("another change of this card is not finished")]
    CardBusy,
    /// Only a renewal has a new card and a state.
    #[error("newCardId and state belong to a renewal")]
    NotARenewal,
    /// The store failed, and nothing was sent.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Makes changes and reconciles them. Clones share everything.
#[derive(Clone)]
pub struct Changes {
    /// The client.
    pub d1: Client,
    /// The database.
    pub store: Store,
    /// The card numbers.
    pub vault: Arc<dyn Vault>,
    /// The calls that are under way: the end of the service waits for them.
    pub tasks: TaskTracker,
    /// How long things may take.
    pub times: Times,
}

impl Changes {
    // ANCHOR: make
    /// Makes the change that a channel asks for, or says what is known of it where its request id was seen before.
    ///
    /// # Errors
    /// If nothing was sent because the order cannot be carried out now.
    pub async fn make(
        &self,
        request_id: &str,
        order: &Order,
        correlation_id: &CorrelationId,
    ) -> Result<Answer, OrderError> {
        let change = self.change(order, correlation_id)?;
        let (pending, started) = (change.pending(), Instant::now());
        let ends_within = self.times.call_timeout + MARGIN;
        let request = serde_json::to_string(order).map_err(|_| StoreError::Unreadable)?;
        let new = NewChange {
            request_id,
            request,
            pending,
            correlation_id,
            ends_within,
        };
        let call = match self.store.begin(&new).await? {
            Begun::Send(sends) => (request_id.to_owned(), sends),
            Begun::CardBusy => return Err(OrderError::CardBusy),
            Begun::Before(record) if record.request != new.request => {
                return Err(OrderError::OtherRequest);
            }
            Begun::Before(record) => {
                return Ok(Answer::of(
                    record.state,
                    record.status,
                    record.correlation_id,
                ));
            }
        };
        let in_time = started.elapsed() < MARGIN;
        let (changes, correlation_id) = (self.clone(), correlation_id.to_string());
        // The browser may leave, and this future is dropped then: the task goes on.
        let task = self.tasks.spawn(async move {
            let result = if in_time {
                Some(change.spawn().await)
            } else {
                None
            };
            changes
                .record((&call.0, call.1), result, correlation_id)
                .await
        });
        let lost = |_| {
            Answer::of(
                State::Sending,
                StatusCode::ACCEPTED,
                new.correlation_id.to_string(),
            )
        };
        Ok(task.await.unwrap_or_else(lost))
    }
    // ANCHOR_END: make

    fn change(&self, order: &Order, correlation_id: &CorrelationId) -> Result<Change, OrderError> {
        let (card, details) = (self.d1.card(order.card.clone()), &order.details);
        let is_renewal = order.verb == Verb::Renew;
        if !is_renewal && (details.new_card_id.is_some() || details.state.is_some()) {
            return Err(OrderError::NotARenewal);
        }
        let change = match order.verb {
            Verb::Suspend => card.suspend(),
            Verb::Resume => card.resume(),
            Verb::Delete => card.delete(),
            Verb::Renew => card.renew(self.renewal(order)),
        };
        let change = match &details.reason_code {
            Some(code) => change.reason_code(code.clone()),
            None => change,
        };
        let change = match unique().parse() {
            Ok(reason) => change.reason(reason),
            Err(_) => change, // Letters are a reason.
        };
        Ok(change.correlation_id(correlation_id.clone()))
    }

    // ANCHOR: renewal
    /// D1 asks for the credentials of a renewal that brings none, at *Get Card Credentials*. American Express cards
    /// must bring them.
    fn renewal(&self, order: &Order) -> Renewal {
        let details = &order.details;
        let mut renewal = match &details.new_card_id {
            Some(card) => Renewal::to(card.clone()),
            None => Renewal::same_card(),
        };
        if let Some(state) = &details.state {
            renewal = renewal.state(state.clone());
        }
        let card = details.new_card_id.as_ref().unwrap_or(&order.card);
        match self.vault.credentials(card) {
            Some(credentials) if credentials.pan().is_american_express() => {
                renewal.credentials(credentials)
            }
            Some(_) | None => renewal,
        }
    }
    // ANCHOR_END: renewal

    /// Writes the outcome down. Without a result nothing was sent.
    async fn record(
        &self,
        call: (&str, i32),
        result: Option<Result<Response<Receipt>, Error>>,
        correlation_id: String,
    ) -> Answer {
        let (state, status, error) = match result {
            Some(Ok(_)) => (State::Done, StatusCode::OK, None),
            Some(Err(error)) => {
                let (state, status) = outcome::of_change(error.outcome(), error.kind());
                (state, status, Some(error))
            }
            None => (State::NotDone, StatusCode::SERVICE_UNAVAILABLE, None),
        };
        let pending = error.as_ref().and_then(Error::pending_change);
        let written = match (state, pending) {
            (State::Sending, Some(pending)) => self.store.is_in_doubt(call, pending).await,
            (State::Sending, None) => Ok(()),
            (State::Done | State::Refused | State::NotDone | State::Unknown, _) => {
                self.store.end(call, state, status).await
            }
        };
        if let Err(error) = written {
            // The change stays open, and is reconciled.
            tracing::error!(%error, "an outcome was not written down");
        }
        if let Some(error) = &error {
            tracing::warn!(%error, kind = ?error.kind(), "a change failed");
        }
        let mut answer = Answer::of(state, status, correlation_id);
        if let Some(error) = error {
            answer.advice = Some(error.advice().to_owned());
            answer.retry_after = error.retry_after().or(answer.retry_after);
        }
        answer
    }

    // ANCHOR: reconcile
    /// Reconciles the changes whose outcome is not known and whose call has ended: those of an instance that was
    /// killed, and those whose response was lost.
    ///
    /// # Errors
    /// If the database cannot be read or written.
    pub async fn reconcile_due(&self) -> Result<(), StoreError> {
        let times = &self.times;
        for due in self
            .store
            .due(times.reconcile_every, times.give_up_after)
            .await?
        {
            let looked = self.d1.reconcile(&due.pending).unique_reason();
            let (state, status) = match looked.settle(times.settling_time).await {
                Ok(Reconciliation::Done(_)) => (State::Done, StatusCode::OK),
                Ok(Reconciliation::NotDone(_)) => (State::NotDone, StatusCode::SERVICE_UNAVAILABLE),
                Ok(Reconciliation::Inconclusive(why))
                    if !outcome::may_be_reconciled_later(why) || due.overdue =>
                {
                    (State::Unknown, StatusCode::ACCEPTED)
                }
                Err(_) if due.overdue => (State::Unknown, StatusCode::ACCEPTED),
                Ok(_) | Err(_) => continue,
            };
            self.reconciled(&due, state, status).await?;
        }
        Ok(())
    }
    // ANCHOR_END: reconcile

    async fn reconciled(
        &self,
        due: &Due,
        state: State,
        status: StatusCode,
    ) -> Result<(), StoreError> {
        if state == State::Unknown {
            tracing::error!(
                request_id = due.request_id,
                "a person must look at this change"
            );
        }
        self.store
            .end((&due.request_id, due.sends), state, status)
            .await
    }
}

impl Answer {
    /// Returns the answer for what is stored.
    #[must_use]
    pub fn of(state: State, status: StatusCode, correlation_id: String) -> Self {
        let retry_after = match state {
            State::Sending | State::NotDone => Some(Duration::from_secs(5)),
            State::Done | State::Refused | State::Unknown => None,
        };
        Self {
            state,
            status,
            correlation_id,
            advice: None,
            retry_after,
        }
    }
}

/// Returns 24 random letters: a text that no other change has, and that never looks like a card number.
#[must_use]
pub fn unique() -> String {
    std::iter::repeat_with(fastrand::lowercase)
        .take(24)
        .collect()
}
