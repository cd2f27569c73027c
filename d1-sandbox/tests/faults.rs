//! Faults on demand, over the network.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Caller, read};
use d1_sandbox::{CardState, Fault, Sandbox};
use reqwest::Method;
use serde_json::{Value, json};

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
