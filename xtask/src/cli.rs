//! The command line of xtask.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::error::Error;
use crate::output::{self, GeneratedFile, Mode};
use crate::{codegen, console, guide, lint, setup, spec, spec_diff};

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
    /// Regenerate d1-generated from the spec.
    Codegen {
        /// Write nothing; say which file is fresh or stale, and fail when one is stale.
        #[arg(long)]
        check: bool,
        /// Another spec than the curated one.
        #[arg(long, value_name = "FILE")]
        spec: Option<PathBuf>,
    },
    /// Run the example of a card's life, after what it needs was installed or built.
    Demo {
        /// Install what is missing without asking.
        #[arg(long)]
        yes: bool,
    },
    /// Rewrite the parts of the guide that come from the spec.
    Guide {
        /// Write nothing; say which file is fresh or stale, and fail when one is stale.
        #[arg(long)]
        check: bool,
        /// Another spec than the curated one.
        #[arg(long, value_name = "FILE")]
        spec: Option<PathBuf>,
    },
    /// Compares what Thales publishes with the spec, and shows how certain the spec is of each difference.
    /// Exits with 0 when they are the same, 1 when they differ, 2 when the file cannot be read.
    SpecDiff {
        /// An OpenAPI 3.0 or 3.1 document or a Markdown page with such documents; `-` for standard input.
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Refuse what the generator would turn into a wrong client.
    SpecLint {
        /// Another spec than the curated one.
        #[arg(value_name = "FILE")]
        spec: Option<PathBuf>,
    },
    /// Run all tests, after what they need was installed or built.
    Test {
        /// Install what is missing without asking.
        #[arg(long)]
        yes: bool,
    },
}

/// Parses the arguments, runs the command, prints what went wrong.
#[must_use]
pub fn run() -> ExitCode {
    let command = match Cli::try_parse() {
        Ok(cli) => cli.command,
        Err(error) if error.use_stderr() => error.exit(),
        Err(help) => return print(&help),
    };
    let result = match command {
        Command::Codegen { check, spec } => run_codegen(check, spec),
        Command::Demo { yes } => setup::run(setup::Goal::Demo, yes, &mut console::stdout()),
        Command::Guide { check, spec } => run_guide(check, spec),
        Command::SpecDiff { file } => return run_diff(&file),
        Command::SpecLint { spec } => run_lint(spec),
        Command::Test { yes } => setup::run(setup::Goal::Test, yes, &mut console::stdout()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            console::error(&error);
            ExitCode::FAILURE
        }
    }
}

/// Prints the help that was asked for. A reader may have left before its end.
fn print(help: &clap::Error) -> ExitCode {
    match help.print().and_then(|()| std::io::stdout().flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            console::error(error);
            ExitCode::FAILURE
        }
        _ => ExitCode::SUCCESS,
    }
}

fn run_codegen(check: bool, path: Option<PathBuf>) -> Result<(), Error> {
    let files = codegen::generate(&linted(path)?)?;
    let mend = "`cargo xtask codegen`, and review the snapshots";
    apply(&files, check, mend)
}

fn run_guide(check: bool, path: Option<PathBuf>) -> Result<(), Error> {
    apply(
        &guide::generate(&linted(path)?)?,
        check,
        "`cargo xtask guide`",
    )
}

fn apply(files: &[GeneratedFile], check: bool, mend: &'static str) -> Result<(), Error> {
    let mode = if check { Mode::Check } else { Mode::Write };
    let mut out = console::stdout();
    output::apply(&spec::workspace_root(), files, mode, mend, &mut out)
}

fn run_diff(file: &Path) -> ExitCode {
    match spec_diff::run(file, &mut console::stdout()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            console::error(&error);
            ExitCode::from(2)
        }
    }
}

fn run_lint(path: Option<PathBuf>) -> Result<(), Error> {
    linted(path)?;
    let rules = lint::RULES.len();
    writeln!(console::stdout(), "spec-lint: {rules} rules, no findings").map_err(|source| {
        Error::Io {
            path: "standard output".into(),
            source,
        }
    })
}

/// The spec that is asked for, once no rule objects to it.
fn linted(path: Option<PathBuf>) -> Result<serde_json::Value, Error> {
    let path = path.unwrap_or_else(spec::spec_path);
    let spec = spec::load(&path)?;
    let text = std::fs::read_to_string(&path).map_err(|source| Error::Io {
        path: path.clone(),
        source,
    })?;
    let root = spec::workspace_root();
    let name = path.strip_prefix(root).unwrap_or(&path);
    let findings = lint::check_text(&text, &name.display().to_string())?;
    match findings.is_empty() {
        true => Ok(spec),
        false => Err(lint::error(&findings)),
    }
}
