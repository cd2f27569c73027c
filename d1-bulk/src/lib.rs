//! Many changes of cards of Thales D1 at once: a stream of changes in, a stream of outcomes out.
//!
//! [`Bulk`] sends the changes that [`d1_facade`] makes, as fast as D1 takes them, and reports the outcome of each
//! by a key of the caller's. It is a crate of its own so that services that change one card at a time do not carry
//! it.
//!
//! | question | item |
//! |---|---|
//! | How many requests at once, how many per second? | [`Bulk`] |
//! | What happened to each change? | [`BulkOutcome`] |
//! | How do I end it early? | [`BulkStop`] |
//! | How do the changes of one card keep their order? | [`CardOrder`] |

/// The readme's example compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}

mod bulk;
mod card_order;
mod concurrency_limit;
mod cpu_pool;
#[warn(clippy::wildcard_enum_match_arm)] // A new operation or kind must be decided about.
mod limiter;
mod run;
mod stop;

pub use bulk::Bulk;
pub use card_order::CardOrder;
pub use run::BulkOutcome;
pub use stop::BulkStop;
