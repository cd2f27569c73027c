//! Reads the journal of earlier runs.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read as _, Seek as _};
use std::path::Path;

use super::MOST_LISTED;
use super::entry::{Entry, FORMAT, LineResult, Outcome};
use super::journal::lock;
use super::previous_run::PreviousRun;
use crate::failure::Failure;

/// How a journal begins, whatever it is for: a crash may have left no more of it.
const FIRST: &[u8] = b"{\"journal\":";

/// A journal that is to be continued.
pub(super) struct Opened {
    pub(super) file: File,
    /// How much of it is whole.
    pub(super) length: u64,
    pub(super) previous: PreviousRun,
}

/// Opens a journal for a run against this host and issuer.
pub(super) fn open(path: &Path, base_url: &str, issuer: &str) -> Result<Opened, String> {
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .open(path)
        .map_err(unreadable)?;
    // First: what another run still writes must not be read.
    lock(&file)?;
    let (length, mut previous) = read(BufReader::new(&mut file))?;
    previous.check_place(base_url, issuer)?;
    previous.forget_bad_lines();
    Ok(Opened {
        file,
        length,
        previous,
    })
}

impl Opened {
    /// The lines that are not done, and why.
    pub(super) fn not_done(&self) -> Result<Vec<LineResult>, Failure> {
        let mut lines = Vec::new();
        (&self.file).rewind()?;
        each_line(
            BufReader::new(&self.file).take(self.length),
            &self.previous,
            |result| {
                let room = lines.len() < MOST_LISTED && result.outcome != Outcome::Done;
                lines.extend(room.then_some(result));
                Ok(())
            },
        )?;
        Ok(lines)
    }
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn unreadable(error: io::Error) -> String {
    format!("cannot be read: {}", error.kind())
}

/// Reads a journal, which another process may be writing; and what was read, to be read again.
pub(super) fn read_only(path: &Path) -> Result<(PreviousRun, impl BufRead + use<>), String> {
    let mut reader = BufReader::new(File::open(path).map_err(unreadable)?);
    let (length, previous) = read(&mut reader)?;
    reader.rewind().map_err(unreadable)?;
    Ok((previous, reader.take(length)))
}

/// Whether a file is the journal of a job with this very input that still has something to do.
pub(super) fn is_unfinished(path: &Path, digest: &str) -> bool {
    // A file that cannot be read as a journal belongs to something else.
    read_only(path).is_ok_and(|(previous, _)| previous.is_unfinished(digest))
}

/// Returns the outcome of each line by its last entry.
pub(super) fn each_line(
    journal: impl BufRead,
    previous: &PreviousRun,
    mut give: impl FnMut(LineResult) -> io::Result<()>,
) -> Result<(), Failure> {
    let mut failure = None;
    let read = entries(journal, |number, entry| {
        let result = match entry {
            Entry::Header { .. } | Entry::Run { .. } => return Ok(()),
            Entry::Begun {
                begun,
                key,
                operation,
                card_id,
                correlation_id,
                ..
            } => {
                let message =
                    "its outcome was not written down: the run ended before, or has not ended";
                LineResult {
                    key,
                    operation: Some(operation),
                    card_id: Some(card_id),
                    correlation_id,
                    ..LineResult::bare(begun, Outcome::Unknown).because(message)
                }
            }
            Entry::Ended(result) => result,
        };
        if previous.is_last(result.line, number) {
            failure = give(result).err().or(failure.take());
        }
        Ok(())
    });
    read.map_err(|rule| Failure::input("the journal", rule))?;
    failure.map_or(Ok(()), |error| Err(error.into()))
}

/// Reads a journal, and how many bytes of it are whole.
fn read(journal: impl BufRead) -> Result<(u64, PreviousRun), String> {
    let mut previous: Option<PreviousRun> = None;
    let length = entries(journal, |number, entry| match (entry, &mut previous) {
        (
            Entry::Header {
                journal,
                base_url,
                issuer_id,
                ..
            },
            None,
        ) => {
            if journal != FORMAT {
                return Err("is of another version of d1 bulk".to_owned());
            }
            previous = Some(PreviousRun::of(base_url, issuer_id));
            Ok(())
        }
        (_, None) => Err("does not begin as a journal of d1 bulk".to_owned()),
        (entry, Some(previous)) => previous.add(number, entry),
    })?;
    let previous = previous.ok_or("does not begin as a journal of d1 bulk")?;
    Ok((length, previous))
}

/// Reads the entries of a journal, and how many bytes of it are whole. A crash may leave a last line that is
/// cut off: it was not on the disk when the run waited for it, so nothing was sent because of it, and it is left out.
/// Anything else that cannot be read was not written by this program, and is refused.
fn entries(
    mut journal: impl BufRead,
    mut each: impl FnMut(u64, Entry) -> Result<(), String>,
) -> Result<u64, String> {
    let (mut length, mut number, mut line) = (0, 0, Vec::new());
    loop {
        line.clear();
        let read = journal.read_until(b'\n', &mut line);
        read.map_err(unreadable)?;
        if line.last() != Some(&b'\n') {
            let begins = FIRST.starts_with(line.get(..FIRST.len()).unwrap_or(&line));
            return if number == 0 && begins {
                Err("is empty: nothing was sent with it; start again with --journal".to_owned())
            } else {
                Ok(length)
            };
        }
        number += 1;
        length += line.len() as u64;
        let entry = serde_json::from_slice(&line)
            .map_err(|_| format!("line {number} is not one of a journal of d1 bulk"))?;
        each(number, entry)?;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::super::previous_run::LineState;
    use super::*;

    const HOST: &str = "https://host";
    const ISSUER: &str = "ISSUER_A-1";

    fn begun(line: u64) -> String {
        let at = "2026-01-01T00:00:00Z";
        format!(
            r#"{{"begun":{line},"digest":"d{line}","operation":"suspend","cardId":"A","correlationId":null,"at":"{at}"}}"#
        ) + "\n"
    }

    fn ended(line: u64, outcome: Outcome) -> String {
        serde_json::to_string(&Entry::Ended(LineResult::bare(line, outcome))).unwrap() + "\n"
    }

    fn journal(lines: &[String]) -> String {
        let header = serde_json::to_string(&Entry::header(HOST, ISSUER)).unwrap();
        header + "\n" + &lines.concat()
    }

    fn states(text: &str) -> Vec<LineState> {
        let (_, previous) = read(text.as_bytes()).unwrap();
        (1..=5).map(|line| previous.state(line)).collect()
    }

    #[test]
    fn only_what_is_known_not_to_have_been_done_is_to_do() {
        let text = journal(&[
            begun(1),
            begun(2),
            begun(3),
            begun(4),
            ended(1, Outcome::Done),
            ended(2, Outcome::NotSent),
            ended(3, Outcome::Unknown),
        ]);
        assert_eq!(
            states(&text),
            [
                LineState::Finished(Outcome::Done),
                LineState::ToDo,
                LineState::InDoubt,
                LineState::InDoubt,
                LineState::ToDo,
            ]
        );
    }

    #[test]
    fn a_crash_anywhere_in_the_last_line_leaves_a_journal_that_can_be_read() {
        let whole = journal(&[begun(1)]);
        let text = whole.clone() + &ended(1, Outcome::Done);
        for length in whole.len()..text.len() {
            let cut = text.get(..length).unwrap();
            let (kept, previous) = read(cut.as_bytes()).unwrap();
            assert_eq!(kept as usize, whole.len());
            assert_eq!(previous.state(1), LineState::InDoubt);
        }
        let (kept, previous) = read(text.as_bytes()).unwrap();
        assert_eq!(kept as usize, text.len());
        assert_eq!(previous.state(1), LineState::Finished(Outcome::Done));
    }

    #[test]
    fn what_this_program_did_not_write_is_refused() {
        let no_header = begun(1);
        let torn = journal(&["{\"begun\":\n".to_owned(), begun(2)]);
        let unbegun = journal(&[ended(1, Outcome::Done)]);
        let twice = journal(&[begun(1), begun(1)]);
        for (text, rule) in [
            ("", "is empty"),
            ("{\"jour", "is empty"),
            ("{\"no", "does not begin"),
            (no_header.as_str(), "does not begin"),
            (torn.as_str(), "line 2 is not one"),
            (unbegun.as_str(), "line 2 ends what was not begun"),
            (twice.as_str(), "line 3 begins what was not to be repeated"),
        ] {
            let refused = read(text.as_bytes()).unwrap_err();
            assert!(refused.starts_with(rule), "{refused}");
        }
        let text = journal(&[]);
        let (_, previous) = read(text.as_bytes()).unwrap();
        assert_eq!(previous.check_place(HOST, ISSUER), Ok(()));
        assert!(previous.check_place("https://other", ISSUER).is_err());
        assert!(previous.check_place(HOST, "ISSUER_B-1").is_err());
    }
}
