//! Explores the model of a change breadth first, with the rules as they are and with a mistake in them.
#![allow(clippy::unwrap_used)]

use std::collections::{HashMap, HashSet, VecDeque};

use super::model_state::{Found, RULES, Rules, State, World};
use super::{Inconclusive, Reconciliation};
use crate::call::Evidence;
use crate::clock::Moment;

/// What does not hold in some state, and the shortest way there.
type Fault = (&'static str, Vec<&'static str>);

/// Explores every state, and returns them all, or what does not hold in one of them.
fn explore(rules: &Rules, world: World) -> Result<HashSet<State>, Fault> {
    let mut from: HashMap<State, Option<(&'static str, State)>> = HashMap::new();
    let mut waiting: VecDeque<State> = [true, false].map(|token| State::start(rules, token)).into();
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
    let clocks = [
        (false, None),
        (true, None),
        (true, Some(-600)),
        (true, Some(600)),
    ];
    for skew in [-100_000, -90, 0, 90, 100_000] {
        for (has_date, ahead) in clocks {
            for other_change in [None, Some(-10), Some(-100_000), Some(30)] {
                worlds.push(World {
                    skew,
                    has_date,
                    ahead,
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

/// What a mistake does that makes the client say *not done* of a change that was carried out.
const UNTRUE: &str = "the change was carried out, and the client says not";

#[test]
fn the_model_finds_a_timeout_that_counts_as_not_sent() {
    let found = found(Rules {
        evidence: |evidence| match evidence {
            Evidence::MaybeWritten => Evidence::NotWritten,
            other => other,
        },
        ..RULES
    });
    let way = [
        "the client sends",
        "the request is written",
        "the call is cancelled",
        "D1 carries it out",
    ];
    assert_eq!(found, (UNTRUE, way.to_vec()));
}

#[test]
fn the_model_finds_a_server_error_that_counts_as_a_refusal() {
    let found = found(Rules {
        evidence: |evidence| match evidence {
            Evidence::Unproven => Evidence::Refused,
            other => other,
        },
        ..RULES
    });
    let way = [
        "the client sends",
        "the request is written",
        "a gateway answers 504",
        "D1 carries it out",
    ];
    assert_eq!(found, (UNTRUE, way.to_vec()));
}

#[test]
fn the_model_finds_a_change_that_is_sent_again_although_its_outcome_is_unknown() {
    let rules = Rules {
        retry_if_unknown: true,
        ..RULES
    };
    // The clocks play no part in it: any world will do.
    let (fault, way) = explore(&rules, worlds()[0]).unwrap_err();
    assert_eq!(fault, "the change was carried out twice");
    let sent = way.iter().filter(|step| **step == "the client sends");
    let carried_out = way.iter().filter(|step| step.starts_with("D1 carries"));
    assert_eq!((sent.count(), carried_out.count()), (2, 2), "{way:?}");
}

#[test]
fn the_model_finds_a_look_up_that_does_not_wait_for_the_settling_time() {
    let found = found(Rules { settle: 0, ..RULES });
    let way = [
        "the client sends",
        "the request is written",
        "a gateway answers 504",
        "the look-up concludes",
        "D1 carries it out",
    ];
    assert_eq!(found, (UNTRUE, way.to_vec()));
}

#[test]
fn the_model_finds_a_look_up_that_compares_the_clocks_of_two_hosts() {
    let found = found(Rules {
        recorded: |moment| Moment::of_host(moment.host),
        ..RULES
    });
    let way = [
        "the client sends",
        "the request is written",
        "a gateway answers 504",
        "the look-up concludes",
        "D1 carries it out",
    ];
    assert_eq!(found, (UNTRUE, way.to_vec()));
}

#[test]
fn the_model_finds_a_look_up_that_trusts_the_clocks() {
    let found = found(Rules {
        conclusion: |conclusion| match conclusion {
            // What agrees but for its time is taken for another change.
            Reconciliation::Inconclusive(Inconclusive::Ambiguous) => Reconciliation::NotDone(None),
            other => other,
        },
        ..RULES
    });
    let way = [
        "the client sends",
        "the request is written",
        "a gateway answers 504",
        "D1 carries it out",
        "the look-up concludes",
    ];
    assert_eq!(found, (UNTRUE, way.to_vec()));
}
