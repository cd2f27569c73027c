//! How early a token is refreshed, so that the instances of a service do not all do it at once.

use std::time::Duration;

/// How long before its end a token is refreshed at the latest; at most a fifth of its lifetime.
const MARGIN: Duration = Duration::from_secs(60);

/// Returns how long before its end a token of a lifetime is refreshed. `in_step` is true where other instances
/// probably obtained their tokens at the same moment.
pub(super) type Early = fn(lifetime: Duration, in_step: bool) -> Duration;

/// Spreads the refreshes of many instances.
///
/// Instances that start together, or lose their tokens together, obtain the next ones together. Those tokens are
/// refreshed at a random time in the second half of their lifetime. That spreads the instances, and they stay spread:
/// every other token is refreshed within half a margin of the latest moment.
pub(super) fn spread(lifetime: Duration, in_step: bool) -> Duration {
    let margin = MARGIN.min(lifetime / 5);
    let earliest = if in_step {
        lifetime / 2
    } else {
        margin * 3 / 2
    };
    margin + (earliest - margin).mul_f64(fastrand::f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_renewed_within_its_bounds_and_all_over_them() {
        fastrand::seed(7);
        for (lifetime, in_step, latest, earliest) in [
            (900, false, 60, 90),
            (900, true, 60, 450),
            (100, false, 20, 30),
            (100, true, 20, 50),
            (0, true, 0, 0),
        ] {
            let second = |s| Duration::from_secs(s);
            let all: Vec<Duration> = (0..1000)
                .map(|_| spread(second(lifetime), in_step))
                .collect();
            let (least, most) = (all.iter().min(), all.iter().max());
            assert!(
                all.iter()
                    .all(|e| (second(latest)..=second(earliest)).contains(e))
            );
            let width = most.copied().unwrap_or_default() - least.copied().unwrap_or_default();
            assert!(width >= second(earliest - latest).mul_f64(0.9), "{width:?}");
        }
    }
}
