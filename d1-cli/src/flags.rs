//! What stands on the command line of many commands, and the rules of its values.

use std::str::FromStr;

use clap::{Args, ValueEnum};
use d1_facade::CorrelationId;

use crate::config::Given;

/// In which form results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Table,
    /// One JSON document
    Json,
    /// One JSON document a line
    Ndjson,
}

/// What every command takes.
#[derive(Debug, Args)]
pub(crate) struct Global {
    /// How results are printed
    #[arg(long, short, global = true, value_enum, default_value_t = Format::Table, value_name = "FORMAT")]
    pub(crate) output: Format,
    /// Prints errors and what was asked to be shown, and nothing where a change is done
    #[arg(long, short, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Tells on standard error what happens
    #[arg(long, short, global = true)]
    pub(crate) verbose: bool,
    #[command(flatten)]
    pub(crate) settings: Given,
}

/// What every command that calls D1 takes.
#[derive(Debug, Clone, Args)]
pub(crate) struct CallFlags {
    /// Prints the request with secrets masked; sends nothing, and gets no token
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// The correlation id to send instead of a random one
    #[arg(long, value_name = "ID")]
    pub(crate) correlation_id: Option<CorrelationId>,
}

/// A whole number from `LEAST` to `MOST`; what is refused is not repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BoundedInt<const LEAST: u64, const MOST: u64>(pub(crate) u64);

impl<const LEAST: u64, const MOST: u64> FromStr for BoundedInt<LEAST, MOST> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse() {
            Ok(number) if (LEAST..=MOST).contains(&number) => Ok(Self(number)),
            _ => Err(format!("must be a whole number from {LEAST} to {MOST}")),
        }
    }
}

/// Reads a number of requests per second.
pub(crate) fn rate(text: &str) -> Result<f64, &'static str> {
    match text.parse() {
        Ok(rate) if (0.001..=1_000_000.0).contains(&rate) => Ok(rate),
        _ => Err("must be a number of requests per second from 0.001 to 1000000"),
    }
}
