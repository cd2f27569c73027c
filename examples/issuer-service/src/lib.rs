//! The service that an issuer puts between its channels and D1. Each file has one subject:
//!
//! | question | file |
//! |---|---|
//! | What do the channels of the bank call? | `api` |
//! | How is a change made once, and not lost? | `changes` |
//! | What does a channel see of an outcome? | `outcome` |
//! | What is written down, and when? | `store` |
//! | What does D1 call? | `inbound` |
//! | Where do the card numbers come from? | `vault` |
//! | How does it start and end? | `server`, `settings` |
//! | What can be seen of it? | `telemetry` |

pub mod api;
pub mod changes;
pub mod inbound;
pub mod outcome;
pub mod server;
pub mod settings;
pub mod store;
pub mod telemetry;
pub mod vault;
