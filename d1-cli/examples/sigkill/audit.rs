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
    looked_up: u64,
    refused: u64,
    unknown: u64,
    changes: u64,
    lost: Vec<u64>,
    doubled: Vec<u64>,
    unexplained: Vec<u64>,
}

impl Audit {
    pub(crate) fn of(
        lines: u64,
        journal: &Path,
        before: &BTreeMap<String, u64>,
        after: &BTreeMap<String, u64>,
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
        for line in 1..=lines {
            let card = format!("Bulk{line:06}");
            let count = |counts: &BTreeMap<String, u64>| counts.get(&card).copied().unwrap_or(0);
            let changes = count(after) - count(before);
            let entry = last.get(&line).unwrap_or(&Value::Null);
            audit.judge(line, changes, entry, reported_unknown.contains(&line));
        }
        Ok(audit)
    }

    fn judge(&mut self, line: u64, changes: u64, entry: &Value, reported_unknown: bool) {
        self.changes += changes;
        if changes > 1 {
            self.doubled.push(line);
        }
        self.looked_up += u64::from(entry["lookedUp"] == true);
        let outcome = entry["outcome"].as_str().unwrap_or_default();
        let explained = match (outcome, changes) {
            _ if reported_unknown => {
                self.unknown += 1;
                // What is in doubt has no other end in the journal.
                matches!(outcome, "" | "unknown")
            }
            ("done", _) => {
                self.done += 1;
                changes == 1
            }
            ("refused", _) => {
                self.refused += 1;
                changes == 0
            }
            _ => {
                self.lost.push(line);
                true
            }
        };
        if !explained {
            self.unexplained.push(line);
        }
    }

    pub(crate) fn is_clean(&self) -> bool {
        self.lost.is_empty() && self.doubled.is_empty() && self.unexplained.is_empty()
    }

    pub(crate) fn print(&self) {
        say!("done                {:>8}", self.done);
        say!("  by a look-up      {:>8}", self.looked_up);
        say!("refused             {:>8}", self.refused);
        say!("unknown, reported   {:>8}", self.unknown);
        say!("changes at D1       {:>8}", self.changes);
        say!("doubled             {:>8}", self.doubled.len());
        say!("lost                {:>8}", self.lost.len());
        say!("unexplained         {:>8}", self.unexplained.len());
        for (what, lines) in [
            ("doubled", &self.doubled),
            ("lost", &self.lost),
            ("unexplained", &self.unexplained),
        ] {
            for line in lines.iter().take(10) {
                say!("  {what}: line {line}");
            }
        }
    }
}
