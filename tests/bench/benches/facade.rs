//! `cargo bench`: how long a call, a JWE, an answer's decoding and a token at hand take, and how many calls a
//! second go over mutual TLS, each beside its reference. `report.py` judges the ratios.
#![allow(clippy::unwrap_used, missing_docs)] // Benchmarks: criterion's macros make what has no docs.

use std::hint::black_box;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use d1_bench::callers::{Caller, Secured, plain_facade};
use d1_bench::limits::Agreement;
use d1_bench::samples::{CARD, D1_JWK, EXPIRY, PAN, REFUSED, WORST_PAGE};
use d1_bench::{bare, load, null, server};
use d1_facade::{CardCredentials, EncryptionKey};
use tokio::runtime::Runtime;

const CALLERS: [&str; 3] = ["facade", "generated", "bare"];

/// The server that does no more than answer, on a thread of its own.
fn plain_server() -> String {
    let (ready, url) = mpsc::channel();
    std::thread::spawn(move || {
        let say = move |url: &str| ready.send(url.to_owned()).unwrap();
        load::runtime().block_on(server::serve(say));
    });
    url.recv().unwrap()
}

/// A server behind mutual TLS that does no more than answer, on threads of its own.
fn null_server(http1_only: bool) -> Secured {
    let (ready, secured) = mpsc::channel();
    std::thread::spawn(move || {
        load::runtime().block_on(async move {
            ready.send(null::serve(http1_only).await).unwrap();
            std::future::pending::<()>().await;
        });
    });
    secured.recv().unwrap()
}

/// One call at a time, without TLS.
fn calls(criterion: &mut Criterion) {
    let url = plain_server();
    let runtime = load::runtime();
    let callers = CALLERS.map(|name| (name, Caller::plain(name, &url).unwrap()));
    let mut group = criterion.benchmark_group("suspend");
    for (name, caller) in &callers {
        group.bench_function(*name, |b| b.iter(|| runtime.block_on(caller.suspend(CARD))));
    }
    group.finish();
    for (what, card) in [("page-of-100", CARD), ("worst-page", WORST_PAGE)] {
        let mut group = criterion.benchmark_group(what);
        for (name, caller) in &callers {
            if what == "worst-page" && *name == "generated" {
                continue; // It reads the page once, and gives up.
            }
            group.bench_function(*name, |b| {
                b.iter(|| runtime.block_on(caller.operations(card)));
            });
        }
        group.finish();
    }
    for status in [400, 401, 403, 404, 500] {
        let card = format!("{REFUSED}{status}");
        let mut group = criterion.benchmark_group(format!("refused-{status}"));
        for (name, caller) in &callers {
            group.bench_function(*name, |b| {
                b.iter(|| runtime.block_on(caller.suspend(&card)));
            });
        }
        group.finish();
    }
}

fn jwe(criterion: &mut Criterion) {
    let key = EncryptionKey::from_jwk(D1_JWK).unwrap();
    let encrypter = bare::encrypter(D1_JWK);
    let agreement = Agreement::new();
    let mut group = criterion.benchmark_group("jwe");
    group.bench_function("facade", |b| {
        b.iter(|| {
            let credentials = CardCredentials::new(PAN, EXPIRY).unwrap();
            black_box(key.encrypt(&credentials).unwrap())
        });
    });
    group.bench_function("josekit", |b| b.iter(|| bare::encrypt(&encrypter)));
    group.bench_function("openssl-agreement", |b| b.iter(|| agreement.agree()));
    group.bench_function("openssl-new-key-and-agreement", |b| {
        b.iter(|| agreement.agree_with_new_key());
    });
    group.finish();
}

/// How long `tasks` tasks take for `iterations` pieces of work altogether.
fn spread<F>(
    runtime: &Runtime,
    tasks: u64,
    iterations: u64,
    work: impl Fn() -> F + Clone + Send + 'static,
) -> Duration
where
    F: Future<Output = ()> + Send + 'static,
{
    let begin = Instant::now();
    runtime.block_on(async {
        let tasks: Vec<_> = (0..tasks)
            .map(|task| {
                let share = iterations / tasks + u64::from(task < iterations % tasks);
                let work = work.clone();
                tokio::spawn(async move {
                    for _ in 0..share {
                        work().await;
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
    begin.elapsed()
}

fn tokens(criterion: &mut Criterion) {
    let runtime = load::runtime();
    let client = plain_facade("http://127.0.0.1:9");
    let mut group = criterion.benchmark_group("token-at-hand");
    for tasks in [1, 2, 64] {
        group.bench_function(BenchmarkId::new("tasks", tasks), |b| {
            b.iter_custom(|iterations| {
                let client = client.clone();
                spread(&runtime, tasks, iterations, move || {
                    let client = client.clone();
                    async move {
                        black_box(client.access_token().await.unwrap());
                    }
                })
            });
        });
    }
    group.finish();
}

fn throughput(criterion: &mut Criterion) {
    let runtime = load::runtime();
    for (protocol, http1_only) in [("http1", true), ("http2", false)] {
        let secured = null_server(http1_only);
        let mut group = criterion.benchmark_group(format!("suspend-mtls-{protocol}"));
        group.throughput(Throughput::Elements(1));
        for tasks in [1, 16, 256] {
            for name in ["facade", "bare"] {
                let caller = Arc::new(Caller::secured(name, &secured).unwrap());
                group.bench_function(BenchmarkId::new(name, tasks), |b| {
                    b.iter_custom(|iterations| {
                        let caller = caller.clone();
                        spread(&runtime, tasks, iterations, move || {
                            let caller = caller.clone();
                            async move { assert!(caller.suspend(CARD).await) }
                        })
                    });
                });
            }
        }
        group.finish();
    }
}

criterion_group!(benches, calls, jwe, tokens, throughput);
criterion_main!(benches);
