//! Compares the journal with what the sandbox really did to each card.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;

use serde_json::Value;

use crate::Result;

/// What the journal and the sandbox say together.
#[derive(Debug, Default)]
pub(crate) struct Audit {
    done: u64,
    verified: u64,
    refused: u64,
    held_back: u64,
    unknown: u64,
    changes: u64,
    lost: Vec<u64>,
    doubled: Vec<u64>,
    disordered: Vec<u64>,
    unexplained: Vec<u64>,
}

/// What a line asks for.
pub(crate) struct Step {
    pub(crate) line: u64,
    pub(crate) operation: &'static str,
}

/// What the sandbox says of the cards.
pub(crate) struct Books<'a> {
    pub(crate) before: BTreeMap<String, u64>,
    pub(crate) after: BTreeMap<String, u64>,
    /// The operations of a card, the oldest first.
    pub(crate) history: &'a dyn Fn(&str) -> Result<Vec<String>>,
}

impl Books<'_> {
    fn changes_before(&self, card: &str) -> usize {
        self.before.get(card).copied().unwrap_or(0) as usize
    }

    fn changes(&self, card: &str) -> u64 {
        let count = |counts: &BTreeMap<String, u64>| counts.get(card).copied().unwrap_or(0);
        count(&self.after) - count(&self.before)
    }
}

impl Audit {
    pub(crate) fn of(
        cards: &BTreeMap<String, Vec<Step>>,
        journal: &Path,
        books: &Books,
        reported_unknown: &BTreeSet<u64>,
    ) -> Result<Self> {
        let mut last: BTreeMap<u64, Value> = BTreeMap::new();
        for line in BufReader::new(fs::File::open(journal)?).lines() {
            let entry: Value = serde_json::from_str(&line?)?;
            if let Some(number) = entry["begun"].as_u64().or(entry["ended"].as_u64()) {
                last.insert(number, entry);
            }
        }
        let mut audit = Self::default();
        for (card, steps) in cards {
            let entry = |step: &Step| last.get(&step.line).unwrap_or(&Value::Null);
            let entries: Vec<&Value> = steps.iter().map(entry).collect();
            audit.judge(steps, &entries, books.changes(card), reported_unknown);
            if steps.len() > 1 {
                let mut done = (books.history)(card)?;
                done.drain(..done.len().min(books.changes_before(card)));
                let expected = steps.iter().map(|step| step.operation.to_uppercase());
                if !expected.take(done.len()).eq(done) {
                    audit.disordered.push(steps[0].line);
                }
            }
        }
        Ok(audit)
    }

    /// Judges the lines of one card by their last entries in the journal.
    fn judge(&mut self, steps: &[Step], entries: &[&Value], changes: u64, unknown: &BTreeSet<u64>) {
        self.changes += changes;
        let (mut done, mut in_doubt, mut all_done) = (0, 0, true);
        for (step, entry) in steps.iter().zip(entries) {
            let line = step.line;
            self.verified += u64::from(entry["verified"] == true);
            let outcome = entry["outcome"].as_str().unwrap_or_default();
            let explained = match outcome {
                _ if unknown.contains(&line) => {
                    in_doubt += 1;
                    // What is in doubt has no other end in the journal.
                    all_done && matches!(outcome, "" | "unknown")
                }
                "done" => {
                    done += 1;
                    all_done
                }
                "refused" => {
                    self.refused += 1;
                    all_done
                }
                "heldBack" => {
                    self.held_back += 1;
                    !all_done
                }
                _ => {
                    self.lost.push(line);
                    true
                }
            };
            if !explained {
                self.unexplained.push(line);
            }
            all_done &= outcome == "done";
        }
        self.done += done;
        self.unknown += in_doubt;
        if changes > done + in_doubt {
            self.doubled.push(steps[0].line);
        } else if changes < done {
            self.unexplained.push(steps[0].line);
        }
    }

    pub(crate) fn is_clean(&self) -> bool {
        [
            &self.lost,
            &self.doubled,
            &self.disordered,
            &self.unexplained,
        ]
        .into_iter()
        .all(Vec::is_empty)
    }

    pub(crate) fn print(&self) {
        say!("done                {:>8}", self.done);
        say!("  by a verification {:>8}", self.verified);
        say!("refused             {:>8}", self.refused);
        say!("held back           {:>8}", self.held_back);
        say!("unknown, reported   {:>8}", self.unknown);
        say!("changes at D1       {:>8}", self.changes);
        say!("doubled             {:>8}", self.doubled.len());
        say!("lost                {:>8}", self.lost.len());
        say!("out of order        {:>8}", self.disordered.len());
        say!("unexplained         {:>8}", self.unexplained.len());
        for (what, lines) in [
            ("doubled", &self.doubled),
            ("lost", &self.lost),
            ("out of order", &self.disordered),
            ("unexplained", &self.unexplained),
        ] {
            for line in lines.iter().take(10) {
                say!("  {what}: line {line}");
            }
        }
    }
}
