//! Maintainer commands of the workspace: `cargo xtask codegen` and `cargo xtask spec-lint`.

use std::process::ExitCode;

use xtask::cli;

fn main() -> ExitCode {
    cli::run()
}
