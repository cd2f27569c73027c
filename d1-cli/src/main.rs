//! `d1`: the card operations of Thales D1 from a terminal.
//!
//! | question | module |
//! |---|---|
//! | What does the command line accept? | [`arguments`], [`flags`], [`hyphens`], [`reason_codes`], [`usage`], [`json_errors`] |
//! | Which settings apply, and where do they come from? | [`config`] |
//! | How is D1 reached? | [`session`], [`connect`], [`change`] |
//! | What is printed, and how? | [`output`], [`report`], [`text`], [`verbose`] |
//! | What does the exit code mean? | [`exit`], [`failure`] |
//! | What does a command do? | [`commands`] |
//! | How is a request shown without sending it? | [`dry_run`] |
//! | Where do card credentials come from? | [`credentials`], [`secret_input`] |
//! | Was a change of unknown outcome carried out? | [`verify`] |
//! | How does a command make a file, of keys above all? | [`new_file`] |
//! | What does Ctrl-C do? | [`interrupt`] |

mod arguments;
mod change;
mod commands;
mod config;
mod connect;
mod credentials;
mod dry_run;
mod exit;
mod failure;
mod flags;
mod hyphens;
mod interrupt;
mod json_errors;
mod new_file;
mod output;
mod prompt;
mod reason_codes;
mod report;
mod secret_input;
mod session;
mod text;
mod usage;
mod verbose;
mod verify;

use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _};

use crate::arguments::Arguments;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;
use crate::text::say;

#[tokio::main]
async fn main() -> ExitCode {
    let words: Vec<_> = std::env::args_os().collect();
    let parsed = hyphens::parse(arguments::command(), &words)
        .and_then(|matches| Arguments::from_arg_matches(&matches));
    let exit = match parsed {
        Ok(arguments) => Box::pin(run(arguments)).await,
        Err(error) => usage::say(&error),
    };
    exit.into()
}

async fn run(arguments: Arguments) -> Exit {
    let Arguments { global, command } = arguments;
    let output = Output::new(&global);
    // A sandbox says in its log what each client does wrong.
    if global.verbose || matches!(command, commands::Command::Sandbox(_)) {
        verbose::listen();
    }
    match Box::pin(commands::run(command, &global, &output, Arguments::command)).await {
        Ok(exit) => exit,
        Err(Failure::Input(line)) => {
            say(&line);
            Exit::BadInput
        }
        Err(Failure::Output(error)) => Exit::Done.unwritten(&error),
        Err(Failure::Journal(error)) => {
            say(&format!("cannot write the journal: {}", error.kind()));
            Exit::Other
        }
    }
}
