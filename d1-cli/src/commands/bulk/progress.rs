//! How far a bulk is: a bar on a terminal, a line now and then elsewhere.

use std::io::{self, IsTerminal as _};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use tokio::time::Instant;

use super::tally::Counts;

/// How often a line is printed where there is no bar.
pub(super) const EVERY: Duration = Duration::from_secs(5);

/// How far a bulk is.
pub(super) struct Progress {
    bar: Option<ProgressBar>,
    total: Option<u64>,
    began: Instant,
}

impl Progress {
    /// Of so many lines, where that is known.
    pub(super) fn new(total: Option<u64>, quiet: bool) -> Self {
        let wanted = !quiet && io::stderr().is_terminal();
        Self {
            bar: wanted.then(|| bar(total)),
            total,
            began: Instant::now(),
        }
    }

    pub(super) fn show(&self, counts: Counts) {
        if let Some(bar) = &self.bar {
            bar.set_position(all(counts));
            bar.set_message(format!("{} errors", errors(counts)));
        }
    }

    /// The line that is printed where there is no bar.
    pub(super) fn line(&self, counts: Counts) -> Option<String> {
        if self.bar.is_some() {
            return None;
        }
        let now = all(counts) - counts.finished_before;
        let rate = now as f64 / self.began.elapsed().as_secs_f64().max(0.001);
        let of = self
            .total
            .map(|total| format!("/{total}"))
            .unwrap_or_default();
        let left = self.total.filter(|_| rate > 0.0).map(|total| {
            let left = total.saturating_sub(all(counts)) as f64 / rate;
            format!(", {left:.0} s left")
        });
        Some(format!(
            "{}{of} lines, {} errors, {rate:.0}/s{}",
            all(counts),
            errors(counts),
            left.unwrap_or_default()
        ))
    }

    /// Prints something without the bar in its way.
    pub(super) fn beside<T>(&self, print: impl FnOnce() -> T) -> T {
        match &self.bar {
            Some(bar) => bar.suspend(print),
            None => print(),
        }
    }

    /// Takes the bar away; how many seconds it took.
    pub(super) fn finish(&self) -> f64 {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        (self.began.elapsed().as_secs_f64() * 1000.0).round() / 1000.0
    }
}

fn all(counts: Counts) -> u64 {
    counts.done + counts.finished_before + errors(counts)
}

fn errors(counts: Counts) -> u64 {
    counts.bad + counts.refused + counts.not_sent + counts.unknown
}

fn bar(total: Option<u64>) -> ProgressBar {
    let (bar, template) = match total {
        Some(total) => (
            ProgressBar::new(total),
            "[{bar:30}] {pos}/{len} lines, {msg}, {per_sec}, {eta} left",
        ),
        None => (
            ProgressBar::no_length(),
            "{spinner} {pos} lines, {msg}, {per_sec}",
        ),
    };
    // Should the template not be understood, the bar looks otherwise.
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("=> "));
    }
    bar.set_message("0 errors");
    bar
}
