//! Lines of CSV, as spreadsheets write them, and the JSON objects that they stand for.
//!
//! No field of a line can hold a line break, so each row is one line. `csv-core` is what the `csv` crate is made of: its
//! buffers are the caller's, and wiped here.

use std::collections::BTreeMap;
use std::iter::once;

use clap::ValueEnum as _;
use csv_core::{ReadRecordResult, Reader, ReaderBuilder};
use serde::Serialize;
use serde_json::Value;
use zeroize::Zeroizing;

use super::line::WHY;
use crate::change::Kind;
use crate::output::cell;
use crate::text::did_you_mean;

/// The separators that spreadsheets write.
const SEPARATORS: [u8; 3] = *b",;\t";

/// The columns of a line's fields.
const FIELDS: [&str; 10] = [
    WHY,
    "key",
    "operation",
    "cardId",
    "reasonCode",
    "reason",
    "newCardId",
    "state",
    AMERICAN_EXPRESS,
    ENCRYPTED_DATA,
];

/// The columns of the fields of `credentials`.
const CREDENTIALS: [&str; 5] = ["pan", "exp", "psn", "auxiliaryPan", "auxiliaryExp"];

const AMERICAN_EXPRESS: &str = "americanExpress";
const ENCRYPTED_DATA: &str = "encryptedData";

/// The header row.
#[derive(Debug, Clone)]
pub(super) struct Columns {
    separator: u8,
    /// The field of each column; none of a column without a name, whose cells are empty.
    names: Vec<Option<&'static str>>,
    /// What ends the header row.
    line_end: &'static str,
}

/// Reads the rows below a header row, one by one.
pub(super) struct Rows<'a> {
    columns: &'a Columns,
    reader: Reader,
}

/// A row as a JSON object, as far as it can be read, and what is wrong with it.
pub(super) struct Row {
    pub(super) json: Zeroizing<Vec<u8>>,
    pub(super) rule: Option<String>,
}

/// The value of a field.
#[derive(Serialize)]
#[serde(untagged)]
enum Field<'a> {
    Text(&'a str),
    Flag(bool),
    Credentials(BTreeMap<&'a str, &'a str>),
}

/// The cells of a row, one behind the other.
struct Cells {
    text: Zeroizing<Vec<u8>>,
    ends: Vec<usize>,
}

impl Cells {
    fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let starts = once(0).chain(self.ends.iter().copied());
        let cells = starts.zip(self.ends.iter().copied());
        cells.map(|(start, end)| self.text.get(start..end).unwrap_or_default())
    }
}

impl Columns {
    /// Reads the header row. An error names a column only when its name can be no card data.
    pub(super) fn of(header: &[u8]) -> Result<Self, String> {
        if header.starts_with(b"{") {
            return Err("this looks like NDJSON; leave out --format csv".to_owned());
        }
        let separator = separator_of(header).unwrap_or(b',');
        let cells = split(&mut reader(separator), separator, header)?;
        let mut names = Vec::new();
        for (at, name) in cells.iter().enumerate() {
            let name = name.trim_ascii();
            let known = fields().find(|known| known.as_bytes() == name);
            match known {
                None if !name.is_empty() => return Err(unknown_column(at + 1, name)),
                Some(field) if names.contains(&known) => {
                    return Err(format!("{field} is the name of two columns"));
                }
                _ => names.push(known),
            }
        }
        for field in ["operation", "cardId"] {
            if !names.contains(&Some(field)) {
                return Err(format!("must be a header row with the column {field}"));
            }
        }
        Ok(Self {
            separator,
            names,
            line_end: if header.ends_with(b"\r") {
                "\r\n"
            } else {
                "\n"
            },
        })
    }

    pub(super) fn rows(&self) -> Rows<'_> {
        Rows {
            columns: self,
            // Making one costs more than reading a row.
            reader: reader(self.separator),
        }
    }

    /// Adds the fields of a row to its object, as far as they can be read. Returns the first rule that the row breaks.
    fn fill<'a>(
        &self,
        object: &mut BTreeMap<&'a str, Field<'a>>,
        cells: &'a Cells,
    ) -> Option<String> {
        let (mut credentials, mut rule) = (BTreeMap::new(), None);
        let mut breaks = |broken: String| {
            rule.get_or_insert(broken);
        };
        let names = self.names.iter().copied().chain(std::iter::repeat(None));
        for (column, (name, text)) in (1..).zip(names.zip(cells.iter())) {
            match (name, str::from_utf8(text)) {
                (_, Ok("")) => {}
                (_, Err(_)) => breaks(format!("column {column} must be UTF-8")),
                (None, Ok(_)) => breaks(format!("column {column} must be empty: it has no name")),
                (Some(AMERICAN_EXPRESS), Ok(text)) => match text.to_ascii_lowercase().parse() {
                    Ok(flag) => {
                        object.insert(AMERICAN_EXPRESS, Field::Flag(flag));
                    }
                    Err(_) => breaks("americanExpress must be true or false".to_owned()),
                },
                (Some(name), Ok(text)) if CREDENTIALS.contains(&name) => {
                    credentials.insert(name, text);
                }
                (Some(name), Ok(text)) => {
                    object.insert(name, Field::Text(text));
                }
            }
        }
        for name in ["operation", "cardId"] {
            if !object.contains_key(name) {
                breaks(format!("{name} is missing"));
            }
        }
        if !credentials.is_empty() {
            for name in ["pan", "exp"] {
                if !credentials.contains_key(name) {
                    breaks(format!("{name} is missing"));
                }
            }
            object.insert("credentials", Field::Credentials(credentials));
        }
        rule
    }

    /// Returns the header row of lines that are written again, each with why. Their credentials are encrypted.
    pub(super) fn header(&self) -> String {
        self.written(|name| name.to_owned())
    }

    /// Returns the row of such a line.
    pub(super) fn written_row(&self, line: &Value) -> String {
        self.written(|name| cell(&line[name]))
    }

    fn written(&self, text: impl Fn(&'static str) -> String) -> String {
        let own = self.names.iter().flatten().copied();
        let own = own.filter(|name| *name != WHY);
        let names: Vec<_> = once(WHY).chain(own).collect();
        let has_credentials = names.iter().any(|name| CREDENTIALS.contains(name));
        let lacks_column = has_credentials && !names.contains(&ENCRYPTED_DATA);
        let more = lacks_column.then_some(ENCRYPTED_DATA);
        let cells = names
            .into_iter()
            .chain(more)
            .map(|name| self.quoted(&text(name)));
        let separator = char::from(self.separator).to_string();
        cells.collect::<Vec<_>>().join(&separator) + self.line_end
    }

    fn quoted(&self, text: &str) -> String {
        let special = |c| ['"', '\r', '\n', char::from(self.separator)].contains(&c);
        match text.contains(special) {
            true => format!("\"{}\"", text.replace('"', "\"\"")),
            false => text.to_owned(),
        }
    }
}

impl Rows<'_> {
    /// Reads a row; nothing where all of its cells are empty.
    pub(super) fn read(&mut self, row: &[u8]) -> Option<Row> {
        // Room for a row of characters that are all escaped, so that no copy is left behind by growing.
        let mut json = Zeroizing::new(Vec::with_capacity(6 * row.len() + 512));
        let rule = match split(&mut self.reader, self.columns.separator, row) {
            Ok(cells) if cells.iter().all(<[u8]>::is_empty) => return None,
            Ok(cells) => {
                let mut object = BTreeMap::new();
                let rule = self.columns.fill(&mut object, &cells);
                // A map of texts can be written as JSON.
                let _ = serde_json::to_writer(&mut *json, &object);
                rule
            }
            Err(broken) => Some(broken.to_owned()),
        };
        Some(Row { json, rule })
    }
}

/// Returns whether a line is more likely the first of a CSV than a bad one of NDJSON.
pub(super) fn looks_like_csv(line: &[u8]) -> bool {
    let Some(separator) = separator_of(line) else {
        return false;
    };
    let cells = split(&mut reader(separator), separator, line);
    cells.is_ok_and(|cells| {
        let mut texts = cells.iter().filter_map(|cell| str::from_utf8(cell).ok());
        texts.any(|text| {
            let is_field = fields().any(|name| name.eq_ignore_ascii_case(text));
            is_field || Kind::from_str(text, true).is_ok()
        })
    })
}

fn fields() -> impl Iterator<Item = &'static str> {
    FIELDS.into_iter().chain(CREDENTIALS)
}

/// Returns the first separator of a header row: no name of a column holds one.
fn separator_of(header: &[u8]) -> Option<u8> {
    header
        .iter()
        .copied()
        .find(|byte| SEPARATORS.contains(byte))
}

fn reader(separator: u8) -> Reader {
    ReaderBuilder::new().delimiter(separator).build()
}

/// Splits a row, which may end with the first half of CRLF.
fn split(reader: &mut Reader, separator: u8, row: &[u8]) -> Result<Cells, &'static str> {
    let row = row.strip_suffix(b"\r").unwrap_or(row);
    let most = row.iter().filter(|byte| **byte == separator).count() + 1;
    let mut cells = Cells {
        text: Zeroizing::new(vec![0; row.len()]),
        ends: vec![0; most + 1],
    };
    reader.reset();
    let (result, _, length, count) = reader.read_record(row, &mut cells.text, &mut cells.ends);
    if result == ReadRecordResult::Record {
        return Err("must end with LF or CRLF");
    }
    let text = cells.text.get_mut(length..).unwrap_or_default();
    let ends = cells.ends.get_mut(count..).unwrap_or_default();
    let (result, _, _, more) = reader.read_record(b"\n", text, ends);
    if result != ReadRecordResult::Record {
        return Err("has a quote that is not closed; a cell cannot hold a line break");
    }
    cells.ends.truncate(count + more);
    Ok(cells)
}

/// Says which columns there are. The name is repeated only where it is letters alone, and so no card data.
fn unknown_column(number: usize, name: &[u8]) -> String {
    let is_letters = |c: char| c.is_ascii_alphabetic() || " _-".contains(c);
    let name = String::from_utf8_lossy(name);
    let place = match name.len() <= 32 && name.chars().all(is_letters) {
        true => format!("column {number}, {name},"),
        false => format!("column {number}"),
    };
    match did_you_mean(&name, fields()).as_str() {
        "" => {
            let names: Vec<_> = fields().collect();
            format!(
                "{place} is not a field; the fields are {}",
                names.join(", ")
            )
        }
        suggestion => format!("{place} is not a field{suggestion}"),
    }
}
