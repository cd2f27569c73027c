//! `--report`: the result of a job as a page to look at, as JSON, or as JUnit XML for a build server.

use std::fmt::Write as _;
use std::io;
use std::path::PathBuf;
use std::str::FromStr;

use serde_json::Value;

use super::input::name;
use crate::failure::Failure;
use crate::new_file::NewFile;
use crate::output::cell;
use crate::text::say;

/// Where a report goes. The ending of the name is its format.
#[derive(Debug, Clone)]
pub(super) struct ReportPath {
    path: PathBuf,
    format: ReportFormat,
}

#[derive(Debug, Clone, Copy)]
enum ReportFormat {
    Html,
    Json,
    JUnit,
}

impl FromStr for ReportPath {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let path = PathBuf::from(text);
        let ending = path.extension().and_then(|ending| ending.to_str());
        let format = match ending {
            Some("html") => ReportFormat::Html,
            Some("json") => ReportFormat::Json,
            Some("xml") => ReportFormat::JUnit,
            _ => return Err("must end with .html, .json or .xml"),
        };
        Ok(Self { path, format })
    }
}

/// The report that is to be written.
#[derive(Debug)]
pub(super) struct ReportFile {
    file: NewFile,
    format: ReportFormat,
}

impl ReportFile {
    pub(super) fn new(to: &ReportPath) -> Result<Self, Failure> {
        Ok(Self {
            file: NewFile::at("--report", &to.path)?,
            format: to.format,
        })
    }

    /// Writes the report of a job: `result` is what `--output json` prints.
    pub(super) fn write(&self, result: &Value) -> io::Result<()> {
        let text = match self.format {
            ReportFormat::Html => html(result),
            ReportFormat::Json => format!("{result:#}\n"),
            ReportFormat::JUnit => junit(result),
        };
        let written = self.file.write(|out| out.write_all(text.as_bytes()));
        if let Err(error) = &written {
            let name = name(self.file.path());
            say(&format!(
                "--report {name}: cannot be written: {}",
                error.kind()
            ));
        }
        written
    }
}

const STYLE: &str = include_str!("report.css");

const COLUMNS: [&str; 8] = [
    "line",
    "key",
    "operation",
    "cardId",
    "outcome",
    "code",
    "message",
    "correlationId",
];

/// Returns a page without scripts and without anything from elsewhere.
fn html(result: &Value) -> String {
    let (title, summary) = (title(result), &result["summary"]);
    let mut totals = String::new();
    let fields = [summary, &result["target"]].map(Value::as_object);
    for (name, value) in fields.into_iter().flatten().flatten() {
        // The lists have no place in the table.
        if !value.is_null() && !value.is_object() && !value.is_array() {
            let class = if value == 0 { "" } else { name };
            let value = escaped(value);
            let _ = writeln!(
                totals,
                "<tr><th scope=\"row\">{name}</th><td class=\"{class}\">{value}</td></tr>"
            );
        }
    }
    let mut lines = String::new();
    for line in not_done(result) {
        let cells = COLUMNS.map(|name| format!("<td>{}</td>", escaped(&line[name])));
        let _ = writeln!(
            lines,
            "<tr class=\"{}\">{}</tr>",
            escaped(&line["outcome"]),
            cells.concat()
        );
    }
    let names = COLUMNS
        .map(|name| format!("<th scope=\"col\">{name}</th>"))
        .concat();
    let more = more(result).map_or_else(String::new, |more| format!("<p>{more}</p>\n"));
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n\
         <table>\n{totals}</table>\n<h2>Lines that are not done</h2>\n\
         <div class=\"wide\" role=\"region\" aria-label=\"Lines that are not done\" tabindex=\"0\">\n\
         <table>\n<thead><tr>{names}</tr></thead>\n<tbody>\n{lines}</tbody>\n</table>\n</div>\n{more}</body>\n</html>\n"
    )
}

/// Returns a test suite in which each line that is not done is a test case that did not pass.
fn junit(result: &Value) -> String {
    let mut cases = vec![format!(
        "<testcase classname=\"bulk\" name=\"lines that are done: {}\"/>",
        result["summary"]["done"]
    )];
    let (mut failures, mut errors) = (0, 0);
    let mut add = |class: &str, name: &str, outcome: &str, message: &str| {
        // What D1 or d1 refused is a failure; what may not have reached D1 is an error.
        let element = match outcome {
            "refused" | "bad" => {
                failures += 1;
                "failure"
            }
            _ => {
                errors += 1;
                "error"
            }
        };
        cases.push(format!(
            "<testcase classname=\"{class}\" name=\"{name}\"><{element} type=\"{outcome}\" message=\"{message}\"/></testcase>"
        ));
    };
    for line in not_done(result) {
        let [number, card, key, outcome, message] =
            ["line", "cardId", "key", "outcome", "message"].map(|name| escaped(&line[name]));
        let class = match &line["operation"] {
            Value::Null => "bulk".to_owned(),
            operation => escaped(operation),
        };
        let name = format!("line {number} {card} {key}");
        add(&class, name.trim_end(), &outcome, &message);
    }
    if let Some(more) = more(result) {
        add("bulk", "further lines", "notListed", &more);
    }
    let (tests, title) = (cases.len(), title(result));
    let time = match &result["summary"]["seconds"] {
        Value::Null => String::new(),
        seconds => format!(" time=\"{seconds}\""),
    };
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n<testsuite name=\"{title}\" tests=\"{tests}\" \
         failures=\"{failures}\" errors=\"{errors}\"{time}>\n{}\n</testsuite>\n</testsuites>\n",
        cases.join("\n")
    )
}

fn title(result: &Value) -> String {
    let journal = &result["summary"]["journal"];
    let of = if journal.is_null() { "" } else { " of " };
    format!("d1 bulk{of}{}", escaped(journal))
}

fn not_done(result: &Value) -> impl Iterator<Item = &Value> {
    result["notDone"].as_array().into_iter().flatten()
}

/// Returns what there is to say of lines that are neither done nor listed.
fn more(result: &Value) -> Option<String> {
    let count = |name: &str| result["summary"][name].as_u64().unwrap_or(0);
    let listed = not_done(result).count() as u64;
    let more = count("lines").saturating_sub(count("done") + listed);
    (more > 0).then(|| format!("{more} further lines were not begun or are not listed"))
}

/// Returns a value as text for HTML and XML.
fn escaped(value: &Value) -> String {
    let mut text = String::new();
    for c in cell(value).chars() {
        match c {
            '&' => text.push_str("&amp;"),
            '<' => text.push_str("&lt;"),
            '>' => text.push_str("&gt;"),
            '"' => text.push_str("&quot;"),
            '\'' => text.push_str("&#39;"),
            // XML has no form for these.
            '\u{fffe}' | '\u{ffff}' => text.push('\u{fffd}'),
            c => text.push(c),
        }
    }
    text
}
