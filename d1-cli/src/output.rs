//! What is printed: results on standard output, everything else on standard error.

use std::env;
use std::io::{self, IsTerminal as _, Write as _};

use comfy_table::{ContentArrangement, Table, presets};
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
        let mut table = Table::new();
        table
            .load_style(presets::NOTHING)
            .set_content_arrangement(ContentArrangement::Disabled)
            .set_header(columns);
        // Elsewhere a line of the table stays a line.
        if let Some((_, width)) = console::Term::stdout().size_checked() {
            table
                .set_content_arrangement(ContentArrangement::Dynamic)
                .set_width(width);
        }
        for document in documents {
            table.add_row(columns.iter().map(|name| cell(&document[*name])));
        }
        for column in table.column_iter_mut() {
            column.set_padding((0, 2));
        }
        let lines: Vec<_> = table.lines().collect();
        let lines = lines.iter().map(|line| line.trim_end());
        self.line(&lines.collect::<Vec<_>>().join("\n"))
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
