//! The service that an issuer puts between its channels and D1. Each file has one subject:
//!
//! | question | file |
//! |---|---|
//! | What do the channels of the bank call? | `api` |
//! | How is a change made once, and not lost? | `changes` |
//! | What does a channel see of an outcome? | `outcome` |
//! | What is written down, and when? | `store`, `tables.sql` |
//! | What does D1 call? | `inbound` |
//! | Where do the card numbers come from? | `vault` |
//! | What do all requests share, and when can it take them? | `service` |
//! | How does it start and end? | `server`, `settings` |
//! | What can be seen of it? | `telemetry` |

pub use api::{CHANNEL, REQUEST_ID};
pub use telemetry::log_as_json;

mod api;
mod changes;
mod inbound;
mod outcome;
pub mod server;
mod service;
pub mod settings;
mod store;
mod telemetry;
mod vault;

#[cfg(test)]
mod tests;
