//! Compares the record with what the sandbox really did to each card.

use std::collections::BTreeMap;

use crate::ledger::{Error, Ledger};

/// What the record and the sandbox say together.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Audit {
    /// Requests, by the record.
    requests: i64,
    done: i64,
    refused: i64,
    not_sent: i64,
    unknown: i64,
    /// Changes that the sandbox made.
    changes: i64,
    /// Requests that were looked up, and those that were sent again after that.
    looked_up: i64,
    sent_again: i64,
    /// Requests without an outcome.
    lost: i64,
    /// Cards that were changed more often than was asked for.
    doubled: Vec<String>,
    /// Cards that were changed although no request says so, or were not although one says so.
    unexplained: Vec<String>,
}

/// What the record says of a card.
#[derive(Debug, Default, Clone, Copy)]
struct Recorded {
    requests: i64,
    done: i64,
    unknown: i64,
}

/// Compares; `before` and `after` are the sandbox's counts of operations.
pub(crate) async fn audit(
    ledger: &Ledger,
    before: &BTreeMap<String, i64>,
    after: &BTreeMap<String, i64>,
) -> Result<Audit, Error> {
    let mut audit = totals(ledger).await?;
    let sql = "
        SELECT card_id, count(*) AS requests,
            count(*) FILTER (WHERE state = 'done') AS done,
            count(*) FILTER (WHERE state = 'unknown') AS unknown
        FROM card_request GROUP BY card_id";
    let mut recorded = BTreeMap::new();
    for row in ledger.query(sql, &[]).await? {
        let card = Recorded {
            requests: row.try_get("requests")?,
            done: row.try_get("done")?,
            unknown: row.try_get("unknown")?,
        };
        recorded.insert(row.try_get::<_, String>("card_id")?, card);
    }
    // A card that only the record knows was never changed.
    let cards = recorded.keys().chain(after.keys());
    let cards: std::collections::BTreeSet<&String> = cards.collect();
    for card in cards {
        let count = |counts: &BTreeMap<String, i64>| counts.get(card).copied().unwrap_or_default();
        let changes = count(after) - count(before);
        audit.judge(
            card,
            changes,
            recorded.get(card).copied().unwrap_or_default(),
        );
    }
    Ok(audit)
}

async fn totals(ledger: &Ledger) -> Result<Audit, Error> {
    let sql = "
        SELECT count(*) AS requests,
            count(*) FILTER (WHERE state = 'done') AS done,
            count(*) FILTER (WHERE state = 'refused') AS refused,
            count(*) FILTER (WHERE state = 'not_sent') AS not_sent,
            count(*) FILTER (WHERE state = 'unknown') AS unknown,
            count(*) FILTER (WHERE state IN ('queued', 'sending')) AS lost,
            count(*) FILTER (WHERE lookups > 0) AS looked_up,
            count(*) FILTER (WHERE lookups > 0 AND sends > 1) AS sent_again
        FROM card_request";
    let mut audit = Audit::default();
    for row in ledger.query(sql, &[]).await? {
        audit = Audit {
            requests: row.try_get("requests")?,
            done: row.try_get("done")?,
            refused: row.try_get("refused")?,
            not_sent: row.try_get("not_sent")?,
            unknown: row.try_get("unknown")?,
            lost: row.try_get("lost")?,
            looked_up: row.try_get("looked_up")?,
            sent_again: row.try_get("sent_again")?,
            ..audit
        };
    }
    Ok(audit)
}

impl Audit {
    fn judge(&mut self, card: &str, changes: i64, recorded: Recorded) {
        self.changes += changes;
        if changes > recorded.requests {
            self.doubled.push(format!(
                "{card}: {changes} changes for {} request(s)",
                recorded.requests
            ));
        } else if changes < recorded.done || changes > recorded.done + recorded.unknown {
            self.unexplained.push(format!(
                "{card}: {changes} change(s), {} done and {} unknown by the record",
                recorded.done, recorded.unknown
            ));
        }
    }

    /// Whether nothing was doubled or lost, and everything is explained.
    pub(crate) fn is_clean(&self) -> bool {
        self.lost == 0 && self.doubled.is_empty() && self.unexplained.is_empty()
    }

    /// How many requests had to be looked up.
    pub(crate) fn looked_up(&self) -> i64 {
        self.looked_up
    }

    /// Prints the counts, and the first of each thing that is wrong.
    pub(crate) fn print(&self) {
        say!("requests            {:>8}", self.requests);
        say!("  done              {:>8}", self.done);
        say!("  refused           {:>8}", self.refused);
        say!("  not sent          {:>8}", self.not_sent);
        say!("  unknown           {:>8}", self.unknown);
        say!("changes at D1       {:>8}", self.changes);
        say!("looked up           {:>8}", self.looked_up);
        say!("  then sent again   {:>8}", self.sent_again);
        say!("doubled             {:>8}", self.doubled.len());
        say!("lost                {:>8}", self.lost);
        say!("unexplained         {:>8}", self.unexplained.len());
        for wrong in self.doubled.iter().chain(&self.unexplained).take(10) {
            say!("  {wrong}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(changes: i64, done: i64, unknown: i64) -> Audit {
        let mut audit = Audit::default();
        let recorded = Recorded {
            requests: 1,
            done,
            unknown,
        };
        audit.judge("ReplaceMe01", changes, recorded);
        audit
    }

    #[test]
    fn what_the_record_says_must_be_what_was_done() {
        for (changes, done, unknown) in [(1, 1, 0), (0, 0, 0), (0, 0, 1), (1, 0, 1)] {
            let audit = judged(changes, done, unknown);
            assert!(audit.is_clean(), "{changes} {done} {unknown}");
        }
        for (changes, done, unknown) in [(0, 1, 0), (1, 0, 0)] {
            let audit = judged(changes, done, unknown);
            assert_eq!(audit.unexplained.len(), 1, "{changes} {done} {unknown}");
            assert!(!audit.is_clean());
        }
    }

    #[test]
    fn two_changes_for_one_request_are_doubled_whatever_the_record_says() {
        for (done, unknown) in [(1, 0), (0, 1), (0, 0)] {
            let audit = judged(2, done, unknown);
            assert_eq!(audit.doubled.len(), 1);
            assert!(!audit.is_clean());
        }
    }

    #[test]
    fn a_request_without_an_outcome_is_lost() {
        let audit = Audit {
            lost: 1,
            ..Audit::default()
        };
        assert!(!audit.is_clean());
    }
}
