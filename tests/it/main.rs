//! The tests across the workspace, a module a subject: drift guards, wire snapshots, end to end.
//!
//! `cargo test` runs all of them in one process and in parallel: a test changes nothing that the process has
//! once, such as the environment, the panic hook or the subscriber that is the default of all threads.
#![allow(clippy::unwrap_used)]

mod answers;
mod bad_config;
mod bad_input;
mod bad_keys;
mod broken_streams;
mod bulk;
mod circles;
mod client_certificates;
mod clock;
mod connection_causes;
mod connections;
mod documented_rules;
mod drift;
mod dry_run;
mod end_to_end;
mod end_to_end_errors;
mod errors;
mod fault_matrix;
mod fips;
mod handshake_alerts;
mod hostile;
mod hostile_schedules;
mod in_memory;
mod key_files;
mod lenient;
mod limits;
mod listening;
mod open_questions;
mod outcomes;
mod paging;
mod pkcs12;
mod properties;
mod raw_calls;
mod reconcile;
mod redaction;
mod release;
mod resending;
mod resolved_identities;
mod responses;
mod rotation;
mod shared_token;
mod signers;
mod sizes;
mod telemetry;
mod true_advice;
mod values;
mod wire;
mod workspace;
mod written;
