//! `d1 bulk`: the lines of one card keep the order of the file.

use std::time::Duration;

use d1_sandbox::{Card, Fault, Sandbox};
use serde_json::{Value, json};

use crate::bulk::{JOURNALED, RESUMED, summary};
use crate::world::{Run, World};

fn line(operation: &str, card: &str) -> String {
    format!("{{\"operation\":\"{operation}\",\"cardId\":\"{card}\"}}\n")
}

/// The operations that arrived for a card, in their order.
fn arrived(world: &World, card: &str) -> Vec<&'static str> {
    let requests = world.sandbox.requests().into_iter();
    requests
        .filter(|request| request.card_id.as_deref() == Some(card))
        .filter_map(|request| request.operation_id)
        .filter(|operation| operation.ends_with("Card"))
        .collect()
}

/// What the JSON of a run says of a line that is not done.
#[track_caller]
fn not_done(run: &Run, line: u64) -> Value {
    let document = run.json();
    let lines = document["notDone"].as_array().unwrap();
    let found = lines.iter().find(|said| said["line"] == line);
    found
        .unwrap_or_else(|| panic!("line {line}: {document:#}"))
        .clone()
}

/// Each answer takes a while, one more than the other.
fn slow(world: &World) {
    let slow = Fault::slow(Duration::from_millis(1), Duration::from_millis(30));
    world.sandbox.fail_next(slow.times(10_000));
}

#[test]
fn the_lines_of_a_card_run_in_the_order_of_the_file() {
    let world = World::with_cards(40);
    slow(&world);
    let steps = ["suspend", "resume", "suspend", "resume"];
    let of_a_card = |n| steps.map(|step| line(step, &format!("Bulk{n}"))).concat();
    let by_card: String = (1..=40).map(of_a_card).collect();
    world.file("in.ndjson", &by_card);
    let run = world.d1(&JOURNALED).expect(0);
    assert_eq!(summary(&run)["done"], 160);
    let expected = ["suspendCard", "resumeCard", "suspendCard", "resumeCard"];
    for n in 1..=40 {
        let card = format!("Bulk{n}");
        assert_eq!(arrived(&world, &card), expected, "{card}");
        assert_eq!(world.sandbox.card(&card).unwrap().suspended_by, None);
    }
}

#[test]
fn after_a_refused_line_the_rest_of_its_card_is_held_back_and_the_other_cards_are_not() {
    let world = World::with_cards(2);
    let refused = Fault::status(409).operation("resumeCard").card("Bulk1");
    world.sandbox.fail_next(refused);
    let lines = [
        line("suspend", "Bulk1"),
        line("resume", "Bulk1"),
        line("suspend", "Bulk1"),
        line("suspend", "Bulk2"),
        line("resume", "Bulk1"),
        line("resume", "Bulk2"),
    ];
    world.file("in.ndjson", &lines.concat());
    let run = world.d1(&JOURNALED).expect(4);
    let counts = summary(&run);
    assert_eq!(counts["done"], 3, "{counts:#}");
    assert_eq!(counts["refused"], 1);
    assert_eq!(counts["heldBack"], 2);
    for number in [3, 5] {
        let line = not_done(&run, number);
        assert_eq!(line["outcome"], "heldBack");
        assert_eq!(
            line["message"],
            "held back: line 2 of the same card was refused"
        );
    }
    assert_eq!(arrived(&world, "Bulk1"), ["suspendCard", "resumeCard"]);
    assert_eq!(arrived(&world, "Bulk2"), ["suspendCard", "resumeCard"]);
    // A refused line is not repeated, so that the rest stays where it is.
    let run = world.d1(&RESUMED).expect(4);
    assert_eq!(summary(&run)["heldBack"], 2);
    assert_eq!(arrived(&world, "Bulk1").len(), 2);
}

#[test]
fn a_bad_line_that_is_skipped_holds_back_the_rest_of_its_card_where_the_card_can_be_read() {
    let world = World::with_cards(4);
    let lines = [
        line("suspend", "Bulk1"),
        // A misspelt field, an operation that does not exist, and a reason code that is not documented.
        "{\"operation\":\"resume\",\"cardId\":\"Bulk1\",\"raeson\":\"x\"}\n".to_owned(),
        line("suspend", "Bulk1"),
        line("unsuspend", "Bulk2"),
        line("suspend", "Bulk2"),
        "{\"operation\":\"suspend\",\"cardId\":\"Bulk3\",\"reasonCode\":\"LOST\"}\n".to_owned(),
        line("suspend", "Bulk3"),
        "{\"operation\":\"suspend\",\"cardId\":\"Bulk4\"\n".to_owned(),
        line("suspend", "Bulk4"),
    ];
    world.file("in.ndjson", &lines.concat());
    let skipping = [&JOURNALED[..], &["--skip-bad-lines"]].concat();
    let run = world.d1(&skipping).expect(4);
    let counts = summary(&run);
    assert_eq!(
        (&counts["done"], &counts["bad"]),
        (&2.into(), &4.into()),
        "{counts:#}"
    );
    for (held, bad) in [(3, 2), (5, 4), (7, 6)] {
        let message = format!("held back: line {bad} of the same card is bad");
        assert_eq!(not_done(&run, held)["message"], message);
    }
    let unread = not_done(&run, 8)["message"].to_string();
    assert!(unread.contains("its cardId cannot be read"), "{unread}");
    assert_eq!(arrived(&world, "Bulk1"), ["suspendCard"]);
    assert_eq!(arrived(&world, "Bulk4"), ["suspendCard"]);
    // Once the lines are corrected, a resumed run sends the rest.
    let corrected = lines
        .concat()
        .replace("raeson", "reason")
        .replace("unsuspend", "suspend");
    let corrected = corrected
        .replace("\"LOST", "\"CARD_LOST")
        .replace("Bulk4\"\n", "Bulk4\"}\n");
    world.file("in.ndjson", &corrected);
    let run = world.d1(&RESUMED).expect(0);
    assert_eq!(summary(&run)["done"], 9);
}

#[test]
fn what_was_turned_away_by_a_rate_limit_goes_on_with_the_rest_of_its_card() {
    let world = World::with_cards(1);
    let busy = Fault::status(429).operation("suspendCard").times(100);
    world.sandbox.fail_next(busy.header("retry-after", "0"));
    let lines = [line("suspend", "Bulk1"), line("resume", "Bulk1")];
    world.file("in.ndjson", &lines.concat());
    let run = world.d1(&JOURNALED).expect(4);
    assert_eq!(summary(&run)["heldBack"], 1);
    world.sandbox.clear_faults();
    let run = world.d1(&RESUMED).expect(0);
    assert_eq!(summary(&run)["done"], 2);
    assert_eq!(arrived(&world, "Bulk1").last(), Some(&"resumeCard"));
}

#[test]
fn after_an_unknown_line_the_rest_waits_until_a_resumed_run_knows_that_it_is_done() {
    let world = World::with_cards(2);
    for card in ["Bulk1", "Bulk2"] {
        let lost = Fault::disconnect().after_effect().operation("resumeCard");
        world.sandbox.fail_next(lost.card(card));
    }
    let of_a_card = |card| {
        ["suspend", "resume", "suspend", "resume"]
            .map(|step| line(step, card))
            .concat()
    };
    world.file("in.ndjson", &(of_a_card("Bulk1") + &of_a_card("Bulk2")));
    let run = world.d1(&JOURNALED).expect(5);
    assert_eq!(summary(&run)["heldBack"], 4);
    assert_eq!(
        not_done(&run, 4)["message"],
        "held back: line 2 of the same card has an unknown outcome"
    );

    let list = Fault::status(500).operation("listOperations").card("Bulk2");
    world.sandbox.fail_next(list.times(100));
    let run = world.d1(&RESUMED).expect(5);
    let counts = summary(&run);
    assert_eq!(
        (&counts["done"], &counts["unknown"]),
        (&5.into(), &1.into())
    );
    assert_eq!(counts["heldBack"], 2);
    let all = ["suspendCard", "resumeCard", "suspendCard", "resumeCard"];
    assert_eq!(arrived(&world, "Bulk1"), all);
    assert_eq!(arrived(&world, "Bulk2"), ["suspendCard", "resumeCard"]);

    world.sandbox.clear_faults();
    let run = world.d1(&RESUMED).expect(0);
    assert_eq!(summary(&run)["done"], 8);
    assert_eq!(arrived(&world, "Bulk2"), all);
}

#[test]
fn a_renewal_links_the_old_card_id_and_the_new_one() {
    let cards = ["A", "B", "C"].map(Card::new).into_iter();
    let world = World::with(cards.fold(Sandbox::builder(), d1_sandbox::Builder::card));
    world.sandbox.fail_next(Fault::status(409).card("B"));
    slow(&world);
    let renewal = |card: &str, new: &str| {
        format!("{{\"operation\":\"renew\",\"cardId\":\"{card}\",\"newCardId\":\"{new}\"}}\n")
    };
    let lines = [
        renewal("A", "A2"),
        line("suspend", "A2"),
        line("resume", "A2"),
        renewal("A2", "A3"),
        line("suspend", "A3"),
        // B is refused before its renewal: the new id is held back with it.
        line("resume", "B"),
        renewal("B", "B2"),
        line("suspend", "B2"),
        line("suspend", "C"),
    ];
    world.file("in.ndjson", &lines.concat());
    let run = world.d1(&JOURNALED).expect(4);
    assert_eq!(
        arrived(&world, "A2"),
        ["suspendCard", "resumeCard", "renewCard"]
    );
    assert_eq!(arrived(&world, "A3"), ["suspendCard"]);
    let counts = summary(&run);
    assert_eq!(
        (&counts["done"], &counts["heldBack"]),
        (&6.into(), &2.into())
    );
    assert_eq!(arrived(&world, "B2"), Vec::<&str>::new());
    assert_eq!(not_done(&run, 8)["outcome"], "heldBack");
}

#[test]
fn one_card_with_many_lines_does_not_keep_the_others_waiting() {
    let world = World::with_cards(2);
    let lines = ["suspend", "resume"]
        .map(|step| line(step, "Bulk1"))
        .concat();
    world.file("in.ndjson", &(lines.repeat(50) + &line("suspend", "Bulk2")));
    let run = world.d1(&["bulk", "in.ndjson", "-o", "ndjson"]).expect(0);
    let told = run.ndjson();
    let place = told.iter().position(|line| line["line"] == json!(101));
    assert!(place.unwrap() < 50, "{place:?}");
}
