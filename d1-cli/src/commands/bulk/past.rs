//! What earlier runs left behind of each line: which lines are finished, and which are in doubt.

use std::collections::HashMap;

use time::OffsetDateTime;

use super::counts::Counts;
use super::entry::{Ended, Ending, Entry, time};
use super::line::Facts;
use crate::config::is_same_address;

/// What a journal says of a line. It is kept for each line of a job, and so it is small.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Known {
    /// Of the line, and when its request was about to leave, if it was.
    begun: Option<(u128, OffsetDateTime)>,
    /// The outcome; `None` where it was not written down.
    ended: Option<State>,
    /// Which entry of the journal is the last about this line.
    entry: u64,
}

/// How a line ended, as far as that decides what comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct State {
    outcome: Ending,
    again: bool,
    no_access: bool,
}

impl From<&Ended> for State {
    fn from(ended: &Ended) -> Self {
        Self {
            outcome: ended.outcome,
            again: ended.again,
            no_access: ended.no_access,
        }
    }
}

/// What is to be done with a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// It was not begun, or is known not to have been carried out.
    ToDo,
    /// It may have been carried out: to be looked up, and not to be repeated.
    InDoubt,
    Finished(Ending),
}

/// What a journal says.
#[derive(Debug, Default)]
pub(super) struct Past {
    lines: HashMap<u64, Known>,
    /// What it is of.
    pub(super) base_url: String,
    pub(super) issuer: String,
    /// The input of its last run.
    pub(super) input: InputFacts,
}

/// What a journal says of an input.
#[derive(Debug, Default)]
pub(super) struct InputFacts {
    pub(super) profile: Option<String>,
    digest: String,
    pub(super) lines: u64,
    pub(super) bad_lines: u64,
}

impl Past {
    pub(super) fn of(base_url: String, issuer: String) -> Self {
        Self {
            base_url,
            issuer,
            ..Self::default()
        }
    }

    /// Takes up what an entry says.
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
                self.input = InputFacts {
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
                if self.standing(begun) != Standing::ToDo {
                    return Err(format!("line {number} begins what was not to be repeated"));
                }
                let known = Known {
                    begun: Some((digest, at)),
                    ended: None,
                    entry: number,
                };
                self.lines.insert(begun, known);
            }
            Entry::Ended(ended) => self.end(&ended, number)?,
        }
        Ok(())
    }

    /// Each run says which lines of its input are bad: they may have been corrected.
    pub(super) fn forget_bad_lines(&mut self) {
        self.lines.retain(|_, known| known.outcome() != Ending::Bad);
    }

    fn end(&mut self, ended: &Ended, number: u64) -> Result<(), String> {
        let known = self.lines.get(&ended.ended);
        let begun = known.and_then(|known| known.begun);
        match ended.outcome {
            Ending::Done | Ending::Refused | Ending::NotSent | Ending::Unknown => {
                if begun.is_none() {
                    return Err(format!("line {number} ends what was not begun"));
                }
            }
            Ending::HeldBack | Ending::Bad => {
                if self.standing(ended.ended) != Standing::ToDo {
                    return Err(format!("line {number} leaves out what was begun"));
                }
            }
        }
        let known = Known {
            begun,
            ended: Some(ended.into()),
            entry: number,
        };
        self.lines.insert(ended.ended, known);
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

    /// Takes down what was found out of a line.
    pub(super) fn resolve(&mut self, ended: &Ended) {
        if let Some(known) = self.lines.get_mut(&ended.ended) {
            known.ended = Some(ended.into());
        }
    }

    /// Whether an entry of the journal is the last about a line.
    pub(super) fn is_last(&self, line: u64, entry: u64) -> bool {
        let known = self.lines.get(&line);
        known.is_some_and(|known| known.entry == entry)
    }

    /// Whether its last run was of the input with this digest.
    pub(super) fn is_of(&self, digest: &str) -> bool {
        self.input.digest == digest
    }

    pub(super) fn known(&self, line: u64) -> Option<&Known> {
        self.lines.get(&line)
    }

    /// What is to be done with a line.
    pub(super) fn standing(&self, line: u64) -> Standing {
        self.lines
            .get(&line)
            .map_or(Standing::ToDo, Known::standing)
    }

    /// Refuses a line that is not the one that was journaled under its number.
    pub(super) fn check(&self, facts: &Facts) -> Result<(), String> {
        let begun = self.lines.get(&facts.number).and_then(|known| known.begun);
        match begun {
            Some((digest, _)) if digest != facts.digest => Err(format!(
                "line {} is not the one that the journal is of: give the same file",
                facts.number
            )),
            _ => Ok(()),
        }
    }

    /// When the request of a line was about to leave.
    pub(super) fn begun_at(&self, line: u64) -> Option<OffsetDateTime> {
        let begun = self.lines.get(&line)?.begun;
        begun.map(|(_, at)| at)
    }

    /// The lines that were begun.
    pub(super) fn begun(&self) -> impl Iterator<Item = u64> {
        let lines = self.lines.iter();
        lines.filter_map(|(line, known)| known.begun.map(|_| *line))
    }

    /// The lines that are in doubt.
    pub(super) fn in_doubt(&self) -> impl Iterator<Item = u64> {
        let lines = self.lines.iter();
        let in_doubt = lines.filter(|(_, known)| known.standing() == Standing::InDoubt);
        in_doubt.map(|(line, _)| *line)
    }

    /// How many lines are finished.
    pub(super) fn finished(&self) -> u64 {
        let lines = self.lines.values();
        let finished = |known: &&Known| matches!(known.standing(), Standing::Finished(_));
        lines.filter(finished).count() as u64
    }

    /// How many lines ended how. Bad ones are those of the input, and not counted here.
    pub(super) fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for known in self.lines.values() {
            if known.outcome() != Ending::Bad {
                counts.add(known.outcome(), known.no_access());
            }
        }
        counts
    }

    /// Whether another run would have nothing to send: what is held back then waits for a line that was
    /// refused.
    pub(super) fn has_ended(&self) -> bool {
        let left = self.lines.values().any(|known| match known.standing() {
            Standing::InDoubt => true,
            Standing::Finished(_) => false,
            Standing::ToDo => !matches!(known.outcome(), Ending::HeldBack | Ending::Bad),
        });
        let told = self.counts().all() + self.input.bad_lines;
        !left && told >= self.input.lines
    }
}

impl Known {
    fn standing(&self) -> Standing {
        match self.ended.map(|state| (state.outcome, state.again)) {
            None | Some((Ending::Unknown, _)) => Standing::InDoubt,
            Some((Ending::NotSent | Ending::HeldBack | Ending::Bad, _)) => Standing::ToDo,
            Some((Ending::Refused, true)) => Standing::ToDo,
            Some((outcome @ (Ending::Refused | Ending::Done), _)) => Standing::Finished(outcome),
        }
    }

    /// The outcome. That of a line that was begun is unknown until there is another.
    pub(super) fn outcome(&self) -> Ending {
        self.ended.map_or(Ending::Unknown, |state| state.outcome)
    }

    pub(super) fn no_access(&self) -> bool {
        self.ended.is_some_and(|state| state.no_access)
    }
}
