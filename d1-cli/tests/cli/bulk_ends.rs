//! How a bulk ends early: in good order, given up, or killed.

use std::io::{BufRead as _, BufReader};
use std::process::Child;
use std::time::Duration;

use d1_sandbox::Fault;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::world::{World, hangup, until, wait};

const LINES: usize = 40;

fn input() -> String {
    let line = |n| format!("{{\"operation\":\"suspend\",\"cardId\":\"Bulk{n}\"}}\n");
    (1..=LINES).map(line).collect()
}

fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

/// A bulk that has printed its first outcome, and whose later calls take long.
fn started(world: &World) -> Child {
    world.file("in.ndjson", &input());
    // Both calls that are under way take longer than it takes a test on a loaded machine to end it.
    for card in ["Bulk5", "Bulk6"] {
        let long = Fault::slow(Duration::from_secs(5), Duration::from_secs(5));
        world
            .sandbox
            .fail_next(long.operation("suspendCard").card(card));
    }
    let arguments = [
        "bulk",
        "in.ndjson",
        "--journal",
        "j.ndjson",
        "-o",
        "ndjson",
        "--concurrency",
        "2",
        "--timeout",
        "600",
        "--failed",
        "failed",
    ];
    // One at a time is late enough for the end to come before the last line.
    let slow = Fault::slow(Duration::from_millis(20), Duration::from_millis(20));
    world
        .sandbox
        .fail_next(slow.operation("suspendCard").times(1000));
    let mut child = world.command(&arguments).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let first: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
    assert_eq!(first["outcome"], "done");
    // Whatever comes is read, so that nothing waits for us.
    std::thread::spawn(move || lines.for_each(drop));
    child
}

/// Resumes it, and asserts that every card was changed exactly once.
#[track_caller]
fn assert_goes_on(world: &World) {
    world.sandbox.clear_faults();
    let resume = ["bulk", "in.ndjson", "--resume", "j.ndjson", "--wait", "1"];
    world.d1(&resume).expect(0);
    for n in 1..=LINES {
        let card = format!("Bulk{n}");
        let mut changed = world.sandbox.requests_for("suspendCard", &card);
        // A request that the kill cut off in its body arrives as a bad one, and changes nothing.
        changed.retain(|request| request.status != 400);
        assert_eq!(changed.len(), 1, "{card}");
    }
}

#[test]
fn an_interruption_lets_end_what_is_under_way() {
    for end in [Signal::INT, Signal::TERM, Signal::QUIT, hangup()] {
        let world = World::with_cards(LINES);
        let child = started(&world);
        signal(&child, end);
        let run = wait(child);
        assert!(
            run.err.contains("ending: what is under way is waited for"),
            "{}",
            run.err
        );
        // The lines that were not begun are not sent.
        assert_eq!(run.code, 4, "{run:?}");
        let journal = world.read("j.ndjson");
        let count = |what: &str| journal.lines().filter(|line| line.contains(what)).count();
        assert_eq!(count("{\"begun\""), count("{\"ended\""), "{journal}");
        assert!(
            count("\"outcome\":\"done\"") < LINES,
            "it came too late to mean anything"
        );
        let not_done = LINES - count("\"outcome\":\"done\"");
        assert_eq!(world.read("failed").lines().count(), not_done);
        assert_goes_on(&world);
    }
}

#[test]
fn every_line_that_was_not_sent_says_why() {
    let world = World::with_cards(LINES);
    world.file("in.ndjson", &input());
    let no_token = Fault::status(400).operation("getToken").times(1000);
    world.sandbox.fail_next(no_token);
    let run = world.d1(&["bulk", "in.ndjson", "-o", "json"]).expect(6);
    let document = run.json();
    for line in document["notDone"].as_array().unwrap() {
        assert!(line["message"].is_string(), "{line}");
    }
    assert_eq!(document["summary"]["endedEarly"], true);
}

#[test]
fn a_second_interruption_gives_up_what_is_under_way() {
    let world = World::with_cards(LINES);
    world.file("in.ndjson", &input());
    let stall = Fault::stall().operation("suspendCard").after_effect();
    world.sandbox.fail_next(stall.times(4));
    let arguments = [
        "bulk",
        "in.ndjson",
        "--journal",
        "j.ndjson",
        "--timeout",
        "600",
        "-o",
        "json",
    ];
    let mut child = world.command(&arguments).spawn().unwrap();
    // It says so once the first signal has come, and hangs.
    let mut words = BufReader::new(child.stderr.take().unwrap()).lines();
    let sent = |n| {
        let card = format!("Bulk{n}");
        world.sandbox.requests_for("suspendCard", &card).len()
    };
    until(&mut child, || (1..=4).map(sent).sum::<usize>() == 4);
    signal(&child, Signal::INT);
    let first = words.next().unwrap().unwrap();
    assert!(first.starts_with("ending"), "{first}");
    signal(&child, Signal::INT);
    let second = words.next().unwrap().unwrap();
    assert_eq!(second, "giving up what is under way");
    let run = wait(child).expect(5);
    assert!(run.json()["summary"]["unknown"].as_u64().unwrap() >= 1);
    assert_goes_on(&world);
}

#[test]
fn a_killed_one_goes_on() {
    let world = World::with_cards(LINES);
    let mut child = started(&world);
    child.kill().unwrap();
    child.wait().unwrap();
    let journal = world.read("j.ndjson");
    assert!(journal.contains("{\"begun\""), "{journal}");
    assert!(!world.folder.path().join("failed").exists());
    assert_goes_on(&world);
}

#[test]
fn an_interrupted_verification_leaves_the_lines_unknown_and_says_so() {
    let world = World::with_cards(1);
    world.file(
        "in.ndjson",
        "{\"operation\":\"suspend\",\"cardId\":\"Bulk1\"}\n",
    );
    world.sandbox.fail_next(Fault::disconnect().card("Bulk1"));
    let journaled = ["bulk", "in.ndjson", "--journal", "j.ndjson"];
    world.d1(&journaled).expect(5);
    let arguments = [
        "bulk",
        "in.ndjson",
        "--resume",
        "j.ndjson",
        "--wait",
        "3600",
        "-o",
        "json",
    ];
    let mut child = world.command(&arguments).spawn().unwrap();
    let words = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut words = words.map(Result::unwrap);
    assert!(words.any(|line| line.contains("giving D1 3600 s")));
    signal(&child, Signal::INT);
    let run = wait(child).expect(5);
    let summary = &run.json()["summary"];
    assert_eq!(summary["unknownLines"], serde_json::json!([1]));
    assert_eq!(summary["endedEarly"], true);
    world.sandbox.assert_requests("suspendCard", "Bulk1", 1);
}
