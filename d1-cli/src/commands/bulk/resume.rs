//! Reads the journal of earlier runs.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read as _, Seek as _};
use std::path::Path;

use super::MOST_LISTED;
use super::entry::{Ended, Ending, Entry, FORMAT};
use super::journal::lock;
use super::past::Past;
use crate::failure::Failure;

/// How a journal begins, whatever it is for: a crash may have left no more of it.
const FIRST: &[u8] = b"{\"journal\":";

/// A journal that is to go on.
pub(super) struct Opened {
    pub(super) file: File,
    /// How much of it is whole.
    pub(super) length: u64,
    pub(super) past: Past,
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
    let (length, mut past) = read(BufReader::new(&mut file))?;
    past.check_place(base_url, issuer)?;
    past.forget_bad_lines();
    Ok(Opened { file, length, past })
}

impl Opened {
    /// The lines that are not done, and why.
    pub(super) fn not_done(&self) -> Result<Vec<Ended>, Failure> {
        let mut lines = Vec::new();
        (&self.file).rewind()?;
        each_line(
            BufReader::new(&self.file).take(self.length),
            &self.past,
            |ended| {
                let room = lines.len() < MOST_LISTED && ended.outcome != Ending::Done;
                lines.extend(room.then_some(ended));
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
pub(super) fn read_only(path: &Path) -> Result<(Past, impl BufRead + use<>), String> {
    let mut reader = BufReader::new(File::open(path).map_err(unreadable)?);
    let (length, past) = read(&mut reader)?;
    reader.rewind().map_err(unreadable)?;
    Ok((past, reader.take(length)))
}

/// Whether a file is the journal of a job with this very input that still has something to do.
pub(super) fn is_unfinished(path: &Path, digest: &str) -> bool {
    // What cannot be read as a journal is somebody else's.
    read_only(path).is_ok_and(|(past, _)| past.is_of(digest) && !past.has_ended())
}

/// Returns the outcome of each line by its last entry.
pub(super) fn each_line(
    journal: impl BufRead,
    past: &Past,
    mut give: impl FnMut(Ended) -> io::Result<()>,
) -> Result<(), Failure> {
    let mut failure = None;
    let read = entries(journal, |number, entry| {
        let ended = match entry {
            Entry::Header { .. } | Entry::Run { .. } => return Ok(()),
            Entry::Begun {
                begun,
                key,
                operation,
                card_id,
                correlation_id,
                ..
            } => Ended::in_doubt(begun, key, operation, card_id, correlation_id),
            Entry::Ended(ended) => ended,
        };
        if past.is_last(ended.ended, number) {
            failure = give(ended).err().or(failure.take());
        }
        Ok(())
    });
    read.map_err(|rule| Failure::input("the journal", rule))?;
    failure.map_or(Ok(()), |error| Err(error.into()))
}

/// Reads a journal, and how many bytes of it are whole.
fn read(journal: impl BufRead) -> Result<(u64, Past), String> {
    let mut past: Option<Past> = None;
    let length = entries(journal, |number, entry| match (entry, &mut past) {
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
            past = Some(Past::of(base_url, issuer_id));
            Ok(())
        }
        (_, None) => Err("does not begin as a journal of d1 bulk".to_owned()),
        (entry, Some(past)) => past.add(number, entry),
    })?;
    let past = past.ok_or("does not begin as a journal of d1 bulk")?;
    Ok((length, past))
}

/// Reads the entries of a journal, and how many bytes of it are whole. A crash may leave a last line that is
/// cut off: it was not on the disk when anybody waited for it, so that nothing was done because of it, and it
/// is left out. Anything else that cannot be read is not what this program wrote, and is refused.
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
                Err("is empty: nothing was sent with it; begin anew with --journal".to_owned())
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

    use super::super::past::Standing;
    use super::*;

    const HOST: &str = "https://host";
    const ISSUER: &str = "ISSUER_A-1";

    fn begun(line: u64) -> String {
        let at = "2026-01-01T00:00:00Z";
        format!(
            r#"{{"begun":{line},"digest":"d{line}","operation":"suspend","cardId":"A","correlationId":null,"at":"{at}"}}"#
        ) + "\n"
    }

    fn ended(line: u64, outcome: Ending) -> String {
        serde_json::to_string(&Entry::Ended(Ended::bare(line, outcome))).unwrap() + "\n"
    }

    fn journal(lines: &[String]) -> String {
        let header = serde_json::to_string(&Entry::header(HOST, ISSUER)).unwrap();
        header + "\n" + &lines.concat()
    }

    fn standings(text: &str) -> Vec<Standing> {
        let (_, past) = read(text.as_bytes()).unwrap();
        (1..=5).map(|line| past.standing(line)).collect()
    }

    #[test]
    fn only_what_is_known_not_to_have_been_done_is_to_do() {
        let text = journal(&[
            begun(1),
            begun(2),
            begun(3),
            begun(4),
            ended(1, Ending::Done),
            ended(2, Ending::NotSent),
            ended(3, Ending::Unknown),
        ]);
        assert_eq!(
            standings(&text),
            [
                Standing::Finished(Ending::Done),
                Standing::ToDo,
                Standing::InDoubt,
                Standing::InDoubt,
                Standing::ToDo,
            ]
        );
    }

    #[test]
    fn a_crash_anywhere_in_the_last_line_leaves_a_journal_that_can_be_read() {
        let whole = journal(&[begun(1)]);
        let text = whole.clone() + &ended(1, Ending::Done);
        for length in whole.len()..text.len() {
            let cut = text.get(..length).unwrap();
            let (kept, past) = read(cut.as_bytes()).unwrap();
            assert_eq!(kept as usize, whole.len());
            assert_eq!(past.standing(1), Standing::InDoubt);
        }
        let (kept, past) = read(text.as_bytes()).unwrap();
        assert_eq!(kept as usize, text.len());
        assert_eq!(past.standing(1), Standing::Finished(Ending::Done));
    }

    #[test]
    fn what_this_program_did_not_write_is_refused() {
        let no_header = begun(1);
        let torn = journal(&["{\"begun\":\n".to_owned(), begun(2)]);
        let unbegun = journal(&[ended(1, Ending::Done)]);
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
        let (_, past) = read(text.as_bytes()).unwrap();
        assert_eq!(past.check_place(HOST, ISSUER), Ok(()));
        assert!(past.check_place("https://other", ISSUER).is_err());
        assert!(past.check_place(HOST, "ISSUER_B-1").is_err());
    }
}
