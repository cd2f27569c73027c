//! Reads the whole input before anything is sent: how much there is, what is wrong with it, and whether it is that of
//! the journal.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher as _, RandomState};

use openssl::sha::Sha256;
use time::OffsetDateTime;

use super::input::{Input, Item};
use super::line::{BadLine, Kind, LineSummary};
use super::previous_run::{LineState, PreviousRun};
use crate::failure::Failure;
use crate::reason_codes;

/// What an input holds.
#[derive(Debug, Default)]
pub(super) struct Preflight {
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

/// A line whose request may have been carried out.
#[derive(Debug)]
pub(super) struct InDoubt {
    pub(super) line: LineSummary,
    pub(super) begun_at: OffsetDateTime,
    /// Whether another line that was begun asks for the same of the same card.
    pub(super) has_twin: bool,
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
    let item = item?;
    let line = &item.summary;
    let code = reason_codes::check(line.kind.operation(), &line.reason_code);
    let rule = match code {
        _ if line.kind == Kind::Delete && !may.deletes => DELETE_RULE.to_owned(),
        Err(rule) if !may.any_reason_code => format!("reasonCode {rule}"),
        Ok(()) | Err(_) => return Ok(item),
    };
    let cards = [Some(&line.card), line.new_card.as_ref()];
    Err(BadLine {
        number: line.number,
        rule,
        cards: cards.into_iter().flatten().cloned().collect(),
    })
}

impl Preflight {
    /// Reads the input; refuses another one than that of the journal.
    pub(super) fn of(
        input: &Input,
        name: &str,
        previous: &PreviousRun,
        may: Permissions,
    ) -> Result<Self, Failure> {
        let mut preflight = Self::default();
        let mut journaled: HashSet<u64> = previous.begun().collect();
        let mut digest = Sha256::new();
        // How many lines that were begun ask for the same of the same card, by a hash of both.
        let (hasher, mut alike) = (RandomState::new(), HashMap::<u64, u32>::new());
        let asked = |line: &LineSummary| hasher.hash_one((&line.card, line.kind));
        input.look_through(|item| {
            preflight.lines += 1;
            let line = match permitted(item, may) {
                Ok(line) => line.summary,
                // It would be left out, and its outcome lost.
                Err(bad) if previous.begun_at(bad.number).is_some() => {
                    let rule =
                        format!("{bad}; the journal has this line: give the same file and flags");
                    return Err(Failure::input(name, rule));
                }
                Err(bad) => {
                    digest.update(&bad.number.to_be_bytes());
                    preflight.bad_lines += 1;
                    if preflight.bad.len() < MOST_NAMED {
                        preflight.bad.push(bad);
                    }
                    return Ok(());
                }
            };
            digest.update(&line.digest.to_be_bytes());
            let checked = previous.check(&line);
            checked.map_err(|rule| Failure::input(name, rule))?;
            journaled.remove(&line.number);
            preflight.deletes += u64::from(line.kind == Kind::Delete);
            if let Some(begun_at) = previous.begun_at(line.number) {
                *alike.entry(asked(&line)).or_default() += 1;
                if previous.state(line.number) == LineState::InDoubt {
                    preflight.in_doubt.push(InDoubt {
                        line,
                        begun_at,
                        has_twin: false,
                    });
                }
            }
            Ok(())
        })?;
        if let Some(line) = journaled.into_iter().min() {
            let rule = format!("has no line {line}, which the journal has: give the same file");
            return Err(Failure::input(name, rule));
        }
        for in_doubt in &mut preflight.in_doubt {
            in_doubt.has_twin = alike.get(&asked(&in_doubt.line)) > Some(&1);
        }
        let hex = |byte| format!("{byte:02x}");
        preflight.digest = digest.finish().into_iter().map(hex).collect();
        Ok(preflight)
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
