//! Every combination of what the decisions depend on.

use super::*;

const EVERY_EVIDENCE: [Evidence; 10] = [
    Evidence::NoToken,
    Evidence::NotWritten,
    Evidence::NotWrittenForPassword,
    Evidence::HandedOut,
    Evidence::MaybeWritten,
    Evidence::TokenRefused { has_another: false },
    Evidence::TokenRefused { has_another: true },
    Evidence::RateLimited,
    Evidence::Refused,
    Evidence::Unproven,
];

/// How many requests of a call are tried.
const MAX_REQUESTS: usize = 4;

/// What can have happened at D1, said apart from the code under test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum AtD1 {
    NeverArrived,
    TurnedAway,
    MaybeCarriedOut,
}

/// A new kind of evidence must be decided about here as well.
fn at_d1(evidence: Evidence) -> AtD1 {
    match evidence {
        Evidence::NoToken
        | Evidence::NotWritten
        | Evidence::NotWrittenForPassword
        | Evidence::HandedOut => AtD1::NeverArrived,
        Evidence::TokenRefused { .. } | Evidence::RateLimited | Evidence::Refused => {
            AtD1::TurnedAway
        }
        Evidence::MaybeWritten | Evidence::Unproven => AtD1::MaybeCarriedOut,
    }
}

/// A call by what is known of it after one of its requests.
struct Call<'a> {
    effect: Effect,
    opted_in: bool,
    /// How its requests have ended.
    ended: &'a [Evidence],
    before: Outcome,
    after: History,
    next: Next,
}

/// Calls `check` with every call of up to [`MAX_REQUESTS`] requests, after each request that the decisions allow.
fn every_call(check: &mut dyn FnMut(&Call<'_>)) {
    for effect in [Effect::Reads, Effect::Changes] {
        for opted_in in [false, true] {
            let before = History::new(effect, opted_in);
            continue_call(before, &mut Vec::new(), check);
        }
    }
}

fn continue_call(before: History, ended: &mut Vec<Evidence>, check: &mut dyn FnMut(&Call<'_>)) {
    for evidence in EVERY_EVIDENCE {
        let mut after = before;
        let next = after.add(evidence);
        ended.push(evidence);
        check(&Call {
            effect: before.effect,
            opted_in: before.retry_if_unknown,
            ended,
            before: before.outcome(),
            after,
            next,
        });
        if next != Next::End && ended.len() < MAX_REQUESTS {
            continue_call(after, ended, check);
        }
        ended.pop();
    }
}

#[test]
fn a_change_is_never_sent_again_where_it_may_have_been_carried_out() {
    let (mut again, mut opted_in) = (0, 0);
    every_call(&mut |call| {
        if call.effect == Effect::Changes && call.next != Next::End {
            let mut ended = call.ended.iter();
            let may_be_done = ended.any(|e| at_d1(*e) == AtD1::MaybeCarriedOut);
            assert!(!may_be_done || call.opted_in, "{:?}", call.ended);
            opted_in += u32::from(may_be_done);
            again += 1;
        }
    });
    assert!(again > 100 && opted_in > 100, "{again} {opted_in}");
}

#[test]
fn an_outcome_is_never_better_than_what_may_have_happened() {
    let mut calls = 0;
    every_call(&mut |call| {
        let counted = match call.effect {
            // What earlier requests of a read did is of no interest.
            Effect::Reads => &call.ended[call.ended.len() - 1..],
            Effect::Changes => call.ended,
        };
        let any = |what| counted.iter().any(|e| at_d1(*e) == what);
        let expected = match (any(AtD1::MaybeCarriedOut), any(AtD1::TurnedAway)) {
            (true, _) => Outcome::Unknown,
            (false, true) => Outcome::Refused,
            (false, false) => Outcome::NotSent,
        };
        assert_eq!(call.after.outcome(), expected, "{:?}", call.ended);
        let is_change = call.effect == Effect::Changes;
        assert!(!is_change || call.before <= expected, "{:?}", call.ended);
        calls += 1;
    });
    assert!(calls > 5_000, "{calls}");
}

#[test]
fn a_call_that_is_cancelled_has_the_outcome_of_all_its_requests() {
    every_call(&mut |call| {
        let written = call.after.outcome_with(Written::Maybe.into());
        assert_eq!(written, Outcome::Unknown, "{:?}", call.ended);
        let unwritten = call.after.outcome_with(Written::No.into());
        let expected = match call.effect {
            Effect::Reads => Outcome::NotSent,
            Effect::Changes => call.after.outcome(),
        };
        assert_eq!(unwritten, expected, "{:?}", call.ended);
    });
}

#[test]
fn another_token_is_tried_once_and_a_password_never_twice() {
    every_call(&mut |call| {
        let with_another = Evidence::TokenRefused { has_another: true };
        let refusals = call.ended.iter().filter(|e| **e == with_another);
        let last = call.ended.last();
        match call.next {
            Next::AnotherToken => {
                assert_eq!(refusals.count(), 1, "{:?}", call.ended);
                assert_eq!(last, Some(&with_another));
            }
            Next::AskPolicy => assert_ne!(last, Some(&Evidence::NotWrittenForPassword)),
            Next::End => {}
        }
    });
}

#[test]
fn a_change_that_was_turned_away_waits_for_its_turn_and_for_a_token_and_not_for_another_answer() {
    let add = |ended: &[Evidence]| {
        let mut history = History::new(Effect::Changes, false);
        let nexts: Vec<Next> = ended.iter().map(|e| history.add(*e)).collect();
        nexts[nexts.len() - 1]
    };
    let other_token = Evidence::TokenRefused { has_another: true };
    let no_other_token = Evidence::TokenRefused { has_another: false };
    for (ended, next) in [
        (&[Evidence::RateLimited][..], Next::AskPolicy),
        (
            &[Evidence::RateLimited, Evidence::NotWritten],
            Next::AskPolicy,
        ),
        (&[other_token, Evidence::NoToken], Next::AskPolicy),
        (&[other_token, other_token], Next::End),
        (&[no_other_token], Next::End),
        (&[Evidence::Refused], Next::End),
    ] {
        assert_eq!(add(ended), next, "{ended:?}");
    }
}

#[test]
fn a_status_is_a_refusal_where_it_is_a_client_error_but_for_a_408() {
    for code in 100..=999_u16 {
        let status = StatusCode::from_u16(code).unwrap_or_default();
        let found = Evidence::of_status(status).outcome();
        let expected = match code {
            408 => Outcome::Unknown,
            400..=499 => Outcome::Refused,
            _ => Outcome::Unknown,
        };
        assert_eq!(found, expected, "{code}");
    }
    assert_eq!(
        Evidence::of_status(StatusCode::TOO_MANY_REQUESTS),
        Evidence::RateLimited
    );
    let refused = Evidence::of_status(StatusCode::UNAUTHORIZED);
    assert_eq!(refused, Evidence::TokenRefused { has_another: false });
}
