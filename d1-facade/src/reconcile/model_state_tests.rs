//! A model of a client, the network and D1: a change with up to two requests, a token that may
//! be refused and replaced, a timeout or a cancellation or a crash at any point, a request that arrives late, and a
//! look-up by clocks that differ. What the client concludes is computed by the very rules of the client.
//!
//! Of the rest it assumes what the rules do: a request of which nothing was written never arrives, a 4xx (but for 408)
//! turns a request away, what was written arrives and is listed within the settling time after the end of the call or
//! never. D1's clock may be any. The clocks of the hosts that make the change and look it up differ by any amount where
//! D1's is known at both times, and agree otherwise.
#![allow(clippy::unwrap_used)]

use std::time::{Duration, SystemTime};

use serde_json::json;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::{PendingChange, Reconciliation, Search};
use crate::call::{Effect, Evidence, History, Next};
use crate::card::{ListedPage, Operation};
use crate::clock::Moment;
use crate::error::Outcome;
use crate::values::{ApiOperation, ReasonCode};

/// Seconds in a step of the clock, and times in steps.
const STEP: u64 = 20;
const TIMEOUT: u64 = 2;
const SETTLE: u64 = 2;
const END: u64 = 6;

/// What is not decided in the course of events.
#[derive(Debug, Clone, Copy)]
pub(super) struct World {
    /// How many seconds D1's clock is ahead.
    pub(super) skew: i64,
    /// Whether D1's responses have a `Date`.
    pub(super) has_date: bool,
    /// How many seconds the clock of the host that looks the change up is ahead of that of the host that made it, where
    /// the latter has recorded D1's time.
    pub(super) ahead: Option<i64>,
    /// When someone else made the same change, in seconds after the start of the call.
    pub(super) other_change: Option<i64>,
}

/// The rules under test; a mistake is planted by changing what goes into them or comes out.
#[derive(Clone, Copy)]
pub(super) struct Rules {
    pub(super) retry_if_unknown: bool,
    pub(super) evidence: fn(Evidence) -> Evidence,
    pub(super) settle: u64,
    pub(super) recorded: fn(Moment) -> Moment,
    pub(super) conclusion: fn(Reconciliation) -> Reconciliation,
}

pub(super) const RULES: Rules = Rules {
    retry_if_unknown: false,
    evidence: |evidence| evidence,
    settle: SETTLE,
    recorded: |moment| moment,
    conclusion: |conclusion| conclusion,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Client {
    Active,
    Waiting,
    Done,
    Failed(Outcome),
    Crashed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Request {
    Unsent,
    /// At the client, and not written.
    Queued,
    /// Written, and not at D1.
    OnItsWay,
    Answered(Answer),
    /// No longer of interest.
    Over,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Answer {
    Success,
    ServerError,
    TokenRefused,
    RateLimited,
    Refused,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Found {
    Done,
    NotDone,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct State {
    pub(super) now: u64,
    pub(super) client: Client,
    pub(super) history: History,
    pub(super) requests: [Request; 2],
    pub(super) sent: usize,
    pub(super) has_good_token: bool,
    /// Whether each request was sent with a token that D1 accepts, and when D1 carried it out.
    pub(super) with_good_token: [bool; 2],
    pub(super) carried_out: [Option<u64>; 2],
    /// When the call had certainly ended, as far as the client knows.
    pub(super) ended: u64,
    pub(super) found: Option<Found>,
}

pub(super) type Steps = Vec<(&'static str, State)>;

impl State {
    pub(super) fn start(rules: &Rules, has_good_token: bool) -> Self {
        Self {
            now: 0,
            client: Client::Active,
            history: History::new(Effect::Changes, rules.retry_if_unknown),
            requests: [Request::Unsent; 2],
            sent: 0,
            has_good_token,
            with_good_token: [false; 2],
            carried_out: [None; 2],
            // As it was recorded before the call, in case of a crash.
            ended: TIMEOUT,
            found: None,
        }
    }

    fn with(&self, edit: impl FnOnce(&mut Self)) -> Self {
        let mut state = self.clone();
        edit(&mut state);
        state
    }

    pub(super) fn steps(&self, rules: &Rules, world: World) -> Steps {
        let mut steps = Steps::new();
        match self.client {
            Client::Active => self.active(rules, &mut steps),
            Client::Waiting => self.waiting(rules, &mut steps),
            Client::Failed(Outcome::Unknown) | Client::Crashed if self.found.is_none() => {
                self.look_up(rules, world, &mut steps);
            }
            Client::Done | Client::Failed(_) | Client::Crashed => {}
        }
        for at in 0..self.sent {
            if self.requests[at] == Request::OnItsWay && self.may_arrive() {
                self.arrive(at, &mut steps);
            }
        }
        let is_in_time = self.has_ended() || self.now < TIMEOUT;
        if is_in_time && self.now < END {
            steps.push(("time passes", self.with(|s| s.now += 1)));
        }
        steps
    }

    pub(super) fn has_ended(&self) -> bool {
        match self.client {
            Client::Active | Client::Waiting => false,
            Client::Done | Client::Failed(_) | Client::Crashed => true,
        }
    }

    fn may_arrive(&self) -> bool {
        !self.has_ended() || self.now < self.ended + SETTLE
    }

    fn active(&self, rules: &Rules, steps: &mut Steps) {
        if self.sent < self.requests.len() {
            let send = |s: &mut Self| {
                s.requests[s.sent] = Request::Queued;
                s.with_good_token[s.sent] = s.has_good_token;
                s.sent += 1;
                s.client = Client::Waiting;
            };
            steps.push(("the client sends", self.with(send)));
            self.fail("it gets no token", Evidence::NoToken, rules, steps);
        }
        let given_up = self.with(|s| s.end(s.history.outcome_with(Evidence::NotWritten)));
        steps.push(("it gives up", given_up));
        self.crash(steps);
    }

    fn waiting(&self, rules: &Rules, steps: &mut Steps) {
        let at = self.sent - 1;
        let over = self.with(|s| s.requests[at] = Request::Over);
        let (withdrawn, evidence) = match self.requests[at] {
            Request::Queued => {
                let written = self.with(|s| s.requests[at] = Request::OnItsWay);
                steps.push(("the request is written", written));
                (&over, Evidence::NotWritten)
            }
            Request::OnItsWay => {
                over.fail("its stream is refused", Evidence::NotWritten, rules, steps);
                // The gateway has passed the request on.
                self.fail("a gateway answers 504", Evidence::Unproven, rules, steps);
                (self, Evidence::MaybeWritten)
            }
            Request::Answered(answer) => {
                over.answered(answer, rules, steps);
                (&over, Evidence::MaybeWritten)
            }
            Request::Unsent | Request::Over => (self, Evidence::MaybeWritten),
        };
        withdrawn.fail(
            "the connection breaks or time runs out",
            evidence,
            rules,
            steps,
        );
        let evidence = (rules.evidence)(evidence);
        let cancelled = withdrawn.with(|s| s.end(s.history.outcome_with(evidence)));
        steps.push(("the call is cancelled", cancelled));
        self.crash(steps);
    }

    fn answered(&self, answer: Answer, rules: &Rules, steps: &mut Steps) {
        let (what, evidence) = match answer {
            Answer::Success => {
                let done = self.with(|s| s.client = Client::Done);
                return steps.push(("the success arrives", done));
            }
            Answer::ServerError => ("the 500 arrives", Evidence::Unproven),
            Answer::RateLimited => ("the 429 arrives", Evidence::RateLimited),
            Answer::Refused => ("the 403 arrives", Evidence::Refused),
            Answer::TokenRefused => {
                let last = Evidence::TokenRefused { has_another: false };
                self.fail("the 401 arrives, of the last token", last, rules, steps);
                let evidence = Evidence::TokenRefused { has_another: true };
                self.fail("the 401 arrives, and a bad token", evidence, rules, steps);
                let renewed = self.with(|s| s.has_good_token = true);
                let what = "the 401 arrives, and a good token";
                return renewed.fail(what, evidence, rules, steps);
            }
        };
        self.fail(what, evidence, rules, steps);
    }

    /// Lets the rules decide about a request that did not succeed.
    fn fail(&self, what: &'static str, evidence: Evidence, rules: &Rules, steps: &mut Steps) {
        let mut state = self.clone();
        match state.history.add((rules.evidence)(evidence)) {
            Next::AnotherToken | Next::AskPolicy => state.client = Client::Active,
            Next::End => state.end(state.history.outcome()),
        }
        steps.push((what, state));
    }

    fn end(&mut self, outcome: Outcome) {
        self.client = Client::Failed(outcome);
        self.ended = self.now;
    }

    fn crash(&self, steps: &mut Steps) {
        let crashed = self.with(|s| {
            s.client = Client::Crashed;
            for request in &mut s.requests {
                if *request == Request::Queued {
                    *request = Request::Over;
                }
            }
        });
        steps.push(("the client crashes", crashed));
    }

    fn arrive(&self, at: usize, steps: &mut Steps) {
        let is_awaited = self.client == Client::Waiting && at + 1 == self.sent;
        let mut answer = |what, answer, is_carried_out: bool| {
            let answered = self.with(|s| {
                s.requests[at] = match is_awaited {
                    true => Request::Answered(answer),
                    false => Request::Over,
                };
                if is_carried_out {
                    s.carried_out[at] = Some(s.now);
                }
            });
            steps.push((what, answered));
        };
        if self.with_good_token[at] {
            answer("D1 carries it out", Answer::Success, true);
            answer("D1 carries it out and says 500", Answer::ServerError, true);
            answer("D1 fails", Answer::ServerError, false);
            answer("D1 refuses it", Answer::Refused, false);
        } else {
            answer("D1 refuses its token", Answer::TokenRefused, false);
        }
        answer("D1 limits the rate", Answer::RateLimited, false);
        let lost = self.with(|s| s.requests[at] = Request::Over);
        steps.push(("the request is lost", lost));
    }

    /// Looks the operations up, with those that D1 has carried out in the list or, while D1 has time to list them, not.
    fn look_up(&self, rules: &Rules, world: World, steps: &mut Steps) {
        let listed: Vec<u64> = self.carried_out.into_iter().flatten().collect();
        let mut lists = vec![listed];
        if self.may_arrive() {
            lists.push(Vec::new());
        }
        for list in lists {
            let found = match (rules.conclusion)(self.reconcile(&list, rules, world)) {
                Reconciliation::Done(_) => Found::Done,
                Reconciliation::NotDone(_) => Found::NotDone,
                Reconciliation::Inconclusive(_) => continue,
            };
            steps.push((
                "the look-up concludes",
                self.with(|s| s.found = Some(found)),
            ));
        }
    }

    fn reconcile(&self, listed: &[u64], rules: &Rules, world: World) -> Reconciliation {
        let at = |steps: u64| start() + Duration::from_secs(steps * STEP);
        let recorded = |time: SystemTime| {
            (rules.recorded)(Moment {
                d1: world.ahead.map(|_| moved(time, world.skew)),
                ..Moment::of_host(time)
            })
        };
        let change = PendingChange {
            operation: ApiOperation::SuspendCard,
            base_url: String::new(),
            issuer: "ISSUER_A-1".parse().unwrap(),
            card: "CARD".parse().unwrap(),
            new_card: None,
            reason: None,
            reason_code: ReasonCode::default(),
            operation_id: None,
            sent_at: recorded(start()),
            ended_at: recorded(at(self.ended)),
        };
        let ours = listed.iter().map(|steps| operation(world, at(*steps)));
        let other = world
            .other_change
            .map(|seconds| operation(world, moved(start(), seconds)));
        let now = at(self.now);
        let page = ListedPage {
            operations: ours.chain(other).collect(),
            asked_at: Moment {
                d1: world.has_date.then(|| moved(now, world.skew)),
                ..Moment::of_host(moved(now, world.ahead.unwrap_or_default()))
            },
            may_hide_operations: false,
        };
        let settle = Duration::from_secs(rules.settle * STEP);
        let mut search = Search::new(&change, None, false, settle);
        search.read(&page, false);
        search.conclude()
    }

    /// What must hold in every state.
    pub(super) fn fault(&self, world: World) -> Option<&'static str> {
        let times = self.carried_out.iter().flatten().count();
        let is_nothing = matches!(
            (self.client, self.found),
            (Client::Failed(Outcome::NotSent | Outcome::Refused), _) | (_, Some(Found::NotDone))
        );
        let is_done = self.client == Client::Done;
        let is_found = self.found == Some(Found::Done) && world.other_change.is_none();
        match times {
            2.. => Some("the change was carried out twice"),
            1 if is_nothing => Some("the change was carried out, and the client says not"),
            0 if is_done || is_found => {
                Some("the change was not carried out, and the client says so")
            }
            _ => None,
        }
    }
}

fn start() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

fn moved(time: SystemTime, seconds: i64) -> SystemTime {
    let distance = Duration::from_secs(seconds.unsigned_abs());
    match seconds < 0 {
        true => time - distance,
        false => time + distance,
    }
}

/// An operation that agrees with the change, at a time of the client's clock.
fn operation(world: World, time: SystemTime) -> Operation {
    let time = OffsetDateTime::from(moved(time, world.skew));
    let fields = json!({
        "operation": "SUSPEND",
        "status": "SUCCESSFUL",
        "requestorType": "ISSUER",
        "requestorId": "ISSUER_A-1",
        "reasonCode": ReasonCode::default().as_str(),
        "startTime": time.format(&Rfc3339).unwrap(),
    });
    Operation::from_fields(fields.as_object().unwrap().clone()).unwrap()
}
