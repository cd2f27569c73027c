//! Reads the journal of earlier runs.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read as _, Seek as _};
use std::path::Path;

use super::entry::{Begun, Entry, FORMAT, LineResult};
use super::equal_lines::EqualLines;
use super::journal::lock;
use super::previous_run::PreviousRun;
use crate::failure::{Failure, because};

/// How a journal begins, whatever it is for: a crash may have left no more of it.
const FIRST: &[u8] = b"{\"journal\":";

/// A journal that was read.
pub(super) struct Opened {
    pub(super) file: File,
    /// How much of it is whole.
    pub(super) length: u64,
    pub(super) previous: PreviousRun,
}

impl Opened {
    /// Opens a journal for a run against this host and issuer.
    pub(super) fn for_run(path: &Path, base_url: &str, issuer: &str) -> Result<Self, String> {
        let file = OpenOptions::new().read(true).write(true).open(path);
        let file = file.map_err(unreadable)?;
        // First: what another run still writes must not be read.
        lock(&file)?;
        let mut opened = Self::of(file)?;
        opened.previous.check_place(base_url, issuer)?;
        opened.previous.forget_bad_lines();
        Ok(opened)
    }

    /// Opens a journal that another process may be writing.
    pub(super) fn read_only(path: &Path) -> Result<Self, String> {
        Self::of(File::open(path).map_err(unreadable)?)
    }

    fn of(file: File) -> Result<Self, String> {
        let (length, previous) = read(BufReader::new(&file))?;
        Ok(Self {
            file,
            length,
            previous,
        })
    }

    /// Returns the lines that are equal to lines in doubt.
    pub(super) fn equal_lines<'a>(
        &self,
        in_doubt: impl IntoIterator<Item = &'a Begun>,
    ) -> Result<EqualLines, Failure> {
        let mut equal = EqualLines::of(in_doubt);
        if !equal.is_empty() {
            self.each_line(|result| equal.add(&result))?;
        }
        Ok(equal)
    }

    /// Returns the result of each line by its last entry.
    pub(super) fn each_line(
        &self,
        mut give: impl FnMut(LineResult) -> io::Result<()>,
    ) -> Result<(), Failure> {
        (&self.file).rewind()?;
        for entry in Entries::of(BufReader::new(&self.file).take(self.length)) {
            let (number, entry) = entry.map_err(|rule| Failure::input("the journal", rule))?;
            match entry.into_result() {
                Some(result) if self.previous.is_last(result.line, number) => give(result)?,
                _ => {}
            }
        }
        Ok(())
    }
}

/// Returns whether a file is the journal of a job with this very input that still has something to do.
pub(super) fn is_unfinished(path: &Path, digest: &str) -> bool {
    // A file that cannot be read as a journal belongs to something else.
    Opened::read_only(path).is_ok_and(|opened| opened.previous.is_unfinished(digest))
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn unreadable(error: io::Error) -> String {
    format!("cannot be read: {}", because(&error))
}

/// Reads a journal, and how many bytes of it are whole.
fn read(journal: impl BufRead) -> Result<(u64, PreviousRun), String> {
    let mut entries = Entries::of(journal);
    let mut previous = match entries.next().transpose()? {
        Some((_, Entry::Header(header))) if header.journal == FORMAT => PreviousRun::new(header),
        Some((_, Entry::Header(_))) => return Err("is of another version of d1 bulk".to_owned()),
        Some(_) | None => return Err("does not begin as a journal of d1 bulk".to_owned()),
    };
    for entry in entries.by_ref() {
        let (number, entry) = entry?;
        previous.add(number, entry)?;
    }
    Ok((entries.length, previous))
}

/// The entries of a journal with their numbers. A crash may leave a last line that is cut off: it was not on the disk
/// when the run waited for it, so nothing was sent because of it, and it is left out. Anything else that cannot be read
/// was not written by this program, and is refused.
struct Entries<R> {
    journal: R,
    /// How many bytes were whole lines.
    length: u64,
    number: u64,
}

impl<R: BufRead> Entries<R> {
    fn of(journal: R) -> Self {
        Self {
            journal,
            length: 0,
            number: 0,
        }
    }
}

impl<R: BufRead> Iterator for Entries<R> {
    type Item = Result<(u64, Entry), String>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut line = Vec::new();
        if let Err(error) = self.journal.read_until(b'\n', &mut line) {
            return Some(Err(unreadable(error)));
        }
        if line.last() != Some(&b'\n') {
            let begins = FIRST.starts_with(line.get(..FIRST.len()).unwrap_or(&line));
            let rule = "is empty: nothing was sent with it; start again with --journal";
            return (self.number == 0 && begins).then(|| Err(rule.to_owned()));
        }
        self.number += 1;
        self.length += line.len() as u64;
        let number = self.number;
        let entry = serde_json::from_slice(&line)
            .map_err(|_| format!("line {number} is not one of a journal of d1 bulk"));
        Some(entry.map(|entry| (number, entry)))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::super::entry::{Header, Outcome};
    use super::super::previous_run::LineState;
    use super::*;

    const HOST: &str = "https://host";
    const ISSUER: &str = "ISSUER_A-1";

    fn begun(line: u64) -> String {
        let at = "2026-01-01T00:00:00Z";
        format!(
            r#"{{"begun":{line},"digest":"d{line}","change":{{"operation":"suspendCard","baseUrl":"{HOST}","issuerId":"{ISSUER}","cardId":"A","reasonCode":"CARD_LOST","sentAt":"{at}","endedAt":"{at}"}}}}"#
        ) + "\n"
    }

    fn ended(line: u64, outcome: Outcome) -> String {
        serde_json::to_string(&Entry::Ended(LineResult::bare(line, outcome))).unwrap() + "\n"
    }

    fn journal(lines: &[String]) -> String {
        let header = serde_json::to_string(&Header::new(HOST, ISSUER)).unwrap();
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
