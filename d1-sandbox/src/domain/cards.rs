//! The cards of one issuer, and what each operation does to them.

use super::history::{self, Operation, Reason, Requestor};
use super::renewal::Renewal;
use super::rules;
use crate::clock::Clock;
use crate::secret::Secret;
use crate::settings::card::{Card, CardState, ConsumerState};
use crate::settings::{Builder, Issuer, IssuerStub, Mode};
use crate::wire::refusal::Refusal;
use crate::wire::spec::Call;
use serde::Serialize;
use serde_json::{Value, json};
use std::cmp::Reverse;
use std::collections::{BTreeMap, VecDeque};
use std::mem;
use std::sync::Arc;
use time::Duration;

/// How many operations of a card are kept; beyond that the oldest are removed.
const MAX_HISTORY: usize = 10_000;

/// The current state of a card. `Debug` shows no card data beyond the last four digits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct CardSnapshot {
    /// The id of the card.
    pub id: String,
    /// The state of the card.
    pub state: CardState,
    /// The reason code of the suspension, if the card is suspended.
    pub suspended_by: Option<String>,
    /// The end user who holds the card.
    pub consumer: String,
    /// The state of that end user.
    pub consumer_state: ConsumerState,
    /// The card product.
    pub product: String,
    /// The last four digits of the PAN.
    pub last_four: String,
    /// How many operations the card's history holds.
    pub operations: usize,
    #[serde(skip)]
    pan: Secret,
    #[serde(skip)]
    exp: Secret,
}

impl CardSnapshot {
    /// Returns whether the card has this PAN and this expiry, which cannot be read otherwise.
    #[must_use]
    pub fn has_credentials(&self, pan: &str, exp: &str) -> bool {
        *self.pan == *pan && *self.exp == *exp
    }
}

/// A card that is registered.
pub(crate) struct CardRecord {
    /// As it was registered, but for what changes have made of it.
    pub(crate) card: Card,
    /// Oldest first.
    history: VecDeque<Operation>,
}

/// The cards of an issuer, and their end users.
pub(crate) struct Cards {
    issuer: String,
    mode: Mode,
    pub(super) issuer_stub: IssuerStub,
    list_count: bool,
    records: BTreeMap<String, CardRecord>,
    consumers: BTreeMap<String, ConsumerState>,
    last_sequence: u64,
    seed: Option<u64>,
    clock: Arc<Clock>,
}

impl Cards {
    pub(crate) fn new(settings: &Builder, issuer: &Issuer, clock: Arc<Clock>) -> Self {
        let mut cards = Self {
            issuer: issuer.id.clone(),
            mode: settings.options.mode,
            issuer_stub: settings.issuer_stub.clone(),
            list_count: !settings.options.without_count,
            records: BTreeMap::new(),
            consumers: BTreeMap::new(),
            last_sequence: 0,
            seed: settings.options.seed,
            clock,
        };
        for card in &issuer.cards {
            cards.register(card.clone());
        }
        cards
    }

    fn register(&mut self, mut card: Card) {
        let registered = self.clock.now() - Duration::days(30);
        let issuer = Requestor::Issuer(self.issuer.clone());
        let mut history = VecDeque::from([self.operation("REGISTER", registered, issuer)]);
        for details in mem::take(&mut card.digital_cards) {
            let user = Requestor::User(card.consumer.clone());
            let operation = self.operation("DIGITIZE", registered + Duration::DAY, user);
            history.push_back(Operation {
                digital_card: Some(details),
                ..operation
            });
        }
        for _ in 0..card.past_operations {
            let time = registered + Duration::DAY * 2;
            history.push_back(self.operation("VERIFY", time, Requestor::D1));
        }
        card.suspended_by = suspension(card.state, card.suspended_by);
        let consumer = self.consumers.entry(card.consumer.clone()).or_default();
        if card.consumer_state == ConsumerState::Inactive {
            *consumer = ConsumerState::Inactive;
        }
        let record = CardRecord { card, history };
        self.records.insert(record.card.id.clone(), record);
    }

    pub(crate) fn suspend(&mut self, id: &str, reason: Reason) -> Result<String, Refusal> {
        let mode = self.mode;
        let card = self.card_mut(id)?;
        rules::check_reason_code(mode, Call::Suspend, &reason.code, None)?;
        card.state = CardState::Inactive;
        // The last reason counts, but none makes a stolen card one that may be resumed.
        if !card.suspended_by.as_deref().is_some_and(rules::is_final) {
            card.suspended_by = Some(reason.code.clone());
        }
        Ok(self.record(id, "SUSPEND", reason))
    }

    pub(crate) fn resume(&mut self, id: &str, reason: Reason) -> Result<String, Refusal> {
        self.require_active_consumer(id)?;
        let mode = self.mode;
        let card = self.card_mut(id)?;
        let suspended_by = card.suspended_by.as_deref();
        rules::check_reason_code(mode, Call::Resume, &reason.code, suspended_by)?;
        card.state = CardState::Active;
        card.suspended_by = None;
        Ok(self.record(id, "RESUME", reason))
    }

    pub(crate) fn delete(&mut self, id: &str, reason: Reason) -> Result<String, Refusal> {
        if !self.records.contains_key(id) {
            return Err(Self::unknown_card(Call::Delete));
        }
        rules::check_reason_code(self.mode, Call::Delete, &reason.code, None)?;
        let operation = self.record(id, "DELETE", reason);
        self.records.remove(id);
        Ok(operation)
    }

    pub(crate) fn renew(&mut self, id: &str, renewal: Renewal) -> Result<String, Refusal> {
        self.require_active_consumer(id)?;
        let card = self.card(id)?;
        let new_id = renewal.new_card_id.as_deref().unwrap_or(id);
        let registered = self.records.get(new_id).map(|record| &record.card);
        let credentials = renewal.decide(card, registered, self.mode, &self.issuer_stub)?;
        let new_id = new_id.to_owned();
        let old = self.records.remove(id);
        let mut record = old.ok_or_else(|| Self::unknown_card(Call::Renew))?;
        // Both were registered: the histories become one.
        if let Some(new) = self.records.remove(&new_id) {
            record.history.extend(new.history);
            let operations = record.history.make_contiguous();
            operations.sort_by_key(|operation| operation.sequence);
        }
        record.card = Card {
            id: new_id.clone(),
            state: renewal.state,
            suspended_by: suspension(renewal.state, Some(renewal.reason.code.clone())),
            pan: credentials.pan,
            exp: credentials.exp,
            ..record.card
        };
        self.records.insert(new_id.clone(), record);
        Ok(self.record(&new_id, "RENEW", renewal.reason))
    }

    pub(crate) fn list(&self, id: &str, offset: usize, limit: usize) -> Result<Value, Refusal> {
        let (items, remaining) = history::page(self.history(id)?, offset, limit);
        Ok(if self.list_count {
            json!({ "operations": items, "remainingOperations": remaining })
        } else {
            json!({ "operations": items })
        })
    }

    pub(crate) fn get(&self, id: &str, operation: &str, digital: bool) -> Result<Value, Refusal> {
        let mut history = self.history(id)?.iter();
        let found = history.find(|candidate| candidate.id == operation);
        found
            .map(|found| found.to_json(digital))
            .ok_or_else(|| Refusal::not_found("Operation not found").with_code("UNKNOWN_OPERATION"))
    }

    fn history(&self, id: &str) -> Result<&VecDeque<Operation>, Refusal> {
        let record = self.records.get(id);
        record
            .map(|record| &record.history)
            .ok_or_else(|| Self::unknown_card(Call::List).with_code("UNKNOWN_CARD"))
    }

    /// Refuses a card that cannot be handled.
    pub(crate) fn require_undamaged(&self, id: &str) -> Result<(), Refusal> {
        match self.card(id) {
            Ok(card) if card.damaged => Err(Refusal::internal("Internal error")),
            _ => Ok(()),
        }
    }

    /// Returns whether D1 would ask the issuer for the credentials of this renewal: it would not where it
    /// refuses the renewal without them.
    pub(crate) fn must_ask_issuer(&self, id: &str, renewal: &Renewal) -> bool {
        renewal.credentials.is_none()
            && self.require_active_consumer(id).is_ok()
            && self
                .card(id)
                .is_ok_and(|card| !rules::is_american_express(&card.pan))
    }

    pub(crate) fn snapshot(&self, id: &str) -> Option<CardSnapshot> {
        self.records.get(id).map(|record| self.snapshot_of(record))
    }

    pub(crate) fn snapshots(&self) -> impl Iterator<Item = CardSnapshot> {
        self.records.values().map(|record| self.snapshot_of(record))
    }

    fn snapshot_of(&self, CardRecord { card, history }: &CardRecord) -> CardSnapshot {
        let last_four = card.pan.get(card.pan.len().saturating_sub(4)..);
        CardSnapshot {
            id: card.id.clone(),
            state: card.state,
            suspended_by: card.suspended_by.clone(),
            consumer: card.consumer.clone(),
            consumer_state: self.consumer_state(card),
            product: card.product.clone(),
            last_four: last_four.unwrap_or_default().to_owned(),
            operations: history.len(),
            pan: card.pan.clone(),
            exp: card.exp.clone(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.records.len()
    }

    /// Sets the state of a card, without an operation; false if there is no such card.
    pub(crate) fn set_card_state(&mut self, id: &str, state: CardState) -> bool {
        let Ok(card) = self.card_mut(id) else {
            return false;
        };
        card.state = state;
        card.suspended_by = suspension(state, None);
        true
    }

    /// Sets the state of the consumer who holds the card; false if there is no such card.
    pub(crate) fn set_consumer_state(&mut self, id: &str, state: ConsumerState) -> bool {
        let consumer = self.card(id).map(|card| card.consumer.clone());
        consumer
            .map(|consumer| self.consumers.insert(consumer, state))
            .is_ok()
    }

    /// Returns the latest operations of all cards, up to `limit`, the newest first.
    pub(crate) fn timeline(&self, limit: usize) -> Vec<Value> {
        let latest = self.records.iter().flat_map(|(id, record)| {
            let newest_first = record.history.iter().rev().take(limit);
            newest_first.map(move |operation| (id, operation))
        });
        let mut latest: Vec<(&String, &Operation)> = latest.collect();
        latest.sort_by_key(|(_, operation)| Reverse(operation.sequence));
        let shown = latest.into_iter().take(limit).map(|(id, operation)| {
            let mut json = operation.to_json(false);
            json["cardId"] = json!(id);
            json
        });
        shown.collect()
    }

    fn card(&self, id: &str) -> Result<&Card, Refusal> {
        let record = self.records.get(id);
        record
            .map(|record| &record.card)
            .ok_or_else(|| Self::unknown_card(Call::Get))
    }

    fn card_mut(&mut self, id: &str) -> Result<&mut Card, Refusal> {
        let record = self.records.get_mut(id);
        record
            .map(|record| &mut record.card)
            .ok_or_else(|| Self::unknown_card(Call::Get))
    }

    /// Returns the refusal of a card, or an issuer, that does not exist; that of a deletion has a text of its own.
    pub(crate) fn unknown_card(call: Call) -> Refusal {
        Refusal::not_found(if call == Call::Delete {
            "The issuer, the consumer or the account is unknown"
        } else {
            "Card not found"
        })
    }

    fn consumer_state(&self, card: &Card) -> ConsumerState {
        let state = self.consumers.get(&card.consumer);
        state.copied().unwrap_or_default()
    }

    fn require_active_consumer(&self, id: &str) -> Result<(), Refusal> {
        match self.consumer_state(self.card(id)?) {
            ConsumerState::Active => Ok(()),
            ConsumerState::Inactive => Err(Refusal::forbidden("The end user must be ACTIVE")),
        }
    }

    /// Writes an operation of the issuer into the history of a card and returns its id.
    fn record(&mut self, id: &str, kind: &'static str, reason: Reason) -> String {
        let (time, issuer) = (self.clock.tick(), Requestor::Issuer(self.issuer.clone()));
        let mut operation = self.operation(kind, time, issuer);
        operation.reason = Some(reason);
        let operation_id = operation.id.clone();
        if let Some(CardRecord { history, .. }) = self.records.get_mut(id) {
            if history.len() == MAX_HISTORY {
                history.pop_front();
            }
            history.push_back(operation);
        }
        operation_id
    }

    fn operation(
        &mut self,
        kind: &'static str,
        time: time::OffsetDateTime,
        requestor: Requestor,
    ) -> Operation {
        self.last_sequence += 1;
        Operation {
            sequence: self.last_sequence,
            id: history::id(self.last_sequence, self.seed),
            kind,
            time,
            requestor,
            reason: None,
            digital_card: None,
        }
    }
}

/// Returns the reason code of a suspension; an active card has none.
fn suspension(state: CardState, reason_code: Option<String>) -> Option<String> {
    let default = || rules::DEFAULT_REASON_CODE.to_owned();
    (state == CardState::Inactive).then(|| reason_code.unwrap_or_else(default))
}

#[cfg(test)]
#[path = "cards_tests.rs"]
mod tests;
