//! Makes text safe for a terminal: no long numbers, no control characters.

use std::io::Write as _;

use clap::ValueEnum;
use d1_facade::{ApiOperation, CorrelationId};

/// Writes a line to standard error. When that fails, only the exit code is left.
pub(crate) fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "d1: {line}");
}

/// Returns a file's content without the byte order mark (UTF-8) that editors and spreadsheets put before it.
pub(crate) fn without_mark(content: &[u8]) -> &[u8] {
    content.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(content)
}

/// How many digits may stand together, blanks and hyphens between them not counted.
const LONGEST_NUMBER: usize = 11;

/// Masks every number in `text` that is long enough to be a card number.
///
/// The texts of this program hold none, but an argument or the text of a server may.
pub(crate) fn masked(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
        let (before, run) = rest.split_at(start);
        out.push_str(before);
        let length = run_length(run);
        let (run, after) = run.split_at(length);
        if run.bytes().filter(u8::is_ascii_digit).count() > LONGEST_NUMBER {
            out.push_str("[digits]");
        } else {
            out.push_str(run);
        }
        rest = after;
    }
    out + rest
}

/// Returns the length of the run of digits that `text` begins with, separators within it included.
fn run_length(text: &str) -> usize {
    let mut end = 0;
    for (at, c) in text.char_indices() {
        if c.is_ascii_digit() {
            end = at + 1;
        } else if !matches!(c, ' ' | '-' | '.' | '_') {
            break;
        }
    }
    end
}

/// Returns a word that is no word of ours, if it looks like one, else `otherwise`: it may be a secret in the wrong place.
pub(crate) fn word(text: &str, otherwise: &str) -> String {
    let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    match text.len() <= LONGEST_WORD && text.chars().all(is_word) {
        true => masked(text),
        false => otherwise.to_owned(),
    }
}

/// How long a word may be to be repeated.
const LONGEST_WORD: usize = 24;

/// Asks whether one of the known words was meant, to be added to a message; empty where none is like the word.
pub(crate) fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let word = word.to_ascii_lowercase().replace('_', "-");
    let like = |known: &&str| {
        let known = known.to_ascii_lowercase().replace('_', "-");
        match word.len() > 2 && known.contains(&word) {
            true => 1.0,
            false => strsim::normalized_damerau_levenshtein(&word, &known),
        }
    };
    let nearest = known
        .into_iter()
        .max_by(|one, other| like(one).total_cmp(&like(other)));
    match nearest.filter(|known| like(known) > LEAST_LIKENESS) {
        Some(known) => format!("; did you mean {known}?"),
        None => String::new(),
    }
}

/// How alike a mistyped word and a known one are, from 0 to 1: two letters of five may differ.
const LEAST_LIKENESS: f64 = 0.59;

/// Returns the name of a value as it is written on the command line, in `d1.toml` and in JSON.
pub(crate) fn name_of(value: &impl ValueEnum) -> String {
    let value = value.to_possible_value();
    value.map_or_else(String::new, |value| value.get_name().to_owned())
}

/// Returns the name of a call on the command line.
pub(crate) fn call_name(operation: ApiOperation) -> &'static str {
    match operation {
        ApiOperation::SuspendCard => "suspend",
        ApiOperation::ResumeCard => "resume",
        ApiOperation::DeleteCard => "delete",
        ApiOperation::RenewCard => "renew",
        ApiOperation::ListOperations => "list",
        ApiOperation::GetOperation => "get",
        ApiOperation::GetToken => "token",
        other => other.operation_id(),
    }
}

/// Returns an id of D1, unless it looks like a card number, by the rule of correlation ids.
pub(crate) fn shown_id(id: &str) -> Option<String> {
    let id: CorrelationId = id.parse().ok()?;
    Some(id.to_string())
}

/// Escapes everything in `text` that a terminal would interpret.
pub(crate) fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() || is_invisible(c) {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
    }
    out
}

/// Returns whether a character changes the direction of the text after it, or has no width.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_numbers_are_masked_and_short_ones_are_not() {
        for (text, expected) in [
            ("4111111111111111", "[digits]"),
            ("x4111 1111 1111 1111y", "x[digits]y"),
            ("4111-1111-1111-1111 and 42", "[digits] and 42"),
            ("4111 - 1111 - 1111 - 1111", "[digits]"),
            ("line 7 of 10000", "line 7 of 10000"),
            ("ä 12345678901 ö", "ä 12345678901 ö"),
            ("", ""),
        ] {
            assert_eq!(masked(text), expected);
        }
    }

    #[test]
    fn a_terminal_gets_nothing_to_obey() {
        assert_eq!(printable("a\u{1b}[31mb\n"), "a\\u{1b}[31mb\\u{a}");
        assert_eq!(printable("\u{202e}ü"), "\\u{202e}ü");
    }
}
