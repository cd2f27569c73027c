//! Compares the operations that D1 lists with a change: the evidence for the rule.
//!
//! This module decides during which time D1 can have begun with the change, by D1's clock, and in what an operation
//! agrees with it. What follows from that is decided in `rule`.

use std::time::{Duration, SystemTime};

use super::pending::PendingChange;
use super::rule::{
    Bearing, Evidence, Identity, Kind, List, Reconciliation, Time, bearing, verdict,
};
use crate::card::{ListedPage, Operation};
use crate::clock::Moment;
use crate::values::{ApiOperation, OperationId, OperationStatus, OperationType, RequestorType};

/// How far the times that D1 writes may be from the `Date` of its answers.
const CLOCK_MARGIN: Duration = Duration::from_secs(5);

/// How far this host's clock may be from D1's, where D1's answers have no `Date`.
const OWN_CLOCK_MARGIN: Duration = Duration::from_secs(120);

/// How long after the call had ended D1 may still have begun with it.
const LONGEST_DELAY: Duration = Duration::from_secs(60);

/// A distance in time that no time zone and no rounding accounts for.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// What was found so far.
pub(super) struct Search<'a> {
    change: &'a PendingChange,
    aggregator: Option<&'a str>,
    settle: Duration,
    /// Operations that are known to be other changes.
    others: &'a [OperationId],
    evidence: Evidence,
    successful: Option<Box<Operation>>,
    failed: Option<Box<Operation>>,
    /// When the operation began that is the change by its time alone.
    began: Option<SystemTime>,
    /// When the last operation began that can have undone an equal one before the change was sent.
    undone: Option<SystemTime>,
}

/// While D1 can have begun with the change, by its own clock.
struct Window {
    from: SystemTime,
    to: SystemTime,
    /// Whether D1's clock is known. Otherwise it is that of this host, from which D1's may differ.
    is_by_d1: bool,
}

impl<'a> Search<'a> {
    pub(super) fn new(
        change: &'a PendingChange,
        aggregator: Option<&'a str>,
        unique: bool,
        settle: Duration,
    ) -> Self {
        Self {
            change,
            aggregator,
            settle,
            others: &[],
            evidence: Evidence {
                unique,
                // Each page that is read must show it.
                settled: true,
                ..Evidence::default()
            },
            successful: None,
            failed: None,
            began: None,
            undone: None,
        }
    }

    /// Leaves operations out of account that are known to be other changes.
    pub(super) fn except(&mut self, others: &'a [OperationId]) {
        self.others = others;
    }

    /// Takes in the operations of a page; `of_new_card` where they are those of the card that a renewal makes.
    pub(super) fn read(&mut self, page: &ListedPage, of_new_card: bool) {
        self.list_is(match page.may_hide_operations {
            true => List::Unreadable,
            false => List::Whole,
        });
        // What the page shows can only be newer than its request.
        self.evidence.settled &= self.change.has_settled(self.settle, page.asked_at);
        if of_new_card {
            // It may have been there before, or be the very renewal.
            self.evidence.may_be = true;
        }
        let window = self.window(page.asked_at);
        for operation in &page.operations {
            self.take(operation, window.as_ref());
        }
    }

    /// Adds an operation to the evidence.
    fn take(&mut self, operation: &Operation, window: Option<&Window>) {
        let named = &self.change.operation_id;
        let is_named = named.is_some() && operation.id() == *named;
        let is_unique = self.evidence.unique && operation.reason().is_some();
        let kind = self.kind(operation);
        self.note_order(operation, kind, window);
        if operation.id().is_some_and(|id| self.others.contains(&id)) {
            return;
        }
        let bearing = bearing(
            is_named,
            is_unique,
            kind,
            self.identity(operation),
            time(operation, window),
        );
        let evidence = &mut self.evidence;
        match (bearing, operation.status()) {
            (Bearing::IsNot, _) | (Bearing::MayBe, Some(OperationStatus::Failed)) => {}
            (Bearing::MayBe, _) => evidence.may_be = true,
            (Bearing::Is, Some(OperationStatus::Successful)) => {
                evidence.successful += 1;
                let by_time = !is_named && !is_unique;
                self.began = operation.start_time().filter(|_| by_time).map(Into::into);
                self.successful = Some(Box::new(operation.clone()));
            }
            (Bearing::Is, Some(OperationStatus::Failed)) => {
                evidence.failed += 1;
                self.failed = Some(Box::new(operation.clone()));
            }
            (Bearing::Is, Some(OperationStatus::Pending | OperationStatus::Unknown(_)) | None) => {
                evidence.pending += 1;
            }
        }
    }

    /// Notes when an operation began that undoes a suspension or a resumption, if that was before the change was sent.
    fn note_order(&mut self, operation: &Operation, kind: Kind, window: Option<&Window>) {
        let can_be_undone = match self.change.operation {
            ApiOperation::SuspendCard | ApiOperation::ResumeCard => true,
            ApiOperation::DeleteCard
            | ApiOperation::RenewCard
            | ApiOperation::ListOperations
            | ApiOperation::GetOperation
            | ApiOperation::GetToken
            | ApiOperation::Raw(_) => false,
        };
        let has_failed = operation.status() == Some(OperationStatus::Failed);
        let Some(window) = window.filter(|_| can_be_undone && kind != Kind::Same && !has_failed)
        else {
            return;
        };
        // The change was sent a little after the window begins, by the precision of `Date`.
        let sent = window.from.checked_add(CLOCK_MARGIN);
        let start = operation.start_time().map(SystemTime::from);
        // One without a time can have been made at any.
        let start = start
            .map_or(sent, Some)
            .filter(|start| Some(*start) <= sent);
        self.undone = self.undone.max(start);
    }

    /// Notes that D1 knows no such card.
    pub(super) fn card_is_unknown(&mut self) {
        self.evidence.card_is_gone |= self.change.operation == ApiOperation::DeleteCard;
    }

    /// Notes how much of a list was read.
    pub(super) fn list_is(&mut self, list: List) {
        self.evidence.list = self.evidence.list.max(list);
    }

    /// Returns what the evidence shows.
    pub(super) fn conclude(mut self) -> Reconciliation {
        self.evidence.undone = self.began.is_some_and(|began| self.undone >= Some(began));
        verdict(self.evidence, self.successful.or(self.failed))
    }

    /// Returns from when to when, by D1's clock, D1 can have begun with the change. None where the recorded time is
    /// in the future: a clock was set since then, and nothing is known of the time of the change.
    fn window(&self, asked_at: Moment) -> Option<Window> {
        let (now, margin) = match asked_at.d1 {
            Some(time) => (time, CLOCK_MARGIN),
            None => (asked_at.host, OWN_CLOCK_MARGIN),
        };
        let by_d1 = |moment: Moment| match (moment.d1, asked_at.d1) {
            (Some(time), Some(_)) => Some(time),
            // It was as long ago by D1's clock as by the one that it is known by.
            (Some(_) | None, Some(_) | None) => now.checked_sub(moment.until(asked_at)?),
        };
        // The call may end in the future: then D1 has had the time until now.
        let ended = by_d1(self.change.ended_at).map_or(now, |ended| ended.min(now));
        Some(Window {
            is_by_d1: asked_at.d1.is_some(),
            // The `Date` of a response is cut to seconds and read late: this is never too late.
            from: by_d1(self.change.sent_at)?,
            to: ended.checked_add(LONGEST_DELAY + margin)?,
        })
    }

    /// Compares the type of an operation with that of the change.
    fn kind(&self, operation: &Operation) -> Kind {
        let wanted = listed_as(self.change.operation);
        match (operation.operation(), wanted) {
            (None, _) => Kind::Unstated,
            (Some(listed), Some(wanted)) if listed == wanted => Kind::Same,
            // V2 calls a renewal that changes the card's id a replacement.
            (Some(OperationType::Replace), Some(OperationType::Renew))
            | (Some(OperationType::Unknown(_)), _) => Kind::MayStandForIt,
            (Some(OperationType::Register), Some(OperationType::Delete)) => Kind::NewCard,
            (Some(_), _) => Kind::Other,
        }
    }

    /// Compares what else identifies an operation: its requestor, reason and reason code.
    fn identity(&self, operation: &Operation) -> Identity {
        let change = self.change;
        let agrees =
            |given: Option<&str>, sent: Option<&str>| given.is_none_or(|g| Some(g) == sent);
        let sent_reason = change.reason.as_ref().map(|reason| reason.as_str());
        let reason = operation.reason();
        if let (Some(sent), Some(listed)) = (sent_reason, reason)
            && !resembles(sent, listed)
        {
            return Identity::Differs;
        }
        let requestor = operation.requestor_id();
        let code = operation.reason_code();
        let by_issuer = operation
            .requestor_type()
            .is_none_or(|requestor| requestor == RequestorType::Issuer);
        let by_us =
            agrees(requestor, Some(change.issuer.as_str())) || agrees(requestor, self.aggregator);
        let same_code = agrees(
            code.as_ref().map(|code| code.as_str()),
            Some(change.reason_code.as_str()),
        );
        match by_issuer && by_us && same_code && reason == sent_reason {
            true => Identity::Agrees,
            false => Identity::Unclear,
        }
    }
}

/// Whether a listed reason may be the one that was sent: equal but for case and blanks, or cut short.
fn resembles(sent: &str, listed: &str) -> bool {
    let plain = |text: &str| -> String {
        let kept = text.chars().filter(|c| c.is_alphanumeric());
        kept.flat_map(char::to_lowercase).collect()
    };
    let (sent, listed) = (plain(sent), plain(listed));
    listed.is_empty() || sent.starts_with(&listed) || listed.starts_with(&sent)
}

/// When an operation began, compared with the window of the change.
fn time(operation: &Operation, window: Option<&Window>) -> Time {
    let (Some(start), Some(window)) = (operation.start_time().map(SystemTime::from), window) else {
        return Time::Unstated;
    };
    let is_far = |from: SystemTime, to: SystemTime| {
        to.duration_since(from).is_ok_and(|distance| distance > DAY)
    };
    let is_within = (window.from..=window.to).contains(&start);
    if is_within && window.is_by_d1 {
        Time::Within
    } else if is_within {
        Time::Near
    } else if is_far(start, window.from) {
        Time::LongBefore
    } else if is_far(window.to, start) {
        Time::LongAfter
    } else {
        Time::Near
    }
}

/// What D1 lists a change as.
fn listed_as(operation: ApiOperation) -> Option<OperationType> {
    match operation {
        ApiOperation::SuspendCard => Some(OperationType::Suspend),
        ApiOperation::ResumeCard => Some(OperationType::Resume),
        ApiOperation::DeleteCard => Some(OperationType::Delete),
        ApiOperation::RenewCard => Some(OperationType::Renew),
        ApiOperation::ListOperations
        | ApiOperation::GetOperation
        | ApiOperation::GetToken
        | ApiOperation::Raw(_) => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::Map;

    use super::*;

    #[test]
    fn an_operation_within_the_window_is_the_change_only_where_d1s_clock_is_known() {
        // D1's clock may be ahead of that of this host: an earlier operation of the same kind looks like the change.
        let fields = Map::from_iter([("startTime".to_owned(), "2026-01-01T00:00:30Z".into())]);
        let operation = Operation::from_fields(fields).unwrap();
        let begin = SystemTime::from(operation.start_time().unwrap()) - Duration::from_secs(30);
        for (is_by_d1, expected) in [(true, Time::Within), (false, Time::Near)] {
            let window = Window {
                from: begin,
                to: begin + Duration::from_secs(60),
                is_by_d1,
            };
            assert_eq!(time(&operation, Some(&window)), expected);
        }
    }
}
