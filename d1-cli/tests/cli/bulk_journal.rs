//! `d1 bulk`: the journal, and going on from it.

use d1_sandbox::Fault;
use serde_json::Value;

use crate::bulk::{JOURNALED, RESUMED, summary as summary_of, suspensions};
use crate::world::{PAN, World};

/// The journal's lines.
fn journal(world: &World) -> Vec<Value> {
    let text = world.read("j.ndjson");
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn an_unknown_outcome_is_verified_at_the_end_when_asked() {
    let world = World::with_cards(2);
    world.file("in.ndjson", &suspensions(2));
    world
        .sandbox
        .fail_next(Fault::disconnect().after_effect().card("Bulk1"));
    world.sandbox.fail_next(Fault::disconnect().card("Bulk2"));
    let run = world
        .d1(&[&JOURNALED[..], &["--verify", "--wait", "1"]].concat())
        .expect(4);
    let summary = summary_of(&run);
    assert_eq!(
        (&summary["done"], &summary["notSent"]),
        (&1.into(), &1.into())
    );
    assert_eq!(summary["unknownLines"], Value::Array(Vec::new()));
    // The one that was not carried out is sent by the next run, and the other is not.
    let run = world.d1(&RESUMED).expect(0);
    assert_eq!(summary_of(&run)["finishedBefore"], 1);
    world.sandbox.assert_requests("suspendCard", "Bulk1", 1);
    world.sandbox.assert_requests("suspendCard", "Bulk2", 2);
}

#[test]
fn a_journal_says_what_was_begun_and_what_became_of_it_and_no_card_data() {
    let world = World::with_cards(2);
    let renew = r#"{"operation":"renew","cardId":"Bulk1","credentials":{"pan":"4111111111111111","exp":"1230"}}"#;
    world.file(
        "in.ndjson",
        &format!("{renew}\n{}", r#"{"operation":"resume","cardId":"Nobody"}"#),
    );
    world.d1(&JOURNALED).expect(3);
    let lines = journal(&world);
    assert_eq!(lines[0]["journal"], "d1-bulk/4");
    assert_eq!(lines[0]["baseUrl"], world.sandbox.base_url());
    for line in [1, 2] {
        let begun = lines
            .iter()
            .position(|entry| entry["begun"] == line)
            .unwrap();
        let ended = lines
            .iter()
            .position(|entry| entry["ended"] == line)
            .unwrap();
        assert!(begun < ended);
    }
    let text = world.read("j.ndjson");
    // With its quotation marks: the digits of an expiry can stand in a digest.
    assert!(!text.contains(PAN) && !text.contains("\"1230\""), "{text}");
    // A digest of a line with a PAN could be guessed from: it is not even in there.
    let bytes = openssl::sha::sha256(renew.as_bytes());
    let digest: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    assert!(!text.contains(&digest[..16]));
}

#[test]
fn a_finished_line_is_never_repeated() {
    let world = World::with_cards(5);
    world.file(
        "in.ndjson",
        &(suspensions(5) + r#"{"operation":"resume","cardId":"Nobody"}"#),
    );
    world.d1(&JOURNALED).expect(3);
    let requests = world.sandbox.requests().len();
    let run = world.d1(&RESUMED).expect(3);
    assert_eq!(summary_of(&run)["finishedBefore"], 6);
    assert_eq!(world.sandbox.requests().len(), requests);
}

/// Cuts the journal to its header and what `keep` says of its other lines.
fn rewrite(world: &World, keep: impl Fn(&Value) -> bool) {
    let lines = journal(world).into_iter();
    let kept = lines.filter(|line| line["journal"].is_string() || keep(line));
    let text: String = kept.map(|line| format!("{line}\n")).collect();
    world.file("j.ndjson", &text);
}

#[test]
fn a_line_without_an_end_is_verified_and_not_repeated_if_it_was_carried_out() {
    let world = World::with_cards(3);
    world.file("in.ndjson", &suspensions(3));
    world.d1(&JOURNALED).expect(0);
    // As if it had been killed before the outcome of line 2 was written.
    rewrite(&world, |line| line["ended"] != 2);
    let run = world.d1(&RESUMED).expect(0);
    assert_eq!(summary_of(&run)["inThisRun"]["done"], 1);
    world.sandbox.assert_requests("suspendCard", "Bulk2", 1);
    let last = journal(&world).pop().unwrap();
    assert_eq!(
        (&last["outcome"], &last["verified"]),
        (&"done".into(), &true.into())
    );
}

#[test]
fn a_line_without_an_end_that_d1_does_not_list_is_sent_after_the_settling_time() {
    let world = World::with_cards(2);
    world.file("in.ndjson", &suspensions(2));
    world.sandbox.fail_next(Fault::disconnect().card("Bulk2"));
    world.d1(&JOURNALED).expect(5);
    let run = world.d1(&RESUMED).expect(0);
    assert!(run.err.contains("giving D1 1 s"), "{}", run.err);
    world.sandbox.assert_requests("suspendCard", "Bulk2", 2);
}

#[test]
fn what_cannot_be_told_is_reported_and_not_repeated() {
    let world = World::with_cards(3);
    world.file("in.ndjson", &suspensions(3));
    world.d1(&JOURNALED).expect(0);
    rewrite(&world, |line| line["begun"].is_u64());
    // Somebody else suspended the card as well; a list that cannot be read; and one that tells.
    let other = ["card", "suspend", "Bulk1"];
    world.d1(&other).expect(0);
    world.sandbox.fail_next(
        Fault::status(500)
            .operation("listOperations")
            .card("Bulk2")
            .times(99),
    );
    let before = world.sandbox.requests_for("suspendCard", "Bulk1").len();
    let run = world.d1(&RESUMED).expect(5);
    let summary = summary_of(&run);
    assert_eq!(summary["inThisRun"]["done"], 1);
    assert_eq!(
        summary["unknownLines"],
        serde_json::json!([1, 2]),
        "{run:?}"
    );
    assert!(
        run.err.contains("line 1: unknown, not repeated: several"),
        "{}",
        run.err
    );
    assert_eq!(
        world.sandbox.requests_for("suspendCard", "Bulk1").len(),
        before
    );
    world.sandbox.assert_requests("suspendCard", "Bulk2", 1);

    let run = world
        .d1(&[&RESUMED[..], &["--no-verify"]].concat())
        .expect(5);
    assert_eq!(summary_of(&run)["unknown"], 2);
}

#[test]
fn a_renewal_and_a_deletion_are_found_as_well() {
    let world = World::with_cards(2);
    let renew = r#"{"operation":"renew","cardId":"Bulk1","newCardId":"New1","reasonCode":"ISSUER_DECISION"}"#;
    let delete = r#"{"operation":"delete","cardId":"Bulk2"}"#;
    world.file("in.ndjson", &format!("{renew}\n{delete}\n"));
    world.d1(&[&JOURNALED[..], &["--yes"]].concat()).expect(0);
    rewrite(&world, |line| line["begun"].is_u64());
    let run = world.d1(&[&RESUMED[..], &["--yes"]].concat()).expect(0);
    assert_eq!(summary_of(&run)["done"], 2);
    world.sandbox.assert_requests("renewCard", "Bulk1", 1);
    world.sandbox.assert_requests("deleteCard", "Bulk2", 1);
}

#[test]
fn an_operation_of_another_reason_is_doubt() {
    let world = World::with_cards(1);
    world.file(
        "in.ndjson",
        r#"{"operation":"suspend","cardId":"Bulk1","reason":"ours"}"#,
    );
    // As if it had been killed before the request left, and somebody else suspended the card.
    world.sandbox.fail_next(Fault::disconnect().card("Bulk1"));
    world.d1(&JOURNALED).expect(5);
    world
        .d1(&["card", "suspend", "Bulk1", "--reason", "theirs"])
        .expect(0);
    let run = world.d1(&RESUMED).expect(5);
    assert!(run.err.contains("may be it"), "{}", run.err);
    world.sandbox.assert_requests("suspendCard", "Bulk1", 2);
}

#[test]
fn a_journal_that_was_cut_off_goes_on() {
    let world = World::with_cards(3);
    world.file("in.ndjson", &suspensions(3));
    world.d1(&JOURNALED).expect(0);
    let text = world.read("j.ndjson");
    // As if the machine had stopped in the middle of the last line.
    world.file("j.ndjson", &text[..text.len() - 7]);
    let run = world.d1(&RESUMED).expect(0);
    assert_eq!(summary_of(&run)["inThisRun"]["done"], 1);
    for n in 1..=3 {
        world
            .sandbox
            .assert_requests("suspendCard", &format!("Bulk{n}"), 1);
    }
    // What was appended stands on lines of its own.
    assert!(journal(&world).last().unwrap()["ended"].is_u64());
}

#[test]
fn a_journal_is_bound_to_its_input_host_and_issuer() {
    let world = World::with_cards(3);
    world.file("in.ndjson", &suspensions(3));
    world.d1(&JOURNALED).expect(0);
    let requests = world.sandbox.requests().len();
    let shorter = suspensions(2);
    let other = suspensions(3).replace("Bulk2", "Bulk9");
    let moved = format!("\n{}", suspensions(3));
    for (input, rule) in [
        (shorter, "in.ndjson: has no line 3, which the journal has"),
        (
            other,
            "in.ndjson: line 2 is not the one that the journal is of",
        ),
        (moved, "in.ndjson: line 2 is not the one"),
    ] {
        world.file("in.ndjson", &input);
        let run = world.d1(&RESUMED).expect(2);
        assert!(run.err.starts_with(&format!("d1: {rule}")), "{}", run.err);
    }
    world.file("in.ndjson", &suspensions(3));
    for (flags, rule) in [
        (
            ["--base-url", "https://localhost:1"],
            "is of a run against another base-url",
        ),
        (
            ["--issuer-id", "ISSUER_B-1"],
            "is of a run for another issuer-id",
        ),
    ] {
        let run = world.d1(&[&RESUMED[..], &flags].concat()).expect(2);
        assert!(run.err.contains(rule), "{}", run.err);
    }
    let run = world.d1(&JOURNALED).expect(2);
    assert!(
        run.err
            .contains("j.ndjson: exists: continue it with --resume"),
        "{}",
        run.err
    );
    world.file("j.ndjson", "{}\n");
    let run = world.d1(&RESUMED).expect(2);
    assert!(
        run.err.contains("line 1 is not one of a journal"),
        "{}",
        run.err
    );
    assert_eq!(world.sandbox.requests().len(), requests);
}

#[test]
fn a_journal_in_use_is_left_alone() {
    let world = World::with_cards(1);
    world.file("in.ndjson", &suspensions(1));
    world.d1(&JOURNALED).expect(0);
    let file = std::fs::File::open(world.folder.path().join("j.ndjson")).unwrap();
    file.lock().unwrap();
    let run = world.d1(&RESUMED).expect(2);
    assert!(run.err.contains("is in use by another run"), "{}", run.err);
}

#[cfg(target_os = "linux")]
#[test]
fn without_room_for_the_journal_nothing_more_is_sent() {
    let world = World::with_cards(50);
    world.file("in.ndjson", &suspensions(50));
    // A file that may grow no further than the header and a few lines.
    let shell = format!(
        "ulimit -f 2; trap '' XFSZ; exec {} bulk in.ndjson --journal j.ndjson --concurrency 1",
        env!("CARGO_BIN_EXE_d1")
    );
    let mut command = std::process::Command::new("/bin/sh");
    let with_environment = world.command(&[]);
    let environment = with_environment
        .get_envs()
        .filter_map(|(name, value)| Some((name, value?)));
    command
        .args(["-c", &shell])
        .current_dir(world.folder.path())
        .envs(environment)
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped());
    let run = crate::world::finish(command, "").expect(1);
    assert!(run.err.contains("d1: cannot write"), "{}", run.err);
    let text = world.read("j.ndjson");
    // A line that is cut off was not on the disk.
    let (text, _) = text.rsplit_once('\n').unwrap();
    for n in 1..=50 {
        let sent = world
            .sandbox
            .requests_for("suspendCard", &format!("Bulk{n}"))
            .len();
        let begun = text.contains(&format!("\"begun\":{n},"));
        assert!(sent == 0 || begun, "line {n} was sent, and not journaled");
    }
    assert!(
        world
            .sandbox
            .requests_for("suspendCard", "Bulk50")
            .is_empty()
    );
}

#[test]
fn a_clock_that_is_far_ahead_of_d1s_does_not_matter() {
    let world = World::with_cards(2);
    world.file("in.ndjson", &suspensions(2));
    // The client corrects its assertions, so that the lines are carried out all the same.
    world.sandbox.set_clock_offset(-3600);
    world.d1(&JOURNALED).expect(0);
    rewrite(&world, |line| line["ended"] != 2);
    let run = world.d1(&RESUMED).expect(0);
    assert_eq!(summary_of(&run)["unknownLines"], serde_json::json!([]));
    world.sandbox.assert_requests("suspendCard", "Bulk2", 1);
}

#[test]
fn a_line_whose_token_d1_refused_ends_the_run_and_is_sent_by_the_next() {
    let world = World::with_cards(3);
    world.file("in.ndjson", &suspensions(3));
    let refused = Fault::status(401).operation("suspendCard").times(100);
    world.sandbox.fail_next(refused);
    let one_by_one = [&JOURNALED[..], &["--concurrency", "1"]].concat();
    let run = world.d1(&one_by_one).expect(6);
    assert_eq!(summary_of(&run)["endedEarly"], true);
    assert!(
        world
            .sandbox
            .requests_for("suspendCard", "Bulk3")
            .is_empty()
    );
    world.sandbox.clear_faults();
    let run = world.d1(&RESUMED).expect(0);
    assert_eq!(summary_of(&run)["done"], 3);
}

#[test]
fn a_journal_that_holds_nothing_says_so() {
    let world = World::with_cards(1);
    world.file("in.ndjson", &suspensions(1));
    for text in ["", "{\"journal\":\"d1-bu"] {
        world.file("j.ndjson", text);
        let run = world.d1(&RESUMED).expect(2);
        let rule = "d1: --resume j.ndjson: is empty: nothing was sent with it";
        assert!(run.err.starts_with(rule), "{}", run.err);
    }
    world.assert_untouched();
}
