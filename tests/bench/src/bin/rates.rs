//! Prints rates that are compared within this run, a line each: what, ours, the reference, the ratio, with
//! tabs between. `rates crypto` and `rates tokens` need nothing; `rates calls` the server that a sandbox's `d1.env` names.
#![allow(clippy::unwrap_used)] // A tool of the benchmarks.

use std::sync::Arc;
use std::time::Duration;

use d1_bench::bare;
use d1_bench::callers::{Caller, Secured, plain_facade};
use d1_bench::limits::Agreement;
use d1_bench::load;
use d1_bench::paired::{Comparison, compare, rate, repeat};
use d1_bench::samples::{D1_JWK, EXPIRY, PAN};
use d1_bench::say;
use d1_facade::{CardCredentials, EncryptionKey};

/// Many short rounds: the speed of a machine changes, and within a round it is the same for both sides.
const ROUNDS: usize = 63;
const LENGTH: Duration = Duration::from_millis(120);
/// How often the callers connect anew: how both ends fall in with each other stays with a connection.
const CONNECTIONS: usize = 9;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["crypto"] => crypto(),
        ["tokens"] => tokens(),
        ["calls"] => calls(),
        ["profile", caller, concurrency, seconds] => {
            profile(
                caller,
                concurrency.parse().unwrap(),
                seconds.parse().unwrap(),
            );
        }
        _ => usage(),
    }
}

#[allow(clippy::panic)] // Only our own scripts call it.
fn usage() {
    panic!("rates crypto | tokens | calls | profile CALLER CONCURRENCY SECONDS");
}

fn say(what: &str, comparison: Comparison) {
    let Comparison {
        ours,
        reference,
        ratio,
    } = comparison;
    say!("{what}\t{ours:.0}\t{reference:.0}\t{ratio:.3}");
}

/// A rate that is compared with nothing.
fn say_rate(what: &str, mut side: impl FnMut(Duration) -> u64) {
    say!("{what}\t{:.0}\t\t", rate(LENGTH * 12, &mut side));
}

fn crypto() {
    let key = EncryptionKey::from_jwk(D1_JWK).unwrap();
    let encrypter = bare::encrypter(D1_JWK);
    let ours = |length| {
        repeat(length, || {
            let credentials = CardCredentials::new(PAN, EXPIRY).unwrap();
            std::hint::black_box(key.encrypt(&credentials).unwrap());
        })
    };
    let reference = |length| {
        repeat(length, || {
            std::hint::black_box(bare::encrypt(&encrypter));
        })
    };
    say("jwe", compare(ROUNDS, LENGTH, ours, reference));
    let agreement = Agreement::new();
    say_rate("ecdh", |length| repeat(length, || agreement.agree()));
    say_rate("ecdh-new-key", |length| {
        repeat(length, || agreement.agree_with_new_key())
    });
}

/// Tokens that are at hand: from 64 tasks at once beside one task for each thread.
fn tokens() {
    let runtime = load::runtime();
    let client = plain_facade("http://127.0.0.1:9");
    let take = |tasks| {
        let (runtime, client) = (&runtime, &client);
        move |length| load::take_tokens(runtime, client, tasks, length)
    };
    let threads = runtime.metrics().num_workers();
    say(
        "tokens-64",
        compare(ROUNDS, LENGTH, take(64), take(threads)),
    );
    say_rate("tokens-1", take(1));
}

fn calls() {
    let server = Secured::from_env();
    let runtime = load::runtime();
    let caller = |name| Arc::new(Caller::secured(name, &server).unwrap());
    for concurrency in [1, 16, 256] {
        let comparisons = (0..CONNECTIONS).map(|_| {
            let (ours, reference) = (caller("facade"), caller("bare"));
            compare(
                ROUNDS / CONNECTIONS,
                LENGTH,
                |length| load::suspend(&runtime, &ours, concurrency, length),
                |length| load::suspend(&runtime, &reference, concurrency, length),
            )
        });
        say(
            &format!("suspend-{concurrency}"),
            Comparison::median_of(comparisons),
        );
    }
}

/// Nothing but the calls of one caller, for a profiler to watch.
fn profile(caller: &str, concurrency: usize, seconds: u64) {
    let caller = Arc::new(Caller::secured(caller, &Secured::from_env()).unwrap());
    let runtime = load::runtime();
    let length = Duration::from_secs(seconds);
    let done = load::suspend(&runtime, &caller, concurrency, length);
    say!("suspend\t{}\t\t", done / seconds);
}
