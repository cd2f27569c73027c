//! Decides when D1 cannot be reached.

use std::time::Duration;

use d1_facade::{Error, Receipt, Response};
use tokio::time::Instant;

/// After how many lines in a row that could not be sent, and how long, the rest is left alone.
const GIVE_UP_AFTER: (u32, Duration) = (5, Duration::from_secs(30));

/// The lines in a row that could not be sent.
#[derive(Debug, Default)]
pub(super) struct Unsent {
    lines: u32,
    since: Option<Instant>,
}

impl Unsent {
    /// Counts one more result.
    pub(super) fn count(&mut self, result: &Result<Response<Receipt>, Error>) {
        match result {
            Err(error) if !error.was_sent() => {
                self.lines += 1;
                self.since.get_or_insert_with(Instant::now);
            }
            _ => *self = Self::default(),
        }
    }

    /// Returns whether to stop sending.
    pub(super) fn is_hopeless(&self) -> bool {
        let (lines, time) = GIVE_UP_AFTER;
        self.lines >= lines && self.since.is_some_and(|since| since.elapsed() >= time)
    }
}
