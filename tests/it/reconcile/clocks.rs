//! A change is made by a host whose clock is wrong, and reconciled by another one.

use d1_facade::{Inconclusive, PendingChange, Reconciliation};
use d1_tests::sandbox_client;
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

use super::lost;

/// Returns what a host records whose clock is `seconds` ahead.
fn recorded_by_clock_ahead(pending: &PendingChange, seconds: i64) -> PendingChange {
    let mut record = serde_json::to_value(pending).unwrap();
    for name in ["sentAt", "endedAt"] {
        let time = OffsetDateTime::parse(record[name].as_str().unwrap(), &Rfc3339).unwrap();
        let time = time + Duration::seconds(seconds);
        record[name] = time.format(&Rfc3339).unwrap().into();
    }
    serde_json::from_value(record).unwrap()
}

const TEN_MINUTES: i64 = 600;

/// Much longer than the test takes.
const SETTLE: std::time::Duration = std::time::Duration::from_secs(3_600);

#[tokio::test]
async fn a_change_by_a_host_whose_clock_is_wrong_is_not_done_when_d1_has_had_its_time_by_its_own_clock()
 {
    for ahead in [-TEN_MINUTES, 0, TEN_MINUTES] {
        let (sandbox, _, error) = lost(false).await;
        let pending = recorded_by_clock_ahead(error.pending_change().unwrap(), ahead);
        for (later, settled) in [(0, false), (3_000, false), (3_700, true)] {
            sandbox.set_clock_offset(later);
            let reconcile = sandbox_client(&sandbox).reconcile(&pending);
            let found = reconcile.settle(SETTLE).await.unwrap();
            let is_expected = match settled {
                true => matches!(found, Reconciliation::NotDone(None)),
                false => matches!(found, Reconciliation::Inconclusive(Inconclusive::TooEarly)),
            };
            assert!(is_expected, "{ahead} s ahead, {later} s later: {found:?}");
        }
    }
}

#[tokio::test]
async fn a_change_by_a_host_whose_clock_is_wrong_is_found() {
    for ahead in [-TEN_MINUTES, TEN_MINUTES] {
        let (sandbox, _, error) = lost(true).await;
        let pending = recorded_by_clock_ahead(error.pending_change().unwrap(), ahead);
        let found = sandbox_client(&sandbox).reconcile(&pending).await.unwrap();
        assert!(
            matches!(found, Reconciliation::Done(Some(_))),
            "{ahead} s ahead: {found:?}"
        );
    }
}
