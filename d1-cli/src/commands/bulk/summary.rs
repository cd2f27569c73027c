//! The results of lines: printed one by one, counted for the whole job and for this run, and summed up.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use serde_json::{Value, json};

use super::MOST_LISTED;
use super::counts::Counts;
use super::entry::{LineResult, Outcome};
use super::line::LineSummary;
use super::previous_run::{Known, PreviousRun};
use super::progress::Progress;
use crate::exit::Exit;
use crate::flags::Format;
use crate::output::{Output, cell};
use crate::report::fields;
use crate::text::printable;

/// The results of the lines of a job, which may take several runs.
pub(super) struct Summary {
    output: Output,
    progress: Progress,
    about: About,
    job: Counts,
    /// Of this run alone.
    run: Counts,
    /// How many lines earlier runs have finished.
    finished_before: u64,
    /// The lines that are not done, when they are printed at the end.
    listed: BTreeMap<u64, Value>,
    unknown_lines: BTreeSet<u64>,
}

/// What a summary is about.
pub(super) struct About {
    /// What the journal is called.
    pub(super) journal: Option<String>,
    /// Whether it is of a journal alone, rather than of a run.
    pub(super) is_report: bool,
    /// Of the input: its lines, and those of them that are bad.
    pub(super) lines: u64,
    pub(super) bad_lines: u64,
}

impl About {
    fn command(&self) -> &'static str {
        if self.is_report {
            "bulk report"
        } else {
            "bulk"
        }
    }
}

impl Summary {
    /// Starts with the results of earlier runs.
    pub(super) fn new(
        output: Output,
        progress: Progress,
        about: About,
        previous: &PreviousRun,
    ) -> Self {
        Self {
            output,
            progress,
            job: previous.counts(about.bad_lines),
            run: Counts::default(),
            finished_before: previous.finished(),
            about,
            listed: BTreeMap::new(),
            unknown_lines: previous.in_doubt().collect(),
        }
    }

    /// Adds a line that is bad. For people, it was printed before anything was sent.
    pub(super) fn bad(&mut self, result: &LineResult) -> io::Result<()> {
        self.run.add(Outcome::Bad, false);
        if self.output.is_table() {
            return Ok(());
        }
        self.print(result)
    }

    /// Adds a line that ended in this run. `before` is its result in earlier runs.
    pub(super) fn ended(&mut self, result: &LineResult, before: Option<&Known>) -> io::Result<()> {
        self.learned(result, before);
        self.run.add(result.outcome, result.no_access);
        self.progress.show(&self.job);
        self.print(result)
    }

    /// Replaces the result of a line in earlier runs.
    pub(super) fn learned(&mut self, result: &LineResult, before: Option<&Known>) {
        if let Some(before) = before {
            self.job.remove(before.outcome, before.no_access);
        }
        self.job.add(result.outcome, result.no_access);
        if result.outcome == Outcome::Unknown {
            self.unknown_lines.insert(result.line);
        } else {
            self.unknown_lines.remove(&result.line);
        }
    }

    /// Replaces the unknown outcome of a line of this run that was verified.
    pub(super) fn resolved(&mut self, result: &LineResult) -> io::Result<()> {
        self.job.remove(Outcome::Unknown, false);
        self.run.remove(Outcome::Unknown, false);
        self.ended(result, None)
    }

    /// Adds a line in doubt of an earlier run that stays unknown.
    pub(super) fn still_unknown(&mut self, line: &LineSummary, why: &str) -> io::Result<()> {
        let why = printable(why);
        self.note(&format!(
            "line {}: unknown, not repeated: {why}",
            line.number
        ));
        self.run.add(Outcome::Unknown, false);
        self.print(&LineResult::new(line, Outcome::Unknown).because(why))
    }

    /// Prints a note for people.
    pub(super) fn note(&self, text: &str) {
        self.progress.beside(|| self.output.note(text));
    }

    /// Prints the progress, unless there is a bar.
    pub(super) fn tick(&self) {
        if let Some(line) = self.progress.line(&self.job, &self.run) {
            self.output.note(&line);
        }
    }

    /// Adds a line that is not done to the list that is printed at the end, or removes a line that is done.
    pub(super) fn list(&mut self, result: &LineResult) {
        let line = result.line;
        if result.outcome == Outcome::Done {
            self.listed.remove(&line);
        } else if self.listed.len() < MOST_LISTED || self.listed.contains_key(&line) {
            self.listed.insert(line, result.printed());
        }
    }

    /// Prints a result.
    pub(super) fn print(&mut self, result: &LineResult) -> io::Result<()> {
        match self.output.format {
            Format::Ndjson => {
                let printed = result.printed();
                self.progress.beside(|| self.output.json(&printed))
            }
            Format::Json => {
                self.list(result);
                Ok(())
            }
            Format::Table if result.outcome == Outcome::Done => Ok(()),
            Format::Table => {
                let line = result.printed();
                let cells = ["line", "cardId", "outcome", "message"].map(|name| cell(&line[name]));
                let cells = cells.into_iter().filter(|cell| !cell.is_empty());
                let line = format!("line {}", cells.collect::<Vec<_>>().join("  "));
                self.progress.beside(|| self.output.line(&line))
            }
        }
    }

    /// Prints the totals. The exit code is that of the job.
    pub(super) fn finish(self, stopped: bool) -> Exit {
        let seconds = self.progress.finish();
        let summary = self.summary(stopped, seconds);
        let shown = match self.output.format {
            Format::Table => self.for_people(summary),
            Format::Json => json!({
                "command": self.about.command(),
                "summary": summary,
                "notDone": self.listed.into_values().collect::<Vec<_>>(),
            }),
            Format::Ndjson => json!({ "summary": summary }),
        };
        let exit = self.job.exit(self.about.lines);
        let shown = fields(shown);
        let written = if self.about.is_report {
            self.output.record(&shown)
        } else {
            self.output.outcome(&shown);
            Ok(())
        };
        if self.output.is_table() && self.job.get(Outcome::Unknown) > 0 {
            self.output.note(
                "Lines of unknown outcome may have been carried out: do not repeat them. --resume with the journal \
                 verifies them again.",
            );
        }
        written.map_or_else(|error| exit.unwritten(&error), |()| exit)
    }

    fn summary(&self, stopped: bool, seconds: f64) -> Value {
        let about = &self.about;
        let not_begun = about.lines.saturating_sub(self.job.all());
        let of_a_run = |value: Value| (!about.is_report).then_some(value);
        let mut summary = fields(json!({ "journal": about.journal, "lines": about.lines }));
        summary.extend(fields(self.job.named()));
        summary.extend(fields(json!({
            "notBegun": not_begun,
            "inThisRun": of_a_run(self.run.named()),
            "finishedBefore": of_a_run(self.finished_before.into()),
            "unknownLines": self.unknown_lines.iter().take(MOST_LISTED).collect::<Vec<_>>(),
            "endedEarly": stopped || not_begun > 0,
            "seconds": of_a_run(seconds.into()),
        })));
        summary.into()
    }

    /// Puts the counts of this run beside those of the job, when they differ.
    fn for_people(&self, mut summary: Value) -> Value {
        let in_this_run = summary["inThisRun"].take();
        summary["finishedBefore"].take();
        if self.unknown_lines.is_empty() {
            summary["unknownLines"].take();
        }
        let run = fields(in_this_run).into_iter();
        for (name, count) in run.filter(|_| self.run.named() != self.job.named()) {
            summary[&name] = format!("{} ({count} in this run)", summary[&name]).into();
        }
        summary
    }
}
