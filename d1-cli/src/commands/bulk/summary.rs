//! The results of lines: printed one by one, counted for the whole job and for this run, and summed up.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use serde::Serialize;
use serde_json::{Value, json};

use super::MOST_LISTED;
use super::counts::Counts;
use super::document::ReportFile;
use super::entry::{LineResult, Outcome};
use super::previous_run::PreviousRun;
use super::progress::Progress;
use crate::exit::Exit;
use crate::flags::Format;
use crate::output::{Output, cell};

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
    pub(super) command: &'static str,
    /// What the journal is called.
    pub(super) journal: Option<String>,
    /// Of the input: its lines, and those of them that are bad.
    pub(super) lines: u64,
    pub(super) bad_lines: u64,
    pub(super) report: Option<ReportFile>,
}

/// The command whose summary is of a journal alone, rather than of a run.
pub(super) const REPORT: &str = "bulk report";

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
            unknown_lines: previous.in_doubt.keys().copied().collect(),
        }
    }

    /// Adds a line that is bad. For people, it was printed before anything was sent.
    pub(super) fn bad(&mut self, result: &LineResult) -> io::Result<()> {
        self.run.add(Outcome::Bad, false);
        if self.output.is_table() {
            self.list(result);
            return Ok(());
        }
        self.print(result)
    }

    /// Adds a line that ended in this run. `before` is its outcome until then, and whether that was for want of access.
    pub(super) fn ended(
        &mut self,
        result: &LineResult,
        before: Option<(Outcome, bool)>,
    ) -> io::Result<()> {
        self.learned(result, before);
        self.run.add(result.outcome, result.no_access);
        self.progress.show(&self.job);
        self.print(result)
    }

    /// Replaces the outcome of a line in earlier runs.
    pub(super) fn learned(&mut self, result: &LineResult, before: Option<(Outcome, bool)>) {
        if let Some((outcome, no_access)) = before {
            self.job.remove(outcome, no_access);
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
        self.run.remove(Outcome::Unknown, false);
        self.ended(result, Some((Outcome::Unknown, false)))
    }

    /// Adds a line in doubt of an earlier run that stays unknown.
    pub(super) fn still_unknown(&mut self, result: &LineResult) -> io::Result<()> {
        let (line, why) = (result.line, result.message.as_deref().unwrap_or_default());
        self.note(&format!("line {line}: unknown, not repeated: {why}"));
        self.run.add(Outcome::Unknown, false);
        self.print(result)
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

    /// Adds a line that is not done to the list at the end, if there is to be one, or removes a line that is done.
    pub(super) fn list(&mut self, result: &LineResult) {
        let line = result.line;
        if self.output.format != Format::Json && self.about.report.is_none() {
            return;
        }
        if result.outcome == Outcome::Done {
            self.listed.remove(&line);
        } else if self.listed.len() < MOST_LISTED || self.listed.contains_key(&line) {
            self.listed.insert(line, result.printed());
        }
    }

    /// Prints a result.
    pub(super) fn print(&mut self, result: &LineResult) -> io::Result<()> {
        self.list(result);
        match self.output.format {
            Format::Ndjson => {
                let printed = result.printed();
                self.progress.beside(|| self.output.json(&printed))
            }
            Format::Json => Ok(()),
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
        let exit = self.job.exit(self.about.lines);
        let is_report = self.about.command == REPORT;
        let not_begun = self.about.lines.saturating_sub(self.job.all());
        let totals = Totals {
            journal: self.about.journal.as_deref(),
            lines: self.about.lines,
            job: &self.job,
            not_begun,
            in_this_run: (!is_report).then_some(&self.run),
            finished_before: (!is_report).then_some(self.finished_before),
            unknown_lines: self.unknown_lines.iter().take(MOST_LISTED).collect(),
            ended_early: stopped || not_begun > 0,
            seconds: (!is_report).then_some(seconds),
        };
        let document = json!({
            "command": self.about.command,
            "summary": totals,
            "notDone": self.listed.values().collect::<Vec<_>>(),
        });
        let report = self.about.report.as_ref();
        let reported = report.map(|report| report.write(&self.output.with_target(&document)));
        let shown = match self.output.format {
            Format::Table => totals.for_people(),
            Format::Json => document,
            Format::Ndjson => json!({ "summary": totals }),
        };
        let written = if is_report {
            self.output.record(&shown).and(reported.unwrap_or(Ok(())))
        } else {
            self.output.outcome(&shown);
            Ok(())
        };
        if self.output.is_table() && self.job.unknown > 0 {
            self.output.note(
                "Lines of unknown outcome may have been carried out: do not repeat them. --resume with the journal \
                 verifies them again.",
            );
        }
        written.map_or_else(|error| exit.unwritten(&error), |()| exit)
    }
}

/// The totals of a job.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Totals<'a> {
    journal: Option<&'a str>,
    lines: u64,
    #[serde(flatten)]
    job: &'a Counts,
    not_begun: u64,
    in_this_run: Option<&'a Counts>,
    finished_before: Option<u64>,
    unknown_lines: Vec<&'a u64>,
    ended_early: bool,
    seconds: Option<f64>,
}

impl Totals<'_> {
    /// Puts the counts of this run beside those of the job, when they differ.
    fn for_people(&self) -> Value {
        let mut shown = json!(self);
        shown["finishedBefore"].take();
        if self.unknown_lines.is_empty() {
            shown["unknownLines"].take();
        }
        if let Value::Object(run) = shown["inThisRun"].take()
            && self.in_this_run != Some(self.job)
        {
            for (name, count) in run {
                shown[&name] = format!("{} ({count} in this run)", shown[&name]).into();
            }
        }
        shown
    }
}
