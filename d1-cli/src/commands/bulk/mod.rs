//! `d1 bulk`: many changes, one a line, with a journal from which a run that ended early continues.
//!
//! | question | module |
//! |---|---|
//! | Where do lines come from, and what may a line hold? | [`input`], [`spool`], [`line`] |
//! | What is checked before anything is sent? | [`prepare`], [`preflight`] |
//! | What is written down, and when is it on the disk? | [`entry`], [`journal`] |
//! | What does an old journal say? | [`resume`], [`previous_run`], [`report`] |
//! | Did D1 carry out a line of unknown outcome? | [`reconcile`] |
//! | How are lines sent, and in which order? | [`run`], [`order`], [`unsent`] |
//! | What is printed? | [`summary`], [`counts`], [`progress`] |

mod counts;
mod entry;
mod input;
mod journal;
mod line;
mod order;
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

use clap::Args;

use crate::config::Config;
use crate::connect;
use crate::dry_run::DryRun;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::flags::{BoundedInt, Format, rate};
use crate::interrupt::Interrupts;
use crate::output::Output;
use crate::prompt;
use input::Input;
use preflight::{Permissions, Preflight};
use prepare::{Place, Prepared};
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
    /// The requests, one JSON object a line; - for standard input
    file: PathBuf,
    /// The maximum number of requests at the same time
    #[arg(
        long,
        value_name = "N",
        default_value = "64",
        hide_default_value = false
    )]
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
    #[arg(long)]
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
        load: impl FnOnce() -> Result<(Config, Output), Failure>,
        output: &Output,
    ) -> Result<Exit, Failure> {
        let flags = match (self.report, self.run) {
            (Some(report), _) => return report.run(output),
            (None, Some(flags)) => flags,
            (None, None) => return Err(Failure::input("<FILE>", "is missing")),
        };
        let (config, output) = load()?;
        if flags.dry_run {
            return flags.show(&config, &output).await;
        }
        flags.run(&config, &output).await
    }
}

impl RunFlags {
    async fn run(self, config: &Config, output: &Output) -> Result<Exit, Failure> {
        let client = connect::client(config)?;
        let place = Place {
            profile: config.profile.text.clone(),
            host: connect::base_url(config)?.trim_end_matches('/').to_owned(),
            issuer: connect::issuer(config)?.to_string(),
        };
        let Prepared {
            input,
            name,
            preflight,
            previous,
            earlier,
            journal,
            journal_path,
        } = Prepared::new(&self, &place, output.format == Format::Json)?;
        let about = About {
            journal: journal_path.as_deref().map(input::name),
            is_report: false,
            lines: preflight.lines,
            bad_lines: preflight.bad_lines,
        };
        let progress = Progress::new(preflight.lines, output.is_quiet());
        let mut summary = Summary::new(*output, progress, about, &previous);
        earlier.iter().for_each(|result| summary.list(result));
        if let (Some(path), None, None) = (&journal_path, &self.journal, &self.resume) {
            summary.note(&format!("journal: {}", input::name(path)));
        }
        let mut run = Run::new(&self, &client, name, (journal, previous, summary))?;
        // Only from here on: before, an interrupted run leaves nothing to clean up.
        let mut interrupts = Interrupts::listen()?;
        let reconciled = run.reconcile_in_doubt(preflight.in_doubt, &mut interrupts);
        if reconciled.await? {
            let (summary, ..) = run.into_parts();
            return Ok(summary.finish(true));
        }
        let unknown = run.send(input, &mut interrupts).await?;
        tokio::select! {
            verified = run.verify_unknown(unknown) => verified?,
            // The outcomes stay unknown.
            () = interrupts.next() => {}
        }
        let (summary, ended_early, failure) = run.into_parts();
        let exit = summary.finish(ended_early);
        match failure {
            // What happened was reported on standard error, and decides.
            Some(Failure::Output(_)) | None => Ok(exit),
            Some(failure) => Err(failure),
        }
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
    async fn show(&self, config: &Config, output: &Output) -> Result<Exit, Failure> {
        let dry_run = DryRun::new(config)?;
        let name = input::name(&self.file);
        let input = Input::open(&self.file)?;
        let may = Permissions {
            deletes: true,
            ..self.permissions()
        };
        let preflight = Preflight::of(&input, &name, &PreviousRun::default(), may)?;
        preflight.judge_bad_lines(&name, self.skip_bad_lines)?;
        let mut items = input.into_items();
        while let Some(item) = items.recv().await {
            if let Ok(line) = item? {
                dry_run.print(output, line.request(&dry_run.client, None).await)?;
            }
        }
        Ok(match preflight.bad_lines {
            0 => Exit::Done,
            _ => Exit::BadInput,
        })
    }
}
