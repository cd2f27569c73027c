//! The binary `d1` as an operator runs it, against a sandbox within the test.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod api;
mod bad_input;
mod bad_settings;
mod bulk;
mod bulk_csv;
#[cfg(unix)]
mod bulk_ends;
mod bulk_equal;
mod bulk_files;
mod bulk_job;
mod bulk_journal;
mod bulk_order;
mod commands;
#[cfg(unix)]
mod completions;
mod config;
mod doctor;
mod dry_run;
mod exit_codes;
mod help;
mod hyphens;
mod keys;
#[cfg(target_os = "linux")]
mod output_fails;
mod reason_codes;
mod reconcile;
mod secrets;
mod target;
#[cfg(unix)]
mod terminal;
mod verbose;
mod world;
