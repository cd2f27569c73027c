//! The progress of a bulk: a bar on a terminal, a line every few seconds elsewhere.

use std::io::{self, IsTerminal as _};
use std::time::Duration;

use console::Term;
use indicatif::{ProgressBar, ProgressStyle};
use tokio::time::Instant;

use super::counts::Counts;

/// How often a line is printed where there is no bar.
pub(super) const EVERY: Duration = Duration::from_secs(5);

/// The width below which letters stand for words.
const NARROW: u16 = 80;

/// The progress of a bulk.
pub(super) struct Progress {
    bar: Option<ProgressBar>,
    total: u64,
    began: Instant,
}

impl Progress {
    /// Starts the progress of a bulk of `total` lines.
    pub(super) fn new(total: u64, quiet: bool) -> Self {
        let wanted = !quiet && io::stderr().is_terminal();
        Self {
            bar: wanted.then(|| bar(total)),
            total,
            began: Instant::now(),
        }
    }

    pub(super) fn show(&self, counts: &Counts) {
        if let Some(bar) = &self.bar {
            bar.set_position(counts.all());
            bar.set_message(match is_narrow() {
                true => counts.letters(),
                false => counts.words(),
            });
        }
    }

    /// Returns the line to print, unless there is a bar.
    pub(super) fn line(&self, job: &Counts, run: &Counts) -> Option<String> {
        if self.bar.is_some() {
            return None;
        }
        let rate = run.all() as f64 / self.began.elapsed().as_secs_f64().max(0.001);
        let left = self.total.saturating_sub(job.all()) as f64 / rate;
        let left = if rate > 0.0 {
            format!(", {left:.0} s left")
        } else {
            String::new()
        };
        Some(format!(
            "{}/{} lines: {}, {rate:.0}/s{left}",
            job.all(),
            self.total,
            job.words()
        ))
    }

    /// Prints something above the bar.
    pub(super) fn beside<T>(&self, print: impl FnOnce() -> T) -> T {
        match &self.bar {
            Some(bar) => bar.suspend(print),
            None => print(),
        }
    }

    /// Removes the bar, and returns how many seconds the bulk took.
    pub(super) fn finish(&self) -> f64 {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        (self.began.elapsed().as_secs_f64() * 1000.0).round() / 1000.0
    }
}

fn bar(total: u64) -> ProgressBar {
    let bar = ProgressBar::new(total);
    let template = match is_narrow() {
        true => "{percent}% {msg}",
        false => "[{wide_bar}] {pos}/{len}: {msg}, {eta} left",
    };
    // Should the template not be understood, the bar looks otherwise.
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("=> "));
    }
    bar
}

/// Returns whether the terminal has no room for words.
fn is_narrow() -> bool {
    let size = Term::stderr().size_checked();
    size.is_some_and(|(_, width)| width < NARROW)
}
