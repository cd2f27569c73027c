//! Looks through the input before anything is sent: how much there is, what is wrong with it, and whether it
//! is that of the journal.

use std::collections::{HashMap, HashSet};

use d1_facade::CardId;

use super::DELETE_RULE;
use super::input::Input;
use super::line::{BadLine, Facts, Kind};
use super::look_back::InDoubt;
use super::resume::{Past, Standing};
use crate::failure::Failure;

/// What an input holds; nothing of one that can be read only once.
#[derive(Debug, Default)]
pub(super) struct Survey {
    pub(super) lines: u64,
    pub(super) deletes: u64,
    delete_lines: Vec<u64>,
    bad: Vec<BadLine>,
    /// The lines that an earlier run left in doubt.
    pub(super) in_doubt: Vec<InDoubt>,
}

/// How many lines that are wrong are told one by one.
const MOST_TOLD: usize = 100;

impl Survey {
    /// Looks through it; refuses another input than that of the journal.
    pub(super) fn of(input: &mut Input, name: &str, past: &Past) -> Result<Self, Failure> {
        let mut survey = Self::default();
        let mut journaled: HashSet<u64> = past.lines.keys().copied().collect();
        let mut doubtful: Vec<Facts> = Vec::new();
        input.look_through(|item| {
            survey.lines += 1;
            let facts = match item {
                Ok(line) => line.facts,
                Err(bad) => {
                    survey.bad.push(bad);
                    return Ok(());
                }
            };
            past.check(&facts)
                .map_err(|rule| Failure::input(name, rule))?;
            journaled.remove(&facts.number);
            if facts.kind == Kind::Delete {
                survey.deletes += 1;
                survey.delete_lines.push(facts.number);
            }
            if past.standing(facts.number) == Standing::InDoubt {
                doubtful.push(facts);
            }
            Ok(())
        })?;
        if let Some(line) = journaled.into_iter().min() {
            let rule = format!("has no line {line}, which the journal has: give the same file");
            return Err(Failure::input(name, rule));
        }
        let twins = twins(input, &doubtful)?;
        survey.in_doubt = doubtful
            .into_iter()
            .filter_map(|facts| {
                Some(InDoubt {
                    begun_at: past.lines.get(&facts.number)?.begun_at,
                    has_twin: twins.contains(&(facts.card.clone(), facts.kind)),
                    facts,
                })
            })
            .collect();
        Ok(survey)
    }

    /// Refuses the input if any of its lines is bad.
    pub(super) fn refuse_bad_lines(&self, input: &str, deletes: bool) -> Result<(), Failure> {
        let mut wrong: Vec<String> = self.bad.iter().map(BadLine::to_string).collect();
        if !deletes {
            let line = |number: &u64| format!("line {number}: {DELETE_RULE}");
            wrong.extend(self.delete_lines.iter().map(line));
        }
        if wrong.is_empty() {
            return Ok(());
        }
        for line in wrong.iter().take(MOST_TOLD) {
            crate::say(&format!("{input}, {line}"));
        }
        let rule = format!("{} bad lines: nothing was sent", wrong.len());
        Err(Failure::input("--strict", rule))
    }
}

/// What several lines ask for alike, of what is in doubt.
fn twins(input: &mut Input, doubtful: &[Facts]) -> Result<HashSet<(CardId, Kind)>, Failure> {
    let mut counts: HashMap<(CardId, Kind), u32> = doubtful
        .iter()
        .map(|facts| ((facts.card.clone(), facts.kind), 0))
        .collect();
    if !counts.is_empty() {
        input.look_through(|item| {
            if let Ok(line) = item
                && let Some(count) = counts.get_mut(&(line.facts.card, line.facts.kind))
            {
                *count += 1;
            }
            Ok(())
        })?;
    }
    let several = counts.into_iter().filter(|(_, count)| *count > 1);
    Ok(several.map(|(what, _)| what).collect())
}
