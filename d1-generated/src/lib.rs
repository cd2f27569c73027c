//! The raw client of the Thales D1 card operations.
//!
//! Everything here but [`hooks`] is generated from `openapi/d1-card-operations.yaml` by
//! `cargo xtask codegen`. It knows the wire and nothing else: tokens, keys, reason codes and errors
//! are the business of `d1-facade`, which is what services use.
//!
//! | what | where |
//! |---|---|
//! | one method per endpoint, and the types of bodies and parameters | [`Client`], [`types`] |
//! | what each error status means | [`error_table`] |
//! | hosts, defaults, bounds, rules | [`constants`] |
//! | what a call adds to its request and keeps of its answer | [`hooks`] |

#[rustfmt::skip]
pub mod constants;
#[rustfmt::skip]
pub mod error_table;
#[allow(missing_docs, unreachable_pub, clippy::all, clippy::unwrap_used)]
#[rustfmt::skip]
mod generated;
pub mod hooks;

pub use generated::{Client, Error, ResponseValue, types};
