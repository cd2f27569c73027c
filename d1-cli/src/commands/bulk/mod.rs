//! `d1 bulk`: many changes, one a line, with a journal from which a run that ended early continues.
//!
//! | question | module |
//! |---|---|
//! | Where do lines come from, and what may a line hold? | [`input`], [`spool`], [`csv`], [`line`] |
//! | What is checked before anything is sent? | [`prepare`], [`preflight`] |
//! | What is written down, and when is it on the disk? | [`entry`], [`journal`] |
//! | What does an old journal say? | [`resume`], [`previous_run`], [`report`] |
//! | Did D1 carry out a line of unknown outcome? | [`reconcile`], [`equal_lines`] |
//! | How are lines sent, and in which order? | [`run`], [`unsent`] |
//! | What is printed? | [`summary`], [`counts`], [`progress`] |
//! | What is left in files at the end? | [`failed`], [`document`] |

mod counts;
mod csv;
mod document;
mod entry;
mod equal_lines;
mod failed;
mod input;
mod journal;
mod line;
mod preflight;
mod prepare;
mod previous_run;
mod progress;
mod reconcile;
mod report;
mod resume;
mod run;
mod spool;
mod summary;
mod unsent;

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use clap::Args;

use crate::dry_run::DryRun;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::flags::{BoundedInt, rate};
use crate::output::Output;
use crate::prompt;
use crate::session::Session;
use document::{ReportFile, ReportPath};
use failed::FailedLines;
use input::{Input, InputFormat};
use preflight::{Permissions, Preflight, permitted};
use prepare::Prepared;
use previous_run::PreviousRun;
use progress::Progress;
use report::ReportCommand;
use run::Run;
use summary::{About, Summary};

/// Printed below the help, before the exit codes.
pub(super) const LINES: &str = r#"A line: {"operation":"suspend","cardId":"ReplaceMe01","reasonCode":"CARD_LOST","reason":"lost","key":"row 1"}
  operation    suspend, resume, delete or renew
  cardId       the card
  key          your own name of the line, for the results; 1 to 64 of A-Z a-z 0-9 _ - . and blank
  reasonCode, reason
  of renew: newCardId, state, americanExpress, and either credentials
    ({"pan","exp","psn","auxiliaryPan","auxiliaryExp"}) or encryptedData (a JWE)
With --format csv: a header row with these names (credentials are columns of their own: pan, exp and so on), and a
row for each line, with comma, semicolon or tab between the cells.
Cards run concurrently. The lines of one card run in their order: each is sent when the one before is known
to be done. When that was refused, was not sent or has an unknown outcome, the rest of the card is held back.

Nothing is sent before all lines were checked. Without --journal, the journal of cards.ndjson is
cards.ndjson.journal (then cards.ndjson.2.journal and so on), that of standard input d1-bulk.journal.

Totals and exit code are those of the whole job, earlier runs included. The code is the first of these that
applies: 5 a line has an unknown outcome, 6 no access, 4 a line was not sent, was held back or was not begun,
3 a line was refused, 2 a line is bad, 0."#;

/// How many of the lines that are not done are listed at the end.
const MOST_LISTED: usize = 10_000;

#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    disable_help_subcommand = true
)]
pub(crate) struct BulkCommand {
    #[command(subcommand)]
    report: Option<ReportCommand>,
    #[command(flatten)]
    run: Option<RunFlags>,
}

/// The options of a run.
#[derive(Debug, Args)]
struct RunFlags {
    /// The requests, one a line; - for standard input
    file: PathBuf,
    /// The format of the requests
    #[arg(long, value_enum, default_value_t = InputFormat::Ndjson, value_name = "FORMAT")]
    format: InputFormat,
    /// The maximum number of requests at the same time
    #[arg(long, value_name = "N", default_value = "64")]
    concurrency: BoundedInt<1, 1000>,
    /// The maximum number of requests per second
    #[arg(long, value_name = "N", value_parser = rate)]
    rate: Option<f64>,
    /// The new file in which each request is written down before it is sent, and its outcome after
    #[arg(long, value_name = "FILE", conflicts_with = "resume")]
    journal: Option<PathBuf>,
    /// Writes no journal: a run that ends early cannot be resumed
    #[arg(long, conflicts_with_all = ["journal", "resume"])]
    no_journal: bool,
    /// Continues the run of this journal: finished lines are not repeated, and those in doubt are verified
    #[arg(long, value_name = "FILE")]
    resume: Option<PathBuf>,
    /// The new file for the lines that are not done, in the format of the input, with why; credentials are encrypted
    #[arg(long, value_name = "FILE", conflicts_with_all = ["no_journal", "dry_run"])]
    failed: Option<PathBuf>,
    /// The new file for the result as a page (.html), as JSON (.json) or as JUnit XML (.xml)
    #[arg(long, value_name = "FILE", conflicts_with = "dry_run")]
    report: Option<ReportPath>,
    /// Sends the other lines when some are bad; without it, nothing is sent then
    #[arg(long)]
    skip_bad_lines: bool,
    /// Sends nothing if any line is bad, which is the default
    #[arg(long, hide = true, conflicts_with = "skip_bad_lines")]
    strict: bool,
    /// Sends reason codes that are not documented for the operation of their line
    #[arg(long)]
    any_reason_code: bool,
    /// Allows lines to delete cards, without asking
    #[arg(long, short)]
    yes: bool,
    /// Verifies, at the end, the lines whose outcome is unknown
    #[arg(long, conflicts_with = "no_journal")]
    verify: bool,
    /// How many seconds D1 is given to carry out a request before its absence from the list counts
    #[arg(long, value_name = "SECONDS", default_value = "30")]
    wait: BoundedInt<1, 3600>,
    /// Does not verify the lines in doubt of an earlier run: they stay unknown, and are not repeated
    #[arg(long, requires = "resume")]
    no_verify: bool,
    /// Prints the requests with secrets masked; sends nothing, and gets no token
    #[arg(long, conflicts_with = "resume")]
    dry_run: bool,
}

impl BulkCommand {
    pub(crate) async fn run(
        self,
        session: impl FnOnce() -> Result<Session, Failure>,
        output: &Output,
    ) -> Result<Exit, Failure> {
        let flags = match (self.report, self.run) {
            (Some(report), _) => return report.run(output),
            (None, Some(flags)) => flags,
            (None, None) => return Err(Failure::input("<FILE>", "is missing")),
        };
        let session = session()?;
        if flags.dry_run {
            return flags.show(&session).await;
        }
        flags.run(&session).await
    }
}

impl RunFlags {
    async fn run(self, session: &Session) -> Result<Exit, Failure> {
        let client = session.client()?;
        let report = self.report.as_ref().map(ReportFile::new).transpose()?;
        let failed = self.failed.as_deref();
        let failed = failed.map(|path| FailedLines::new(path, &session.config));
        let failed = failed.transpose()?;
        let prepared = Prepared::new(&self, &client, session)?;
        prepared.preflight.say_if_empty();
        let input = &prepared.preflight.input;
        let about = About {
            command: "bulk",
            journal: prepared.journal_path.as_deref().map(input::name),
            lines: input.lines,
            bad_lines: input.bad_lines,
            report,
        };
        let progress = Progress::new(input.lines, session.output.is_quiet());
        let mut summary = Summary::new(session.output, progress, about, &prepared.previous);
        for result in &prepared.earlier {
            summary.list(result);
        }
        if let (Some(path), None, None) = (&prepared.journal_path, &self.journal, &self.resume) {
            summary.note(&format!("journal: {}", input::name(path)));
        }
        let (input, path) = (prepared.input, prepared.journal_path);
        let files = (prepared.journal, prepared.previous, summary);
        let run = Run::new(&self, &client, &input.name, files)?;
        let ended = run.carry_out(input.clone(), &prepared.equal_lines, path.as_deref());
        let ended = ended.await;
        if let (Some(failed), Some(path)) = (failed, path) {
            failed.write(&input, &path, &session.output);
        }
        ended
    }

    fn concurrency(&self) -> usize {
        usize::try_from(self.concurrency.0).unwrap_or(usize::MAX)
    }

    /// Returns what lines may do. They may delete cards with `--yes`, or where there is a terminal at which a
    /// person can agree.
    fn permissions(&self) -> Permissions {
        Permissions {
            deletes: self.yes || prompt::can_ask(),
            any_reason_code: self.any_reason_code,
        }
    }

    /// Shows the requests instead of sending them.
    async fn show(&self, session: &Session) -> Result<Exit, Failure> {
        let dry_run = DryRun::new(&session.config)?;
        let input = Input::open(&self.file, self.format)?;
        let may = Permissions {
            deletes: true,
            ..self.permissions()
        };
        let preflight = Preflight::of(&input, &PreviousRun::default(), may)?;
        preflight.judge_bad_lines(self.skip_bad_lines)?;
        preflight.say_if_empty();
        let mut items = input.into_items();
        while let Some(item) = items.recv().await {
            if let Ok(line) = permitted(item?, may) {
                let request = line.change.request(&dry_run.client, None);
                dry_run.print(&session.output, request.await)?;
            }
        }
        Ok(match preflight.input.bad_lines {
            0 => Exit::Done,
            _ => Exit::BadInput,
        })
    }
}

/// Locks a value. A thread that panicked leaves it usable.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
