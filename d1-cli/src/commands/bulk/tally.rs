//! What became of the lines: counted, printed one by one, and summed up.

use std::io;

use d1_facade::{Error, Receipt};
use serde_json::{Value, json};

use super::entry::{Ended, Ending};
use super::line::{BadLine, Facts};
use super::progress::Progress;
use crate::exit::Exit;
use crate::output::{Format, Output, cell};
use crate::report::fields;
use crate::text::printable;

/// How many of the lines that went wrong are kept for the end.
const MOST_KEPT: usize = 10_000;

/// What became of the lines.
pub(super) struct Tally {
    output: Output,
    progress: Progress,
    /// What the input is called.
    input: String,
    counts: Counts,
    /// Whether D1 gave no token, or refused it.
    no_access: bool,
    /// What is not done, where it is printed at the end.
    kept: Vec<Value>,
    unknown_lines: Vec<u64>,
}

/// How many lines ended how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) bad: u64,
    pub(super) done: u64,
    pub(super) refused: u64,
    pub(super) not_sent: u64,
    pub(super) unknown: u64,
    /// Of an earlier run.
    pub(super) finished_before: u64,
}

impl Counts {
    fn of(&mut self, ending: Ending) -> &mut u64 {
        match ending {
            Ending::Done => &mut self.done,
            Ending::Refused => &mut self.refused,
            Ending::NotSent => &mut self.not_sent,
            Ending::Unknown => &mut self.unknown,
        }
    }
}

impl Tally {
    pub(super) fn new(output: Output, progress: Progress, input: String) -> Self {
        Self {
            output,
            progress,
            input,
            counts: Counts::default(),
            no_access: false,
            kept: Vec::new(),
            unknown_lines: Vec::new(),
        }
    }

    /// A line that cannot be sent.
    pub(super) fn bad(&mut self, bad: &BadLine) -> io::Result<()> {
        self.counts.bad += 1;
        let said = json!({ "line": bad.number, "outcome": "bad", "message": bad.rule });
        self.progress
            .beside(|| crate::say(&format!("{}, {bad}", self.input)));
        self.moved();
        self.print(said)
    }

    /// A line that an earlier run has finished.
    pub(super) fn finished_before(&mut self) {
        self.counts.finished_before += 1;
        self.moved();
    }

    /// A line that was sent, or was to be.
    pub(super) fn ended(
        &mut self,
        facts: &Facts,
        ended: &Ended,
        result: Option<&Result<Receipt, Error>>,
    ) -> io::Result<()> {
        *self.counts.of(ended.outcome) += 1;
        if ended.outcome == Ending::Unknown {
            self.unknown_lines.push(facts.number);
        }
        let error = result.and_then(|result| result.as_ref().err());
        self.no_access |= error.is_some_and(|error| Exit::of(error) == Exit::Auth);
        self.moved();
        self.print(json!({
            "line": facts.number,
            "key": facts.key,
            "operation": facts.kind.name(),
            "cardId": facts.card.as_str(),
            "outcome": ended.outcome.name(),
            "httpStatus": ended.http_status,
            "operationId": ended.operation_id,
            "kind": ended.kind,
            "message": error.map(ToString::to_string),
            "correlationId": result.map(|result| match result {
                Ok(receipt) => Some(receipt.correlation_id().to_string()),
                Err(error) => error.correlation_id().map(ToString::to_string),
            }),
            "lookedUp": ended.looked_up,
        }))
    }

    /// A line in doubt of which a look-up told more.
    pub(super) fn resolved(&mut self, facts: &Facts, ended: &Ended) -> io::Result<()> {
        if ended.outcome == Ending::Unknown {
            return Ok(());
        }
        self.counts.unknown = self.counts.unknown.saturating_sub(1);
        self.unknown_lines.retain(|line| *line != facts.number);
        self.ended(facts, ended, None)
    }

    /// A line in doubt of an earlier run, of which nothing can be told.
    pub(super) fn still_unknown(&mut self, facts: &Facts, why: &str) -> io::Result<()> {
        let ended = Ended::new(facts.number, Ending::Unknown);
        self.note(&format!(
            "line {}: unknown, not repeated: {}",
            facts.number,
            printable(why)
        ));
        self.ended(facts, &ended, None)
    }

    /// Tells a person something.
    pub(super) fn note(&self, text: &str) {
        self.progress.beside(|| self.output.note(text));
    }

    fn moved(&self) {
        self.progress.show(self.counts);
    }

    /// Says how far it is, where there is no bar that does.
    pub(super) fn tick(&self) {
        if let Some(line) = self.progress.line(self.counts) {
            self.output.note(&line);
        }
    }

    fn print(&mut self, result: Value) -> io::Result<()> {
        let is_done = result["outcome"] == "done";
        match self.output.format {
            Format::Ndjson => self.progress.beside(|| self.output.json(&result)),
            Format::Json if !is_done => {
                if self.kept.len() < MOST_KEPT {
                    self.kept.push(result);
                }
                Ok(())
            }
            Format::Table if !is_done && result["outcome"] != "bad" => {
                let line = ["line", "cardId", "outcome", "message"].map(|name| cell(&result[name]));
                let line = format!("line {}", line.join("  "));
                self.progress.beside(|| self.output.line(line.trim_end()))
            }
            Format::Table | Format::Json => Ok(()),
        }
    }

    /// Sums it up.
    pub(super) fn finish(self, ended_early: bool) -> io::Result<Exit> {
        let seconds = self.progress.finish();
        let counts = self.counts;
        let summary = json!({
            "done": counts.done,
            "refused": counts.refused,
            "notSent": counts.not_sent,
            "unknown": counts.unknown,
            "bad": counts.bad,
            "finishedBefore": counts.finished_before,
            "unknownLines": self.unknown_lines,
            "endedEarly": ended_early,
            "seconds": seconds,
        });
        match self.output.format {
            Format::Table => {
                self.output.record(&fields(summary))?;
                if counts.unknown > 0 {
                    self.output.note(
                        "Lines of unknown outcome may have been carried out: do not repeat them. --resume with \
                         the journal looks them up again.",
                    );
                }
            }
            Format::Json => self.output.json(&json!({
                "command": "bulk",
                "summary": summary,
                "notDone": self.kept,
            }))?,
            Format::Ndjson => self.output.json(&json!({ "summary": summary }))?,
        }
        Ok(match counts {
            Counts { unknown: 1.., .. } => Exit::Unknown,
            _ if self.no_access => Exit::Auth,
            Counts { not_sent: 1.., .. } => Exit::NotSent,
            _ if ended_early => Exit::NotSent,
            Counts { refused: 1.., .. } => Exit::Refused,
            Counts { bad: 1.., .. } => Exit::BadInput,
            _ => Exit::Done,
        })
    }
}
