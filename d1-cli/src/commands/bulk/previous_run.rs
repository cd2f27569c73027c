//! What earlier runs left behind: which lines are finished, and which are in doubt.

use std::collections::{BTreeMap, HashMap};

use super::counts::Counts;
use super::entry::{Begun, Entry, Header, InputSummary, LineResult, Outcome};
use super::line::LineSummary;
use crate::config::is_same_address;

/// What a journal says of a line. It is kept for each line of a job, and so it is small.
#[derive(Debug, Clone, Default)]
struct Known {
    /// The digest of the line, if it was begun.
    begun: Option<u128>,
    /// The outcome; that of a line that was begun is unknown until there is another.
    outcome: Outcome,
    again: bool,
    no_access: bool,
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
    pub(super) header: Header,
    /// The input of its last run.
    pub(super) input: InputSummary,
    lines: HashMap<u64, Known>,
    /// The requests of the lines that are in doubt.
    pub(super) in_doubt: BTreeMap<u64, Begun>,
}

impl PreviousRun {
    pub(super) fn new(header: Header) -> Self {
        Self {
            header,
            ..Self::default()
        }
    }

    /// Adds what an entry says.
    pub(super) fn add(&mut self, number: u64, entry: Entry) -> Result<(), String> {
        match entry {
            Entry::Header(_) => return Err(format!("line {number} is a second beginning")),
            Entry::Run(input) => {
                self.input = input;
                self.forget_bad_lines();
            }
            Entry::Begun(begun) => {
                let digest = u128::from_str_radix(&begun.digest, 16);
                let digest = digest.map_err(|_| format!("line {number} has no digest"))?;
                // Only what is known not to have been done is begun again.
                if self.state(begun.line) != LineState::ToDo {
                    return Err(format!("line {number} begins what was not to be repeated"));
                }
                let known = Known {
                    begun: Some(digest),
                    entry: number,
                    ..Known::default()
                };
                self.lines.insert(begun.line, known);
                self.in_doubt.insert(begun.line, begun);
            }
            Entry::Ended(result) => {
                let was_begun = self.begun(result.line).is_some();
                match result.outcome {
                    Outcome::Done | Outcome::Refused | Outcome::NotSent | Outcome::Unknown => {
                        if !was_begun {
                            return Err(format!("line {number} ends what was not begun"));
                        }
                    }
                    Outcome::HeldBack | Outcome::Bad => {
                        if self.state(result.line) != LineState::ToDo {
                            return Err(format!("line {number} leaves out what was begun"));
                        }
                    }
                }
                self.resolve(&result, number);
            }
        }
        Ok(())
    }

    /// Sets the outcome of a line by an entry of the journal.
    pub(super) fn resolve(&mut self, result: &LineResult, entry: u64) {
        let known = self.lines.entry(result.line).or_default();
        known.outcome = result.outcome;
        known.again = result.again;
        known.no_access = result.no_access;
        known.entry = entry;
        if result.outcome != Outcome::Unknown {
            self.in_doubt.remove(&result.line);
        }
    }

    /// Each run says which lines of its input are bad: they may have been corrected.
    pub(super) fn forget_bad_lines(&mut self) {
        self.lines.retain(|_, known| known.outcome != Outcome::Bad);
    }

    /// Refuses another host or issuer than those of the journal.
    pub(super) fn check_place(&self, base_url: &str, issuer: &str) -> Result<(), String> {
        if !is_same_address(&self.header.base_url, base_url) {
            return Err("is of a run against another base-url".to_owned());
        }
        if self.header.issuer_id != issuer {
            return Err("is of a run for another issuer-id".to_owned());
        }
        Ok(())
    }

    /// Refuses a line that is not the one that was journaled under its number.
    pub(super) fn check(&self, line: &LineSummary) -> Result<(), String> {
        match self.begun(line.number) {
            Some(digest) if digest != line.digest => Err(format!(
                "line {} is not the one that the journal is of: give the same file",
                line.number
            )),
            _ => Ok(()),
        }
    }

    fn begun(&self, line: u64) -> Option<u128> {
        self.lines.get(&line)?.begun
    }

    /// Returns the lines that were begun.
    pub(super) fn begun_lines(&self) -> impl Iterator<Item = u64> {
        let begun = self.lines.iter().filter(|(_, known)| known.begun.is_some());
        begun.map(|(line, _)| *line)
    }

    /// Returns whether an entry of the journal is the last about a line.
    pub(super) fn is_last(&self, line: u64, entry: u64) -> bool {
        let known = self.lines.get(&line);
        known.is_some_and(|known| known.entry == entry)
    }

    /// Returns how a line ended, and whether that was for want of access.
    pub(super) fn outcome(&self, line: u64) -> Option<(Outcome, bool)> {
        let known = self.lines.get(&line)?;
        Some((known.outcome, known.no_access))
    }

    /// Returns what is to be done with a line.
    pub(super) fn state(&self, line: u64) -> LineState {
        self.lines.get(&line).map_or(LineState::ToDo, Known::state)
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
        counts.bad = bad_lines;
        counts
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
