//! The life of one call.
//!
//! | question | file |
//! |---|---|
//! | What happens from the first to the last request of a call? | `engine` |
//! | May it be sent again? What is its outcome? | `decide` |
//! | How is one request sent, and what does its end prove? | `transport` |
//! | How far has a call got? | `progress` |
//! | What can a caller say about a single call? | `options` |
//! | When is it worth to send again? | `retry` |
//! | How many requests at once? | `limiter` |
//! | What does a subscriber of `tracing` see? | `telemetry` |
//! | What does a meter of OpenTelemetry get? | `metrics` |

mod core;
#[warn(clippy::wildcard_enum_match_arm)] // New evidence must be decided about.
mod decide;
pub(crate) mod engine;
#[warn(clippy::wildcard_enum_match_arm)] // A new operation or kind must be decided about.
pub mod limiter;
#[cfg(feature = "metrics")]
pub(crate) mod metrics;
#[warn(clippy::wildcard_enum_match_arm)] // A new operation or kind must be decided about.
mod options;
mod progress;
#[warn(clippy::wildcard_enum_match_arm)] // A new operation or kind must be decided about.
pub mod retry;
pub(crate) mod telemetry;
mod transport;

pub(crate) use self::core::Core;
#[cfg(any(fuzzing, test))]
pub(crate) use decide::Evidence;
#[cfg(test)]
pub(crate) use decide::{Effect, History, Next};
pub use options::CallOptions;
pub(crate) use options::{call_options, check_body, extra_headers};
pub(crate) use progress::Progress;
pub(crate) use transport::{
    ApiCall, CompleteResponse, Dispatched, RequestParts, Transport, dispatched,
};
