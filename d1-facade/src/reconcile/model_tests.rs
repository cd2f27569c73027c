//! Explores the model of a change breadth first, with the rules as they are and with a mistake in them.
#![allow(clippy::unwrap_used)]

use std::collections::{HashMap, HashSet, VecDeque};

use super::model_state::{Found, RULES, Rules, State, World};
use super::{Inconclusive, Reconciliation};
use crate::call::Evidence;

/// What does not hold in some state, and the shortest way there.
type Fault = (&'static str, Vec<&'static str>);

/// Explores every state, and returns them all, or what does not hold in one of them.
fn explore(rules: &Rules, world: World) -> Result<HashSet<State>, Fault> {
    let mut from: HashMap<State, Option<(&'static str, State)>> = HashMap::new();
    let mut waiting: VecDeque<State> = [true, false].map(State::start).into();
    from.extend(waiting.iter().map(|state| (state.clone(), None)));
    while let Some(state) = waiting.pop_front() {
        if let Some(fault) = state.fault(world) {
            let mut way = Vec::new();
            let mut current = &state;
            while let Some((what, before)) = &from[current] {
                way.push(*what);
                current = before;
            }
            way.reverse();
            return Err((fault, way));
        }
        for (what, next) in state.steps(rules, world) {
            from.entry(next.clone()).or_insert_with(|| {
                waiting.push_back(next);
                Some((what, state.clone()))
            });
        }
    }
    Ok(from.into_keys().collect())
}

fn worlds() -> Vec<World> {
    let mut worlds = Vec::new();
    for skew in [-100_000, -90, 0, 90, 100_000] {
        for has_date in [false, true] {
            for other_change in [None, Some(-10), Some(-100_000), Some(30)] {
                worlds.push(World {
                    skew,
                    has_date,
                    other_change,
                });
            }
        }
    }
    worlds
}

#[test]
fn no_order_of_events_changes_a_card_twice_or_makes_an_outcome_untrue() {
    let (mut states, mut done, mut not_done, mut late, mut twice) = (0, 0, 0, 0, 0);
    for world in worlds() {
        let all = explore(&RULES, world).unwrap();
        states += all.len();
        for state in all {
            done += u32::from(state.found == Some(Found::Done));
            not_done += u32::from(state.found == Some(Found::NotDone));
            twice += u32::from(state.sent == 2);
            let arrived = state.carried_out.into_iter().flatten().max();
            late += u32::from(state.has_ended() && arrived > Some(state.ended));
        }
    }
    // Each of them occurs: the model is not empty.
    for count in [done, not_done, late, twice] {
        assert!(
            count > 100,
            "{states} states: {done} {not_done} {late} {twice}"
        );
    }
}

/// What harm a planted mistake does, and on which way, in the world in which that is the shortest.
fn found(rules: Rules) -> Fault {
    let explored = worlds().into_iter().map(|world| explore(&rules, world));
    let faults = explored.filter_map(Result::err);
    faults.min_by_key(|(_, way)| way.len()).unwrap()
}

#[test]
fn the_model_finds_a_timeout_that_counts_as_not_sent() {
    let (fault, way) = found(Rules {
        evidence: |evidence| match evidence {
            Evidence::MaybeWritten => Evidence::NotWritten,
            other => other,
        },
        ..RULES
    });
    assert_eq!(fault, "the change was carried out, and the client says not");
    let expected = [
        "the client sends",
        "the request is written",
        "the call is cancelled",
        "D1 carries it out",
    ];
    assert!(
        way.len() == expected.len() && way[..2] == expected[..2],
        "{way:?}"
    );
}

#[test]
fn the_model_finds_a_server_error_that_counts_as_a_refusal() {
    let (fault, way) = found(Rules {
        evidence: |evidence| match evidence {
            Evidence::Unproven => Evidence::Refused,
            other => other,
        },
        ..RULES
    });
    assert_eq!(fault, "the change was carried out, and the client says not");
    assert!(
        way.iter()
            .any(|step| step.contains("500") || step.contains("504")),
        "{way:?}"
    );
}

#[test]
fn the_model_finds_a_server_error_that_is_sent_again() {
    let (fault, way) = found(Rules {
        evidence: |evidence| match evidence {
            Evidence::Unproven => Evidence::RateLimited,
            Evidence::RateLimited => Evidence::Refused,
            other => other,
        },
        ..RULES
    });
    assert!(fault.contains("carried out"), "{fault} {way:?}");
}

#[test]
fn the_model_finds_a_look_up_that_does_not_wait_for_the_settling_time() {
    let (fault, way) = found(Rules { settle: 0, ..RULES });
    assert_eq!(fault, "the change was carried out, and the client says not");
    assert!(way.contains(&"the look-up concludes"), "{way:?}");
}

#[test]
fn the_model_finds_a_look_up_that_trusts_the_clocks() {
    let (fault, way) = found(Rules {
        conclusion: |conclusion| match conclusion {
            // What agrees but for its time is taken for another change.
            Reconciliation::Inconclusive(Inconclusive::Ambiguous) => Reconciliation::NotDone(None),
            other => other,
        },
        ..RULES
    });
    assert_eq!(fault, "the change was carried out, and the client says not");
    assert!(way.contains(&"the look-up concludes"), "{way:?}");
}
