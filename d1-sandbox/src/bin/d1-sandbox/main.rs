//! Runs a sandbox on its own, for clients that are not Rust tests.

mod assertion;
mod serve;

use assertion::Assertion;
use clap::{Parser, Subcommand};
use serve::Serve;
use std::io::{self, Write as _};
use std::process::ExitCode;

/// Under load the allocator is a tenth of the work.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A local stand-in for the card operations of Thales D1.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Starts a sandbox and runs until interrupted
    Serve(Box<Serve>),
    /// Prints an assertion to get a token with, signed with the key of a sandbox's d1.env
    Assertion(Assertion),
}

/// The exit code for what the caller can mend: arguments, files, ports.
const BAD_INPUT: u8 = 2;

#[tokio::main]
async fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Serve(arguments) => arguments.run().await,
        Command::Assertion(arguments) => arguments.run(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let cause = error
                .source()
                .map(|cause| format!(": {cause}"))
                .unwrap_or_default();
            // With standard error gone as well, the exit code has to do.
            let _ = writeln!(io::stderr(), "d1-sandbox: {error}{cause}");
            ExitCode::from(BAD_INPUT)
        }
    }
}
