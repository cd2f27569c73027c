//! How many lines ended how, and the exit code that follows from it.

use serde::Serialize;

use super::entry::Outcome;
use crate::exit::Exit;

/// How many lines ended how.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Counts {
    done: u64,
    refused: u64,
    not_sent: u64,
    pub(super) unknown: u64,
    held_back: u64,
    pub(super) bad: u64,
    /// Of the others: lines for which D1 gave no token, or refused it.
    #[serde(skip)]
    no_access: u64,
}

impl Counts {
    pub(super) fn add(&mut self, outcome: Outcome, no_access: bool) {
        *self.count(outcome) += 1;
        self.no_access += u64::from(no_access);
    }

    /// Takes back what was added.
    pub(super) fn remove(&mut self, outcome: Outcome, no_access: bool) {
        let count = self.count(outcome);
        *count = count.saturating_sub(1);
        self.no_access = self.no_access.saturating_sub(u64::from(no_access));
    }

    fn count(&mut self, outcome: Outcome) -> &mut u64 {
        match outcome {
            Outcome::Done => &mut self.done,
            Outcome::Refused => &mut self.refused,
            Outcome::NotSent => &mut self.not_sent,
            Outcome::Unknown => &mut self.unknown,
            Outcome::HeldBack => &mut self.held_back,
            Outcome::Bad => &mut self.bad,
        }
    }

    pub(super) fn all(&self) -> u64 {
        self.done + self.refused + self.unknown + self.others()
    }

    /// Counts the lines that were not sent: those that could not be, that were held back, and that are bad.
    fn others(&self) -> u64 {
        self.not_sent + self.held_back + self.bad
    }

    /// Returns the counts that a person watches, in words.
    pub(super) fn words(&self) -> String {
        let others = match self.others() {
            0 => String::new(),
            others => format!(", {others} not sent"),
        };
        let (done, refused, unknown) = (self.done, self.refused, self.unknown);
        format!("{done} done, {refused} refused, {unknown} unknown{others}")
    }

    /// Returns the same in as few columns as there may be: done, refused, unknown, not sent.
    pub(super) fn letters(&self) -> String {
        let others = match self.others() {
            0 => String::new(),
            others => format!(" n{others}"),
        };
        format!("d{} r{} u{}{others}", self.done, self.refused, self.unknown)
    }

    /// Returns the exit code of a job with this number of lines.
    pub(super) fn exit(&self, lines: u64) -> Exit {
        if self.unknown > 0 {
            Exit::Unknown
        } else if self.no_access > 0 {
            Exit::Auth
        } else if self.not_sent > 0 || self.held_back > 0 || self.all() < lines {
            Exit::NotSent
        } else if self.refused > 0 {
            Exit::Refused
        } else if self.bad > 0 {
            Exit::BadInput
        } else {
            Exit::Done
        }
    }
}
