//! `d1 bulk`: the files that `--failed` and `--report` leave behind.

use d1_sandbox::{Card, Fault, Sandbox};
use serde_json::Value;

use crate::bulk::{summary, suspensions};
use crate::world::{PAN, Run, World, bare, finish};

const RENEWAL: &str = r#"{"operation":"renew","cardId":"Late","newCardId":"Later","credentials":{"pan":"4111111111111111","exp":"1230"}}"#;

/// The card of the renewal, and a number of others.
fn cards(count: usize) -> World {
    let cards = (1..=count).map(|n| Card::new(format!("Bulk{n}")));
    let builder = Sandbox::builder().card(Card::new("Late"));
    World::with(cards.fold(builder, d1_sandbox::Builder::card))
}

/// A job with a line of each outcome but bad.
fn job(world: &World, more: &[&str]) -> Run {
    let lines = [
        r#"{"operation":"suspend","cardId":"Bulk1"}"#,
        r#"{"operation":"suspend","cardId":"Bulk2","key":"row 2","reason":"lost"}"#,
        r#"{"operation":"resume","cardId":"Bulk2"}"#,
        RENEWAL,
    ];
    world.file("in.ndjson", &lines.join("\n"));
    world.sandbox.fail_next(Fault::disconnect().card("Bulk2"));
    world.sandbox.fail_next(Fault::status(404).card("Late"));
    let bulk = [
        "bulk",
        "in.ndjson",
        "--failed",
        "failed.ndjson",
        "-o",
        "json",
    ];
    world.d1(&[&bulk[..], more].concat())
}

fn lines(world: &World, name: &str) -> Vec<Value> {
    let text = world.read(name);
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn the_lines_that_are_not_done_can_be_run_as_a_new_job_and_hold_no_card_data() {
    let world = cards(2);
    let run = job(&world, &[]).expect(5);
    let note = "3 lines that are not done: failed.ndjson\n";
    assert!(run.err.ends_with(note), "{}", run.err);
    let text = world.read("failed.ndjson");
    assert!(!text.contains(PAN) && !text.contains("\"1230\""), "{text}");
    let failed = lines(&world, "failed.ndjson");
    let [unknown, held_back, refused] = &failed[..] else {
        panic!("{text}");
    };
    for (line, why) in [
        (unknown, "unknown, line 2: suspendCard: "),
        (
            held_back,
            "heldBack, line 3: held back: line 2 of the same card has an unknown outcome",
        ),
        (refused, "refused, line 4: renewCard: not found"),
    ] {
        assert!(line["why"].as_str().unwrap().starts_with(why), "{line}");
    }
    assert_eq!(unknown["key"], "row 2");
    assert_eq!(unknown["reason"], "lost");
    assert!(unknown.get("state").is_none());

    // What may have been done is not done twice by accident.
    let rerun = ["bulk", "failed.ndjson", "-o", "json"];
    let run = world.d1(&rerun).expect(2);
    let rule = "failed.ndjson, line 1: why says unknown: see to it, then remove why\n";
    assert!(run.err.contains(rule), "{}", run.err);
    // It was not done, as somebody found out.
    let without_why = text.replacen(unknown["why"].as_str().unwrap(), "", 1);
    world.file("failed.ndjson", &without_why);
    let run = world.d1(&rerun).expect(0);
    assert_eq!(summary(&run)["done"], 3);
    assert!(
        world
            .sandbox
            .card("Later")
            .unwrap()
            .has_credentials(PAN, "1230")
    );
}

#[test]
fn the_lines_of_a_csv_that_are_not_done_are_a_csv() {
    for (separator, end) in [(";", "\r\n"), (",", "\n")] {
        let world = cards(2);
        for card in ["Late", "Bulk2"] {
            world.sandbox.fail_next(Fault::status(404).card(card));
        }
        let rows = [
            "operation;cardId;pan;exp;reason;key",
            "suspend;Bulk1;;;;\"row 2\"",
            "renew;Late;4111111111111111;1230;;row 3",
            "",
            "suspend;Bulk2;;;lost;",
        ];
        world.file("in.csv", &rows.join(end).replace(';', separator));
        let failed = [
            "bulk",
            "in.csv",
            "--format",
            "csv",
            "--failed",
            "failed.csv",
        ];
        world.d1(&failed).expect(3);
        let text = world.read("failed.csv");
        let expiry = format!("{separator}1230");
        assert!(!text.contains(PAN) && !text.contains(&expiry), "{text}");
        let found: Vec<&str> = text.split_terminator(end).collect();
        let [header, renewal, suspension] = found[..] else {
            panic!("{text}");
        };
        let row = |row: &str| row.replace(';', separator);
        let columns = "why;operation;cardId;pan;exp;reason;key;encryptedData";
        assert_eq!(header, row(columns));
        assert!(
            renewal.contains(&row(";renew;Late;;;;row 3;eyJ")),
            "{renewal}"
        );
        // Quoted, since the words have a semicolon in them.
        assert!(
            separator == "," || suspension.starts_with("\"refused, line 5: "),
            "{suspension}"
        );
        assert!(
            suspension.ends_with(&row(";suspend;Bulk2;;;lost;;")),
            "{suspension}"
        );

        let rerun = ["bulk", "failed.csv", "--format", "csv", "-o", "json"];
        assert_eq!(summary(&world.d1(&rerun).expect(0))["done"], 2);
        assert!(
            world
                .sandbox
                .card("Late")
                .unwrap()
                .has_credentials(PAN, "1230")
        );
    }
}

#[test]
fn of_a_bad_line_only_the_card_is_written_again_and_it_is_not_sent_before_somebody_saw_it() {
    let world = World::with_cards(2);
    let bad = r#"{"operation":"renew","cardId":"Bulk1","credentials":{"pan":"4111111111111112","exp":"1230"}}"#;
    let unread = format!("{{\"cardId\":\"{PAN}\",\"pan\":\"{PAN}\"");
    let skipped = format!(
        "{bad}\n{}\n{unread}\n",
        r#"{"operation":"suspend","cardId":"Bulk1"}"#
    );
    let skip = ["bulk", "-", "--skip-bad-lines", "--failed", "failed"];
    world.d1_reading(&skip, &skipped).expect(4);
    let failed = lines(&world, "failed");
    assert_eq!(failed[0]["cardId"], "Bulk1");
    assert_eq!(failed[0].as_object().unwrap().len(), 2);
    assert!(
        failed[0]["why"]
            .as_str()
            .unwrap()
            .starts_with("bad, line 1: credentials: pan")
    );
    assert!(
        failed[1]["why"]
            .as_str()
            .unwrap()
            .starts_with("heldBack, line 2: ")
    );
    assert!(failed[2]["cardId"].is_null());
    assert!(!world.read("failed").contains("4111"));
    let run = world.d1(&["bulk", "failed", "--skip-bad-lines"]).expect(4);
    assert!(run.out.contains("line 2  Bulk1  heldBack"), "{}", run.out);
    // A line that could be read, and was not allowed.
    let delete = r#"{"operation":"delete","cardId":"Bulk2"}"#;
    let skip = ["bulk", "-", "--skip-bad-lines", "--failed", "more"];
    world.d1_reading(&skip, delete).expect(2);
    let run = world.d1(&["bulk", "more", "--yes"]).expect(2);
    assert!(run.err.contains("line 1: why says bad"), "{}", run.err);
    assert!(world.sandbox.card("Bulk2").is_some());
}

#[test]
fn credentials_that_cannot_be_encrypted_are_left_out_and_their_line_is_a_bad_one() {
    let world = World::start();
    world.file("in.ndjson", RENEWAL);
    let mut command = world.command(&["bulk", "in.ndjson", "--failed", "failed"]);
    command
        .env_remove("D1_ENCRYPTION_JWK")
        .env_remove("D1_ENCRYPTION_KID");
    assert_ne!(finish(command, "").code, 0);
    let text = world.read("failed");
    assert!(text.contains("left out") && !text.contains(PAN), "{text}");
    let run = world.d1(&["bulk", "failed"]).expect(2);
    assert!(
        run.err
            .contains("line 1: encryptedData has 30 characters, must be a JWE"),
        "{}",
        run.err
    );
}

#[test]
fn a_job_that_ended_early_lists_what_was_not_begun_and_a_resumed_one_what_earlier_runs_refused() {
    let world = World::with_cards(5);
    world.file("in.ndjson", &suspensions(6));
    let first = ["bulk", "in.ndjson", "--journal", "j", "--concurrency", "1"];
    world.sandbox.fail_next(Fault::status(404).card("Bulk1"));
    let no_token = ["--signing-kid", "nobodys", "--failed", "early"];
    world.d1(&[&first[..], &no_token].concat()).expect(6);
    let early = lines(&world, "early");
    assert_eq!(early.len(), 6);
    assert_eq!(early[5]["why"], "notBegun, line 6: the run ended before");
    let resumed = ["bulk", "in.ndjson", "--resume", "j", "--failed"];
    world.d1(&[&resumed[..], &["late"]].concat()).expect(3);
    let late = lines(&world, "late");
    let keys: Vec<&Value> = late.iter().map(|line| &line["key"]).collect();
    assert_eq!(keys, ["row 1", "row 6"]);
    // Once more: nothing is sent, and the same lines are left.
    world.d1(&[&resumed[..], &["last"]].concat()).expect(3);
    assert_eq!(world.read("last"), world.read("late"));
}

#[test]
fn a_job_that_is_done_leaves_no_file_of_failed_lines() {
    let world = World::with_cards(2);
    world.file("in.ndjson", &suspensions(2));
    let run = world
        .d1(&["bulk", "in.ndjson", "--failed", "failed"])
        .expect(0);
    assert!(
        run.err
            .ends_with("every line is done: failed is not made\n"),
        "{}",
        run.err
    );
    assert!(!world.folder.path().join("failed").exists());
}

#[test]
fn no_file_is_overwritten_and_what_cannot_be_made_is_said_before_anything_is_sent() {
    let world = World::with_cards(2);
    world.file("in.ndjson", &suspensions(2));
    world.file("there.html", "mine");
    for (flags, rule) in [
        (
            ["--failed", "there.html"],
            "--failed there.html: exists: give another name",
        ),
        (
            ["--report", "there.html"],
            "--report there.html: exists: give another name",
        ),
        (
            ["--failed", "no/such/folder"],
            "--failed no/such/folder: cannot be made",
        ),
        (
            ["--report", "no/such.xml"],
            "--report no/such.xml: cannot be made",
        ),
        (
            ["--report", "report.pdf"],
            "must end with .html, .json or .xml",
        ),
        (
            ["--no-journal", "--failed=f"],
            "cannot be given beside --failed",
        ),
    ] {
        let run = world
            .d1(&[&["bulk", "in.ndjson"][..], &flags].concat())
            .expect(2);
        assert!(run.err.contains(rule), "{}", run.err);
    }
    assert_eq!(world.read("there.html"), "mine");
    assert!(!world.folder.path().join("in.ndjson.journal").exists());
    world.assert_untouched();
}

#[test]
#[cfg(unix)]
fn only_the_owner_can_read_what_is_left_and_nothing_else_is() {
    use std::os::unix::fs::PermissionsExt as _;
    let world = cards(2);
    job(&world, &["--report", "report.xml"]).expect(5);
    let mut names = Vec::new();
    for entry in std::fs::read_dir(world.folder.path()).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if ["failed.ndjson", "report.xml"].contains(&&*name) {
            assert_eq!(
                entry.metadata().unwrap().permissions().mode() & 0o777,
                0o600
            );
        }
        names.push(name);
    }
    names.sort();
    let expected = [
        "failed.ndjson",
        "in.ndjson",
        "in.ndjson.journal",
        "report.xml",
        "sandbox",
    ];
    assert_eq!(names, expected);
}

#[test]
fn a_report_says_what_the_output_says() {
    let world = cards(2);
    let run = job(&world, &["--report", "report.json"]).expect(5);
    let report: Value = serde_json::from_str(&world.read("report.json")).unwrap();
    assert_eq!(report, run.json());
    // The same from the journal, as it is at any time, with a table on standard output.
    for name in ["again.json", "again.html", "again.xml"] {
        let arguments = ["bulk", "report", "in.ndjson.journal", "--report", name];
        finish(bare(world.folder.path(), &arguments), "").expect(5);
    }
    let again: Value = serde_json::from_str(&world.read("again.json")).unwrap();
    assert_eq!(again["notDone"], report["notDone"]);
    let xml = world.read("again.xml");
    let suite =
        "<testsuite name=\"d1 bulk of in.ndjson.journal\" tests=\"4\" failures=\"1\" errors=\"2\">";
    assert!(xml.contains(suite), "{xml}");
    let case = "<testcase classname=\"suspend\" name=\"line 2 Bulk2 row 2\"><error type=\"unknown\" message=\"";
    assert!(xml.contains(case), "{xml}");
    let html = world.read("again.html");
    assert!(
        html.contains("<tr class=\"refused\"><td>4</td><td></td><td>renew</td><td>Late</td>"),
        "{html}"
    );
    assert!(
        !html.contains("<script") && !html.contains("http://"),
        "{html}"
    );
}

#[test]
fn what_d1_says_cannot_break_a_report() {
    let world = World::with(Sandbox::builder().card(Card::new("A")));
    let words = "<b>&\\\"'\\u0001\\uffff</b>";
    let body = format!(r#"{{"error":"{words}","errorCode":"{words}"}}"#);
    for name in ["report.html", "report.xml"] {
        let fault = Fault::status(400).body("application/json", &body);
        world.sandbox.fail_next(fault.card("A"));
        let bulk = ["bulk", "-", "--no-journal", "--report", name];
        let line = r#"{"operation":"suspend","cardId":"A"}"#;
        world.d1_reading(&bulk, line).expect(3);
        let report = world.read(name);
        assert!(
            !report.contains("<b>") && !report.contains(['\u{1}', '\u{ffff}']),
            "{report}"
        );
    }
}
