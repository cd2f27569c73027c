//! Why a command ends without its result.

use std::fmt;
use std::io;

use d1_facade::{Error, ErrorKind};

use crate::text::printable;

/// Why a command ends without its result.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Bad input: the line that names the place and the rule.
    Input(String),
    /// The output cannot be written.
    Output(io::Error),
    /// The journal of a bulk cannot be written.
    Journal(io::Error),
}

impl Failure {
    /// Describes bad input at `place`, which breaks `rule`. Neither holds the value.
    pub(crate) fn input(place: impl fmt::Display, rule: impl fmt::Display) -> Self {
        Self::Input(printable(&format!("{place}: {rule}")))
    }

    /// Describes the bad input that a call was refused for; `None` where it failed for another reason.
    pub(crate) fn of_call(error: &Error) -> Option<Self> {
        let is_input = error.kind() == ErrorKind::InvalidInput;
        let input = error.invalid_input().filter(|_| is_input)?;
        Some(Self::input(input.field(), input.rule()))
    }

    /// Describes input at `place` that cannot be read.
    pub(crate) fn unreadable(place: impl fmt::Display, error: &io::Error) -> Self {
        Self::input(place, format!("cannot be read: {}", because(error)))
    }
}

/// Returns why the system refuses something, in words.
pub(crate) fn because(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "it does not exist".to_owned(),
        io::ErrorKind::IsADirectory => "it is a directory".to_owned(),
        kind => kind.to_string(),
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}
