//! Compares two rates within one run: the sides take turns, so that a machine whose speed changes is as
//! fast for the one as for the other.

use std::time::{Duration, Instant};

/// The rates of two sides.
#[derive(Debug, Clone, Copy)]
pub struct Comparison {
    /// Per second, the median of all rounds.
    pub ours: f64,
    /// Per second, the median of all rounds.
    pub reference: f64,
    /// The median of the rounds' ratios, ours to the reference.
    pub ratio: f64,
}

impl Comparison {
    /// The medians of several comparisons.
    #[must_use]
    pub fn median_of(comparisons: impl IntoIterator<Item = Self>) -> Self {
        let all: Vec<Self> = comparisons.into_iter().collect();
        let of = |what: fn(&Self) -> f64| median(all.iter().map(what).collect());
        Self {
            ours: of(|c| c.ours),
            reference: of(|c| c.reference),
            ratio: of(|c| c.ratio),
        }
    }
}

/// Lets both sides work in turns; each gets a duration and returns how much it has done.
///
/// The first round warms up and does not count.
pub fn compare(
    rounds: usize,
    length: Duration,
    mut ours: impl FnMut(Duration) -> u64,
    mut reference: impl FnMut(Duration) -> u64,
) -> Comparison {
    let mut results = Vec::with_capacity(rounds);
    for round in 0..=rounds {
        // Who goes first changes, so that neither always follows the other.
        let pair = if round % 2 == 0 {
            let own = rate(length, &mut ours);
            (own, rate(length, &mut reference))
        } else {
            let other = rate(length, &mut reference);
            (rate(length, &mut ours), other)
        };
        if round > 0 {
            results.push(pair);
        }
    }
    let of = |what: fn(&(f64, f64)) -> f64| median(results.iter().map(what).collect());
    Comparison {
        ours: of(|(own, _)| *own),
        reference: of(|(_, other)| *other),
        ratio: of(|(own, other)| own / other),
    }
}

/// How much a side does per second.
pub fn rate(length: Duration, side: &mut impl FnMut(Duration) -> u64) -> f64 {
    let begin = Instant::now();
    let done = side(length);
    done as f64 / begin.elapsed().as_secs_f64()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Does `work` over and over on this thread; how often.
pub fn repeat(length: Duration, mut work: impl FnMut()) -> u64 {
    let begin = Instant::now();
    let mut done = 0;
    while begin.elapsed() < length {
        for _ in 0..16 {
            work();
        }
        done += 16;
    }
    done
}
