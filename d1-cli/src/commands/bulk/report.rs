//! `d1 bulk report`: what a journal says of its job, at any time.

use std::path::{Path, PathBuf};

use clap::Subcommand;

use super::input::name;
use super::progress::Progress;
use super::resume;
use super::tally::{About, Tally};
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
    /// Prints it. The exit code is that of the job.
    pub(super) fn run(self, output: &Output) -> Result<Exit, Failure> {
        let Self::Report { journal } = self;
        report(&journal, output)
    }
}

fn report(path: &Path, output: &Output) -> Result<Exit, Failure> {
    let name = name(path);
    let (past, journal) =
        resume::read_only(path).map_err(|rule| Failure::input(name.clone(), rule))?;
    let profile = past.input.profile.as_deref().unwrap_or_default();
    let output = output.at(Target::recorded(profile, &past.base_url, &past.issuer));
    let about = About {
        journal: Some(name),
        is_report: true,
        lines: past.input.lines,
        bad_lines: past.input.bad_lines,
    };
    let mut tally = Tally::new(output, Progress::new(about.lines, true), about, &past);
    resume::each_line(journal, &past, |ended| tally.print(&ended))?;
    Ok(tally.finish(false))
}
