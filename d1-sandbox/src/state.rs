//! The cards of one sandbox, and what each operation does to them.

use crate::card::{Card, CardSnapshot, CardState, ConsumerState, last_four};
use crate::clock::Clock;
use crate::operations::{self, Operation};
use crate::refusal::Refusal;
use crate::renewal::Renewal;
use crate::rules;
use crate::settings::{Builder, Issuer, IssuerStub, Mode};
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use time::Duration;
use zeroize::Zeroizing;

/// Why a change is asked for.
#[derive(Clone, Debug)]
pub(crate) struct Motive {
    pub(crate) reason: Option<String>,
    pub(crate) reason_code: String,
}

/// A card as it stands. Has no `Debug`: it holds card data.
pub(crate) struct CardRecord {
    pub(crate) state: CardState,
    pub(crate) suspended_by: Option<String>,
    pub(crate) consumer: String,
    pub(crate) product: String,
    pub(crate) pan: Zeroizing<String>,
    pub(crate) exp: Zeroizing<String>,
    /// Oldest first.
    pub(crate) history: VecDeque<Operation>,
    damaged: bool,
}

/// Everything that a sandbox knows about cards.
pub(crate) struct World {
    pub(crate) mode: Mode,
    pub(crate) issuer_stub: IssuerStub,
    list_count: bool,
    issuer: String,
    pub(crate) cards: BTreeMap<String, CardRecord>,
    consumers: BTreeMap<String, ConsumerState>,
    last_sequence: u64,
    seed: Option<u64>,
    clock: Arc<Clock>,
}

/// How many operations of a card are kept; beyond that the oldest are forgotten.
const LONGEST_HISTORY: usize = 10_000;

impl World {
    pub(crate) fn new(settings: &Builder, issuer: &Issuer, clock: Arc<Clock>) -> Self {
        let mut world = Self {
            mode: settings.mode,
            issuer_stub: settings.issuer_stub.clone(),
            list_count: settings.list_count,
            issuer: issuer.id.clone(),
            cards: BTreeMap::new(),
            consumers: BTreeMap::new(),
            last_sequence: 0,
            seed: settings.seed,
            clock,
        };
        for card in &issuer.cards {
            world.register(card);
        }
        world
    }

    fn register(&mut self, card: &Card) {
        let mut history = VecDeque::new();
        let day = Duration::DAY;
        let registered = self.clock.now() - day * 30;
        let seed = self.seed;
        let mut add = |kind, time, requestor_type, requestor_id: &str, digital_card| {
            self.last_sequence += 1;
            history.push_back(Operation {
                sequence: self.last_sequence,
                id: operations::id(self.last_sequence, seed),
                kind,
                time,
                requestor_type,
                requestor_id: requestor_id.to_owned(),
                reason: None,
                reason_code: None,
                digital_card,
            });
        };
        add("REGISTER", registered, "ISSUER", &self.issuer, None);
        for details in &card.digital_cards {
            let details = Some(details.clone());
            add(
                "DIGITIZE",
                registered + day,
                "USER",
                &card.consumer,
                details,
            );
        }
        for _ in 0..card.past_operations {
            add("VERIFY", registered + day * 2, "D1", "D1", None);
        }
        let suspended = card.state == CardState::Inactive;
        let reason = card
            .suspended_by
            .as_deref()
            .unwrap_or(rules::DEFAULT_REASON_CODE);
        let consumer = self
            .consumers
            .entry(card.consumer.clone())
            .or_insert(card.consumer_state);
        if card.consumer_state == ConsumerState::Inactive {
            *consumer = ConsumerState::Inactive;
        }
        let record = CardRecord {
            state: card.state,
            suspended_by: suspended.then(|| reason.to_owned()),
            consumer: card.consumer.clone(),
            product: card.product.clone(),
            pan: Zeroizing::new(card.pan.clone()),
            exp: Zeroizing::new(card.exp.clone()),
            history,
            damaged: card.damaged,
        };
        self.cards.insert(card.id.clone(), record);
    }

    pub(crate) fn suspend(&mut self, id: &str, motive: Motive) -> Result<String, Refusal> {
        let mode = self.mode;
        let card = self.card_mut(id)?;
        if mode == Mode::Migrated {
            rules::may_suspend(&motive.reason_code)?;
        }
        card.state = CardState::Inactive;
        // The last reason counts, but none makes a stolen card one that may be resumed.
        if !card.suspended_by.as_deref().is_some_and(rules::is_final) {
            card.suspended_by = Some(motive.reason_code.clone());
        }
        Ok(self.note(id, "SUSPEND", motive))
    }

    pub(crate) fn resume(&mut self, id: &str, motive: Motive) -> Result<String, Refusal> {
        self.demand_active_consumer(id)?;
        let mode = self.mode;
        let card = self.card_mut(id)?;
        if mode == Mode::Migrated {
            rules::may_resume(&motive.reason_code, card.suspended_by.as_deref())?;
        }
        card.state = CardState::Active;
        card.suspended_by = None;
        Ok(self.note(id, "RESUME", motive))
    }

    pub(crate) fn delete(&mut self, id: &str, motive: Motive) -> Result<String, Refusal> {
        if !self.cards.contains_key(id) {
            return Err(Self::unknown_card(true));
        }
        if self.mode == Mode::Migrated {
            rules::may_delete(&motive.reason_code)?;
        }
        let operation = self.note(id, "DELETE", motive);
        self.cards.remove(id);
        Ok(operation)
    }

    pub(crate) fn renew(&mut self, id: &str, renewal: Renewal) -> Result<String, Refusal> {
        self.demand_active_consumer(id)?;
        let outcome = renewal.decide(self, id)?;
        let mut old = self
            .cards
            .remove(id)
            .ok_or_else(|| Self::unknown_card(false))?;
        // Both were registered: the histories become one.
        if let Some(new) = self.cards.remove(&outcome.id) {
            old.history.extend(new.history);
            old.history
                .make_contiguous()
                .sort_by_key(|operation| operation.sequence);
        }
        let suspended = outcome.state == CardState::Inactive;
        let record = CardRecord {
            state: outcome.state,
            suspended_by: suspended.then(|| renewal.motive.reason_code.clone()),
            pan: outcome.pan,
            exp: outcome.exp,
            ..old
        };
        self.cards.insert(outcome.id.clone(), record);
        Ok(self.note(&outcome.id, "RENEW", renewal.motive))
    }

    pub(crate) fn list(&self, id: &str, offset: usize, limit: usize) -> Result<Value, Refusal> {
        let card = self
            .card(id)
            .map_err(|refusal| refusal.with_code("UNKNOWN_CARD"))?;
        let (items, remaining) = operations::page(&card.history, offset, limit);
        Ok(if self.list_count {
            json!({ "operations": items, "remainingOperations": remaining })
        } else {
            json!({ "operations": items })
        })
    }

    pub(crate) fn get(&self, id: &str, operation: &str, digital: bool) -> Result<Value, Refusal> {
        let card = self
            .card(id)
            .map_err(|refusal| refusal.with_code("UNKNOWN_CARD"))?;
        card.history
            .iter()
            .find(|candidate| candidate.id == operation)
            .map(|found| found.to_json(digital))
            .ok_or_else(|| Refusal::not_found("Operation not found").with_code("UNKNOWN_OPERATION"))
    }

    /// Refuses a card that cannot be handled.
    pub(crate) fn demand_undamaged(&self, id: &str) -> Result<(), Refusal> {
        match self.cards.get(id) {
            Some(card) if card.damaged => Err(Refusal::internal("Internal error")),
            _ => Ok(()),
        }
    }

    pub(crate) fn snapshot(&self, id: &str) -> Option<CardSnapshot> {
        let card = self.cards.get(id)?;
        Some(CardSnapshot {
            id: id.to_owned(),
            state: card.state,
            suspended_by: card.suspended_by.clone(),
            consumer: card.consumer.clone(),
            consumer_state: self.consumer_state(card),
            product: card.product.clone(),
            last_four: last_four(&card.pan),
            operations: card.history.len(),
            pan: card.pan.clone(),
            exp: card.exp.clone(),
        })
    }

    /// The ids of all cards.
    pub(crate) fn card_ids(&self) -> Vec<String> {
        self.cards.keys().cloned().collect()
    }

    /// Sets the state of a card, without an operation; false if there is no such card.
    pub(crate) fn set_card_state(&mut self, id: &str, state: CardState) -> bool {
        let Some(card) = self.cards.get_mut(id) else {
            return false;
        };
        card.state = state;
        let suspended = state == CardState::Inactive;
        card.suspended_by = suspended.then(|| rules::DEFAULT_REASON_CODE.to_owned());
        true
    }

    /// The operations of all cards, the newest first, at most so many.
    pub(crate) fn timeline(&self, most: usize) -> Vec<Value> {
        let mut all: Vec<(&String, &Operation)> = self
            .cards
            .iter()
            .flat_map(|(id, card)| card.history.iter().rev().take(most).map(move |o| (id, o)))
            .collect();
        all.sort_by_key(|(_, operation)| std::cmp::Reverse(operation.sequence));
        all.into_iter()
            .take(most)
            .map(|(id, operation)| {
                let mut json = operation.to_json(false);
                json["cardId"] = json!(id);
                json
            })
            .collect()
    }

    /// Sets the state of the consumer who holds the card; false if there is no such card.
    pub(crate) fn set_consumer_state(&mut self, id: &str, state: ConsumerState) -> bool {
        let consumer = self.cards.get(id).map(|card| card.consumer.clone());
        consumer
            .map(|consumer| self.consumers.insert(consumer, state))
            .is_some()
    }

    pub(crate) fn card(&self, id: &str) -> Result<&CardRecord, Refusal> {
        self.cards.get(id).ok_or_else(|| Self::unknown_card(false))
    }

    fn card_mut(&mut self, id: &str) -> Result<&mut CardRecord, Refusal> {
        self.cards
            .get_mut(id)
            .ok_or_else(|| Self::unknown_card(false))
    }

    /// The card, or the issuer, is not there; a deletion says so in words of its own.
    pub(crate) fn unknown_card(deleting: bool) -> Refusal {
        Refusal::not_found(if deleting {
            "The issuer, the consumer or the account is unknown"
        } else {
            "Card not found"
        })
    }

    fn consumer_state(&self, card: &CardRecord) -> ConsumerState {
        self.consumers
            .get(&card.consumer)
            .copied()
            .unwrap_or(ConsumerState::Active)
    }

    pub(crate) fn demand_active_consumer(&self, id: &str) -> Result<(), Refusal> {
        match self.consumer_state(self.card(id)?) {
            ConsumerState::Active => Ok(()),
            ConsumerState::Inactive => Err(Refusal::forbidden("The end user must be ACTIVE")),
        }
    }

    /// Writes an operation of the issuer into the history of a card and returns its id.
    fn note(&mut self, id: &str, kind: &'static str, motive: Motive) -> String {
        self.last_sequence += 1;
        let operation = Operation {
            sequence: self.last_sequence,
            id: operations::id(self.last_sequence, self.seed),
            kind,
            time: self.clock.tick(),
            requestor_type: "ISSUER",
            requestor_id: self.issuer.clone(),
            reason: motive.reason,
            reason_code: Some(motive.reason_code),
            digital_card: None,
        };
        let operation_id = operation.id.clone();
        if let Some(card) = self.cards.get_mut(id) {
            if card.history.len() == LONGEST_HISTORY {
                card.history.pop_front();
            }
            card.history.push_back(operation);
        }
        operation_id
    }
}

#[cfg(test)]
#[path = "state_tests.rs"]
mod tests;
