//! Makes a number of calls, one after the other: what valgrind counts. `calls URL CALLER CALL COUNT`; with
//! `serve` as only argument it is the server. CALL is suspend, operations, worst-page, renew, or RefusedSTATUS. `secured` as URL stands for the server that a sandbox's
//! `d1.env` names.
#![allow(clippy::unwrap_used)] // A tool of the benchmarks.

use std::io::Write as _;

use d1_bench::callers::{Caller, Secured, renewal};
use d1_bench::samples::{CARD, D1_JWK, REFUSED, WORST_LENGTH, WORST_PAGE};
use d1_bench::say;
use d1_bench::{bare, server};

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["serve"] => {
            let ready = |url: &str| {
                say!("{url}");
                std::io::stdout().flush().unwrap();
            };
            server::serve(ready).await;
        }
        [url, caller, call, count] => {
            let caller = match *url {
                "secured" => Caller::secured(caller, &Secured::from_env()),
                url => Caller::plain(caller, url),
            };
            let caller = caller.unwrap();
            make(&caller, call, count.parse().unwrap()).await;
        }
        _ => panic_with_usage(),
    }
}

#[allow(clippy::panic)] // Only our own scripts call it.
fn panic_with_usage() {
    panic!("calls serve | calls URL CALLER CALL COUNT");
}

async fn make(caller: &Caller, call: &str, count: usize) {
    let encrypter = bare::encrypter(D1_JWK);
    for _ in 0..count {
        match (call, caller) {
            ("suspend", _) => assert!(caller.suspend(CARD).await),
            ("operations", _) => assert_eq!(caller.operations(CARD).await, 100),
            ("worst-page", _) => assert_eq!(caller.operations(WORST_PAGE).await, WORST_LENGTH),
            ("renew", Caller::Facade(d1)) => {
                let card = d1.card(CARD.parse().unwrap());
                card.renew(renewal()).await.unwrap();
            }
            ("renew", Caller::Bare(http, url)) => {
                assert!(bare::renew(http, url, &encrypter).await);
            }
            (call, _) if call.starts_with(REFUSED) => assert!(!caller.suspend(call).await),
            _ => panic_with_usage(),
        }
    }
}
