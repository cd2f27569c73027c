//! `d1 bulk`: lines that ask for the same change of the same card.

use std::time::Duration;

use d1_sandbox::Fault;
use serde_json::{Value, json};

use crate::bulk::{JOURNALED, RESUMED, summary};
use crate::world::World;

/// Lines that suspend the card, resume it, and so on. Returns how many operations the card has had.
fn lines(world: &World, count: usize) -> usize {
    let operations = ["suspend", "resume"].into_iter().cycle().take(count);
    let line = |operation| format!("{{\"operation\":\"{operation}\",\"cardId\":\"Bulk1\"}}\n");
    world.file("in.ndjson", &operations.map(line).collect::<String>());
    world.operations("Bulk1")
}

/// Edits the journal, as if it had been written so.
fn rewrite(world: &World, edit: impl Fn(Value) -> Option<Value>) {
    let text = world.read("j.ndjson");
    let entries = text.lines().map(|line| serde_json::from_str(line).unwrap());
    let kept = entries.filter_map(edit).map(|entry| format!("{entry}\n"));
    world.file("j.ndjson", &kept.collect::<String>());
}

fn without_the_end_of(line: u64) -> impl Fn(Value) -> Option<Value> {
    move |entry| (entry["ended"] != line).then_some(entry)
}

#[test]
fn a_third_equal_line_in_doubt_is_found_where_d1_named_the_operations_of_the_others() {
    let world = World::with_cards(1);
    let before = lines(&world, 5);
    world.d1(&JOURNALED).expect(0);
    rewrite(&world, without_the_end_of(5));
    let run = world.d1(&RESUMED).expect(0);
    assert_eq!(summary(&run)["done"], 5);
    assert_eq!(world.operations("Bulk1"), before + 5);
}

/// Breaks the connection of one suspension, after a number of others, before it is carried out.
fn break_after(world: &World, others: u32) {
    let passing = Fault::slow(Duration::ZERO, Duration::ZERO).times(others);
    world.sandbox.fail_next(passing.operation("suspendCard"));
    let broken = Fault::disconnect().operation("suspendCard");
    world.sandbox.fail_next(broken);
}

#[test]
fn a_third_equal_line_that_d1_did_not_carry_out_is_sent_again() {
    let world = World::with_cards(1);
    let before = lines(&world, 5);
    break_after(&world, 2);
    world.d1(&JOURNALED).expect(5);
    assert_eq!(world.operations("Bulk1"), before + 4);
    let run = world.d1(&RESUMED).expect(0);
    assert_eq!(summary(&run)["done"], 5);
    assert_eq!(world.operations("Bulk1"), before + 5);
}

#[test]
fn an_equal_line_is_not_taken_for_one_before_it_when_its_own_run_verifies_it() {
    for (others, done) in [(1, 2), (2, 4)] {
        let world = World::with_cards(1);
        let before = lines(&world, done + 1);
        break_after(&world, others);
        let verify = ["--verify", "--wait", "1"];
        let run = world.d1(&[&JOURNALED[..], &verify].concat()).expect(4);
        let counts = summary(&run);
        assert_eq!(counts["done"], done);
        assert_eq!(counts["notSent"], 1);
        assert_eq!(world.operations("Bulk1"), before + done);
    }
}

#[test]
fn equal_lines_cannot_be_told_apart_where_d1_named_no_operation() {
    let world = World::with_cards(1);
    let before = lines(&world, 3);
    world.d1(&JOURNALED).expect(0);
    rewrite(&world, without_the_end_of(3));
    rewrite(&world, |mut entry| {
        if entry["ended"] == 1 {
            entry["operationId"] = json!(null);
        }
        Some(entry)
    });
    let run = world.d1(&RESUMED).expect(5);
    assert!(
        run.err.contains("another line asks for the same"),
        "{}",
        run.err
    );
    assert_eq!(world.operations("Bulk1"), before + 3);
}
