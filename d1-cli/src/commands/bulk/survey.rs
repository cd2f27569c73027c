//! Looks through the input before anything is sent: how much there is, what is wrong with it, and whether it
//! is that of the journal.

use std::collections::{HashMap, HashSet};

use d1_facade::CardId;
use openssl::sha::Sha256;

use super::input::{Input, Item};
use super::line::{BadLine, Facts, Kind};
use super::look_back::InDoubt;
use super::past::{Past, Standing};
use crate::failure::Failure;
use crate::reason_codes;

/// What an input holds.
#[derive(Debug, Default)]
pub(super) struct Survey {
    pub(super) lines: u64,
    pub(super) bad_lines: u64,
    pub(super) deletes: u64,
    /// Of all that the lines say and is no card data.
    pub(super) digest: String,
    /// The first lines that are bad.
    bad: Vec<BadLine>,
    /// The lines that an earlier run left in doubt.
    pub(super) in_doubt: Vec<InDoubt>,
}

/// How many bad lines are named.
const MOST_NAMED: usize = 100;

/// Why a line that deletes a card is refused.
const DELETE_RULE: &str = "operation delete needs --yes: it cannot be undone";

/// What lines may do that others may not.
#[derive(Debug, Clone, Copy)]
pub(super) struct Permissions {
    /// Delete cards.
    pub(super) deletes: bool,
    /// Send reason codes that are not documented for their operation.
    pub(super) any_reason_code: bool,
}

/// Returns the item, unless it does what it must not.
pub(super) fn permitted(item: Item, may: Permissions) -> Item {
    let line = item?;
    let facts = &line.facts;
    let code = reason_codes::check(facts.kind.operation(), &facts.reason_code);
    let rule = match code {
        _ if facts.kind == Kind::Delete && !may.deletes => DELETE_RULE.to_owned(),
        Err(rule) if !may.any_reason_code => format!("reasonCode {rule}"),
        Ok(()) | Err(_) => return Ok(line),
    };
    Err(BadLine {
        number: facts.number,
        rule,
        cards: [Some(&facts.card), facts.new_card.as_ref()]
            .into_iter()
            .flatten()
            .cloned()
            .collect(),
    })
}

impl Survey {
    /// Looks through it; refuses another input than that of the journal.
    pub(super) fn of(
        input: &Input,
        name: &str,
        past: &Past,
        may: Permissions,
    ) -> Result<Self, Failure> {
        let mut survey = Self::default();
        let mut journaled: HashSet<u64> = past.begun().collect();
        let mut doubtful: Vec<Facts> = Vec::new();
        let mut digest = Sha256::new();
        input.look_through(|item| {
            survey.lines += 1;
            let facts = match permitted(item, may) {
                Ok(line) => line.facts,
                // It would be left out, and its outcome lost.
                Err(bad) if past.begun_at(bad.number).is_some() => {
                    let rule =
                        format!("{bad}; the journal has this line: give the same file and flags");
                    return Err(Failure::input(name, rule));
                }
                Err(bad) => {
                    digest.update(&bad.number.to_be_bytes());
                    survey.bad_lines += 1;
                    if survey.bad.len() < MOST_NAMED {
                        survey.bad.push(bad);
                    }
                    return Ok(());
                }
            };
            digest.update(&facts.digest.to_be_bytes());
            past.check(&facts)
                .map_err(|rule| Failure::input(name, rule))?;
            journaled.remove(&facts.number);
            survey.deletes += u64::from(facts.kind == Kind::Delete);
            if past.standing(facts.number) == Standing::InDoubt {
                doubtful.push(facts);
            }
            Ok(())
        })?;
        if let Some(line) = journaled.into_iter().min() {
            let rule = format!("has no line {line}, which the journal has: give the same file");
            return Err(Failure::input(name, rule));
        }
        let hex = |byte| format!("{byte:02x}");
        survey.digest = digest.finish().into_iter().map(hex).collect();
        let twins = twins(input, past, &doubtful)?;
        survey.in_doubt = doubtful
            .into_iter()
            .filter_map(|facts| {
                Some(InDoubt {
                    begun_at: past.begun_at(facts.number)?,
                    has_twin: twins.contains(&(facts.card.clone(), facts.kind)),
                    facts,
                })
            })
            .collect();
        Ok(survey)
    }

    /// Names the lines that are bad, and refuses the input unless they are to be skipped.
    pub(super) fn judge_bad_lines(&self, input: &str, skips: bool) -> Result<(), Failure> {
        for line in &self.bad {
            crate::text::say(&format!("{input}, {line}"));
        }
        let count = match self.bad_lines {
            0 => return Ok(()),
            1 => "1 bad line".to_owned(),
            count if self.bad.len() as u64 == count => format!("{count} bad lines"),
            count => format!("{count} bad lines, of which {MOST_NAMED} are named"),
        };
        if skips {
            return Ok(());
        }
        let rule = format!("{count}: nothing was sent; --skip-bad-lines sends the others");
        Err(Failure::input(input, rule))
    }
}

/// What several lines that were begun ask for alike, of what is in doubt.
fn twins(
    input: &Input,
    past: &Past,
    doubtful: &[Facts],
) -> Result<HashSet<(CardId, Kind)>, Failure> {
    let mut counts: HashMap<(CardId, Kind), u32> = doubtful
        .iter()
        .map(|facts| ((facts.card.clone(), facts.kind), 0))
        .collect();
    if !counts.is_empty() {
        input.look_through(|item| {
            if let Ok(line) = item
                && past.begun_at(line.facts.number).is_some()
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
