//! `d1 bulk`: totals and exit code are those of the whole job, and a journal says them at any time.

use d1_sandbox::Fault;
use serde_json::{Value, json};

use crate::bulk::{summary, suspensions};
use crate::world::{PAN, Run, World, bare, finish};

/// The journal's lines without those that `drop` names.
fn without(world: &World, drop: impl Fn(&Value) -> bool) {
    let text = world.read("j.ndjson");
    let keep = |line: &&str| !drop(&serde_json::from_str(line).unwrap());
    let kept = text.lines().filter(keep).map(|line| format!("{line}\n"));
    world.file("j.ndjson", &kept.collect::<String>());
}

/// A run over 8 lines, of which 3 were refused, that was killed before the last two were begun.
fn killed() -> World {
    let world = World::with_cards(5);
    world.file("in.ndjson", &suspensions(8));
    let run = [
        "bulk",
        "in.ndjson",
        "--journal",
        "j.ndjson",
        "--concurrency",
        "1",
    ];
    world.d1(&run).expect(3);
    without(&world, |entry| {
        [4, 5].map(Value::from).contains(&entry["begun"])
            || [4, 5].map(Value::from).contains(&entry["ended"])
    });
    world
}

#[test]
fn totals_and_exit_code_of_a_resumed_run_are_those_of_the_job() {
    let world = killed();
    let resumed = ["bulk", "in.ndjson", "--resume", "j.ndjson"];
    let run = world
        .d1(&[&resumed[..], &["-o", "json"]].concat())
        .expect(3);
    let counts = summary(&run);
    assert_eq!(
        (&counts["done"], &counts["refused"]),
        (&5.into(), &3.into())
    );
    assert_eq!(counts["lines"], 8);
    let in_this_run = &counts["inThisRun"];
    assert_eq!(
        (&in_this_run["done"], &in_this_run["refused"]),
        (&2.into(), &0.into())
    );
    let not_done = run.json()["notDone"].as_array().unwrap().clone();
    let lines: Vec<&Value> = not_done.iter().map(|line| &line["line"]).collect();
    assert_eq!(lines, [6, 7, 8]);
    // Once more: nothing is left to do, and the totals stay.
    let run = world.d1(&resumed).expect(3);
    assert!(
        run.out.contains("refused         3 (0 in this run)\n"),
        "{}",
        run.out
    );
}

#[test]
fn a_journal_says_it_all_again_without_network_and_keys() {
    let world = killed();
    let report = |arguments: &[&str]| {
        let all = [&["bulk", "report", "j.ndjson"], arguments].concat();
        finish(bare(world.folder.path(), &all), "")
    };
    let run = report(&["-o", "json"]).expect(4);
    let counts = summary(&run);
    assert_eq!(
        (&counts["done"], &counts["refused"]),
        (&3.into(), &3.into())
    );
    assert_eq!(counts["notBegun"], 2);
    assert_eq!(run.json()["notDone"][0]["key"], "row 6");
    // As a result of the run itself says it.
    let place = json!({"profile": "staging", "host": world.sandbox.base_url(),
        "issuerId": "ISSUER_A-1", "production": false});
    assert_eq!(run.json()["target"], place);
    assert_eq!(run.json()["notDone"][0]["httpStatus"], 404);
    let run = report(&[]).expect(4);
    assert!(run.out.contains("line 6  Bulk6  refused  "), "{}", run.out);
    assert!(run.out.contains("notBegun        2\n"), "{}", run.out);

    world
        .d1(&["bulk", "in.ndjson", "--resume", "j.ndjson"])
        .expect(3);
    let run = report(&["-o", "ndjson"]).expect(3);
    let lines = run.ndjson();
    assert_eq!(lines.len(), 9);
    assert_eq!((&lines[0]["target"], &lines[8]["target"]), (&place, &place));
    assert_eq!(lines[8]["summary"]["done"], 5);
    // The words of a run, once more.
    let again = ["bulk", "in.ndjson", "--resume", "j.ndjson", "-o", "json"];
    let last = world.d1(&again).expect(3).json();
    assert_eq!(
        last["notDone"],
        report(&["-o", "json"]).expect(3).json()["notDone"]
    );
}

#[test]
fn a_line_says_the_code_and_the_words_of_d1_and_so_does_a_report() {
    let world = World::with_cards(1);
    let body = r#"{"errorCode":"CONSUMER_BLOCKED","error":"ask the bank about 4111111111111111"}"#;
    let refused = Fault::status(403).body("application/json", body);
    world.sandbox.fail_next(refused.operation("suspendCard"));
    world.file("in.ndjson", &suspensions(1));
    let told = |run: Run| {
        let line = run.json()["notDone"][0].clone();
        assert_eq!(line["code"], "CONSUMER_BLOCKED", "{line:#}");
        let words = line["troubleshootingText"].as_str().unwrap();
        assert!(words.starts_with("ask the bank about "), "{words}");
        assert!(!run.out.contains(PAN), "{}", run.out);
    };
    let run = ["bulk", "in.ndjson", "--journal", "j.ndjson", "-o", "json"];
    told(world.d1(&run).expect(3));
    told(
        world
            .d1(&["bulk", "report", "j.ndjson", "-o", "json"])
            .expect(3),
    );
    assert!(!world.read("j.ndjson").contains(PAN));
}

#[test]
fn a_resumed_run_without_the_flags_of_the_first_says_which_line_is_bad() {
    let world = World::with_cards(1);
    let line = r#"{"operation":"suspend","cardId":"Bulk1","reasonCode":"TEST"}"#;
    world.file("in.ndjson", line);
    let run = ["bulk", "in.ndjson", "--journal", "j.ndjson"];
    world
        .d1(&[&run[..], &["--any-reason-code"]].concat())
        .expect(0);
    let resumed = ["bulk", "in.ndjson", "--resume", "j.ndjson"];
    for more in [&[][..], &["--skip-bad-lines"]] {
        let run = world.d1(&[&resumed[..], more].concat()).expect(2);
        let expected = "d1: in.ndjson: line 1: reasonCode is not documented for suspend";
        assert!(run.err.contains(expected), "{}", run.err);
        assert!(run.err.contains("the journal has this line"), "{}", run.err);
    }
}

#[test]
fn a_report_refuses_what_is_no_journal() {
    let world = World::with_cards(1);
    world.file("in.ndjson", &suspensions(1));
    for file in ["in.ndjson", "nofile"] {
        let run = world.d1(&["bulk", "report", file]).expect(2);
        assert!(run.err.starts_with(&format!("d1: {file}: ")), "{}", run.err);
    }
    world.assert_untouched();
}

#[cfg(unix)]
#[test]
fn a_bulk_writes_a_journal_of_its_own_and_never_over_one() {
    use std::os::unix::fs::PermissionsExt as _;
    let world = World::with_cards(3);
    world.file("in.ndjson", &suspensions(3));
    let run = world.d1(&["bulk", "in.ndjson", "-o", "json"]).expect(0);
    assert_eq!(summary(&run)["journal"], "in.ndjson.journal");
    assert!(run.err.contains("in.ndjson.journal"), "{}", run.err);
    let path = world.folder.path().join("in.ndjson.journal");
    let mode = path.metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let first = world.read("in.ndjson.journal");

    let run = world.d1(&["bulk", "in.ndjson"]).expect(0);
    assert!(run.out.contains("in.ndjson.2.journal"), "{}", run.out);
    assert_eq!(world.read("in.ndjson.journal"), first);
    let report = ["bulk", "report", "in.ndjson.2.journal", "-o", "json"];
    assert_eq!(summary(&world.d1(&report).expect(0))["done"], 3);

    let run = world.d1_reading(&["bulk", "-", "-o", "json"], &suspensions(1));
    assert_eq!(summary(&run.expect(0))["journal"], "d1-bulk.journal");

    let before = std::fs::read_dir(world.folder.path()).unwrap().count();
    let run = world.d1(&["bulk", "in.ndjson", "--no-journal", "-o", "json"]);
    assert_eq!(summary(&run.expect(0))["journal"], Value::Null);
    let after = std::fs::read_dir(world.folder.path()).unwrap().count();
    assert_eq!(before, after);
}

#[test]
fn an_input_whose_run_has_not_ended_is_not_begun_anew_by_accident() {
    let world = killed();
    std::fs::rename(
        world.folder.path().join("j.ndjson"),
        world.folder.path().join("in.ndjson.journal"),
    )
    .unwrap();
    let requests = world.sandbox.requests().len();
    let run = world.d1(&["bulk", "in.ndjson"]).expect(2);
    assert!(
        run.err
            .contains("in.ndjson.journal: is of a run of this input that has not ended"),
        "{}",
        run.err
    );
    assert_eq!(world.sandbox.requests().len(), requests);
    world
        .d1(&["bulk", "in.ndjson", "--resume", "in.ndjson.journal"])
        .expect(3);
    // It has an end now and can be asked for again.
    world.d1(&["bulk", "in.ndjson"]).expect(3);
}

#[test]
fn an_input_with_bad_lines_sends_nothing() {
    let world = World::with_cards(2);
    let input = suspensions(2) + &"{\"operation\":\"stop\"}\n".repeat(150);
    world.file("in.ndjson", &input);
    for run in [
        world.d1(&["bulk", "in.ndjson"]),
        world.d1_reading(&["bulk", "-"], &input),
        world.d1(&["bulk", "in.ndjson", "--dry-run"]),
    ] {
        let run = run.expect(2);
        assert_eq!(run.out, "");
        let told: Vec<&str> = run.err.lines().collect();
        assert!(told[0].contains(", line 3: "), "{}", told[0]);
        assert!(told[99].contains(", line 102: "), "{}", told[99]);
        assert_eq!(told.len(), 101, "{}", run.err);
        assert!(
            told[100].ends_with("150 bad lines, of which 100 are named: nothing was sent; --skip-bad-lines sends the others"),
            "{}",
            told[100]
        );
    }
    world.assert_untouched();
    assert_eq!(std::fs::read_dir(world.folder.path()).unwrap().count(), 2);

    let skip = ["bulk", "in.ndjson", "--skip-bad-lines", "-o", "json"];
    let counts = summary(&world.d1(&skip).expect(2));
    assert_eq!((&counts["done"], &counts["bad"]), (&2.into(), &150.into()));
    let report = ["bulk", "report", "in.ndjson.journal", "-o", "json"];
    let run = world.d1(&report).expect(2);
    assert_eq!(summary(&run)["bad"], json!(150));
    assert_eq!(run.json()["notDone"][0]["outcome"], "bad");
}

#[test]
fn a_bad_line_that_was_mended_is_sent_by_the_resumed_run() {
    let world = World::with_cards(3);
    let bad = suspensions(3).replace("Bulk2", "Bulk 2");
    world.file("in.ndjson", &bad);
    let skip = [
        "bulk",
        "in.ndjson",
        "--skip-bad-lines",
        "--journal",
        "j.ndjson",
    ];
    world.d1(&skip).expect(2);
    // What is bad still has to be left out again by name.
    let resume = ["bulk", "in.ndjson", "--resume", "j.ndjson", "-o", "json"];
    world.d1(&resume).expect(2);
    world.sandbox.assert_requests("suspendCard", "Bulk2", 0);
    world.file("in.ndjson", &suspensions(3));
    let counts = summary(&world.d1(&resume).expect(0));
    assert_eq!((&counts["done"], &counts["bad"]), (&3.into(), &0.into()));
}
