//! The commands, one file each.

mod api;
mod bulk;
mod card;
mod completions;
mod config;
mod csr;
mod doctor;
mod encrypt;
mod explain;
mod keygen;
mod man;
mod operations;
mod reconcile;
mod sandbox;
mod token;

use clap::Subcommand;

use crate::exit::{EXIT_CODES, Exit};
use crate::failure::Failure;
use crate::flags::Global;
use crate::output::Output;
use crate::session::Session;

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Suspends, resumes, deletes or renews a card
    #[command(subcommand, after_help = EXIT_CODES)]
    Card(card::CardCommand),
    /// Makes many changes, one a line of a file
    #[command(after_help = bulk::LINES)]
    Bulk(bulk::BulkCommand),
    /// Reads the operations of a card
    #[command(subcommand, after_help = EXIT_CODES)]
    Operations(operations::OperationsCommand),
    /// Finds out from D1's list of operations whether a change was carried out; changes nothing
    #[command(after_help = EXIT_CODES)]
    Reconcile(reconcile::Reconcile),
    /// Calls a path of D1 that has no command of its own, with token and certificate
    #[command(after_help = EXIT_CODES)]
    Api(api::Api),
    /// Gets a token and shows what it allows and how long it lives
    #[command(after_help = EXIT_CODES)]
    Token(token::Token),
    /// Says what D1 documents about an error code or status; offline
    Explain(explain::Explain),
    /// Checks settings, keys, certificates, clock and the way to D1, one after the other
    #[command(after_help = doctor::exit_codes())]
    Doctor(doctor::Doctor),
    /// Runs a D1 on this machine, and prints the exports that point d1 at it
    Sandbox(sandbox::SandboxCommand),
    /// Makes a signing key, and its public part with kid for Thales; offline
    Keygen(keygen::Keygen),
    /// Makes a client key, and the request (CSR) for its certificate for Thales; offline
    Csr(csr::Csr),
    /// Encrypts card credentials to D1's key, and prints the JWE; offline
    Encrypt(encrypt::Encrypt),
    /// Shows the settings
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// Prints the completions for a shell
    Completions(completions::Completions),
    /// Writes the manual pages into a directory
    Man(man::Man),
}

/// Runs the command. `command_line` describes them all.
pub(crate) async fn run(
    command: Command,
    global: &Global,
    output: &Output,
    command_line: fn() -> clap::Command,
) -> Result<Exit, Failure> {
    let session = || Session::new(&global.settings, output);
    match command {
        Command::Card(command) => command.run(&session()?).await,
        Command::Bulk(command) => Box::pin(command.run(session, output)).await,
        Command::Operations(command) => command.run(&session()?).await,
        Command::Reconcile(command) => command.run(&session()?).await,
        Command::Api(command) => Box::pin(command.run(&session()?)).await,
        Command::Token(command) => command.run(&session()?).await,
        Command::Config(command) => command.run(&session()?),
        Command::Keygen(command) => command.run(output),
        Command::Csr(command) => command.run(output),
        Command::Encrypt(command) => command.run(&global.settings, output),
        Command::Explain(command) => command.run(output),
        // It reports what is wrong with the settings itself.
        Command::Doctor(command) => command.run(&global.settings, output).await,
        Command::Sandbox(command) => command.run().await,
        Command::Completions(command) => command.run(command_line(), &global.settings),
        Command::Man(command) => command.run(command_line(), output),
    }
}
