//! Changes against servers that break wherever a request can break, by random plans: what is reported about each change is
//! compared with what really happened to it.
#![allow(clippy::print_stdout)] // The test harness shows it where the test fails.

use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use d1_facade::retry::ExponentialBackoff;
use d1_facade::{Card, Client, Environment, Identity, Outcome};
use d1_tests::hostile_server::{HostileServer, Material, Protocol, Seen};
use d1_tests::{FixedToken, ISSUER, seed};
use futures_util::StreamExt as _;
use futures_util::future::join_all;
use futures_util::stream;

use crate::listening::{keep_dropped_changes, outcome_of_dropped};

/// How many schedules are run for each protocol.
const SCHEDULES: &str = "D1_TEST_SCHEDULES";
/// More than any schedule takes: each of its calls has less than a second.
const HANGS: Duration = Duration::from_secs(120);

/// What is reported to the caller about one change.
#[derive(Debug)]
struct Told {
    /// `None` for a success.
    outcome: Option<Outcome>,
    /// `None` where the future was dropped.
    attempts: Option<u32>,
    repeats: bool,
    error: String,
}

/// How many changes were told wrongly.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Wrong {
    doubled: usize,
    untrue: usize,
    undercounted: usize,
}

/// How the changes went, for the reader of the output.
#[derive(Debug, Default)]
struct Went {
    done: usize,
    not_sent: usize,
    refused: usize,
    unknown: usize,
    unknown_never_arrived: usize,
    dropped: usize,
}

/// Makes one change of a card of its own. Some are dropped after a few polls.
async fn change(card: Card, id: String, mut rng: fastrand::Rng) -> (String, Told) {
    let mut change = card.suspend().correlation_id(id.parse().unwrap());
    if rng.bool() {
        change = change.retry(ExponentialBackoff::default().max_attempts(1));
    }
    let repeats = rng.u8(..8) == 0;
    if repeats {
        change = change.retry_if_unknown();
    }
    let mut polls = if rng.u8(..6) == 0 {
        rng.u32(1..12)
    } else {
        u32::MAX
    };
    let mut future = change.into_future();
    let result = poll_fn(|context| {
        let polled = future.as_mut().poll(context).map(Some);
        polls -= 1;
        if polled.is_pending() && polls == 0 {
            Poll::Ready(None)
        } else {
            polled
        }
    });
    let result = result.await;
    drop(future);
    let error = match &result {
        Some(Err(error)) => error.to_string(),
        _ => String::new(),
    };
    let (outcome, attempts) = match result {
        Some(Ok(receipt)) => (None, Some(receipt.attempts())),
        Some(Err(error)) => (Some(error.outcome()), Some(error.attempts())),
        None => (Some(outcome_of_dropped(&id)), None),
    };
    let told = Told {
        outcome,
        attempts,
        repeats,
        error,
    };
    (id, told)
}

fn client(server: &HostileServer, rng: &mut fastrand::Rng) -> Client {
    let material = Material::get();
    let (certificate, key) = &material.identity;
    let policy = ExponentialBackoff::default().initial_delay(Duration::from_millis(1));
    let builder = Client::builder(Environment::Custom(server.url()), ISSUER.parse().unwrap());
    let builder = if rng.u8(..4) == 0 {
        builder.proxy(server.proxy_url())
    } else {
        builder
    };
    builder
        .client_identity(Identity::from_pem(certificate, key).unwrap())
        .root_certificate(&material.root)
        .without_system_roots()
        .token_source(FixedToken)
        .retry(policy)
        .timeout(Duration::from_millis(rng.u64(150..700)))
        .build()
        .unwrap()
}

fn judge(told: &Told, seen: Seen, wrong: &mut Wrong, went: &mut Went) {
    wrong.doubled += usize::from(seen.processed > 1 && !told.repeats);
    let is_untrue = match told.outcome {
        None => seen.answered == 0,
        Some(Outcome::NotSent | Outcome::Refused) => seen.perhaps > 0 || seen.processed > 0,
        Some(_) => false,
    };
    wrong.untrue += usize::from(is_untrue);
    wrong.undercounted += usize::from(told.attempts.is_some_and(|told| told < seen.arrived));
    went.dropped += usize::from(told.attempts.is_none());
    *match told.outcome {
        None => &mut went.done,
        Some(Outcome::NotSent) => &mut went.not_sent,
        Some(Outcome::Refused) => &mut went.refused,
        Some(_) => &mut went.unknown,
    } += 1;
    let vague = told.outcome == Some(Outcome::Unknown) && seen.arrived == 0;
    went.unknown_never_arrived += usize::from(vague);
}

/// A number that cannot be taken for one of a card.
fn letters(number: u64) -> String {
    let letter =
        |digit: char| char::from(b'a' + u8::try_from(digit.to_digit(16).unwrap()).unwrap());
    format!("{number:x}").chars().map(letter).collect()
}

/// Runs one schedule: some changes at once, some after them.
async fn schedule(protocol: Protocol, seed: u64) -> Vec<(Told, Seen)> {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut server = HostileServer::start(protocol, rng.u64(..)).await;
    let client = client(&server, &mut rng);
    let mut told = Vec::new();
    for wave in 0..rng.usize(1..4) {
        let changes = (0..rng.usize(1..8)).map(|n| {
            let id = format!("{}-{wave}-{n}", letters(seed));
            let card = client.card(format!("Card{wave}-{n}").parse().unwrap());
            tokio::spawn(change(card, id, rng.fork()))
        });
        let all = join_all(changes.collect::<Vec<_>>()).await;
        told.extend(all.into_iter().map(Result::unwrap));
    }
    drop(client);
    let ledger = server.finish().await;
    let judged = |(id, told): (String, Told)| (told, ledger.of(&id));
    told.into_iter().map(judged).collect()
}

async fn schedules(protocol: Protocol) {
    keep_dropped_changes();
    let count = std::env::var(SCHEDULES).map_or(40, |count| count.parse().unwrap());
    let mut rng = fastrand::Rng::with_seed(seed());
    let seeds = (0..count).map(|_| rng.u64(..)).collect::<Vec<_>>();
    let mut running = stream::iter(seeds)
        .map(|seed| async move {
            let all = tokio::time::timeout(HANGS, schedule(protocol, seed)).await;
            (
                seed,
                all.unwrap_or_else(|_| unreachable!("schedule {seed} hangs")),
            )
        })
        .buffer_unordered(16);
    let (mut wrong, mut went, mut changes) = (Wrong::default(), Went::default(), 0);
    while let Some((seed, all)) = running.next().await {
        for (told, seen) in all {
            changes += 1;
            let before = wrong;
            judge(&told, seen, &mut wrong, &mut went);
            if wrong != before {
                println!("schedule {seed}: {told:?}, {seen:?}: {}", told.error);
            }
        }
    }
    println!("{protocol:?}: {count} schedules, {changes} changes, {wrong:?}, {went:?}");
    assert_eq!(wrong, Wrong::default());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_told_is_true_over_http1() {
    schedules(Protocol::Http1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_told_is_true_over_http2() {
    schedules(Protocol::Http2).await;
}
