//! Makes changes: each once, however often a channel asks for it, and none lost, whatever ends in between.
//!
//! What remains is an instance that is frozen between writing a change down and sending it for longer than the call's
//! timeout and the settling time together, and then goes on: D1 knows no request id that could rule it out.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use d1_facade::{
    CardId, CardState, Change, Client, CorrelationId, Error, Inconclusive, ReasonCode, Receipt,
    Reconciliation, Renewal, Response,
};
use serde::{Deserialize, Serialize};
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

use crate::outcome;
use crate::settings::Times;
use crate::store::{Begun, Due, NewChange, State, Store, StoreError};
use crate::vault::{Vault, may_hold_card_number};

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

impl Details {
    /// Returns whether each value is one that D1 may take. Deserializing takes any text, which may be a card number.
    fn are_valid(&self) -> bool {
        let is_code = |code: &ReasonCode| {
            let text = code.as_str();
            text.parse::<ReasonCode>().is_ok() && !may_hold_card_number(text)
        };
        self.reason_code.as_ref().is_none_or(is_code)
            && self
                .state
                .as_ref()
                .is_none_or(|state| CardState::KNOWN.contains(state))
    }
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
    /// What to do, for those who operate the channel.
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
    /// A value of the details is not valid.
    #[error("reasonCode or state is not valid")]
    Details,
    /// The store failed, and nothing was sent.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// By which ids a call is found in the logs.
struct Call {
    request_id: String,
    correlation_id: CorrelationId,
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
        let request = serde_json::to_string(order).map_err(|_| StoreError::Unreadable)?;
        let call = Call {
            request_id: request_id.to_owned(),
            correlation_id: correlation_id.clone(),
        };
        let (changes, sent_as) = (self.clone(), correlation_id.to_string());
        // The browser may leave, and this future is dropped then: the task goes on.
        let task = async move { changes.begin_and_send(call, request, change).await };
        let task = self.tasks.spawn(task.in_current_span());
        let lost = |_| Ok(Answer::of(State::Sending, StatusCode::ACCEPTED, sent_as));
        task.await.unwrap_or_else(lost)
    }

    /// Writes a change down, sends it, and writes its outcome down.
    async fn begin_and_send(
        &self,
        call: Call,
        request: String,
        change: Change,
    ) -> Result<Answer, OrderError> {
        let (pending, started) = (change.pending(), Instant::now());
        let ends_within = self.times.call_timeout + MARGIN;
        let new = NewChange {
            request_id: &call.request_id,
            request,
            pending,
            correlation_id: &call.correlation_id,
            ends_within,
        };
        let sends = match self.store.begin(&new).await? {
            Begun::Send(sends) => sends,
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
        let result = if started.elapsed() < MARGIN {
            Some(change.spawn().await)
        } else {
            None
        };
        Ok(self.record(&call, sends, result).await)
    }
    // ANCHOR_END: make

    fn change(&self, order: &Order, correlation_id: &CorrelationId) -> Result<Change, OrderError> {
        let (card, details) = (self.d1.card(order.card.clone()), &order.details);
        let is_renewal = order.verb == Verb::Renew;
        if !is_renewal && (details.new_card_id.is_some() || details.state.is_some()) {
            return Err(OrderError::NotARenewal);
        }
        if !details.are_valid() {
            return Err(OrderError::Details);
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
        call: &Call,
        sends: i32,
        result: Option<Result<Response<Receipt>, Error>>,
    ) -> Answer {
        let request_id = call.request_id.as_str();
        let correlation_id = call.correlation_id.as_str();
        let (state, status, error) = match result {
            Some(Ok(_)) => (State::Done, StatusCode::OK, None),
            Some(Err(error)) => {
                let (state, status) =
                    outcome::of_change(error.outcome(), error.kind(), !error.causes().is_empty());
                (state, status, Some(error))
            }
            None => (State::NotDone, StatusCode::SERVICE_UNAVAILABLE, None),
        };
        let pending = error.as_ref().and_then(Error::pending_change);
        let sent = (request_id, sends);
        let written = match (state, pending) {
            (State::Sending, Some(pending)) => self.store.is_in_doubt(sent, pending).await,
            (State::Sending, None) => Ok(()),
            (State::Done | State::Refused | State::NotDone | State::Unknown, _) => {
                self.store.end(sent, state, status).await
            }
        };
        if let Err(error) = written {
            // The change stays open, and is reconciled.
            tracing::error!(request_id, correlation_id, %error, "an outcome was not written down");
        }
        if let Some(error) = &error {
            let kind = error.kind();
            tracing::warn!(request_id, correlation_id, %error, ?kind, "a change failed");
        }
        let mut answer = Answer::of(state, status, correlation_id.to_owned());
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
    /// If the database cannot be read.
    pub async fn reconcile_due(&self) -> Result<(), StoreError> {
        for due in self.store.due(self.times.reconcile_every).await? {
            let (state, status) = match self.look(&due).await {
                Some(Reconciliation::Done(_)) => (State::Done, StatusCode::OK),
                Some(Reconciliation::NotDone(_)) => {
                    (State::NotDone, StatusCode::SERVICE_UNAVAILABLE)
                }
                Some(_) => (State::Unknown, StatusCode::ACCEPTED),
                None => continue,
            };
            let call = (due.request_id.as_str(), due.sends);
            if let Err(error) = self.store.end(call, state, status).await {
                // The others go on; this one is looked at again.
                let (request_id, correlation_id) = (&due.request_id, &due.correlation_id);
                tracing::error!(request_id, correlation_id, %error, "a change was not reconciled");
            }
        }
        Ok(())
    }

    /// Asks D1 for a change. Returns `None` if only a later look can tell, however old the change is: that D1 was down
    /// for hours says nothing about it.
    async fn look(&self, due: &Due) -> Option<Reconciliation> {
        let (request_id, correlation_id, age) = (&due.request_id, &due.correlation_id, due.age);
        let Some(pending) = &due.pending else {
            tracing::error!(
                request_id,
                correlation_id,
                age,
                "a stored change cannot be read: a person must look at it"
            );
            return Some(Reconciliation::Inconclusive(Inconclusive::Unreadable));
        };
        let look = self.d1.reconcile(pending).unique_reason();
        match look.settle(self.times.settling_time).await {
            Ok(Reconciliation::Inconclusive(why)) if outcome::may_be_reconciled_later(why) => {
                tracing::warn!(request_id, correlation_id, age, ?why, "a change is open");
                None
            }
            Ok(Reconciliation::Inconclusive(why)) => {
                tracing::error!(
                    request_id,
                    correlation_id,
                    age,
                    ?why,
                    "a person must look at this change"
                );
                Some(Reconciliation::Inconclusive(why))
            }
            Ok(found) => Some(found),
            Err(error) => {
                let kind = error.kind();
                tracing::warn!(request_id, correlation_id, age, %error, ?kind, "a look failed");
                None
            }
        }
    }
    // ANCHOR_END: reconcile
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
