//! The command line as a whole.

use clap::{CommandFactory as _, Parser};

use crate::commands::Command;
use crate::exit::EXIT_CODES;
use crate::flags::Global;

/// Suspends, resumes, renews and deletes cards in Thales D1, and reads their operations.
///
/// Settings come from options, then from the environment (D1_BASE_URL, D1_ISSUER_ID, D1_SIGNING_KEY ...), then
/// from a profile in d1.toml, then from a default; `d1 config show` shows which. Production is called only with
/// --profile production on the command line.
#[derive(Debug, Parser)]
#[command(name = "d1", version, after_help = EXIT_CODES, subcommand_required = true)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Returns the command line, ready to parse.
pub(crate) fn command() -> clap::Command {
    let mut command = Arguments::command();
    command.build();
    command
}
