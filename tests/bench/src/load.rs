//! Load from a number of concurrent tasks, for a given time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;

use crate::callers::Caller;
use crate::samples::CARD;

/// The runtime that a service has on this machine.
#[must_use]
pub fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap()
}

/// Does `work`, which says how much it has done, over and over in each of `tasks` tasks; how much within
/// `length`.
pub fn repeat<F>(
    runtime: &Runtime,
    tasks: usize,
    length: Duration,
    work: impl Fn() -> F + Clone + Send + 'static,
) -> u64
where
    F: Future<Output = u64> + Send + 'static,
{
    let until = Instant::now() + length;
    runtime.block_on(async {
        let tasks: Vec<_> = (0..tasks)
            .map(|_| {
                let work = work.clone();
                tokio::spawn(async move {
                    let mut done = 0;
                    while Instant::now() < until {
                        done += work().await;
                    }
                    done
                })
            })
            .collect();
        let mut done = 0;
        for task in tasks {
            done += task.await.unwrap();
        }
        done
    })
}

/// Suspends the card from `concurrency` tasks; how often within `length`.
pub fn suspend(
    runtime: &Runtime,
    caller: &Arc<Caller>,
    concurrency: usize,
    length: Duration,
) -> u64 {
    let caller = caller.clone();
    repeat(runtime, concurrency, length, move || {
        let caller = caller.clone();
        async move {
            assert!(caller.suspend(CARD).await);
            1
        }
    })
}

/// Takes a client's token, which is at hand, from `tasks` tasks; how often within `length`.
pub fn take_tokens(
    runtime: &Runtime,
    client: &d1_facade::Client,
    tasks: usize,
    length: Duration,
) -> u64 {
    let client = client.clone();
    repeat(runtime, tasks, length, move || {
        let client = client.clone();
        async move {
            for _ in 0..100 {
                std::hint::black_box(client.access_token().await.unwrap());
            }
            // A task that never waits does not yield.
            tokio::task::yield_now().await;
            100
        }
    })
}
