//! What D1 or the network does wrong.

use std::time::Duration;

use d1_sandbox::{CardState, Fault};
use issuer_service::store::{State, Store};
use serde_json::json;

use crate::support::{World, until};

#[tokio::test]
#[ignore = "needs PostgreSQL: examples/issuer-service/run.sh test"]
async fn a_change_whose_answer_is_lost_is_reconciled_and_not_sent_again() {
    let world = World::start().await;
    world
        .sandbox
        .fail_next(Fault::disconnect().after_effect().operation("suspendCard"));
    let (status, body) = world.ordered("ReplaceMe01", "suspend", "l1").await;
    assert_eq!((status, &body["state"]), (202, &json!("sending")));
    assert_eq!(world.settled("l1").await, "done");
    assert_eq!(world.ordered("ReplaceMe01", "suspend", "l1").await.0, 200);
    world
        .sandbox
        .assert_requests("suspendCard", "ReplaceMe01", 1);
}

#[tokio::test]
#[ignore = "needs PostgreSQL: examples/issuer-service/run.sh test"]
async fn a_change_that_d1_has_not_made_can_be_made_with_the_same_request_id() {
    let world = World::start().await;
    let before = world.operations("ReplaceMe01");
    world
        .sandbox
        .fail_next(Fault::status(503).operation("suspendCard"));
    assert_eq!(world.ordered("ReplaceMe01", "suspend", "n1").await.0, 202);
    assert_eq!(world.settled("n1").await, "not_done");
    assert_eq!(
        world.sandbox.card("ReplaceMe01").unwrap().state,
        CardState::Active
    );
    assert_eq!(world.ordered("ReplaceMe01", "suspend", "n1").await.0, 200);
    assert_eq!(world.operations("ReplaceMe01"), before + 1);
}

#[tokio::test]
#[ignore = "needs PostgreSQL: examples/issuer-service/run.sh test"]
async fn a_card_with_a_change_in_doubt_takes_no_other() {
    let world = World::start().await;
    // What D1 has cannot be seen, so that the doubt stays.
    world
        .sandbox
        .fail_next(Fault::status(503).operation("listOperations").times(1_000));
    world
        .sandbox
        .fail_next(Fault::disconnect().operation("suspendCard"));
    assert_eq!(world.ordered("ReplaceMe01", "suspend", "b1").await.0, 202);
    assert_eq!(world.ordered("ReplaceMe01", "resume", "b2").await.0, 409);
    assert_eq!(world.ordered("ReplaceMe02", "suspend", "b3").await.0, 200);
    world.sandbox.clear_faults();
    assert_eq!(world.settled("b1").await, "not_done");
    assert_eq!(world.ordered("ReplaceMe01", "resume", "b2").await.0, 200);
}

#[tokio::test]
#[ignore = "needs PostgreSQL: examples/issuer-service/run.sh test"]
async fn too_many_requests_and_no_d1_are_told_apart_and_can_be_repeated() {
    let world = World::start().await;
    world
        .sandbox
        .fail_next(Fault::status(429).operation("suspendCard").times(2));
    let response = world
        .order("ReplaceMe01", "suspend", "t1")
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 429);
    assert!(response.headers().contains_key("retry-after"));
    assert_eq!(world.ordered("ReplaceMe01", "suspend", "t1").await.0, 200);

    world
        .sandbox
        .fail_next(Fault::status(400).operation("getToken").times(2));
    world.sandbox.revoke_tokens();
    let (status, body) = world.ordered("ReplaceMe01", "resume", "t2").await;
    assert_eq!(
        (status, &body["state"]),
        (502, &json!("not_done")),
        "{body}"
    );
}

#[tokio::test]
#[ignore = "needs PostgreSQL: examples/issuer-service/run.sh test"]
async fn without_a_d1_nothing_is_sent_and_the_service_stays_ready() {
    let world = World::start().await;
    let World {
        sandbox,
        http,
        base_url,
        ..
    } = world;
    sandbox.shut_down().await;
    let order = http.post(format!("{base_url}/cards/ReplaceMe01/suspend"));
    let response = order.header("idempotency-key", "x1").send().await.unwrap();
    assert_eq!(response.status(), 503);
    let ready = http
        .get(format!("{base_url}/health/ready"))
        .send()
        .await
        .unwrap();
    assert_eq!(ready.status(), 204);
}

/// Answers so late that the channel is gone by then.
fn late() -> Fault {
    let time = Duration::from_millis(500);
    Fault::slow(time, time).operation("suspendCard")
}

#[tokio::test]
#[ignore = "needs PostgreSQL: examples/issuer-service/run.sh test"]
async fn a_browser_that_leaves_gives_no_change_up() {
    let world = World::start().await;
    world.sandbox.fail_next(late());
    let reached = || {
        !world
            .sandbox
            .requests_for("suspendCard", "ReplaceMe01")
            .is_empty()
    };
    tokio::select! {
        response = world.ordered("ReplaceMe01", "suspend", "v1") => panic!("{response:?}"),
        () = until(reached) => {}
    }
    assert_eq!(world.settled("v1").await, "done");
    // Its own response said so: nothing had to be reconciled.
    world
        .sandbox
        .assert_requests("listOperations", "ReplaceMe01", 0);
}

#[tokio::test]
#[ignore = "needs PostgreSQL: examples/issuer-service/run.sh test"]
async fn the_end_of_the_service_waits_for_the_changes_under_way() {
    let mut world = World::start().await;
    world.sandbox.fail_next(late());
    let reached = || {
        !world
            .sandbox
            .requests_for("suspendCard", "ReplaceMe01")
            .is_empty()
    };
    tokio::select! {
        response = world.ordered("ReplaceMe01", "suspend", "e1") => panic!("{response:?}"),
        () = until(reached) => {}
    }
    world.end().await;
    let store = Store::connect(&world.settings.database_url).await.unwrap();
    let record = store.find("e1").await.unwrap().unwrap();
    assert_eq!(record.state, State::Done);
}

#[tokio::test]
#[ignore = "needs PostgreSQL: examples/issuer-service/run.sh test"]
async fn a_change_that_cannot_be_reconciled_is_left_to_a_person_and_frees_its_card() {
    let world = World::with(|settings| settings.times.give_up_after = Duration::ZERO).await;
    let unseen = Fault::status(503).operation("listOperations");
    world.sandbox.fail_next(unseen.times(1_000));
    let lost = Fault::disconnect().operation("suspendCard");
    world.sandbox.fail_next(lost);
    assert_eq!(world.ordered("ReplaceMe01", "suspend", "p1").await.0, 202);
    assert_eq!(world.settled("p1").await, "unknown");
    // It is never sent again.
    assert_eq!(world.ordered("ReplaceMe01", "suspend", "p1").await.0, 202);
    world
        .sandbox
        .assert_requests("suspendCard", "ReplaceMe01", 1);
    assert_eq!(world.ordered("ReplaceMe01", "suspend", "p2").await.0, 200);
}

#[tokio::test]
#[ignore = "needs PostgreSQL: examples/issuer-service/run.sh test"]
async fn what_cannot_be_written_down_is_not_sent() {
    let world = World::start().await;
    world.sql("ALTER TABLE card_change RENAME TO gone").await;
    assert_eq!(world.ordered("ReplaceMe01", "suspend", "d1").await.0, 503);
    world
        .sandbox
        .assert_requests("suspendCard", "ReplaceMe01", 0);
}

#[tokio::test]
#[ignore = "needs PostgreSQL: examples/issuer-service/run.sh test"]
async fn an_outcome_that_cannot_be_written_down_is_found_out_again() {
    let world = World::start().await;
    world.sandbox.fail_next(late());
    let order = world.ordered("ReplaceMe01", "suspend", "o1");
    let hidden = async {
        let reached = || {
            !world
                .sandbox
                .requests_for("suspendCard", "ReplaceMe01")
                .is_empty()
        };
        until(reached).await;
        world.sql("ALTER TABLE card_change RENAME TO gone").await;
    };
    let (response, ()) = tokio::join!(order, hidden);
    assert_eq!(response.0, 200, "{response:?}");
    world.sql("ALTER TABLE gone RENAME TO card_change").await;
    // As if its timeout had passed.
    world.sql("UPDATE card_change SET look_at = now()").await;
    assert_eq!(world.settled("o1").await, "done");
    world
        .sandbox
        .assert_requests("suspendCard", "ReplaceMe01", 1);
}
