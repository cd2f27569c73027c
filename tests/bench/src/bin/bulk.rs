//! Renews many cards through the server that a sandbox's `d1.env` names, and prints what that takes.
//!
//! - `bulk memory COUNT`: how much memory is resident after each tenfold number of renewals
//! - `bulk rate COUNT`: renewals per second, beside hand-written reqwest, both at the concurrency that suits the latter best
//! - `bulk stall COUNT`: how long a task that is always ready waits for its turn at worst, on a single thread
#![allow(clippy::unwrap_used)] // A tool of the benchmarks.

use std::cell::Cell;
use std::sync::Arc;
use std::time::{Duration, Instant};

use d1_bench::bare;
use d1_bench::callers::{Secured, renewal};
use d1_bench::load;
use d1_bench::paired::{compare, rate};
use d1_bench::samples::{CARD, D1_JWK};
use d1_bench::say;
use d1_bulk::Bulk;
use d1_facade::{Change, Client};
use futures_util::stream::{self, StreamExt as _};

/// How many requests are under way at once in what is compared with a bulk, which then takes the best of them.
const CONCURRENCIES: [usize; 4] = [4, 16, 64, 256];

/// How many renewals a bulk runs concurrently by default.
const USUAL: usize = 64;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let server = Secured::from_env();
    match arguments.as_slice() {
        ["memory", count] => memory(&server, count.parse().unwrap()),
        ["rate", count] => rates(&server, count.parse().unwrap()),
        ["stall", count] => stall(&server, count.parse().unwrap()),
        _ => usage(),
    }
}

#[allow(clippy::panic)] // Only our own scripts call it.
fn usage() {
    panic!("bulk memory COUNT | rate COUNT | stall COUNT");
}

fn renewals(d1: &Client, count: u64) -> impl Iterator<Item = (u64, Change)> + Send {
    let card = d1.card(CARD.parse().unwrap());
    (0..count).map(move |n| (n, card.renew(renewal())))
}

/// Renews a number of cards, at most `concurrency` at once; calls `at` with each number of outcomes.
async fn bulk(d1: Client, concurrency: usize, count: u64, mut at: impl FnMut(u64)) {
    let requests = stream::iter(renewals(&d1, count));
    let bulk = Bulk::new().concurrency(concurrency);
    let mut outcomes = bulk.run(requests).unwrap();
    let mut done = 0;
    while let Some(outcome) = outcomes.next().await {
        outcome.result.unwrap();
        done += 1;
        at(done);
    }
    assert_eq!(done, count);
}

fn memory(server: &Secured, count: u64) {
    let d1 = server.facade();
    let begin = Instant::now();
    let bulk = bulk(d1, USUAL, count, move |done| {
        if done >= 1000 && done.to_string().trim_end_matches('0') == "1" {
            let seconds = begin.elapsed().as_secs_f64();
            let (now, most) = (resident("VmRSS"), resident("VmHWM"));
            say!("renewals\t{done}\t{seconds:.1}\t{now:.1}\t{most:.1}");
        }
    });
    let runtime = load::runtime();
    runtime.block_on(async { tokio::spawn(bulk).await.unwrap() });
}

/// A line of what the kernel says of this process' memory, in MB.
fn resident(name: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    let kilobytes: f64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kilobytes / 1000.0
}

fn rates(server: &Secured, count: u64) {
    let (d1, http) = (server.facade(), server.bare());
    let runtime = load::runtime();
    let renew_bare = |concurrency, length| {
        let (http, url) = (http.clone(), server.base_url.clone());
        let encrypter = Arc::new(bare::encrypter(D1_JWK));
        load::repeat(&runtime, concurrency, length, move || {
            let (http, url, encrypter) = (http.clone(), url.clone(), encrypter.clone());
            async move {
                assert!(bare::renew(&http, &url, &encrypter).await);
                1
            }
        })
    };
    let short = Duration::from_millis(1500);
    let of = |concurrency| rate(short, &mut |length| renew_bare(concurrency, length));
    let rates = CONCURRENCIES.map(|concurrency| (concurrency, of(concurrency)));
    for (concurrency, rate) in rates {
        say!("bare-{concurrency}\t{rate:.0}\t\t");
    }
    let best = rates
        .into_iter()
        .max_by(|a, b| a.1.total_cmp(&b.1))
        .unwrap();
    let comparison = compare(
        11,
        Duration::from_secs(1),
        |_| {
            let bulk = bulk(d1.clone(), best.0, count, |_| ());
            // As in a service, and not on the thread that waits for the runtime.
            runtime.block_on(async { tokio::spawn(bulk).await.unwrap() });
            count
        },
        |length| renew_bare(best.0, length),
    );
    let (ours, reference, ratio) = (comparison.ours, comparison.reference, comparison.ratio);
    say!("bulk\t{ours:.0}\t{reference:.0}\t{ratio:.3}");
}

/// The longest that a task which is always ready had to wait while `work` was done, in milliseconds.
fn longest_wait(work: impl Future<Output = ()>) -> f64 {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let worst = Cell::new(Duration::ZERO);
    runtime.block_on(async {
        let heartbeat = async {
            let mut last = Instant::now();
            loop {
                tokio::task::yield_now().await;
                let now = Instant::now();
                worst.set(worst.get().max(now - last));
                last = now;
            }
        };
        tokio::select! {
            () = work => (),
            () = heartbeat => (),
        }
    });
    worst.get().as_secs_f64() * 1000.0
}

fn stall(server: &Secured, count: u64) {
    let with = longest_wait(bulk(server.facade(), USUAL, count, |_| ()));
    let on = server.facade();
    let without = longest_wait(async {
        let calls = renewals(&on, count).map(|(_, renewal)| async { renewal.await.unwrap() });
        let mut calls = stream::iter(calls).buffer_unordered(USUAL);
        while calls.next().await.is_some() {}
    });
    say!("stall\t{with:.2}\t{without:.2}\t{:.3}", with / without);
}
