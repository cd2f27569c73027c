//! What the benchmarks share: a server that does no more than answer, and the callers that are compared.
#![allow(clippy::unwrap_used)] // A benchmark that cannot go on has nothing to say.

/// Prints a line. A closed pipe (`| head -1`) drops it.
#[macro_export]
macro_rules! say {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stdout(), $($text)*);
    }};
}

pub mod bare;
pub mod callers;
pub mod limits;
pub mod load;
pub mod null;
pub mod paired;
pub mod samples;
pub mod server;
