//! `d1 bulk`: what may stand in a line, and what is reported about it.

use std::collections::BTreeSet;

use d1_sandbox::{Card, Fault, Sandbox};
use serde_json::Value;

use crate::world::{PAN, Run, World};

/// Begins a job with a journal.
pub(crate) const JOURNALED: [&str; 6] =
    ["bulk", "in.ndjson", "--journal", "j.ndjson", "-o", "json"];
/// Continues it.
pub(crate) const RESUMED: [&str; 8] = [
    "bulk",
    "in.ndjson",
    "--resume",
    "j.ndjson",
    "--wait",
    "1",
    "-o",
    "json",
];

/// Lines that suspend the cards `Bulk1` and so on.
pub(crate) fn suspensions(count: usize) -> String {
    let line =
        |n| format!("{{\"operation\":\"suspend\",\"cardId\":\"Bulk{n}\",\"key\":\"row {n}\"}}\n");
    (1..=count).map(line).collect()
}

/// The summary of a run with `--output json`.
#[track_caller]
pub(crate) fn summary(run: &Run) -> Value {
    run.json()["summary"].clone()
}

#[test]
fn each_line_is_carried_out_and_told() {
    let world = World::with_cards(50);
    world.file("in.ndjson", &suspensions(50));
    let run = world.d1(&["bulk", "in.ndjson", "-o", "ndjson"]).expect(0);
    let lines = run.ndjson();
    assert_eq!(lines.len(), 51);
    let names: Vec<&str> = lines[0]
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    let shape = [
        "line",
        "key",
        "operation",
        "cardId",
        "outcome",
        "httpStatus",
        "operationId",
        "kind",
        "code",
        "troubleshootingText",
        "message",
        "correlationId",
        "verified",
        "target",
    ];
    assert_eq!(names, shape);
    let keys: BTreeSet<&str> = lines
        .iter()
        .filter_map(|line| line["key"].as_str())
        .collect();
    assert_eq!(keys.len(), 50);
    let summary = &lines[50]["summary"];
    assert_eq!(summary["done"], 50);
    for n in 1..=50 {
        world
            .sandbox
            .assert_requests("suspendCard", &format!("Bulk{n}"), 1);
    }
}

#[test]
fn every_operation_can_stand_in_a_line() {
    let cards = ["A", "B", "C"].into_iter().map(Card::new);
    let world = World::with(cards.fold(Sandbox::builder(), d1_sandbox::Builder::card));
    let input = r#"
{"operation":"suspend","cardId":"A","reasonCode":"FRAUD","reason":"a case"}
{"operation":"renew","cardId":"B","newCardId":"B2","state":"ACTIVE","credentials":{"pan":"4111111111111111","exp":"1230"}}
{"operation":"delete","cardId":"C"}
"#;
    let run = world
        .d1_reading(&["bulk", "-", "--yes", "-o", "json"], input)
        .expect(0);
    assert_eq!(summary(&run)["done"], 3);
    assert_eq!(
        world.sandbox.card("A").unwrap().suspended_by.as_deref(),
        Some("FRAUD")
    );
    assert!(
        world
            .sandbox
            .card("B2")
            .unwrap()
            .has_credentials(PAN, "1230")
    );
    assert!(world.sandbox.card("C").is_none());
}

#[test]
fn a_bad_line_is_told_with_its_number_and_can_be_skipped() {
    let world = World::with_cards(2);
    let input = format!(
        "{}\n{{\"operation\":\"suspend\",\"cardId\":\"{PAN}\"}}\n\n{}\n",
        r#"{"operation":"suspend","cardId":"Bulk1"}"#,
        r#"{"operation":"suspend","cardId":"Bulk2"}"#
    );
    world.file("in.ndjson", &input);
    let skip = ["bulk", "in.ndjson", "--skip-bad-lines", "-o", "json"];
    let run = world.d1(&skip).expect(2);
    assert_eq!(
        run.err,
        "d1: in.ndjson, line 2: cardId must not hold what looks like a card number\n\
         journal: in.ndjson.journal\n"
    );
    let summary = summary(&run);
    assert_eq!((&summary["done"], &summary["bad"]), (&2.into(), &1.into()));
    assert_eq!(run.json()["notDone"][0]["line"], 2);

    let world = World::with_cards(2);
    world.file("in.ndjson", &input);
    let strict = ["bulk", "in.ndjson", "--strict", "--journal", "j.ndjson"];
    world.d1(&strict).expect(2);
    let run = world
        .d1_reading(&["bulk", "-", "--strict"], &input)
        .expect(2);
    assert!(
        run.err.starts_with("d1: standard input, line 2: cardId"),
        "{}",
        run.err
    );
    world.assert_untouched();
    assert!(!world.folder.path().join("j.ndjson").exists());
}

#[test]
fn lines_that_delete_need_a_yes() {
    let world = World::with_cards(1);
    let input = r#"{"operation":"delete","cardId":"Bulk1"}"#;
    world.file("in.ndjson", input);
    let run = world.d1(&["bulk", "in.ndjson"]).expect(2);
    assert!(
        run.err.contains("line 1: operation delete needs --yes"),
        "{}",
        run.err
    );
    world.d1(&["bulk", "in.ndjson", "--strict"]).expect(2);
    world.d1_reading(&["bulk", "-"], input).expect(2);
    world.assert_untouched();
    world.d1(&["bulk", "in.ndjson", "--yes"]).expect(0);
}

#[test]
fn the_exit_code_is_that_of_the_worst_line() {
    let line = |card: &str| format!("{{\"operation\":\"suspend\",\"cardId\":\"{card}\"}}\n");
    let world = World::with_cards(3);
    let refused = line("Bulk1") + &line("Nobody") + "bad\n";
    let skip = ["bulk", "-", "--skip-bad-lines"];
    let run = world.d1_reading(&skip, &refused).expect(3);
    assert!(run.out.contains("line 2  Nobody  refused"), "{}", run.out);
    world.sandbox.fail_next(Fault::disconnect().card("Bulk2"));
    let unknown = refused + &line("Bulk2");
    let run = world.d1_reading(&skip, &unknown).expect(5);
    assert!(run.out.contains("unknownLines    4\n"), "{}", run.out);
    let auth = ["bulk", "-", "--signing-kid", "nobodys", "-o", "json"];
    let run = world.d1_reading(&auth, &suspensions(3)).expect(6);
    assert!(run.err.contains("D1 gives no token"), "{}", run.err);
    assert_eq!(summary(&run)["endedEarly"], true);
}
