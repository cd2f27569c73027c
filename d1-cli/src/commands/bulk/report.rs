//! `d1 bulk report`: the result of a job, from its journal, at any time.

use std::path::PathBuf;

use clap::Subcommand;

use super::document::{ReportFile, ReportPath};
use super::input::name;
use super::progress::Progress;
use super::resume::Opened;
use super::summary::{About, REPORT, Summary};
use crate::config::Target;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;

#[derive(Debug, Subcommand)]
pub(super) enum ReportCommand {
    /// Prints the totals of a journal and its lines that are not done; offline
    Report {
        /// The journal of a bulk, also of one that runs
        journal: PathBuf,
        /// The new file for the result as a page (.html), as JSON (.json) or as JUnit XML (.xml)
        #[arg(long, value_name = "FILE")]
        report: Option<ReportPath>,
    },
}

impl ReportCommand {
    /// Prints the report. The exit code is that of the job.
    pub(super) fn run(self, output: &Output) -> Result<Exit, Failure> {
        let Self::Report { journal, report } = self;
        let report = report.as_ref().map(ReportFile::new).transpose()?;
        let name = name(&journal);
        let opened = Opened::read_only(&journal);
        let opened = opened.map_err(|rule| Failure::input(&name, rule))?;
        let (header, input) = (&opened.previous.header, &opened.previous.input);
        let profile = input.profile.as_deref().unwrap_or_default();
        let target = Target::new(profile, Some(&header.base_url), Some(&header.issuer_id));
        let about = About {
            command: REPORT,
            journal: Some(name),
            lines: input.lines,
            bad_lines: input.bad_lines,
            report,
        };
        let progress = Progress::new(about.lines, true);
        let mut summary = Summary::new(output.at(target), progress, about, &opened.previous);
        opened.each_line(|result| summary.print(&result))?;
        Ok(summary.finish(false))
    }
}
