//! Many changes at once, against the sandbox: each with its outcome, none twice, and an early end.

use std::collections::BTreeMap;

use d1_bulk::Bulk;
use d1_facade::retry::ExponentialBackoff;
use d1_facade::{CardCredentials, Change, Client, ErrorKind, Outcome, ReasonCode, Renewal};
use d1_sandbox::{Card, Fault, Sandbox};
use d1_tests::{EXPIRY, PAN, sandbox_builder, sandbox_client};
use futures_util::{StreamExt as _, stream};

fn card_id(n: usize) -> String {
    format!("Bulk{n:04}")
}

async fn sandbox_with(cards: usize) -> (Sandbox, Client) {
    let mut builder = Sandbox::builder().strict();
    for n in 0..cards {
        builder = builder.card(Card::new(card_id(n)));
    }
    let sandbox = builder.start().await.unwrap();
    let client = sandbox_client(&sandbox);
    (sandbox, client)
}

fn suspension(d1: &Client, n: usize) -> (usize, Change) {
    let card = d1.card(card_id(n).parse().unwrap());
    (n, card.suspend().reason_code(ReasonCode::CardLost))
}

/// How often each path was asked for.
fn paths(sandbox: &Sandbox) -> BTreeMap<String, usize> {
    let mut paths = BTreeMap::new();
    for request in sandbox.requests() {
        *paths.entry(request.path).or_default() += 1;
    }
    paths
}

#[tokio::test]
async fn each_request_is_made_once_and_told_by_its_key() {
    let (sandbox, d1) = sandbox_with(200).await;
    let requests = stream::iter(0..200).map(|n| {
        let card = d1.card(card_id(n).parse().unwrap());
        let request = if n % 2 == 0 {
            card.suspend()
        } else {
            let credentials = CardCredentials::new(PAN, EXPIRY).unwrap();
            card.renew(Renewal::same_card().credentials(credentials))
        };
        (n, request)
    });
    let outcomes: Vec<_> = Bulk::new().run(requests).unwrap().collect().await;

    let mut keys: Vec<_> = outcomes.iter().map(|item| item.key).collect();
    keys.sort_unstable();
    assert_eq!(keys, (0..200).collect::<Vec<_>>());
    for item in &outcomes {
        assert!(item.result.is_ok(), "{}: {:?}", item.key, item.result);
    }
    let paths = paths(&sandbox);
    assert_eq!(paths.len(), 201, "one token, and 200 paths");
    assert!(paths.values().all(|count| *count == 1));
}

#[tokio::test]
async fn an_item_that_fails_stops_none_of_the_others() {
    let (_sandbox, d1) = sandbox_with(10).await;
    // Cards 10 to 19 are not known.
    let requests = stream::iter(0..20).map(|n| suspension(&d1, n));
    let outcomes: Vec<_> = Bulk::new().run(requests).unwrap().collect().await;
    assert_eq!(outcomes.len(), 20);
    for item in outcomes {
        match item.result {
            Ok(_) => assert!(item.key < 10),
            Err(error) => {
                assert!(item.key >= 10);
                assert_eq!(error.outcome(), Outcome::Refused);
            }
        }
    }
}

#[tokio::test]
async fn a_rate_limit_of_d1_is_waited_for() {
    let (sandbox, _) = sandbox_with(40).await;
    let d1 = sandbox_builder(&sandbox)
        .retry(ExponentialBackoff::default())
        .build()
        .unwrap();
    sandbox.fail_next(Fault::status(429).operation("suspendCard").times(3));
    let requests = stream::iter(0..40).map(|n| suspension(&d1, n));
    let outcomes: Vec<_> = Bulk::new().run(requests).unwrap().collect().await;
    for item in outcomes {
        assert!(item.result.is_ok(), "{}: {:?}", item.key, item.result);
    }
}

#[tokio::test]
async fn what_was_not_read_of_the_input_stays_with_the_caller() {
    let (_sandbox, d1) = sandbox_with(100).await;
    let mut requests = stream::iter(0..100).map(|n| suspension(&d1, n));
    let bulk = Bulk::new().concurrency(4);
    let stop = bulk.stop();
    let mut outcomes = bulk.run(&mut requests).unwrap();
    let mut keys = Vec::new();
    while let Some(item) = outcomes.next().await {
        assert!(item.result.is_ok());
        keys.push(item.key);
        if keys.len() == 10 {
            stop.stop();
        }
    }
    drop(outcomes);
    assert!(keys.len() < 20, "those under way were ended");
    keys.extend(requests.map(|(key, _)| key).collect::<Vec<_>>().await);
    keys.sort_unstable();
    assert_eq!(keys, (0..100).collect::<Vec<_>>());
}

#[tokio::test]
async fn requests_that_are_given_up_are_unknown_and_can_be_confirmed() {
    let (sandbox, d1) = sandbox_with(4).await;
    sandbox.fail_next(Fault::stall().operation("suspendCard").times(4));
    let requests = stream::iter(0..4).map(|n| suspension(&d1, n));
    let bulk = Bulk::new();
    let stop = bulk.stop();
    let mut outcomes = bulk.run(requests).unwrap();
    let seen = async {
        // The token's request and four that nobody answers.
        while sandbox.requests().len() < 5 {
            tokio::task::yield_now().await;
        }
        stop.abandon();
    };
    let collect = async {
        let mut items = Vec::new();
        while let Some(item) = outcomes.next().await {
            items.push(item);
        }
        items
    };
    let (items, ()) = tokio::join!(collect, seen);
    assert_eq!(items.len(), 4);
    for item in items {
        let error = item.result.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Cancelled);
        assert_eq!(error.outcome(), Outcome::Unknown);
        assert!(!error.is_retryable());
        assert!(error.correlation_id().is_some());
        let pending = error.pending_change().unwrap();
        d1.reconcile(pending).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_where_the_settings_are_wrong() {
    let (_sandbox, d1) = sandbox_with(1).await;
    for (bulk, field) in [
        (Bulk::new().concurrency(0), "concurrency"),
        (Bulk::new().rate_limit(0.0), "rate_limit"),
        (Bulk::new().rate_limit(-1.0), "rate_limit"),
        (Bulk::new().rate_limit(f64::NAN), "rate_limit"),
        (Bulk::new().rate_limit(f64::INFINITY), "rate_limit"),
    ] {
        let requests = stream::iter([suspension(&d1, 0)]);
        let error = bulk.run(requests).err().unwrap();
        assert_eq!(error.field(), field);
    }
}
