//! `d1 bulk`: many changes, one a line, with a journal from which a run that ended early goes on.
//!
//! | question | module |
//! |---|---|
//! | Where do lines come from, and what may stand in one? | [`input`], [`spool`], [`line`] |
//! | What is looked at before anything is sent? | [`prepare`], [`survey`] |
//! | What is written down, and when is it on the disk? | [`entry`], [`journal`] |
//! | What does an old journal say? | [`resume`], [`past`], [`report`] |
//! | Did D1 carry out what nobody saw the end of? | [`look_back`] |
//! | How are lines sent, and in which order? | [`run`], [`order`] |
//! | What is printed? | [`tally`], [`counts`], [`progress`] |

mod counts;
mod entry;
mod input;
mod journal;
mod line;
mod look_back;
mod order;
mod past;
mod prepare;
mod progress;
mod report;
mod resume;
mod run;
mod spool;
mod survey;
mod tally;
mod unsent;

use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

use clap::Args;
use d1_facade::{Client, Error};
use futures_util::{StreamExt as _, stream};
use tokio::time::sleep;

use crate::config::Config;
use crate::connect;
use crate::dry_run::DryRun;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::flags::Format;
use crate::flags::{Whole, rate};
use crate::interrupt::Interrupts;
use crate::look_up;
use crate::output::Output;
use crate::prompt;
use entry::{Ended, Ending, Entry};
use input::Input;
use journal::Journal;
use line::Facts;
use look_back::{InDoubt, Verdict, look_back};
use past::Past;
use prepare::{Place, Prepared};
use progress::Progress;
use report::ReportCommand;
use run::{Plan, lock, run_id};
use survey::{Permissions, Survey};
use tally::{About, Tally};

/// Printed below the help, before the exit codes.
pub(super) const LINES: &str = r#"A line: {"operation":"suspend","cardId":"ReplaceMe01","reasonCode":"CARD_LOST","reason":"lost","key":"row 1"}
  operation    suspend, resume, delete or renew
  cardId       the card
  key          yours, to find the line again in the results; 1 to 64 of A-Z a-z 0-9 _ - . and blank
  reasonCode, reason
  of renew: newCardId, state, americanExpress, and either credentials
    ({"pan","exp","psn","auxiliaryPan","auxiliaryExp"}) or encryptedData (a JWE)
Cards run side by side. The lines of one card run in their order: each is sent when the one before is known
to be done. When that was refused, was not sent or has an unknown outcome, the rest of the card is held back.

Nothing is sent before all lines were looked at. Without --journal, the journal of cards.ndjson is
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

/// What a run is asked for.
#[derive(Debug, Args)]
struct RunFlags {
    /// The requests, one JSON object a line; - for standard input
    file: PathBuf,
    /// How many requests are under way at once at most
    #[arg(
        long,
        value_name = "N",
        default_value = "64",
        hide_default_value = false
    )]
    concurrency: Whole<1, 1000>,
    /// How many requests are sent per second at most
    #[arg(long, value_name = "N", value_parser = rate)]
    rate: Option<f64>,
    /// The new file in which each request is written down before it is sent, and its outcome after
    #[arg(long, value_name = "FILE", conflicts_with = "resume")]
    journal: Option<PathBuf>,
    /// Writes no journal: a run that ends early cannot be resumed
    #[arg(long, conflicts_with_all = ["journal", "resume"])]
    no_journal: bool,
    /// Goes on with the run of this journal: finished lines are not repeated, and those in doubt are looked up
    #[arg(long, value_name = "FILE")]
    resume: Option<PathBuf>,
    /// Sends the other lines where lines are bad; without it nothing is sent then
    #[arg(long)]
    skip_bad_lines: bool,
    /// Sends nothing if any line is bad, as is the default
    #[arg(long, hide = true, conflicts_with = "skip_bad_lines")]
    strict: bool,
    /// Sends reason codes that are not documented for the operation of their line
    #[arg(long)]
    any_reason_code: bool,
    /// Lets lines delete cards, and does not ask
    #[arg(long, short)]
    yes: bool,
    /// Looks up, at the end, the lines whose outcome is unknown
    #[arg(long)]
    confirm: bool,
    /// How many seconds D1 is given to carry out a request before its absence from the list counts
    #[arg(long, value_name = "SECONDS", default_value = "30")]
    settle: Whole<1, 3600>,
    /// Does not look up the lines in doubt of an earlier run: they stay unknown, and are not repeated
    #[arg(long, requires = "resume")]
    no_look_up: bool,
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
            survey,
            past,
            earlier,
            journal,
            journal_path,
        } = Prepared::new(&self, &place, output.format == Format::Json)?;
        let about = About {
            journal: journal_path.as_deref().map(input::name),
            is_report: false,
            lines: survey.lines,
            bad_lines: survey.bad_lines,
        };
        let progress = Progress::new(survey.lines, output.is_quiet());
        let mut tally = Tally::new(*output, progress, about, &past);
        earlier.iter().for_each(|ended| tally.list(ended));
        if let (Some(path), None, None) = (&journal_path, &self.journal, &self.resume) {
            tally.note(&format!("journal: {}", input::name(path)));
        }
        let tally = Mutex::new(tally);
        // From here on: until now an interruption has nothing to tidy up.
        let mut interrupts = Interrupts::listen()?;
        let verdicts = self.look_back(&client, survey.in_doubt.clone(), &tally);
        let verdicts = tokio::select! {
            verdicts = verdicts => Some(verdicts),
            () = interrupts.next() => None,
        };
        let interrupted = verdicts.is_none();
        let verdicts =
            verdicts.unwrap_or_else(|| all_unknown(survey.in_doubt, "the look-up was interrupted"));
        let past = clear_doubts(verdicts, &journal, past, &tally).await?;
        if interrupted {
            return Ok(finished(tally).finish(true));
        }
        let plan = Plan {
            client: &client,
            journal: &journal,
            past: &past,
            input: &name,
            concurrency: self.concurrency.0 as usize,
            rate: self.rate,
            may: self.permissions(),
            skips_bad_lines: self.skip_bad_lines,
            run_id: &run_id()?,
            keep_unknown: self.confirm,
        };
        let ran = plan.run(input, &tally, &mut interrupts).await?;
        let confirming = self.confirm(&client, &journal, ran.unknown, &tally);
        tokio::select! {
            confirmed = confirming => confirmed?,
            // Whoever does not want to wait is left with unknown outcomes.
            () = interrupts.next() => {}
        }
        let exit = finished(tally).finish(ran.ended_early);
        match ran.failure {
            // What happened was told on standard error, and decides.
            Some(Failure::Output(_)) | None => Ok(exit),
            Some(failure) => Err(failure),
        }
    }

    /// Returns what lines may do. They may delete cards with `--yes`, or where there is a terminal at which a
    /// person can agree.
    fn permissions(&self) -> Permissions {
        Permissions {
            deletes: self.yes || prompt::can_ask(),
            any_reason_code: self.any_reason_code,
        }
    }

    /// Finds out what became of the lines that an earlier run left in doubt.
    async fn look_back(
        &self,
        client: &Client,
        in_doubt: Vec<InDoubt>,
        tally: &Mutex<Tally>,
    ) -> Vec<(InDoubt, Verdict)> {
        if self.no_look_up {
            return all_unknown(in_doubt, "it was not looked up");
        }
        if in_doubt.is_empty() {
            return Vec::new();
        }
        lock(tally).note(&format!(
            "{} lines are in doubt; looking them up",
            in_doubt.len()
        ));
        // The process that sent them is gone: it holds the journal no more.
        let found = look_back(client, in_doubt).await;
        let (absent, mut told): (Vec<_>, Vec<_>) = found
            .into_iter()
            .partition(|(_, verdict)| *verdict == Verdict::Absent);
        if !absent.is_empty() {
            let Whole(settle) = self.settle;
            lock(tally).note(&format!(
                "{} of them are not listed; giving D1 {settle} s for them",
                absent.len()
            ));
            sleep(Duration::from_secs(settle)).await;
            let absent = absent.into_iter().map(|(line, _)| line).collect();
            told.extend(look_back(client, absent).await);
        }
        told
    }

    /// Looks up the lines of this run whose outcome is unknown.
    async fn confirm(
        &self,
        client: &Client,
        journal: &Journal,
        unknown: Vec<(Facts, Error)>,
        tally: &Mutex<Tally>,
    ) -> Result<(), Failure> {
        if unknown.is_empty() {
            return Ok(());
        }
        lock(tally).note(&format!(
            "looking up {} lines of unknown outcome",
            unknown.len()
        ));
        let settle = Some(Duration::from_secs(self.settle.0));
        let looks = stream::iter(unknown).map(|(facts, error)| async move {
            let found = look_up::look_up(client, &error, settle).await;
            (facts, found)
        });
        let mut looks = std::pin::pin!(looks.buffer_unordered(8));
        while let Some((facts, found)) = looks.next().await {
            let ending = match found.exit {
                Exit::Done => Ending::Done,
                Exit::NotSent => Ending::NotSent,
                _ => continue,
            };
            let id = found.fields.get("operationId").and_then(|id| id.as_str());
            let ended = Ended::looked_up(&facts, ending, id);
            journal.append(&Entry::Ended(ended.clone())).await?;
            // Where this cannot be printed, the totals say it on standard error.
            let _ = lock(tally).resolved(&ended);
        }
        Ok(())
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
        let survey = Survey::of(&input, &name, &Past::default(), may)?;
        survey.judge_bad_lines(&name, self.skip_bad_lines)?;
        let mut items = input.into_items();
        while let Some(item) = items.recv().await {
            let Ok(line) = item? else {
                continue;
            };
            dry_run.print(output, line.request(&dry_run.client, None).await)?;
        }
        Ok(match survey.bad_lines {
            0 => Exit::Done,
            _ => Exit::BadInput,
        })
    }
}

/// That for this reason nothing can be told of any line.
fn all_unknown(lines: Vec<InDoubt>, why: &str) -> Vec<(InDoubt, Verdict)> {
    let unknown = |line| (line, Verdict::CannotTell(why.to_owned()));
    lines.into_iter().map(unknown).collect()
}

/// Takes down what was found out; the lines that D1 is known not to have carried out are to do again.
async fn clear_doubts(
    verdicts: Vec<(InDoubt, Verdict)>,
    journal: &Journal,
    mut past: Past,
    tally: &Mutex<Tally>,
) -> Result<Past, Failure> {
    for (line, verdict) in verdicts {
        let facts = &line.facts;
        let ended = match verdict {
            Verdict::Done(id) => Ended::looked_up(facts, Ending::Done, id.as_deref()),
            Verdict::Absent => Ended::looked_up(facts, Ending::NotSent, None),
            Verdict::CannotTell(why) => {
                // Where this cannot be printed, the totals say it on standard error.
                let _ = lock(tally).still_unknown(facts, &why);
                continue;
            }
        };
        journal.append(&Entry::Ended(ended.clone())).await?;
        let before = past.known(facts.number);
        if ended.outcome == Ending::Done {
            // Where this cannot be printed, the totals say it on standard error.
            let _ = lock(tally).ended(&ended, before);
        } else {
            lock(tally).learned(&ended, before);
        }
        past.resolve(&ended);
    }
    Ok(past)
}

/// The tally, once nobody else has it.
fn finished(tally: Mutex<Tally>) -> Tally {
    tally
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}
