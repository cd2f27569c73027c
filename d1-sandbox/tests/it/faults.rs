//! Faults on demand, over the network.

use d1_sandbox::{CardState, Fault, Sandbox};
use reqwest::Method;
use serde_json::{Value, json};

use crate::common::{Caller, read};

#[tokio::test]
async fn faults_are_used_in_order_and_once() {
    let sandbox = Sandbox::start().await.unwrap();
    let caller = Caller::new(&sandbox).await;
    sandbox.fail_next(Fault::status(503).operation("suspendCard"));
    sandbox.fail_next(
        Fault::status(502)
            .body("text/html", "<html>")
            .header("retry-after", "2"),
    );
    sandbox.fail_next(Fault::status(42));

    let list = caller.request(Method::GET, &caller.card_path("ReplaceMe01", ""));
    let answer = list.send().await.unwrap();
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["retry-after"]),
        (502, &"2".parse().unwrap())
    );
    assert_eq!(answer.headers()["content-type"], "text/html");
    assert_eq!(answer.text().await.unwrap(), "<html>");

    assert_eq!(
        caller.post("ReplaceMe01", "suspend", json!({})).await,
        (503, Value::Null)
    );
    assert_eq!(sandbox.pending_faults(), 1);
    assert_eq!(caller.get("ReplaceMe01", "").await.0, 500);
    assert_eq!(
        caller.post("ReplaceMe01", "suspend", json!({})).await.0,
        200
    );
    assert_eq!(sandbox.pending_faults(), 0);
}

#[tokio::test]
async fn a_fault_waits_for_a_call_that_is_authorized() {
    let sandbox = Sandbox::start().await.unwrap();
    let caller = Caller::new(&sandbox).await;
    sandbox.fail_next(Fault::status(500));
    sandbox.revoke_tokens();
    assert_eq!(caller.get("ReplaceMe01", "").await.0, 401);
    assert_eq!(
        caller
            .exchange(&caller.assertion("ISSUER_A-1"))
            .await
            .status()
            .as_u16(),
        200
    );
    assert_eq!(sandbox.pending_faults(), 1);
}

#[tokio::test]
async fn the_token_call_can_fail_as_well() {
    let sandbox = Sandbox::start().await.unwrap();
    let caller = Caller::new(&sandbox).await;
    sandbox.fail_next(Fault::status(503).operation("getToken"));
    let answer = caller.exchange(&caller.assertion("ISSUER_A-1")).await;
    assert_eq!(read(answer).await, (503, Value::Null));
}

#[tokio::test]
async fn an_answer_can_be_lost_before_and_after_the_effect() {
    let sandbox = Sandbox::start().await.unwrap();
    let caller = Caller::new(&sandbox).await;
    let path = caller.card_path("ReplaceMe01", ":suspend");
    let send = || caller.request(Method::POST, &path).json(&json!({})).send();

    sandbox.fail_next(Fault::disconnect());
    assert!(send().await.is_err());
    assert_eq!(
        sandbox.card("ReplaceMe01").unwrap().state,
        CardState::Active
    );

    sandbox.fail_next(Fault::disconnect().after_effect());
    assert!(send().await.is_err());
    assert_eq!(
        sandbox.card("ReplaceMe01").unwrap().state,
        CardState::Inactive
    );
    assert_eq!(sandbox.requests().last().unwrap().status, 0);

    sandbox.fail_next(Fault::status(504).after_effect());
    assert_eq!(caller.post("ReplaceMe01", "resume", json!({})).await.0, 504);
    assert_eq!(
        sandbox.card("ReplaceMe01").unwrap().state,
        CardState::Active
    );
}

#[tokio::test]
async fn an_answer_breaks_off_or_never_comes_or_is_far_too_long() {
    let sandbox = Sandbox::start().await.unwrap();
    let caller = Caller::new(&sandbox).await;
    let list = || {
        caller
            .request(Method::GET, &caller.card_path("ReplaceMe01", ""))
            .send()
    };

    sandbox.fail_next(Fault::truncated());
    let answer = list().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert!(answer.bytes().await.is_err(), "less than was promised");

    sandbox.fail_next(Fault::oversize(3_000_000));
    let body = list().await.unwrap().bytes().await.unwrap();
    assert!(body.len() > 3_000_000);
    assert!(
        serde_json::from_slice::<Value>(&body).is_ok(),
        "blanks behind JSON"
    );

    sandbox.fail_next(Fault::stall().after_effect());
    let path = caller.card_path("ReplaceMe01", ":suspend");
    let request = caller.request(Method::POST, &path).json(&json!({}));
    let took_effect = async {
        while sandbox.card("ReplaceMe01").unwrap().state != CardState::Inactive {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        biased;
        answer = request.send() => unreachable!("{answer:?}"),
        () = took_effect => {}
    }
}

#[tokio::test]
async fn an_altered_answer_is_one_of_a_later_release() {
    let sandbox = Sandbox::start().await.unwrap();
    let caller = Caller::new(&sandbox).await;
    sandbox.fail_next(Fault::altered());
    let (status, page) = caller.get("ReplaceMe01", "").await;
    assert_eq!(status, 200);
    assert_eq!(page["operations"][0]["operation"], "SOMETHING_NEW");
    assert!(page["newField"].is_object());
}

#[tokio::test]
async fn requests_are_counted_by_operation_and_card() {
    let sandbox = Sandbox::start().await.unwrap();
    let caller = Caller::new(&sandbox).await;
    caller.post("ReplaceMe01", "suspend", json!({})).await;
    caller.post("Other", "suspend", json!({})).await;
    sandbox.assert_requests("suspendCard", "ReplaceMe01", 1);
    sandbox.assert_requests("suspendCard", "Other", 1);
    sandbox.assert_requests("renewCard", "ReplaceMe01", 0);
    assert_eq!(sandbox.requests_for("suspendCard", "Other")[0].status, 404);
    let wrong = std::panic::AssertUnwindSafe(|| sandbox.assert_requests("renewCard", "A", 1));
    assert!(std::panic::catch_unwind(wrong).is_err(), "it can fail");
}

#[tokio::test]
async fn a_seed_makes_two_runs_the_same() {
    async fn run(seed: u64) -> Value {
        let sandbox = Sandbox::builder().seed(seed).start().await.unwrap();
        let caller = Caller::new(&sandbox).await;
        sandbox.fail_next(Fault::status(500).probability(0.5));
        let mut seen = Vec::new();
        for _ in 0..10 {
            seen.push(caller.post("ReplaceMe01", "suspend", json!({})).await.0);
        }
        sandbox.clear_faults();
        json!([seen, caller.get("ReplaceMe01", "?limit=50").await.1])
    }
    let (first, again, other) = tokio::join!(run(7), run(7), run(8));
    assert_eq!(first, again);
    assert_ne!(first, other);
    let newest = first[1]["operations"][0]["startTime"].as_str().unwrap();
    assert!(newest.starts_with("2026-01-01T00:00:"), "{newest}");
}
