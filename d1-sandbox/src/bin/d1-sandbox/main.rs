//! Runs a sandbox on its own, for clients that are not Rust tests.

mod assertion;
mod interruption;

use assertion::Assertion;
use clap::error::ErrorKind;
use clap::{Arg, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use d1_sandbox::serve::{Serve, ServeError};
use interruption::interruption;
use std::error::Error;
use std::ffi::OsString;
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
    Serve {
        #[command(flatten)]
        serve: Box<Serve>,
        /// Logs as JSON
        #[arg(long)]
        json_logs: bool,
    },
    /// Prints an assertion to get a token with, signed with the key of a sandbox's d1.env
    Assertion(Assertion),
}

/// The exit code for what the caller can fix: arguments, files, ports.
const BAD_INPUT: u8 = 2;

/// Returns the command line. Every value may begin with a hyphen: a `kid` or an issuer id can.
fn command_line() -> clap::Command {
    let hyphens = |argument: Arg| {
        let takes_value = argument.get_action().takes_values();
        argument.allow_hyphen_values(takes_value)
    };
    Arguments::command().mut_subcommands(|command| command.mut_args(hyphens))
}

/// Refuses an option whose value is missing: clap would take the next option for it.
fn without_swallowed(
    mut root: clap::Command,
    words: Vec<OsString>,
) -> Result<Vec<OsString>, clap::Error> {
    root.build();
    let mut given = words.iter().skip(1).map(|word| word.to_string_lossy());
    let command = given
        .next()
        .and_then(|name| root.find_subcommand_mut(&*name));
    let Some(command) = command else {
        return Ok(words);
    };
    let option = |word: &str| {
        let name = word.strip_prefix("--")?;
        command
            .get_arguments()
            .find(|option| option.get_long() == Some(name))
    };
    while let Some(word) = given.next() {
        if option(&word).is_some_and(|option| option.get_action().takes_values())
            && given.next().is_some_and(|value| option(&value).is_some())
        {
            let text = format!("a value is required for '{word}' but none was supplied");
            return Err(command.error(ErrorKind::InvalidValue, text));
        }
    }
    Ok(words)
}

#[tokio::main]
async fn main() -> ExitCode {
    let words = without_swallowed(command_line(), std::env::args_os().collect());
    let parsed = words
        .and_then(|words| command_line().try_get_matches_from(words))
        .and_then(|matches| Arguments::from_arg_matches(&matches));
    let done = match parsed {
        Ok(arguments) => match arguments.command {
            Command::Serve { serve, json_logs } => {
                start_logging(json_logs);
                run(*serve).await
            }
            Command::Assertion(arguments) => arguments.run(),
        },
        Err(error) if error.use_stderr() => error.exit(),
        // The help or the version. `exit` would not say that it cannot be written.
        Err(text) => text
            .print()
            .and_then(|()| io::stdout().flush())
            .map_err(Into::into),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        // The reader of standard output has left (`| head -1`): that ends the program quietly.
        Err(error) if is_broken_pipe(&*error) => ExitCode::FAILURE,
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

async fn run(serve: Serve) -> Result<(), Box<dyn Error>> {
    // Listening for signals first: one that comes while starting still ends the program cleanly.
    let interrupted = interruption()?;
    serve.run(interrupted).await.map_err(|error| match error {
        ServeError::Output(error) => error.into(),
        ServeError::Input(_) => error.into(),
    })
}

fn start_logging(json: bool) {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        // They would be written to standard error, which is what cannot be written to.
        .log_internal_errors(false)
        .with_writer(io::stderr);
    if json {
        subscriber.json().init();
    } else {
        subscriber.init();
    }
}

fn is_broken_pipe(error: &(dyn Error + 'static)) -> bool {
    let error = error.downcast_ref::<io::Error>();
    error.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_may_begin_with_a_hyphen() {
        for command in command_line().get_subcommands() {
            for argument in command.get_arguments() {
                let takes_value = argument.get_action().takes_values();
                assert_eq!(
                    argument.is_allow_hyphen_values_set(),
                    takes_value,
                    "{argument}"
                );
            }
        }
    }
}
