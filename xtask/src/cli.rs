//! The command line of xtask.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use serde_json::Value;

use crate::console::print;
use crate::error::Error;
use crate::output::{GeneratedFile, apply};
use crate::setup::{Goal, run_goal};
use crate::{codegen, guide, lint, spec, spec_diff};

#[derive(Parser)]
#[command(
    bin_name = "cargo xtask",
    about = "Maintainer commands of the D1 card-operations SDK"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Regenerates d1-generated from the spec.
    Codegen(Generate),
    /// Runs the example of a card's life, after what it needs was installed or built.
    Demo(Setup),
    /// Rewrites the parts of the guide, and the collection of requests for Postman and Bruno, that come from the spec.
    Guide(Generate),
    /// Compares what Thales publishes with the spec, and shows how certain the spec is of each difference.
    /// Exits with 0 when they are the same, 1 when they differ, 2 when the file cannot be read.
    SpecDiff {
        /// An OpenAPI 3.0 or 3.1 document or a Markdown page with such documents; `-` for standard input.
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Refuses what the generator would turn into a wrong client.
    SpecLint {
        /// Another spec than the curated one.
        #[arg(value_name = "FILE")]
        spec: Option<PathBuf>,
    },
    /// Runs all tests, after what they need was installed or built.
    Test(Setup),
}

#[derive(Args)]
struct Generate {
    /// Write nothing; say which file is fresh or stale, and fail when one is stale.
    #[arg(long)]
    check: bool,
    /// Another spec than the curated one.
    #[arg(long, value_name = "FILE")]
    spec: Option<PathBuf>,
}

#[derive(Args)]
struct Setup {
    /// Install what is missing without asking.
    #[arg(long)]
    yes: bool,
}

/// Parses the arguments, runs the command, prints what went wrong.
#[must_use]
pub fn run() -> ExitCode {
    let (done, code_of_error) = match Cli::try_parse() {
        Ok(Cli { command }) => {
            let code = if matches!(command, Command::SpecDiff { .. }) {
                2
            } else {
                1
            };
            (run_command(command), code)
        }
        Err(error) if error.use_stderr() => error.exit(),
        Err(help) => (print(&help.to_string()).map(|()| true), 1),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            use std::io::Write as _;
            // Without a reader there, the exit code has to do.
            let _ = writeln!(std::io::stderr(), "error: {error}");
            ExitCode::from(code_of_error)
        }
    }
}

/// Runs a command. Returns false where it ends with exit code 1 without an error.
fn run_command(command: Command) -> Result<bool, Error> {
    match command {
        Command::Codegen(options) => {
            let files = codegen::generate(&linted(options.spec)?)?;
            let fix = "`cargo xtask codegen`, and review the snapshots";
            write(&files, options.check, fix)?;
        }
        Command::Guide(options) => {
            let files = guide::generate(&linted(options.spec)?)?;
            write(&files, options.check, "`cargo xtask guide`")?;
        }
        Command::Demo(Setup { yes }) => run_goal(Goal::Demo, yes)?,
        Command::Test(Setup { yes }) => run_goal(Goal::Test, yes)?,
        Command::SpecDiff { file } => {
            let (is_same, report) = spec_diff::run(&file)?;
            print(&report)?;
            return Ok(is_same);
        }
        Command::SpecLint { spec } => {
            linted(spec)?;
            let rules = lint::rules().len();
            print(&format!("spec-lint: {rules} rules, no findings\n"))?;
        }
    }
    Ok(true)
}

fn write(files: &[GeneratedFile], check: bool, fix: &str) -> Result<(), Error> {
    let (report, stale) = apply(&spec::workspace_root(), files, check)?;
    print(&report)?;
    match stale {
        0 => Ok(()),
        _ => Err(Error::new(format!("{stale} file(s) are stale; run {fix}"))),
    }
}

/// The spec that is asked for, once no rule objects to it.
fn linted(path: Option<PathBuf>) -> Result<Value, Error> {
    let path = path.unwrap_or_else(spec::spec_path);
    let spec = spec::load(&path)?;
    let text = std::fs::read_to_string(&path).map_err(|e| Error::at(path.display(), e))?;
    let name = path.strip_prefix(spec::workspace_root()).unwrap_or(&path);
    lint::passed(&lint::check_text(&text, &name.display().to_string())?)?;
    Ok(spec)
}
