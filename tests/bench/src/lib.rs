//! What the benchmarks share: a server that does no more than answer, and the callers that are compared.
#![allow(clippy::unwrap_used)] // A benchmark that cannot go on has nothing to say.

pub mod bare;
pub mod callers;
pub mod limits;
pub mod load;
pub mod paired;
pub mod samples;
pub mod server;
