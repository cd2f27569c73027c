//! Runs a sandbox on its own, for clients that are not Rust tests.

mod interruption;

use clap::{CommandFactory as _, Parser, Subcommand};
use d1_sandbox::serve::{Assertion, Health, Serve, ServeError};
use interruption::interruption;
use std::error::Error;
use std::ffi::OsString;
use std::io::{self, IsTerminal as _, Write as _};
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
    /// Succeeds if the sandbox of a directory accepts connections, for the health check of a container
    Health(Health),
}

/// The exit code for what the caller can fix: arguments, files, ports.
const BAD_INPUT: u8 = 2;

/// Joins each option and its value: `--kid -P` becomes `--kid=-P`, since a `kid` or an issuer id may begin with a
/// hyphen. An option of the command is no value, so that an option whose value is missing is named.
fn joined(mut root: clap::Command, words: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    root.build();
    let mut words = words.into_iter();
    let mut joined: Vec<OsString> = words.by_ref().take(2).collect();
    let command = joined.get(1).and_then(|name| root.find_subcommand(name));
    let option = |word: &OsString| {
        let name = word.to_str()?.strip_prefix("--")?;
        let mut options = command?.get_arguments();
        options.find(|option| option.get_long() == Some(name))
    };
    let mut words = words.peekable();
    while let Some(mut word) = words.next() {
        if option(&word).is_some_and(|option| option.get_action().takes_values())
            && let Some(value) = words.next_if(|value| option(value).is_none())
        {
            word.push("=");
            word.push(value);
        }
        joined.push(word);
    }
    joined
}

#[tokio::main]
async fn main() -> ExitCode {
    let words = joined(Arguments::command(), std::env::args_os());
    let done = match Arguments::try_parse_from(words) {
        Ok(arguments) => match arguments.command {
            Command::Serve { serve, json_logs } => {
                start_logging(json_logs);
                run(*serve).await
            }
            Command::Assertion(arguments) => arguments.run().map_err(in_box),
            Command::Health(arguments) => arguments.run().map_err(in_box),
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
    serve.run(interrupted).await.map_err(in_box)
}

fn in_box(error: ServeError) -> Box<dyn Error> {
    match error {
        ServeError::Output(error) => error.into(),
        ServeError::Input(_) => error.into(),
    }
}

fn start_logging(json: bool) {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        // They would be written to standard error, which is what cannot be written to.
        .log_internal_errors(false)
        .with_ansi(io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none())
        .with_target(false)
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
        let root = Arguments::command();
        for command in root.get_subcommands() {
            for option in command.get_arguments() {
                let option = format!("--{}", option.get_long().unwrap_or_default());
                let words = ["d1-sandbox", command.get_name(), &option, "-P", "--version"];
                let found = joined(root.clone(), words.map(OsString::from));
                let is_joined = found.contains(&format!("{option}=-P").into());
                let is_flag = ["--strict", "--without-count", "--json-logs", "--http1-only"];
                assert_ne!(is_joined, is_flag.contains(&option.as_str()), "{option}");
            }
        }
    }
}
