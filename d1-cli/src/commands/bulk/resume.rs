//! Reads the journal of a run that ended early: which lines are finished, and which are in doubt.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::Read as _;
use std::path::Path;

use time::OffsetDateTime;

use super::entry::{Ended, Ending, Entry, FORMAT, time};
use super::journal::{bad, lock};
use super::line::Facts;
use crate::failure::Failure;

const FLAG: &str = "--resume";

/// How a journal begins, whatever it is for: a crash may have left no more of it.
const FIRST: &[u8] = b"{\"journal\":";

/// What a journal says of a line.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Known {
    pub(super) digest: String,
    pub(super) begun_at: OffsetDateTime,
    /// What became of it; `None` where nobody wrote that down.
    pub(super) ended: Option<Ended>,
}

/// What is to be done with a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// It was not begun, or is known not to have been carried out.
    ToDo,
    /// It may have been carried out: to be looked up, and not to be repeated.
    InDoubt,
    Finished(Ending),
}

/// What a journal says.
#[derive(Debug, Default)]
pub(super) struct Past {
    pub(super) lines: HashMap<u64, Known>,
}

/// A journal that is to go on.
pub(super) struct Opened {
    pub(super) file: File,
    /// How much of it is whole.
    pub(super) length: u64,
    pub(super) past: Past,
}

/// Opens a journal for a run against this host and issuer.
pub(super) fn open(path: &Path, base_url: &str, issuer: &str) -> Result<Opened, Failure> {
    let unreadable =
        |error: std::io::Error| bad(FLAG, path, &format!("cannot be read: {}", error.kind()));
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .open(path)
        .map_err(unreadable)?;
    // First: what another run still writes must not be read.
    lock(FLAG, path, &file)?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(unreadable)?;
    let (length, past) = read(&bytes, base_url, issuer).map_err(|rule| bad(FLAG, path, &rule))?;
    Ok(Opened { file, length, past })
}

/// Reads a journal. A crash may leave a last line that is cut off: it was not on the disk when anybody
/// waited for it, so that nothing was done because of it, and it is left out. Anything else that cannot be
/// read is not what this program wrote, and is refused.
fn read(bytes: &[u8], base_url: &str, issuer: &str) -> Result<(u64, Past), String> {
    let whole = bytes
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |at| at + 1);
    if whole == 0 && FIRST.starts_with(bytes.get(..FIRST.len().min(bytes.len())).unwrap_or(bytes)) {
        return Err("is empty: nothing was sent with it; begin anew with --journal".to_owned());
    }
    let mut past = Past::default();
    let mut has_header = false;
    let lines = bytes.get(..whole).unwrap_or_default();
    for (number, line) in (1..).zip(lines.split_inclusive(|byte| *byte == b'\n')) {
        let entry = serde_json::from_slice(line)
            .map_err(|_| format!("line {number} is not one of a journal of d1 bulk"))?;
        match entry {
            Entry::Header {
                journal,
                base_url: host,
                issuer_id,
                ..
            } if !has_header => {
                check_header(&journal, (&host, base_url), (&issuer_id, issuer))?;
                has_header = true;
            }
            _ if !has_header => return Err("does not begin as a journal of d1 bulk".to_owned()),
            Entry::Header { .. } => return Err(format!("line {number} is a second beginning")),
            Entry::Begun {
                begun, digest, at, ..
            } => past.begun(begun, digest, &at, number)?,
            Entry::Ended(ended) => past.ended(ended, number)?,
        }
    }
    if !has_header {
        return Err("does not begin as a journal of d1 bulk".to_owned());
    }
    Ok((whole as u64, past))
}

fn check_header(
    journal: &str,
    (host, base_url): (&str, &str),
    (issuer_id, issuer): (&str, &str),
) -> Result<(), String> {
    if journal != FORMAT {
        return Err("is of another version of d1 bulk".to_owned());
    }
    if host != base_url {
        return Err("is of a run against another base-url".to_owned());
    }
    if issuer_id != issuer {
        return Err("is of a run for another issuer-id".to_owned());
    }
    Ok(())
}

impl Past {
    fn begun(&mut self, line: u64, digest: String, at: &str, number: u64) -> Result<(), String> {
        let begun_at = time(at).ok_or_else(|| format!("line {number} has no time"))?;
        let known = Known {
            digest,
            begun_at,
            ended: None,
        };
        if let Some(before) = self.lines.insert(line, known) {
            // Only what is known not to have been done is begun again.
            if before.standing() != Standing::ToDo {
                return Err(format!("line {number} begins what was not to be repeated"));
            }
        }
        Ok(())
    }

    fn ended(&mut self, ended: Ended, number: u64) -> Result<(), String> {
        match self.lines.get_mut(&ended.ended) {
            Some(known) => {
                known.ended = Some(ended);
                Ok(())
            }
            None => Err(format!("line {number} ends what was not begun")),
        }
    }

    /// Takes down what was found out of a line.
    pub(super) fn resolve(&mut self, line: u64, ended: Ended) {
        if let Some(known) = self.lines.get_mut(&line) {
            known.ended = Some(ended);
        }
    }

    /// What is to be done with a line.
    pub(super) fn standing(&self, line: u64) -> Standing {
        self.lines
            .get(&line)
            .map_or(Standing::ToDo, Known::standing)
    }

    /// Refuses a line that is not the one that was journaled under its number.
    pub(super) fn check(&self, facts: &Facts) -> Result<(), String> {
        match self.lines.get(&facts.number) {
            Some(known) if known.digest != facts.digest => Err(format!(
                "line {} is not the one that the journal is of: give the same file",
                facts.number
            )),
            _ => Ok(()),
        }
    }
}

impl Known {
    fn standing(&self) -> Standing {
        match &self.ended {
            None => Standing::InDoubt,
            Some(ended) => match ended.outcome {
                Ending::Unknown => Standing::InDoubt,
                Ending::NotSent => Standing::ToDo,
                Ending::Refused if ended.again => Standing::ToDo,
                outcome => Standing::Finished(outcome),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

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
        serde_json::to_string(&Entry::Ended(Ended::new(line, outcome))).unwrap() + "\n"
    }

    fn journal(lines: &[String]) -> String {
        let header = serde_json::to_string(&Entry::header(HOST, ISSUER)).unwrap();
        header + "\n" + &lines.concat()
    }

    fn standings(text: &str) -> Vec<Standing> {
        let (_, past) = read(text.as_bytes(), HOST, ISSUER).unwrap();
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
            let (kept, past) = read(cut.as_bytes(), HOST, ISSUER).unwrap();
            assert_eq!(kept as usize, whole.len());
            assert_eq!(past.standing(1), Standing::InDoubt);
        }
        let (kept, past) = read(text.as_bytes(), HOST, ISSUER).unwrap();
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
            let refused = read(text.as_bytes(), HOST, ISSUER).unwrap_err();
            assert!(refused.starts_with(rule), "{refused}");
        }
        let text = journal(&[]);
        assert!(read(text.as_bytes(), "https://other", ISSUER).is_err());
        assert!(read(text.as_bytes(), HOST, "ISSUER_B-1").is_err());
    }
}
