//! The service against a sandbox and a PostgreSQL. `examples/issuer-service/run.sh test` starts the latter and runs
//! these tests, which `cargo test` alone does not run.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod crash;
mod faults;
mod inbound;
mod orders;
mod support;
