//! Reads the whole input before anything is sent: how much there is, what is wrong with it, and whether it is that of
//! the journal.

use std::collections::HashSet;

use openssl::sha::Sha256;

use super::entry::{InputSummary, now};
use super::input::{Input, Item};
use super::line::BadLine;
use super::previous_run::PreviousRun;
use crate::change::Kind;
use crate::failure::Failure;
use crate::reason_codes;

/// What an input holds.
#[derive(Debug, Default)]
pub(super) struct Preflight {
    pub(super) input: InputSummary,
    pub(super) deletes: u64,
    /// The first lines that are bad.
    bad: Vec<BadLine>,
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
    let code = reason_codes::check(line.kind.operation(), &item.change.reason_code);
    let rule = match code {
        _ if line.kind == Kind::Delete && !may.deletes => DELETE_RULE.to_owned(),
        Err(rule) if !may.any_reason_code => format!("reasonCode {rule}"),
        Ok(()) | Err(_) => return Ok(item),
    };
    Err(BadLine {
        number: line.number,
        rule,
        cards: line.cards().cloned().collect(),
    })
}

impl Preflight {
    /// Reads the input; refuses another one than that of the journal.
    pub(super) fn of(
        input: &Input,
        previous: &PreviousRun,
        may: Permissions,
    ) -> Result<Self, Failure> {
        let mut preflight = Self::default();
        let refuse = |rule: String| Failure::input(&input.name, rule);
        let unreadable = |error| Failure::unreadable(&input.name, &error);
        let mut journaled: HashSet<u64> = previous.begun_lines().collect();
        let mut digest = Sha256::new();
        for text in input.texts().map_err(unreadable)? {
            preflight.input.lines += 1;
            match permitted(text.map_err(unreadable)?.parse(), may) {
                Ok(line) => {
                    let line = line.summary;
                    digest.update(&line.digest.to_be_bytes());
                    previous.check(&line).map_err(refuse)?;
                    journaled.remove(&line.number);
                    preflight.deletes += u64::from(line.kind == Kind::Delete);
                }
                // It would be left out, and its outcome lost.
                Err(bad) if journaled.contains(&bad.number) => {
                    let rule = "the journal has this line: give the same file and flags";
                    return Err(refuse(format!("{bad}; {rule}")));
                }
                Err(bad) => {
                    digest.update(&bad.number.to_be_bytes());
                    preflight.input.bad_lines += 1;
                    if preflight.bad.len() < MOST_NAMED {
                        preflight.bad.push(bad);
                    }
                }
            }
        }
        if let Some(line) = journaled.into_iter().min() {
            let rule = "which the journal has: give the same file";
            return Err(refuse(format!("has no line {line}, {rule}")));
        }
        let hex = |byte| format!("{byte:02x}");
        preflight.input.digest = digest.finish().into_iter().map(hex).collect();
        preflight.input.input.clone_from(&input.name);
        preflight.input.at = now();
        Ok(preflight)
    }

    /// Says when there are no lines: what was to write them may have failed.
    pub(super) fn say_if_empty(&self) {
        let InputSummary { input, lines, .. } = &self.input;
        if *lines == 0 {
            crate::text::say(&format!("{input}: has no lines; nothing is sent"));
        }
    }

    /// Names the lines that are bad, and refuses the input unless they are to be skipped.
    pub(super) fn judge_bad_lines(&self, skips: bool) -> Result<(), Failure> {
        let InputSummary {
            input, bad_lines, ..
        } = &self.input;
        for line in &self.bad {
            crate::text::say(&format!("{input}, {line}"));
        }
        let count = match bad_lines {
            0 => return Ok(()),
            1 => "1 bad line".to_owned(),
            count if self.bad.len() as u64 == *count => format!("{count} bad lines"),
            count => format!("{count} bad lines, of which {MOST_NAMED} are named"),
        };
        if skips {
            return Ok(());
        }
        let rule = format!("{count}: nothing was sent; --skip-bad-lines sends the others");
        Err(Failure::input(input, rule))
    }
}
