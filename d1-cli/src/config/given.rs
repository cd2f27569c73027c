//! The settings that are given on the command line or in the environment.

use std::collections::BTreeMap;
use std::ffi::OsString;

use clap::parser::ValueSource;
use clap::{ArgMatches, Args, Command, Error, FromArgMatches, ValueEnum as _};

use super::{Name, Setting, Source};
use crate::failure::Failure;

/// The settings that are given on the command line or in the environment.
#[derive(Debug, Default)]
pub(crate) struct Given(BTreeMap<Name, (OsString, Source)>);

impl Given {
    /// Returns a setting that was given.
    pub(super) fn get(&self, name: Name) -> Result<Option<Setting>, Failure> {
        let Some((value, source)) = self.0.get(&name) else {
            return Ok(None);
        };
        let text = value.clone().into_string();
        let text = text.map_err(|_| Failure::input(source, "must be UTF-8"))?;
        let source = source.clone();
        Ok(Some(Setting { text, source }))
    }
}

impl FromArgMatches for Given {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let mut given = Self::default();
        given.update_from_arg_matches(matches)?;
        Ok(given)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        for name in Name::value_variants() {
            let option = name.name();
            let source = match matches.value_source(&option) {
                Some(ValueSource::CommandLine) => Source::Flag(format!("--{option}")),
                _ => Source::Variable(name.variable()),
            };
            let value = matches.get_one::<OsString>(&option);
            // An empty variable is none.
            let given = |value: &&OsString| !value.is_empty() || matches!(source, Source::Flag(_));
            if let Some(value) = value.filter(given) {
                self.0.insert(*name, (value.clone(), source));
            }
        }
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
