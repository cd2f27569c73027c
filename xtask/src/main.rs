//! Maintainer commands of the workspace: `cargo xtask help` lists them.

use std::process::ExitCode;

use xtask::cli;

fn main() -> ExitCode {
    cli::run()
}
