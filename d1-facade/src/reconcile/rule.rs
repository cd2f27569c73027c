//! The one rule that says from D1's list of operations whether a change was carried out.
//!
//! *Not done* is said only where it is proven, since the caller may repeat the change then: the whole list
//! was read, D1 had time to list the change, and no operation in it could be the change. Time alone never
//! shows that an operation is another one. Clocks of two machines differ, D1 may write a time cut to the
//! minute, and a time that was recorded before a clock was corrected is wrong by any amount. So an operation
//! that agrees with the change in all but its time leaves the question open, however old it is.
//!
//! An operation that D1 lists as `FAILED` never stands in the way: either it is the change, or it is not and
//! the change is absent.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::card::Operation;

/// Whether a change was carried out, as far as D1's list of operations shows.
///
/// | result | what a service does |
/// |---|---|
/// | [`Done`](Self::Done) | continues as after a response |
/// | [`NotDone`](Self::NotDone) | makes the change again, if it is still wanted |
/// | [`Inconclusive`](Self::Inconclusive) | reconciles again later, or lets a person decide: see [`Inconclusive`] |
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Reconciliation {
    /// D1 carried it out.
    ///
    /// It has the operation, unless D1 no longer lists it: D1 does not know a card that was deleted.
    Done(Option<Box<Operation>>),
    /// D1 did not carry it out, and will not: sending it again does nothing twice.
    ///
    /// It has the operation where D1 lists it as `FAILED`.
    NotDone(Option<Box<Operation>>),
    /// The list proves neither.
    Inconclusive(Inconclusive),
}

/// Why D1's list of operations does not show whether a change was carried out.
///
/// After [`TooEarly`](Self::TooEarly) and [`StillPending`](Self::StillPending) reconcile again later. The others do not
/// change by waiting: a person must compare the card's operations and state with what was wanted. Never make the change
/// again before that.
///
/// ```
/// use d1_facade::Inconclusive;
///
/// /// Returns whether a job that reconciles changes should try again.
/// fn try_again(why: Inconclusive) -> bool {
///     matches!(why, Inconclusive::TooEarly | Inconclusive::StillPending)
/// }
/// # assert!(try_again(Inconclusive::TooEarly) && !try_again(Inconclusive::SeveralMatch));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub enum Inconclusive {
    /// D1 does not list it, but the [settling time](crate::Reconcile::settle) has not passed yet.
    TooEarly,
    /// D1 lists it as `PENDING`, or with a status that this version does not know.
    StillPending,
    /// Several operations match: another call made the same change at about the same time.
    SeveralMatch,
    /// An operation may be the change, but differs from it in its time, requestor, reason or reason code, has a type
    /// (`REPLACE` for a renewal) that is not documented for it, or was undone by another operation before the change
    /// can have been sent. A [unique reason](crate::Reconcile::unique_reason) for each change avoids this.
    Ambiguous,
    /// The list cannot be read, or may have operations in a form that this version does not know.
    Unreadable,
    /// D1 does not know the card, or responds with 404 and no reason.
    UnknownCard,
    /// The list has more than 100 pages, which is as many as are read.
    TooManyOperations,
    /// The change was sent to another host than the one that this client calls.
    OtherHost,
}

/// Shows the reason in words, such as `D1 has not finished it`.
impl fmt::Display for Inconclusive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooEarly => "D1 does not list it yet, and may not have finished",
            Self::StillPending => "D1 has not finished it",
            Self::SeveralMatch => "several operations match",
            Self::Ambiguous => "an operation may be it, but does not agree in everything",
            Self::Unreadable => "D1's list cannot be read",
            Self::UnknownCard => "D1 does not know the card, or does not say",
            Self::TooManyOperations => "the card has too many operations",
            Self::OtherHost => "it was sent to another host",
        })
    }
}

/// How the type of an operation compares with that of the change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Same,
    /// Another word, which may stand for it: `REPLACE` for a renewal, or a type that is not known.
    MayStandForIt,
    /// A registration, where the change is a deletion: the id belongs to another card since then, whose list
    /// does not show the outcome of the first.
    NewCard,
    Unstated,
    Other,
}

/// How requestor, reason and reason code of an operation compare with those of the change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Identity {
    Agrees,
    /// One of them differs, or the reason that was sent is missing. How D1 lists these is not documented well
    /// enough to conclude that it is another operation.
    Unclear,
    /// It has another reason than the one that was sent. D1 documents that the reason is returned, but not
    /// that it is returned unchanged.
    Differs,
}

/// When an operation began, compared with when the change was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Time {
    /// More than a day earlier.
    LongBefore,
    /// Within a day, but not while D1 can have begun with the change.
    Near,
    /// While D1 can have begun with the change.
    Within,
    /// More than a day later.
    LongAfter,
    /// It lacks a time, or the recorded time of the change cannot be right.
    Unstated,
}

/// Whether an operation is the change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bearing {
    Is,
    MayBe,
    IsNot,
}

/// Says whether an operation is the change. `named` is whether D1's answer to the change named this very
/// operation, `unique` whether the caller says that the reason is the change's alone.
pub(super) fn bearing(
    named: bool,
    unique: bool,
    kind: Kind,
    identity: Identity,
    time: Time,
) -> Bearing {
    let is_long_ago = time == Time::LongBefore;
    let is_far = is_long_ago || time == Time::LongAfter;
    match (kind, identity) {
        _ if named => Bearing::Is,
        (Kind::Other, _) => Bearing::IsNot,
        (Kind::NewCard, _) if is_long_ago => Bearing::IsNot,
        (Kind::NewCard, _) => Bearing::MayBe,
        (_, Identity::Differs) if unique => Bearing::IsNot,
        (Kind::Same, Identity::Agrees) if unique || time == Time::Within => Bearing::Is,
        (Kind::Same | Kind::Unstated, Identity::Agrees) => Bearing::MayBe,
        // Two things speak against it: its time, and another that the list says.
        (Kind::MayStandForIt, _) | (_, Identity::Unclear | Identity::Differs) if is_far => {
            Bearing::IsNot
        }
        (Kind::MayStandForIt, _) | (_, Identity::Unclear | Identity::Differs) => Bearing::MayBe,
    }
}

/// How much of the list was read. Of several lists, the last of these counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) enum List {
    /// D1 does not know the card, or does not say so.
    #[default]
    Missing,
    Whole,
    /// It may have operations that cannot be read.
    Unreadable,
    /// It is longer than what is read.
    TooLong,
}

/// What the list says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Evidence {
    /// How many operations are the change, by their status.
    pub(super) successful: u32,
    pub(super) pending: u32,
    pub(super) failed: u32,
    /// Whether an operation that is not `FAILED` may be the change.
    pub(super) may_be: bool,
    /// Whether the operation that is the change by its time alone was undone before the change can have been sent.
    pub(super) undone: bool,
    /// Whether the change is a deletion, and D1 says that it knows no such card.
    pub(super) card_is_gone: bool,
    pub(super) list: List,
    /// Whether D1 had time to list the change before the list was read.
    pub(super) settled: bool,
    /// Whether the reason is the change's alone.
    pub(super) unique: bool,
}

/// The rule. `operation` is one that is the change, if there is any: a successful one where there is one.
pub(super) fn verdict(evidence: Evidence, operation: Option<Box<Operation>>) -> Reconciliation {
    let Evidence {
        successful,
        pending,
        failed,
        may_be,
        undone,
        card_is_gone,
        list,
        settled,
        unique,
    } = evidence;
    if card_is_gone {
        return Reconciliation::Done(operation);
    }
    let why = match (successful, pending, failed) {
        (1.., _, _) if unique => return Reconciliation::Done(operation),
        (1, 0, 0) if undone => Inconclusive::Ambiguous,
        (1, 0, 0) => return Reconciliation::Done(operation),
        (0, 1, 0) => Inconclusive::StillPending,
        (0, 1.., _) if unique => Inconclusive::StillPending,
        (1.., _, _) | (0, 1.., _) => Inconclusive::SeveralMatch,
        (0, 0, _) => match list {
            List::TooLong => Inconclusive::TooManyOperations,
            List::Unreadable => Inconclusive::Unreadable,
            List::Missing => Inconclusive::UnknownCard,
            List::Whole if may_be => Inconclusive::Ambiguous,
            List::Whole if !settled => Inconclusive::TooEarly,
            List::Whole => return Reconciliation::NotDone(operation),
        },
    };
    Reconciliation::Inconclusive(why)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KINDS: [Kind; 5] = [
        Kind::Same,
        Kind::MayStandForIt,
        Kind::NewCard,
        Kind::Unstated,
        Kind::Other,
    ];
    const IDENTITIES: [Identity; 3] = [Identity::Agrees, Identity::Unclear, Identity::Differs];
    const TIMES: [Time; 5] = [
        Time::LongBefore,
        Time::Near,
        Time::Within,
        Time::LongAfter,
        Time::Unstated,
    ];
    const COUNTS: [u32; 3] = [0, 1, 2];
    const LISTS: [List; 4] = [List::Whole, List::TooLong, List::Unreadable, List::Missing];
    const BOTH: [bool; 2] = [false, true];

    fn every_bearing(mut check: impl FnMut(bool, bool, Kind, Identity, Time, Bearing)) {
        for (named, unique) in BOTH.into_iter().flat_map(|n| BOTH.map(|u| (n, u))) {
            for kind in KINDS {
                for identity in IDENTITIES {
                    for time in TIMES {
                        let found = bearing(named, unique, kind, identity, time);
                        check(named, unique, kind, identity, time, found);
                    }
                }
            }
        }
    }

    #[test]
    fn time_alone_never_shows_that_an_operation_is_another_one() {
        every_bearing(|_, unique, kind, identity, time, found| {
            let agrees =
                matches!(kind, Kind::Same | Kind::Unstated) && identity == Identity::Agrees;
            if agrees {
                assert_ne!(found, Bearing::IsNot, "{kind:?} {identity:?} {time:?}");
            }
            // Nor does a time that is missing.
            let is_other = kind == Kind::Other || identity == Identity::Differs && unique;
            if time == Time::Unstated && !is_other {
                assert_ne!(found, Bearing::IsNot, "{kind:?} {identity:?} {time:?}");
            }
        });
    }

    #[test]
    fn an_operation_is_the_change_only_where_everything_agrees_or_d1_named_it() {
        every_bearing(|named, unique, kind, identity, time, found| {
            let agrees = kind == Kind::Same && identity == Identity::Agrees;
            let is = named || agrees && (unique || time == Time::Within);
            assert_eq!(found == Bearing::Is, is, "{kind:?} {identity:?} {time:?}");
        });
    }

    fn every_evidence() -> Vec<Evidence> {
        let mut all = Vec::new();
        for bits in 0..32_u8 {
            let bit = |n: u8| bits & (1 << n) != 0;
            for successful in COUNTS {
                for pending in COUNTS {
                    for failed in COUNTS {
                        all.extend(LISTS.map(|list| Evidence {
                            successful,
                            pending,
                            failed,
                            list,
                            may_be: bit(0),
                            card_is_gone: bit(1),
                            settled: bit(2),
                            unique: bit(3),
                            undone: bit(4),
                        }));
                    }
                }
            }
        }
        all
    }

    #[test]
    fn not_done_is_never_said_without_proof() {
        let all = every_evidence();
        assert_eq!(all.len(), 32 * 27 * 4);
        for evidence in all {
            let is_proven = evidence.list == List::Whole
                && evidence.settled
                && !evidence.may_be
                && !evidence.card_is_gone
                && evidence.successful == 0
                && evidence.pending == 0;
            let found = verdict(evidence, None);
            let is_not_done = matches!(found, Reconciliation::NotDone(_));
            assert_eq!(is_not_done, is_proven, "{evidence:?}");
        }
    }

    #[test]
    fn an_operation_that_was_undone_before_the_change_is_not_the_change_by_its_time_alone() {
        for evidence in every_evidence() {
            let is_done = matches!(verdict(evidence, None), Reconciliation::Done(_));
            let is_proven = evidence.unique || evidence.card_is_gone || !evidence.undone;
            assert!(!is_done || is_proven, "{evidence:?}");
        }
    }

    #[test]
    fn done_is_never_said_without_a_success_or_a_card_that_is_gone() {
        for evidence in every_evidence() {
            if matches!(verdict(evidence, None), Reconciliation::Done(_)) {
                let is_successful = evidence.successful > 0;
                assert!(evidence.card_is_gone || is_successful, "{evidence:?}");
            }
        }
    }
}
