//! Reports in one line what is wrong with the command line, without repeating values.

use std::error::Error as _;
use std::io::{self, Write as _};

use clap::Error;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::exit::Exit;
use crate::text::masked;

/// How long a word may be to be repeated.
const LONGEST_WORD: usize = 24;

/// Reports an error of the command line, or prints the help or the version.
pub(crate) fn say(error: &Error) -> Exit {
    if !error.use_stderr() {
        let printed = error.print().and_then(|()| io::stdout().flush());
        return printed.map_or_else(|error| Exit::Done.unwritten(&error), |()| Exit::Done);
    }
    let _ = writeln!(io::stderr(), "d1: {}", line(error));
    Exit::BadInput
}

fn line(error: &Error) -> String {
    let text = |kind| context(error, kind).unwrap_or_else(|| "an argument".to_owned());
    match error.kind() {
        ErrorKind::ValueValidation => {
            let rule = error.source().map(ToString::to_string);
            let rule = rule.unwrap_or_else(|| "is not valid".to_owned());
            format!("{}: {rule}", text(ContextKind::InvalidArg))
        }
        ErrorKind::InvalidValue => match context(error, ContextKind::ValidValue) {
            Some(values) if !values.is_empty() => {
                format!("{}: must be one of {values}", text(ContextKind::InvalidArg))
            }
            _ => format!("{}: needs a value", text(ContextKind::InvalidArg)),
        },
        ErrorKind::UnknownArgument => format!(
            "{}: there is no such argument here; {}",
            unknown(&text(ContextKind::InvalidArg)),
            context(error, ContextKind::SuggestedArg)
                .map_or("see --help".to_owned(), |name| format!(
                    "did you mean {name}?"
                ))
        ),
        ErrorKind::InvalidSubcommand => format!(
            "{}: there is no such command; see --help",
            unknown(&text(ContextKind::InvalidSubcommand))
        ),
        ErrorKind::MissingRequiredArgument => {
            format!("{}: is missing", text(ContextKind::InvalidArg))
        }
        ErrorKind::MissingSubcommand | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            "a command is missing; see d1 --help".to_owned()
        }
        ErrorKind::ArgumentConflict => match context(error, ContextKind::PriorArg) {
            Some(other) if other != text(ContextKind::InvalidArg) => format!(
                "{}: cannot be given beside {other}",
                text(ContextKind::InvalidArg)
            ),
            _ => format!("{}: is given twice", text(ContextKind::InvalidArg)),
        },
        ErrorKind::TooManyValues | ErrorKind::TooFewValues | ErrorKind::WrongNumberOfValues => {
            format!(
                "{}: has not as many values as it takes",
                text(ContextKind::InvalidArg)
            )
        }
        ErrorKind::InvalidUtf8 => "an argument is not UTF-8".to_owned(),
        _ => "the arguments cannot be used; see --help".to_owned(),
    }
}

/// Returns an unknown argument if it looks like a word. Anything else may be a secret in the wrong place.
fn unknown(text: &str) -> String {
    let name = text.split('=').next().unwrap_or_default();
    let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.len() <= LONGEST_WORD && name.chars().all(is_word) {
        masked(name)
    } else {
        "an argument".to_owned()
    }
}

fn context(error: &Error, kind: ContextKind) -> Option<String> {
    match error.get(kind)? {
        ContextValue::String(text) => Some(text.clone()),
        ContextValue::Strings(texts) => Some(texts.join(", ")),
        _ => None,
    }
}
