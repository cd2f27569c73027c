//! What is printed: results on standard output, everything else on standard error.

use std::env;
use std::io::{self, IsTerminal as _, Write as _};
use std::iter;

use console::{Alignment, Term, measure_text_width, pad_str};
use serde_json::{Value, json};

use crate::config::Target;
use crate::flags::{Format, Global};
use crate::text::{printable, say};

/// How results are printed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    pub(crate) format: Format,
    quiet: bool,
    verbose: bool,
    colours: bool,
    /// Where calls go; `None` for a command that makes none.
    target: Option<&'static Target>,
}

/// How well something went, which decides its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    Good,
    Bad,
    Doubtful,
}

impl Output {
    pub(crate) fn new(global: &Global) -> Self {
        Self {
            format: global.output,
            quiet: global.quiet,
            verbose: global.verbose,
            colours: io::stdout().is_terminal() && wants_colours(),
            target: None,
        }
    }

    /// Adds where calls go to every result.
    pub(crate) fn at(mut self, target: Target) -> Self {
        // There is one for the life of the program.
        self.target = Some(Box::leak(Box::new(target)));
        self
    }

    /// Returns where calls go, as text.
    pub(crate) fn target(&self) -> String {
        self.target.map(ToString::to_string).unwrap_or_default()
    }

    /// Returns whether results are for people.
    pub(crate) fn is_table(&self) -> bool {
        self.format == Format::Table
    }

    pub(crate) fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// Prints one result: its fields by name.
    pub(crate) fn record(&self, result: &Value) -> io::Result<()> {
        self.write_record(&mut io::stdout().lock(), result)
    }

    /// Prints what happened to cards. When standard output fails, it is printed on standard error, so that the caller
    /// learns of it; the exit code stays that of what happened.
    pub(crate) fn outcome(&self, result: &Value) {
        if let Err(error) = self.record(result) {
            say(&format!(
                "cannot write to standard output: {}",
                error.kind()
            ));
            // With standard error gone as well, the exit code has to do.
            let _ = self.write_record(&mut io::stderr().lock(), result);
        }
    }

    fn write_record(&self, out: &mut dyn io::Write, result: &Value) -> io::Result<()> {
        if !self.is_table() {
            return self.write_json(out, result);
        }
        let Some(fields) = result.as_object().filter(|_| !self.quiet) else {
            return Ok(());
        };
        let rows = self.target.map(Target::rows).into_iter().flatten();
        let width = fields.keys().map(String::len).max().unwrap_or(0);
        for (name, value) in fields.iter().filter(|(_, value)| !value.is_null()) {
            let shown = self.coloured(name, &cell(value));
            writeln!(out, "{name:width$}  {shown}")?;
        }
        for (name, text) in rows {
            writeln!(out, "{name:width$}  {text}")?;
        }
        out.flush()
    }

    /// Prints documents: for programs `all` with the documents under `name`, or one a line; for people as `print` does.
    pub(crate) fn documents(
        &self,
        mut all: Value,
        name: &str,
        documents: Vec<Value>,
        print: impl FnOnce(&[Value]) -> io::Result<()>,
    ) -> io::Result<()> {
        match self.format {
            Format::Table => print(&documents),
            Format::Json => {
                all[name] = documents.into();
                self.json(&all)
            }
            Format::Ndjson => documents
                .iter()
                .try_for_each(|document| self.json(document)),
        }
    }

    /// Prints these fields of documents as a table.
    pub(crate) fn table(&self, columns: &[&str], documents: &[Value]) -> io::Result<()> {
        let header = columns.iter().map(|name| (*name).to_owned()).collect();
        let row = |document: &Value| columns.iter().map(|name| cell(&document[*name])).collect();
        let rows = iter::once(header).chain(documents.iter().map(row));
        let rows: Vec<Vec<String>> = rows.collect();
        let mut widths = vec![0; columns.len()];
        for row in &rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = measure_text_width(cell).max(*width);
            }
        }
        let terminal = Term::stdout().size_checked();
        let room = terminal.map_or(usize::MAX, |(_, columns)| columns.into());
        rows.iter()
            .try_for_each(|row| self.line(&folded(row, &widths, room)))
    }

    /// Prints where calls go, for people.
    pub(crate) fn origin(&self) -> io::Result<()> {
        if self.quiet {
            return Ok(());
        }
        self.line(&format!("at {}", self.target()))
    }

    /// Prints one JSON document, with the target of calls.
    pub(crate) fn json(&self, value: &Value) -> io::Result<()> {
        self.write_json(&mut io::stdout().lock(), value)
    }

    fn write_json(&self, mut out: &mut dyn io::Write, value: &Value) -> io::Result<()> {
        let value = self.with_target(value);
        match self.format {
            Format::Ndjson => serde_json::to_writer(&mut out, &value)?,
            Format::Table | Format::Json => serde_json::to_writer_pretty(&mut out, &value)?,
        }
        writeln!(out)?;
        out.flush()
    }

    /// Returns a result with where calls go.
    pub(crate) fn with_target(&self, result: &Value) -> Value {
        let mut result = result.clone();
        if let (Some(target), Some(fields)) = (self.target, result.as_object_mut()) {
            fields.insert("target".to_owned(), json!(target));
        }
        result
    }

    /// Prints a line of a result.
    pub(crate) fn line(&self, line: &str) -> io::Result<()> {
        let mut out = io::stdout().lock();
        writeln!(out, "{line}")?;
        out.flush()
    }

    /// Prints a note on standard error, unless `--quiet` is given.
    pub(crate) fn note(&self, line: &str) {
        if !self.quiet {
            let _ = writeln!(io::stderr(), "{line}");
        }
    }

    /// Prints a detail on standard error, when `--verbose` is given.
    pub(crate) fn detail(&self, line: &str) {
        if self.verbose {
            let _ = writeln!(io::stderr(), "{line}");
        }
    }

    fn coloured(&self, name: &str, text: &str) -> String {
        let style = match (name, text) {
            ("outcome", "done") => Style::Good,
            ("outcome", "unknown") => Style::Doubtful,
            ("outcome", _) => Style::Bad,
            _ => return text.to_owned(),
        };
        self.styled(style, text)
    }

    /// Returns `text` in the colour of a style, when colours are allowed.
    pub(crate) fn styled(&self, style: Style, text: &str) -> String {
        if !self.colours {
            return text.to_owned();
        }
        let colour = match style {
            Style::Good => 32,
            Style::Bad => 31,
            Style::Doubtful => 33,
        };
        format!("\u{1b}[{colour}m{text}\u{1b}[0m")
    }
}

/// Returns a row of a table. Where a terminal has no room for all of it, it continues on the next line, so that a value
/// can be read and copied as a whole.
fn folded(row: &[String], widths: &[usize], room: usize) -> String {
    let (mut text, mut used) = (String::new(), 0);
    for (cell, width) in row.iter().zip(widths) {
        if used > 0 && used + width > room {
            text += "\n  ";
            used = 2;
        }
        text += &pad_str(cell, *width, Alignment::Left, None);
        text += "  ";
        used += width + 2;
    }
    let lines = text.lines().map(str::trim_end);
    let lines = lines.filter(|line| !line.is_empty());
    lines.collect::<Vec<_>>().join("\n")
}

/// Returns a value as text for people.
pub(crate) fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => printable(text),
        Value::Array(items) => items.iter().map(cell).collect::<Vec<_>>().join("; "),
        Value::Object(fields) => {
            let parts = fields.values().filter(|value| !value.is_null());
            parts.map(cell).collect::<Vec<_>>().join(" ")
        }
        other => other.to_string(),
    }
}

/// Returns whether the environment allows colours: <https://no-color.org>.
fn wants_colours() -> bool {
    let is_set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
    !is_set("NO_COLOR") && env::var_os("TERM").is_none_or(|term| term != "dumb")
}
