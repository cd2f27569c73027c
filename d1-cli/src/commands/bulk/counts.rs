//! How many lines ended how, and the exit code that follows from it.

use std::collections::BTreeMap;

use serde_json::Value;

use super::entry::Outcome;
use crate::exit::Exit;

/// How many lines ended how.
#[derive(Debug, Clone, Default)]
pub(super) struct Counts {
    by_outcome: BTreeMap<Outcome, u64>,
    /// Of the others: lines for which D1 gave no token, or refused it.
    no_access: u64,
}

impl Counts {
    pub(super) fn add(&mut self, outcome: Outcome, no_access: bool) {
        *self.by_outcome.entry(outcome).or_default() += 1;
        self.no_access += u64::from(no_access);
    }

    /// Takes back what was added.
    pub(super) fn remove(&mut self, outcome: Outcome, no_access: bool) {
        let count = self.by_outcome.entry(outcome).or_default();
        *count = count.saturating_sub(1);
        self.no_access = self.no_access.saturating_sub(u64::from(no_access));
    }

    /// Sets the number of bad lines.
    pub(super) fn with_bad(mut self, lines: u64) -> Self {
        self.by_outcome.insert(Outcome::Bad, lines);
        self
    }

    pub(super) fn get(&self, outcome: Outcome) -> u64 {
        self.by_outcome.get(&outcome).copied().unwrap_or_default()
    }

    pub(super) fn errors(&self) -> u64 {
        self.all() - self.get(Outcome::Done)
    }

    pub(super) fn all(&self) -> u64 {
        self.by_outcome.values().sum()
    }

    /// Returns each outcome with its count, by its name in JSON.
    pub(super) fn named(&self) -> Value {
        let named = Outcome::ALL.map(|outcome| (outcome.name(), self.get(outcome).into()));
        Value::Object(named.into_iter().collect())
    }

    /// Returns the exit code of a job with this number of lines.
    pub(super) fn exit(&self, lines: u64) -> Exit {
        let any = |outcome| self.get(outcome) > 0;
        if any(Outcome::Unknown) {
            Exit::Unknown
        } else if self.no_access > 0 {
            Exit::Auth
        } else if any(Outcome::NotSent) || any(Outcome::HeldBack) || self.all() < lines {
            Exit::NotSent
        } else if any(Outcome::Refused) {
            Exit::Refused
        } else if any(Outcome::Bad) {
            Exit::BadInput
        } else {
            Exit::Done
        }
    }
}
