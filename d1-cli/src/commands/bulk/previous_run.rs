//! What earlier runs left behind: which lines are finished, and which are in doubt.

use std::collections::HashMap;

use time::OffsetDateTime;

use super::counts::Counts;
use super::entry::{Entry, LineResult, Outcome, time};
use super::line::LineSummary;
use crate::config::is_same_address;

/// What a journal says of a line. It is kept for each line of a job, and so it is small.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Known {
    /// The digest of the line, and when its request was about to leave; `None` where it was not.
    begun: Option<(u128, OffsetDateTime)>,
    /// The outcome; that of a line that was begun is unknown until there is another.
    pub(super) outcome: Outcome,
    again: bool,
    pub(super) no_access: bool,
    /// Which entry of the journal is the last about this line.
    entry: u64,
}

/// What is to be done with a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LineState {
    /// It was not begun, or is known not to have been carried out.
    ToDo,
    /// It may have been carried out: to be verified, and not to be repeated.
    InDoubt,
    Finished(Outcome),
}

/// What a journal says.
#[derive(Debug, Default)]
pub(super) struct PreviousRun {
    lines: HashMap<u64, Known>,
    pub(super) base_url: String,
    pub(super) issuer: String,
    /// The input of its last run.
    pub(super) input: InputSummary,
}

/// What a journal says of an input.
#[derive(Debug, Default)]
pub(super) struct InputSummary {
    pub(super) profile: Option<String>,
    digest: String,
    pub(super) lines: u64,
    pub(super) bad_lines: u64,
}

impl PreviousRun {
    pub(super) fn of(base_url: String, issuer: String) -> Self {
        Self {
            base_url,
            issuer,
            ..Self::default()
        }
    }

    /// Adds what an entry says.
    pub(super) fn add(&mut self, number: u64, entry: Entry) -> Result<(), String> {
        match entry {
            Entry::Header { .. } => return Err(format!("line {number} is a second beginning")),
            Entry::Run {
                profile,
                digest,
                lines,
                bad_lines,
                ..
            } => {
                self.input = InputSummary {
                    profile,
                    digest,
                    lines,
                    bad_lines,
                };
                self.forget_bad_lines();
            }
            Entry::Begun {
                begun, digest, at, ..
            } => {
                let digest = u128::from_str_radix(&digest, 16);
                let (Ok(digest), Some(at)) = (digest, time(&at)) else {
                    return Err(format!("line {number} has no time or no digest"));
                };
                // Only what is known not to have been done is begun again.
                if self.state(begun) != LineState::ToDo {
                    return Err(format!("line {number} begins what was not to be repeated"));
                }
                let known = Known {
                    begun: Some((digest, at)),
                    outcome: Outcome::Unknown,
                    again: false,
                    no_access: false,
                    entry: number,
                };
                self.lines.insert(begun, known);
            }
            Entry::Ended(result) => self.end(&result, number)?,
        }
        Ok(())
    }

    /// Each run says which lines of its input are bad: they may have been corrected.
    pub(super) fn forget_bad_lines(&mut self) {
        self.lines.retain(|_, known| known.outcome != Outcome::Bad);
    }

    fn end(&mut self, result: &LineResult, number: u64) -> Result<(), String> {
        let known = self.lines.get(&result.line);
        let begun = known.and_then(|known| known.begun);
        match result.outcome {
            Outcome::Done | Outcome::Refused | Outcome::NotSent | Outcome::Unknown => {
                if begun.is_none() {
                    return Err(format!("line {number} ends what was not begun"));
                }
            }
            Outcome::HeldBack | Outcome::Bad => {
                if self.state(result.line) != LineState::ToDo {
                    return Err(format!("line {number} leaves out what was begun"));
                }
            }
        }
        let known = Known {
            begun,
            outcome: result.outcome,
            again: result.again,
            no_access: result.no_access,
            entry: number,
        };
        self.lines.insert(result.line, known);
        Ok(())
    }

    /// Refuses another host or issuer than those of the journal.
    pub(super) fn check_place(&self, base_url: &str, issuer: &str) -> Result<(), String> {
        if !is_same_address(&self.base_url, base_url) {
            return Err("is of a run against another base-url".to_owned());
        }
        if self.issuer != issuer {
            return Err("is of a run for another issuer-id".to_owned());
        }
        Ok(())
    }

    /// Replaces the outcome of a line that was verified.
    pub(super) fn resolve(&mut self, result: &LineResult) {
        if let Some(known) = self.lines.get_mut(&result.line) {
            known.outcome = result.outcome;
            known.again = result.again;
            known.no_access = result.no_access;
        }
    }

    /// Returns whether an entry of the journal is the last about a line.
    pub(super) fn is_last(&self, line: u64, entry: u64) -> bool {
        let known = self.lines.get(&line);
        known.is_some_and(|known| known.entry == entry)
    }

    pub(super) fn known(&self, line: u64) -> Option<&Known> {
        self.lines.get(&line)
    }

    /// Returns what is to be done with a line.
    pub(super) fn state(&self, line: u64) -> LineState {
        self.known(line).map_or(LineState::ToDo, Known::state)
    }

    /// Refuses a line that is not the one that was journaled under its number.
    pub(super) fn check(&self, line: &LineSummary) -> Result<(), String> {
        let begun = self.known(line.number).and_then(|known| known.begun);
        match begun {
            Some((digest, _)) if digest != line.digest => Err(format!(
                "line {} is not the one that the journal is of: give the same file",
                line.number
            )),
            _ => Ok(()),
        }
    }

    /// Returns when the request of a line was about to leave.
    pub(super) fn begun_at(&self, line: u64) -> Option<OffsetDateTime> {
        let (_, at) = self.known(line)?.begun?;
        Some(at)
    }

    /// Returns the lines that were begun.
    pub(super) fn begun(&self) -> impl Iterator<Item = u64> {
        let begun = self.lines.iter().filter(|(_, known)| known.begun.is_some());
        begun.map(|(line, _)| *line)
    }

    /// Returns the lines that are in doubt.
    pub(super) fn in_doubt(&self) -> impl Iterator<Item = u64> {
        let lines = self.lines.iter();
        let in_doubt = lines.filter(|(_, known)| known.state() == LineState::InDoubt);
        in_doubt.map(|(line, _)| *line)
    }

    /// Returns how many lines are finished.
    pub(super) fn finished(&self) -> u64 {
        let lines = self.lines.values();
        let finished = |known: &&Known| matches!(known.state(), LineState::Finished(_));
        lines.filter(finished).count() as u64
    }

    /// Returns how many lines ended how; the bad ones are those of `bad_lines`.
    pub(super) fn counts(&self, bad_lines: u64) -> Counts {
        let mut counts = Counts::default();
        for known in self.lines.values() {
            counts.add(known.outcome, known.no_access);
        }
        counts.with_bad(bad_lines)
    }

    /// Returns whether another run of the input with this digest would have something to send. What is held back
    /// waits for a line that was refused.
    pub(super) fn is_unfinished(&self, digest: &str) -> bool {
        let left = self.lines.values().any(|known| match known.state() {
            LineState::InDoubt => true,
            LineState::Finished(_) => false,
            LineState::ToDo => !matches!(known.outcome, Outcome::HeldBack | Outcome::Bad),
        });
        let ended = self.counts(self.input.bad_lines).all();
        self.input.digest == digest && (left || ended < self.input.lines)
    }
}

impl Known {
    fn state(&self) -> LineState {
        match self.outcome {
            Outcome::Unknown => LineState::InDoubt,
            Outcome::NotSent | Outcome::HeldBack | Outcome::Bad => LineState::ToDo,
            Outcome::Refused if self.again => LineState::ToDo,
            outcome @ (Outcome::Refused | Outcome::Done) => LineState::Finished(outcome),
        }
    }
}
