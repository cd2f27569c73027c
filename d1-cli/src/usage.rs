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
    let argument = text(ContextKind::InvalidArg);
    match error.kind() {
        ErrorKind::ValueValidation => match error.source() {
            Some(rule) => format!("{argument}: {rule}"),
            None => format!("{argument}: is not valid"),
        },
        ErrorKind::InvalidValue => match context(error, ContextKind::ValidValue) {
            Some(values) if !values.is_empty() => format!("{argument}: must be one of {values}"),
            _ => format!("{argument}: needs a value"),
        },
        ErrorKind::UnknownArgument => {
            let name = unknown(&argument);
            let advice = match context(error, ContextKind::SuggestedArg) {
                Some(name) => format!("did you mean {name}?"),
                None => "see --help".to_owned(),
            };
            format!("{name}: there is no such argument here; {advice}")
        }
        ErrorKind::InvalidSubcommand => {
            let name = unknown(&text(ContextKind::InvalidSubcommand));
            format!("{name}: there is no such command; see --help")
        }
        ErrorKind::MissingRequiredArgument => format!("{argument}: is missing"),
        ErrorKind::MissingSubcommand | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            "a command is missing; see d1 --help".to_owned()
        }
        ErrorKind::ArgumentConflict => match context(error, ContextKind::PriorArg) {
            Some(other) if other != argument => {
                format!("{argument}: cannot be given beside {other}")
            }
            _ => format!("{argument}: is given twice"),
        },
        ErrorKind::TooManyValues | ErrorKind::TooFewValues | ErrorKind::WrongNumberOfValues => {
            format!("{argument}: has not as many values as it takes")
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
