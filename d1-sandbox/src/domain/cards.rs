//! The cards of one issuer, and what each operation does to them.

use super::history::{self, Operation, Reason};
use super::ledger::{CardRecord, Ledger};
use super::renewal::Renewal;
use super::rules;
use crate::clock::Clock;
use crate::secret::Secret;
use crate::settings::card::{Card, CardState, ConsumerState};
use crate::settings::{Builder, Issuer, IssuerStub, Mode, Options};
use crate::wire::refusal::Refusal;
use crate::wire::spec::{Call, Spec};
use serde::Serialize;
use serde_json::{Value, json};
use std::cmp::Reverse;
use std::collections::VecDeque;
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

/// The cards of an issuer, and their end users.
pub(crate) struct Cards {
    issuer: String,
    options: Options,
    issuer_stub: IssuerStub,
    ledger: Ledger,
    spec: Arc<Spec>,
    clock: Arc<Clock>,
}

impl Cards {
    /// Takes the cards of an earlier sandbox, or registers those of the issuer.
    pub(crate) fn new(
        settings: &Builder,
        issuer: &Issuer,
        earlier: Option<Ledger>,
        spec: Arc<Spec>,
        clock: Arc<Clock>,
    ) -> Self {
        let mut cards = Self {
            issuer: issuer.id.clone(),
            options: settings.options.clone(),
            issuer_stub: settings.issuer_stub.clone(),
            ledger: Ledger::default(),
            spec,
            clock,
        };
        match earlier {
            Some(ledger) => cards.ledger = ledger,
            None => {
                for card in &issuer.cards {
                    cards.register(card.clone());
                }
            }
        }
        cards
    }

    pub(crate) fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    fn register(&mut self, mut card: Card) {
        let registered = self.clock.now() - Duration::days(30);
        let issuer = ("ISSUER", self.issuer.clone());
        let mut history = VecDeque::from([self.operation("REGISTER", registered, issuer)]);
        for details in mem::take(&mut card.digital_cards) {
            let user = ("USER", card.consumer.clone());
            history.push_back(Operation {
                digital_card: Some(details),
                ..self.operation("DIGITIZE", registered + Duration::DAY, user)
            });
        }
        for _ in 0..card.past_operations {
            let (time, d1) = (registered + Duration::DAY * 2, ("D1", "D1".to_owned()));
            history.push_back(self.operation("VERIFY", time, d1));
        }
        card.suspended_by = self.suspension(card.state, card.suspended_by);
        let consumer = self
            .ledger
            .consumers
            .entry(card.consumer.clone())
            .or_default();
        if card.consumer_state == ConsumerState::Inactive {
            *consumer = ConsumerState::Inactive;
        }
        let record = CardRecord { card, history };
        self.ledger.cards.insert(record.card.id.clone(), record);
    }

    /// Returns the reason code of a suspension; an active card has none.
    fn suspension(&self, state: CardState, reason_code: Option<String>) -> Option<String> {
        let default = || self.spec.default_reason_code.clone();
        (state == CardState::Inactive).then(|| reason_code.unwrap_or_else(default))
    }

    /// Returns the document for the rules of a migrated tenant, none where the tenant is not.
    fn migrated(&self) -> Option<&Spec> {
        (self.options.mode == Mode::Migrated).then_some(&*self.spec)
    }

    pub(crate) fn suspend(&mut self, id: &str, reason: Reason) -> Result<String, Refusal> {
        let card = self.card(id)?;
        rules::check_reason_code(self.migrated(), Call::Suspend, &reason.code, card)?;
        // The last reason counts, but none makes a stolen card one that may be resumed.
        let earlier = card
            .suspended_by
            .clone()
            .filter(|code| rules::is_final(code));
        let suspended_by = earlier.or_else(|| Some(reason.code.clone()));
        self.record(id, "SUSPEND", reason, |card| {
            (card.state, card.suspended_by) = (CardState::Inactive, suspended_by);
        })
    }

    pub(crate) fn resume(&mut self, id: &str, reason: Reason) -> Result<String, Refusal> {
        let card = self.card_of_active_consumer(id)?;
        rules::check_reason_code(self.migrated(), Call::Resume, &reason.code, card)?;
        self.record(id, "RESUME", reason, |card| {
            (card.state, card.suspended_by) = (CardState::Active, None);
        })
    }

    pub(crate) fn delete(&mut self, id: &str, reason: Reason) -> Result<String, Refusal> {
        let card = self.card(id);
        let card = card.map_err(|_| Self::unknown_card(Call::Delete))?;
        rules::check_reason_code(self.migrated(), Call::Delete, &reason.code, card)?;
        let operation = self.record(id, "DELETE", reason, |_| {})?;
        self.ledger.cards.remove(id);
        Ok(operation)
    }

    pub(crate) fn renew(&mut self, id: &str, renewal: Renewal) -> Result<String, Refusal> {
        let card = self.card_of_active_consumer(id)?;
        let new_id = renewal.new_card_id.clone().unwrap_or_else(|| id.to_owned());
        let registered = self.ledger.cards.get(&new_id).map(|record| &record.card);
        let migrated = self.migrated();
        let credentials = renewal.decide(card, registered, &self.issuer_stub, migrated)?;
        let old = self.ledger.cards.remove(id);
        let mut record = old.ok_or_else(|| Self::unknown_card(Call::Renew))?;
        // Both were registered: the histories become one.
        if let Some(new) = self.ledger.cards.remove(&new_id) {
            record.history.extend(new.history);
            let operations = record.history.make_contiguous();
            operations.sort_by_key(|operation| operation.sequence);
        }
        let Renewal { state, reason, .. } = renewal;
        record.card = Card {
            id: new_id.clone(),
            state,
            suspended_by: self.suspension(state, Some(reason.code.clone())),
            pan: credentials.pan,
            exp: credentials.exp,
            ..record.card
        };
        self.ledger.cards.insert(new_id.clone(), record);
        self.record(&new_id, "RENEW", reason, |_| {})
    }

    pub(crate) fn list(&self, id: &str, offset: usize, limit: usize) -> Result<Value, Refusal> {
        let (items, remaining) = history::page(self.history(id)?, offset, limit);
        let mut page = json!({ "operations": items });
        if !self.options.without_count {
            page["remainingOperations"] = json!(remaining);
        }
        Ok(page)
    }

    pub(crate) fn get(&self, id: &str, operation: &str, digital: bool) -> Result<Value, Refusal> {
        let mut history = self.history(id)?.iter();
        let found = history.find(|candidate| candidate.id == operation);
        found
            .map(|found| found.to_json(digital))
            .ok_or_else(|| Refusal::new(404, "Operation not found").with_code("UNKNOWN_OPERATION"))
    }

    fn history(&self, id: &str) -> Result<&VecDeque<Operation>, Refusal> {
        let record = self.ledger.cards.get(id);
        record
            .map(|record| &record.history)
            .ok_or_else(|| Self::unknown_card(Call::List).with_code("UNKNOWN_CARD"))
    }

    /// Refuses a card that cannot be handled.
    pub(crate) fn require_undamaged(&self, id: &str) -> Result<(), Refusal> {
        match self.card(id) {
            Ok(card) if card.damaged => Err(Refusal::new(500, "Internal error")),
            _ => Ok(()),
        }
    }

    /// Returns whether D1 would ask the issuer for the credentials of this renewal: it would not where it
    /// refuses the renewal without them.
    pub(crate) fn must_ask_issuer(&self, id: &str, renewal: &Renewal) -> bool {
        let card = self.card_of_active_consumer(id);
        renewal.credentials.is_none()
            && card.is_ok_and(|card| !rules::is_american_express(&card.pan))
    }

    pub(crate) fn snapshot(&self, id: &str) -> Option<CardSnapshot> {
        self.ledger
            .cards
            .get(id)
            .map(|record| self.snapshot_of(record))
    }

    pub(crate) fn snapshots(&self) -> impl Iterator<Item = CardSnapshot> {
        self.ledger
            .cards
            .values()
            .map(|record| self.snapshot_of(record))
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
        self.ledger.cards.len()
    }

    /// Sets the state of a card or of the consumer who holds it, or both, without an operation. Returns false if
    /// there is no such card.
    pub(crate) fn set_states(
        &mut self,
        id: &str,
        state: Option<CardState>,
        consumer_state: Option<ConsumerState>,
    ) -> bool {
        let suspended_by = state.and_then(|state| self.suspension(state, None));
        let Some(CardRecord { card, .. }) = self.ledger.cards.get_mut(id) else {
            return false;
        };
        if let Some(state) = state {
            (card.state, card.suspended_by) = (state, suspended_by);
        }
        if let Some(state) = consumer_state {
            self.ledger.consumers.insert(card.consumer.clone(), state);
        }
        true
    }

    /// Returns the latest operations of all cards, up to `limit`, the newest first.
    pub(crate) fn timeline(&self, limit: usize) -> Vec<Value> {
        let latest = self.ledger.cards.iter().flat_map(|(id, record)| {
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
        let record = self.ledger.cards.get(id);
        record
            .map(|record| &record.card)
            .ok_or_else(|| Self::unknown_card(Call::Get))
    }

    fn card_of_active_consumer(&self, id: &str) -> Result<&Card, Refusal> {
        let card = self.card(id)?;
        match self.consumer_state(card) {
            ConsumerState::Active => Ok(card),
            ConsumerState::Inactive => Err(Refusal::new(403, "The end user must be ACTIVE")),
        }
    }

    /// Returns the refusal of a card, or an issuer, that does not exist; that of a deletion has a text of its own.
    pub(crate) fn unknown_card(call: Call) -> Refusal {
        Refusal::new(
            404,
            if call == Call::Delete {
                "The issuer, the consumer or the account is unknown"
            } else {
                "Card not found"
            },
        )
    }

    fn consumer_state(&self, card: &Card) -> ConsumerState {
        let state = self.ledger.consumers.get(&card.consumer);
        state.copied().unwrap_or_default()
    }

    /// Changes a card, writes an operation of the issuer into its history and returns the operation's id.
    fn record(
        &mut self,
        id: &str,
        kind: &'static str,
        reason: Reason,
        change: impl FnOnce(&mut Card),
    ) -> Result<String, Refusal> {
        let (time, issuer) = (self.clock.tick(), ("ISSUER", self.issuer.clone()));
        let operation = Operation {
            reason: Some(reason),
            ..self.operation(kind, time, issuer)
        };
        let operation_id = operation.id.clone();
        let record = self.ledger.cards.get_mut(id);
        let record = record.ok_or_else(|| Self::unknown_card(Call::Get))?;
        change(&mut record.card);
        if record.history.len() == MAX_HISTORY {
            record.history.pop_front();
        }
        record.history.push_back(operation);
        Ok(operation_id)
    }

    fn operation(
        &mut self,
        kind: &'static str,
        time: time::OffsetDateTime,
        requestor: (&'static str, String),
    ) -> Operation {
        self.ledger.last_sequence += 1;
        Operation {
            sequence: self.ledger.last_sequence,
            id: history::id(self.ledger.last_sequence, self.options.seed),
            kind: kind.into(),
            time,
            requestor: (requestor.0.into(), requestor.1),
            reason: None,
            digital_card: None,
        }
    }
}

#[cfg(test)]
#[path = "cards_tests.rs"]
mod tests;
