//! What happens before anything is sent: the input is read, and the journal is begun.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use d1_facade::Client;

use super::entry::{Entry, Header, LineResult, Outcome};
use super::equal_lines::EqualLines;
use super::input::Input;
use super::journal::Journal;
use super::preflight::Preflight;
use super::previous_run::PreviousRun;
use super::resume::{self, Opened};
use super::{MOST_LISTED, RunFlags};
use crate::failure::Failure;
use crate::flags::Format;
use crate::prompt;
use crate::session::Session;

/// What a run begins with.
pub(super) struct Prepared {
    pub(super) input: Input,
    pub(super) preflight: Preflight,
    pub(super) previous: PreviousRun,
    /// The lines that are equal to those that earlier runs left in doubt.
    pub(super) equal_lines: EqualLines,
    /// What is not done by what earlier runs wrote down, where it is to be listed.
    pub(super) earlier: Vec<LineResult>,
    pub(super) journal: Journal,
    /// Where that is.
    pub(super) journal_path: Option<PathBuf>,
}

impl Prepared {
    /// Opens and reads everything, and refuses what must not be sent.
    pub(super) fn new(
        flags: &RunFlags,
        client: &Client,
        session: &Session,
    ) -> Result<Self, Failure> {
        let environment = client.environment();
        let host = environment.url().trim_end_matches('/');
        let issuer = client.issuer().to_string();
        let input = Input::open(&flags.file, flags.format)?;
        let opened = flags.resume.as_ref().map(|path| {
            Opened::for_run(path, host, &issuer).map_err(|rule| bad("--resume", path, &rule))
        });
        let opened = opened.transpose()?;
        let none = PreviousRun::default();
        let previous = opened.as_ref().map_or(&none, |opened| &opened.previous);
        let mut preflight = Preflight::of(&input, previous, flags.permissions())?;
        preflight.judge_bad_lines(flags.skip_bad_lines)?;
        if preflight.deletes > 0 {
            let question = format!(
                "{} lines delete a card at {host}. This cannot be undone. Go on?",
                preflight.deletes
            );
            prompt::confirm(flags.yes, &question)?;
        }
        preflight.input.profile = Some(session.config.profile.text.clone());
        let run = Entry::Run(preflight.input.clone());
        let (mut previous, mut earlier) = (none, Vec::new());
        let mut equal_lines = EqualLines::default();
        let (journal, journal_path) = if let Some(opened) = opened {
            if session.output.format == Format::Json || flags.report.is_some() {
                earlier = not_done(&opened)?;
            }
            equal_lines = opened.equal_lines(opened.previous.in_doubt.values())?;
            previous = opened.previous;
            let journal = Journal::go_on(opened.file, opened.length, &[run])?;
            (journal, flags.resume.clone())
        } else if flags.no_journal {
            (Journal::none(), None)
        } else {
            let first = [Entry::Header(Header::new(host, &issuer)), run];
            let (journal, path) = match &flags.journal {
                Some(path) => (create(path, &first)?, path.clone()),
                None => {
                    let beside = input.is_file().then_some(flags.file.as_path());
                    create_of_its_own(beside, &preflight.input.digest, &first)?
                }
            };
            (journal, Some(path))
        };
        Ok(Self {
            input,
            preflight,
            previous,
            equal_lines,
            earlier,
            journal,
            journal_path,
        })
    }
}

/// Returns the first lines that are not done.
fn not_done(opened: &Opened) -> Result<Vec<LineResult>, Failure> {
    let mut results = Vec::new();
    opened.each_line(|result| {
        let listed = results.len() < MOST_LISTED && result.outcome != Outcome::Done;
        results.extend(listed.then_some(result));
        Ok(())
    })?;
    Ok(results)
}

/// Begins the journal that was asked for.
fn create(path: &Path, first: &[Entry]) -> Result<Journal, Failure> {
    Journal::create(path, first).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => bad(
            "--journal",
            path,
            "exists: continue it with --resume, or give another name",
        ),
        kind => bad("--journal", path, &format!("cannot be made: {kind}")),
    })
}

/// Begins a journal where none was named: beside the input if that is a file, under the first name that is
/// free. An input whose job has not ended is not begun anew by accident.
fn create_of_its_own(
    beside: Option<&Path>,
    digest: &str,
    first: &[Entry],
) -> Result<(Journal, PathBuf), Failure> {
    let base = beside.unwrap_or(Path::new("d1-bulk"));
    let mut number = 1;
    loop {
        let path = journal_path(base, number);
        match Journal::create(&path, first) {
            Ok(journal) => return Ok((journal, path)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                if resume::is_unfinished(&path, digest) {
                    let name = path.display();
                    let rule = format!(
                        "is of a run of this input that has not ended: continue it with --resume {name}, or \
                         start again with --journal and another name"
                    );
                    return Err(Failure::input(name, rule));
                }
                number += 1;
            }
            Err(error) => {
                let rule = format!(
                    "cannot be made: {}; name another with --journal, or do without by --no-journal",
                    error.kind()
                );
                return Err(bad("journal", &path, &rule));
            }
        }
    }
}

/// `cards.ndjson.journal`, `cards.ndjson.2.journal` and so on.
fn journal_path(base: &Path, number: u64) -> PathBuf {
    let mut name = OsString::from(base);
    if number > 1 {
        name.push(format!(".{number}"));
    }
    name.push(".journal");
    name.into()
}

fn bad(flag: &str, path: &Path, rule: &str) -> Failure {
    Failure::input(format!("{flag} {}", path.display()), rule)
}
