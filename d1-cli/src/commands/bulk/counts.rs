//! How many lines ended how, and what the exit code is then.

use serde_json::{Value, json};

use super::entry::Ending;
use crate::exit::Exit;

/// How many lines ended how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) done: u64,
    pub(super) refused: u64,
    pub(super) not_sent: u64,
    pub(super) unknown: u64,
    pub(super) held_back: u64,
    pub(super) bad: u64,
    /// Of the others: lines for which D1 gave no token, or refused it.
    pub(super) no_access: u64,
}

impl Counts {
    pub(super) fn add(&mut self, outcome: Ending, no_access: bool) {
        *self.of(outcome) += 1;
        self.no_access += u64::from(no_access);
    }

    /// Takes back what was added.
    pub(super) fn remove(&mut self, outcome: Ending, no_access: bool) {
        let count = self.of(outcome);
        *count = count.saturating_sub(1);
        self.no_access = self.no_access.saturating_sub(u64::from(no_access));
    }

    fn of(&mut self, outcome: Ending) -> &mut u64 {
        match outcome {
            Ending::Done => &mut self.done,
            Ending::Refused => &mut self.refused,
            Ending::NotSent => &mut self.not_sent,
            Ending::Unknown => &mut self.unknown,
            Ending::HeldBack => &mut self.held_back,
            Ending::Bad => &mut self.bad,
        }
    }

    pub(super) fn errors(&self) -> u64 {
        self.refused + self.not_sent + self.unknown + self.held_back + self.bad
    }

    pub(super) fn all(&self) -> u64 {
        self.done + self.errors()
    }

    /// Each outcome with its count, by its name in JSON.
    pub(super) fn named(&self) -> Value {
        json!({
            "done": self.done,
            "refused": self.refused,
            "notSent": self.not_sent,
            "unknown": self.unknown,
            "heldBack": self.held_back,
            "bad": self.bad,
        })
    }

    /// The exit code of a job with these numbers of lines.
    pub(super) fn exit(&self, lines: u64) -> Exit {
        match *self {
            Self { unknown: 1.., .. } => Exit::Unknown,
            Self { no_access: 1.., .. } => Exit::Auth,
            Self { not_sent: 1.., .. } | Self { held_back: 1.., .. } => Exit::NotSent,
            _ if self.all() < lines => Exit::NotSent,
            Self { refused: 1.., .. } => Exit::Refused,
            Self { bad: 1.., .. } => Exit::BadInput,
            _ => Exit::Done,
        }
    }
}
