//! How long responses take: a distribution, given by its quantiles.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Quantiles in milliseconds, equally spaced from the least to the most; in between all times are as
/// likely. Two of them are an even spread; `[20, 25, 40, 2000]` is fast for two thirds of the calls
/// and slow for some.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(transparent)]
pub(super) struct Latency(Vec<u64>);

impl Latency {
    pub(super) fn new(quantiles: &[Duration]) -> Self {
        let milliseconds = |d: &Duration| u64::try_from(d.as_millis()).unwrap_or(u64::MAX);
        let mut quantiles: Vec<u64> = quantiles.iter().map(milliseconds).collect();
        quantiles.sort_unstable();
        Self(quantiles)
    }

    /// Checks a list from the control API; the error is the rule that it breaks.
    pub(super) fn check(&self) -> Result<(), &'static str> {
        if self.0.is_sorted() && self.0.len() <= MAX_QUANTILES {
            Ok(())
        } else {
            Err("delayMs: the least first, then the most; quantiles in between, 101 in all")
        }
    }

    /// Returns the time at a point between 0, the least, and 1, the most.
    pub(super) fn at(&self, point: f64) -> Duration {
        let last = self.0.len().saturating_sub(1);
        let place = point.clamp(0.0, 1.0) * last as f64;
        let below = (place.floor() as usize).min(last);
        let quantile = |index: usize| self.0.get(index.min(last)).copied().unwrap_or(0) as f64;
        let (low, high) = (quantile(below), quantile(below + 1));
        Duration::from_millis((low + (high - low) * (place - below as f64)).round() as u64)
    }
}

/// A percentile each.
const MAX_QUANTILES: usize = 101;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_lie_where_the_quantiles_say() {
        let ms = Duration::from_millis;
        let rows: [(&[u64], f64, u64); 9] = [
            (&[], 0.5, 0),
            (&[7], 0.9, 7),
            (&[10, 20], 0.0, 10),
            (&[10, 20], 0.5, 15),
            (&[10, 20], 1.0, 20),
            (&[20, 30, 2000], 0.25, 25),
            (&[20, 30, 2000], 0.5, 30),
            (&[20, 30, 2000], 0.75, 1015),
            (&[20, 30, 2000], 7.0, 2000),
        ];
        for (quantiles, point, expected) in rows {
            let latency = Latency(quantiles.to_vec());
            assert_eq!(latency.at(point), ms(expected), "{quantiles:?} at {point}");
        }
    }

    #[test]
    fn quantiles_rise_and_are_not_too_many() {
        assert!(Latency(vec![1, 1, 5]).check().is_ok());
        assert!(Latency(vec![5, 1]).check().is_err());
        assert!(Latency(vec![0; MAX_QUANTILES + 1]).check().is_err());
        let unsorted = Latency::new(&[Duration::from_secs(1), Duration::ZERO]);
        assert!(unsorted.check().is_ok());
    }
}
