//! Whether a change was carried out, asked after the fact.

use d1_sandbox::Fault;
use serde_json::{Value, json};

use crate::commands::names;
use crate::world::{Run, World};

const SUSPEND: [&str; 7] = [
    "card",
    "suspend",
    "ReplaceMe01",
    "--reason-code",
    "card_lost",
    "--reason",
    "order 4711",
];

fn reconcile(world: &World, more: &[&str]) -> Run {
    let begin = ["reconcile", "ReplaceMe01", "--operation", "suspend"];
    world.d1(&[&begin[..], more].concat())
}

#[test]
fn a_change_that_is_described_is_found_or_proven_absent() {
    let world = World::start();
    // D1 has had its time for what ended so long ago.
    let long_ago = ["--since", "10m", "--until", "5m"];
    let absent = reconcile(&world, &long_ago).expect(4);
    assert!(absent.out.contains("notDone"), "{absent:?}");
    assert!(
        absent.err.contains("it can be asked for again"),
        "{absent:?}"
    );

    world.d1(&SUSPEND).expect(0);
    let same = ["--reason-code", "CARD_LOST", "--reason", "order 4711"];
    let now = ["--since", "10m", "-o", "json"];
    let found = reconcile(&world, &[&now[..], &same].concat())
        .expect(0)
        .json();
    assert_eq!(
        names(&found),
        ["command", "cardId", "operation", "verification", "target"]
    );
    assert_eq!(found["operation"], "suspend");
    assert_eq!(found["verification"]["result"], "done");
    assert!(found["verification"]["operationId"].is_string());

    // A reason that is cut short may be this one.
    let cut = [
        "--since",
        "10m",
        "--reason-code",
        "CARD_LOST",
        "--reason",
        "order 47",
    ];
    let unclear = reconcile(&world, &cut).expect(5).err;
    assert!(unclear.contains("it cannot be told"), "{unclear}");
    assert!(unclear.contains("A SUCCESSFUL SUSPEND"), "{unclear}");
    assert_eq!(
        world
            .sandbox
            .requests_for("suspendCard", "ReplaceMe01")
            .len(),
        1
    );
}

#[test]
fn only_what_d1_can_have_begun_while_the_call_was_under_way_is_the_change() {
    let world = World::start();
    // An hour ago, by D1's clock.
    world.sandbox.set_clock_offset(-3600);
    world.d1(&["card", "suspend", "ReplaceMe01"]).expect(0);
    world.sandbox.set_clock_offset(0);
    reconcile(&world, &["--since", "2h"]).expect(0);
    for elsewhen in [
        ["--since", "50m", "--until", "40m"],
        ["--since", "2h", "--until", "90m"],
    ] {
        let unclear = reconcile(&world, &elsewhen).expect(5).err;
        assert!(
            unclear.contains("does not agree in everything"),
            "{unclear}"
        );
    }
}

#[test]
fn what_a_journal_or_a_service_has_stored_is_reconciled() {
    let world = World::start();
    let line = r#"{"operation":"suspend","cardId":"ReplaceMe01","reason":"order 4711"}"#;
    world.file("in.ndjson", line);
    world.d1(&["bulk", "in.ndjson"]).expect(0);
    let journal = world.read("in.ndjson.journal");
    let begun = journal.lines().find(|line| line.contains("\"begun\""));
    let begun = begun.unwrap();
    let reconcile = ["reconcile", "--from", "-", "-o", "json"];
    let of_line = world.d1_reading(&reconcile, begun).expect(0).json();
    assert_eq!(of_line["cardId"], "ReplaceMe01");
    assert_eq!(of_line["verification"]["result"], "done");
    let entry: Value = serde_json::from_str(begun).unwrap();
    world.file("change.json", &entry["change"].to_string());
    let of_file = ["reconcile", "--from", "change.json", "-o", "json"];
    assert_eq!(world.d1(&of_file).expect(0).json(), of_line);
    for text in [journal.as_str(), "{}", "null", ""] {
        let refused = world.d1_reading(&reconcile, text).expect(2).err;
        assert!(
            refused.starts_with("d1: --from -: must be one line"),
            "{refused}"
        );
    }
    let mut elsewhere = entry;
    elsewhere["change"]["baseUrl"] = json!("https://elsewhere.example");
    let elsewhere = world.d1_reading(&reconcile, &elsewhere.to_string());
    let detail = elsewhere.expect(5).json()["verification"]["detail"].clone();
    assert_eq!(detail, "it was sent to another host");
}

#[cfg(unix)]
#[test]
fn the_command_of_the_advice_can_be_run_as_it_is_printed() {
    let world = World::start();
    let lost = Fault::disconnect().operation("suspendCard").after_effect();
    world.sandbox.fail_next(lost);
    let no_list = Fault::status(404).operation("listOperations");
    world.sandbox.fail_next(no_list);
    let unknown = world.d1(&SUSPEND).expect(5).err;
    let advice = unknown
        .lines()
        .find(|line| line.starts_with("  d1 reconcile"));
    let advice = advice.unwrap_or_else(|| panic!("{unknown}")).trim();
    let d1 = world.command(&[]);
    let mut shell = std::process::Command::new("/bin/sh");
    let command = advice.replacen("d1", &d1.get_program().to_string_lossy(), 1);
    shell.args(["-c", &command]).envs(
        d1.get_envs()
            .filter_map(|(name, value)| Some((name, value?))),
    );
    let found = shell.output().unwrap();
    assert!(found.status.success(), "{advice}: {found:?}");
}

#[test]
fn what_is_wrong_with_the_description_is_named() {
    let world = World::start();
    let past = "--since <TIME>: must be a time in the past";
    for (arguments, expected) in [
        (
            &["A", "--operation", "suspend"][..],
            "--since <TIME>: is missing",
        ),
        (&["A", "--since", "2999-01-01T00:00:00Z"], past),
        (&["A", "--since", "15"], past),
        (&["A", "--since", "99999999999999d"], past),
        (
            &["A", "--from", "x"],
            "[CARD_ID]: cannot be given beside --from <FILE>",
        ),
        (
            &[
                "A",
                "--operation",
                "suspend",
                "--since",
                "1h",
                "--until",
                "2h",
            ],
            "--until: must not be before --since",
        ),
        (&["--from", "nofile"], "--from nofile: cannot be read"),
    ] {
        let refused = world
            .d1(&[&["reconcile"], arguments].concat())
            .expect(2)
            .err;
        assert!(refused.starts_with(&format!("d1: {expected}")), "{refused}");
    }
    world.assert_untouched();
}
