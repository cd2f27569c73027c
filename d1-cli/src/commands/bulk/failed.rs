//! `--failed`: the lines of a job that are not done, in the format of its input, each with why.
//!
//! The file holds no card data: credentials are encrypted to D1's key, so that their lines can be sent again, and of a
//! bad line only its card id is kept.

use std::collections::HashMap;
use std::path::Path;

use d1_facade::{CardId, EncryptionKey};
use serde_json::{Value, json};

use super::entry::Outcome;
use super::input::{Input, Text, name};
use super::line::{BadLine, Line, WHY};
use super::resume::Opened;
use crate::config::{Config, Name};
use crate::connect;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::new_file::NewFile;
use crate::output::Output;
use crate::text::say;

/// The file of the lines that are not done.
pub(super) struct FailedLines {
    file: NewFile,
    key: Option<EncryptionKey>,
}

impl FailedLines {
    pub(super) fn new(path: &Path, config: &Config) -> Result<Self, Failure> {
        let key = config.get(Name::EncryptionJwk);
        let key = key.map(|_| connect::encryption_key(config));
        Ok(Self {
            file: NewFile::at("--failed", path)?,
            key: key.transpose()?,
        })
    }

    /// Writes the file, unless all lines are done, and says so.
    pub(super) fn write(&self, input: &Input, journal: &Path, output: &Output) {
        let name = name(self.file.path());
        match self.lines(input, journal) {
            Ok(0) => output.note(&format!("every line is done: {name} is not made")),
            Ok(1) => output.note(&format!("1 line that is not done: {name}")),
            Ok(count) => output.note(&format!("{count} lines that are not done: {name}")),
            Err(rule) => say(&format!("--failed {name}: cannot be written: {rule}")),
        }
    }

    /// Returns how many lines are not done, by the journal.
    fn lines(&self, input: &Input, journal: &Path) -> Result<u64, String> {
        let opened = Opened::read_only(journal)?;
        let (previous, mut messages) = (&opened.previous, HashMap::new());
        if previous
            .counts(previous.input.bad_lines)
            .exit(previous.input.lines)
            == Exit::Done
        {
            return Ok(0);
        }
        let read = opened.each_line(|result| {
            if result.outcome != Outcome::Done {
                messages.insert(result.line, result.message.unwrap_or_default());
            }
            Ok(())
        });
        read.map_err(|_| "the journal cannot be read")?;
        let mut count = 0;
        let written = self.file.write(|out| {
            if let Some(columns) = &input.columns {
                out.write_all(columns.header().as_bytes())?;
            }
            for text in input.texts()? {
                let text = text?;
                let (outcome, message) = match previous.outcome(text.number) {
                    Some((Outcome::Done, _)) => continue,
                    Some((outcome, _)) => (Some(outcome), messages.remove(&text.number)),
                    None => (None, None),
                };
                count += 1;
                let message = message.unwrap_or_else(|| "the run ended before".to_owned());
                let line = self.line(&text, outcome, &message);
                match &input.columns {
                    Some(columns) => out.write_all(columns.written_row(&line).as_bytes())?,
                    None => writeln!(out, "{line}")?,
                }
            }
            Ok(())
        });
        written.map_err(|error| error.kind().to_string())?;
        Ok(count)
    }

    /// Returns a line that is not done, as it is written again.
    fn line(&self, text: &Text, outcome: Option<Outcome>, message: &str) -> Value {
        let why = |outcome: Option<Outcome>, message: &str| {
            let outcome = outcome.map_or(json!("notBegun"), |outcome| json!(outcome));
            let word = outcome.as_str().unwrap_or_default();
            format!("{word}, line {}: {message}", text.number)
        };
        match text.parse() {
            Ok(_) => Line::again(&text.json, why(outcome, message), self.key.as_ref()),
            Err(BadLine { rule, cards, .. }) => {
                let why = why(Some(Outcome::Bad), &rule);
                json!({ WHY: why, "cardId": cards.first().map(CardId::as_str) })
            }
        }
    }
}
