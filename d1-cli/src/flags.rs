//! The options that many commands have, and the rules of their values.

use std::ffi::OsStr;
use std::str::FromStr;

use clap::builder::{PossibleValue, TypedValueParser};
use clap::{Arg, Args, Command, ValueEnum};
use d1_facade::CorrelationId;

use crate::config::Given;

/// The format of results.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Table,
    /// One JSON document
    Json,
    /// One JSON document a line
    Ndjson,
}

/// The options of every command.
#[derive(Debug, Args)]
pub(crate) struct Global {
    /// The format of the results
    #[arg(long, short, global = true, value_enum, default_value_t = Format::Table, value_name = "FORMAT", help_heading = "Output")]
    pub(crate) output: Format,
    /// Prints errors and what the command is to show, and nothing when a change is done
    #[arg(
        long,
        short,
        global = true,
        conflicts_with = "verbose",
        help_heading = "Output"
    )]
    pub(crate) quiet: bool,
    /// Prints each step of a call on standard error: connection, token, requests, retries
    #[arg(long, short, global = true, help_heading = "Output")]
    pub(crate) verbose: bool,
    #[command(flatten)]
    pub(crate) settings: Given,
}

/// The options of every command that calls D1.
#[derive(Debug, Clone, Args)]
pub(crate) struct CallFlags {
    /// Prints the request with secrets masked; sends nothing, and gets no token
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// The correlation id to send instead of a random one
    #[arg(long, value_name = "ID")]
    pub(crate) correlation_id: Option<CorrelationId>,
}

/// A whole number from `LEAST` to `MOST`. The error does not repeat the value.
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

/// Parses a value with `parse`. Help, manual and completions show the `known` values; `parse` may accept others.
#[derive(Clone)]
pub(crate) struct Known<P> {
    parse: P,
    known: Vec<&'static str>,
}

impl<P> Known<P> {
    pub(crate) fn new(parse: P, known: impl IntoIterator<Item = &'static str>) -> Self {
        let known = known.into_iter().collect();
        Self { parse, known }
    }
}

impl<P: TypedValueParser> TypedValueParser for Known<P> {
    type Value = P::Value;

    fn parse_ref(
        &self,
        command: &Command,
        argument: Option<&Arg>,
        value: &OsStr,
    ) -> Result<P::Value, clap::Error> {
        self.parse.parse_ref(command, argument, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        let known = self.known.iter().copied();
        Some(Box::new(known.map(PossibleValue::new)))
    }
}

/// Reads a number of requests per second.
pub(crate) fn rate(text: &str) -> Result<f64, &'static str> {
    match text.parse() {
        Ok(rate) if (0.001..=1_000_000.0).contains(&rate) => Ok(rate),
        _ => Err("must be a number of requests per second from 0.001 to 1000000"),
    }
}
