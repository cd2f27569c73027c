//! Reports in one line what is wrong with the command line, without repeating values.

use std::error::Error as _;
use std::io::{self, Write as _};

use clap::Error;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use d1_facade::InvalidInput;

use crate::exit::Exit;
use crate::text::word;

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
            Some(error) => match error.downcast_ref::<InvalidInput>() {
                // The argument is named already.
                Some(input) => format!("{argument}: {}", input.rule()),
                None => format!("{argument}: {error}"),
            },
            None => format!("{argument}: is not valid"),
        },
        ErrorKind::InvalidValue => match context(error, ContextKind::ValidValue) {
            Some(values) if !values.is_empty() => {
                let meant = suggestion(error, ContextKind::SuggestedValue);
                let meant = meant.map(|meant| format!("; {meant}"));
                let meant = meant.unwrap_or_default();
                format!("{argument}: must be one of {values}{meant}")
            }
            _ => format!("{argument}: needs a value"),
        },
        ErrorKind::UnknownArgument => {
            let name = unknown(&argument);
            let advice = suggestion(error, ContextKind::SuggestedArg);
            let advice = advice.unwrap_or_else(|| "see --help".to_owned());
            format!("{name}: there is no such argument here; {advice}")
        }
        ErrorKind::InvalidSubcommand => {
            let name = unknown(&text(ContextKind::InvalidSubcommand));
            let advice = suggestion(error, ContextKind::SuggestedSubcommand);
            let advice = advice.unwrap_or_else(|| "see --help".to_owned());
            format!("{name}: there is no such command; {advice}")
        }
        ErrorKind::MissingRequiredArgument => format!("{argument}: is missing; see --help"),
        ErrorKind::MissingSubcommand | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            "a command is missing; see --help".to_owned()
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

/// Returns the name of an unknown argument.
fn unknown(text: &str) -> String {
    word(text.split('=').next().unwrap_or_default(), "an argument")
}

/// Asks whether what clap takes for the most likely was meant.
fn suggestion(error: &Error, kind: ContextKind) -> Option<String> {
    // The last of several is the most like it.
    let meant = context(error, kind)?;
    let meant = meant.rsplit(", ").next()?;
    Some(format!("did you mean {meant}?"))
}

fn context(error: &Error, kind: ContextKind) -> Option<String> {
    match error.get(kind)? {
        ContextValue::String(text) => Some(text.clone()),
        ContextValue::Strings(texts) => Some(texts.join(", ")),
        _ => None,
    }
}
