//! `d1 completions`: the completions of the command line for a shell.

use std::io::{self, Write as _};

use clap::builder::PossibleValuesParser;
use clap::{Arg, Args, Command, ValueHint};
use clap_complete::Shell;

use crate::config::{Given, Name, profiles};
use crate::exit::Exit;
use crate::failure::Failure;

#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    pub(crate) fn run(self, command: Command, settings: &Given) -> Result<Exit, Failure> {
        let profiles = PossibleValuesParser::new(profiles(settings));
        let command = command.mut_arg(Name::Profile.name(), |profile| {
            profile.value_parser(profiles)
        });
        // Written to memory first: the generator panics where it cannot write.
        let mut text = Vec::new();
        clap_complete::generate(self.shell, &mut hinted(command), "d1", &mut text);
        let mut out = io::stdout().lock();
        out.write_all(&text)?;
        out.flush()?;
        Ok(Exit::Done)
    }
}

/// Returns the command without completion by files where an argument is something else.
fn hinted(command: Command) -> Command {
    let hint = |argument: Arg| {
        let is_known = argument.get_value_hint() != ValueHint::Unknown;
        if is_known || !argument.get_possible_values().is_empty() {
            return argument;
        }
        argument.value_hint(ValueHint::Other)
    };
    command.mut_args(hint).mut_subcommands(hinted)
}
