//! `d1 bulk report`: the result of a job, from its journal, at any time.

use std::path::{Path, PathBuf};

use clap::Subcommand;

use super::input::name;
use super::progress::Progress;
use super::resume;
use super::summary::{About, Summary};
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
    },
}

impl ReportCommand {
    /// Prints the report. The exit code is that of the job.
    pub(super) fn run(self, output: &Output) -> Result<Exit, Failure> {
        let Self::Report { journal } = self;
        report(&journal, output)
    }
}

fn report(path: &Path, output: &Output) -> Result<Exit, Failure> {
    let name = name(path);
    let (previous, journal) =
        resume::read_only(path).map_err(|rule| Failure::input(name.clone(), rule))?;
    let input = &previous.input;
    let profile = input.profile.as_deref().unwrap_or_default();
    let output = output.at(Target::recorded(
        profile,
        &previous.base_url,
        &previous.issuer,
    ));
    let about = About {
        journal: Some(name),
        is_report: true,
        lines: input.lines,
        bad_lines: input.bad_lines,
    };
    let mut summary = Summary::new(output, Progress::new(about.lines, true), about, &previous);
    resume::each_line(journal, &previous, |result| summary.print(&result))?;
    Ok(summary.finish(false))
}
