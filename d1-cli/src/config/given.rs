//! The settings that are given on the command line or in the environment.

use std::ffi::OsString;

use clap::parser::ValueSource;
use clap::{ArgMatches, Args, Command, Error, FromArgMatches, ValueEnum as _};

use super::{Name, Setting, Source};
use crate::failure::Failure;

/// The settings that are given on the command line or in the environment.
#[derive(Debug)]
pub(crate) struct Given(ArgMatches);

impl Given {
    /// Returns a setting that was given. An empty variable is none.
    pub(super) fn get(&self, name: Name) -> Result<Option<Setting>, Failure> {
        let option = name.name();
        let Some(value) = self.0.get_one::<OsString>(&option) else {
            return Ok(None);
        };
        let source = match self.0.value_source(&option) {
            Some(ValueSource::CommandLine) => Source::Flag(format!("--{option}")),
            _ if value.is_empty() => return Ok(None),
            _ => Source::Variable(name.variable()),
        };
        match value.to_str() {
            Some(text) => Ok(Some(Setting {
                text: text.to_owned(),
                source,
            })),
            None => Err(Failure::input(source, "must be UTF-8")),
        }
    }
}

impl FromArgMatches for Given {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        Ok(Self(matches.clone()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        self.0 = matches.clone();
        Ok(())
    }
}

impl Args for Given {
    fn augment_args(command: Command) -> Command {
        command.args(Name::value_variants().iter().map(|name| name.option()))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}
