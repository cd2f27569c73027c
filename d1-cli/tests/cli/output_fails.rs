//! Standard output that cannot be written: what happened to a card is reported nevertheless.

use std::fs::OpenOptions;
use std::io::BufReader;
use std::process::{Command, Stdio};

use d1_sandbox::Fault;

use crate::world::{Run, World, bare, finish};

/// A full disk.
fn full() -> Stdio {
    OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .unwrap()
        .into()
}

/// A pipe without a reader.
fn closed() -> Stdio {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(BufReader::new(reader));
    writer.into()
}

fn run(mut command: Command, output: Stdio, input: &str) -> Run {
    command.stdout(output);
    let run = finish(command, input);
    assert!(!run.err.contains("panicked"), "{}", run.err);
    run
}

#[test]
fn the_outcome_of_a_change_is_told_on_standard_error_and_its_exit_code_wins() {
    let world = World::start();
    for output in [full, closed] {
        for format in ["table", "json", "ndjson"] {
            let card = |verb: &str, card: &str, code: i32| {
                let command = world.command(&["card", verb, card, "--yes", "-o", format]);
                let command = if verb == "delete" {
                    command
                } else {
                    world.command(&["card", verb, card, "-o", format])
                };
                let run = run(command, output(), "");
                assert_eq!(run.code, code, "{run:?}");
                run.err
            };
            let told = card("suspend", "ReplaceMe01", 0);
            for part in ["done", "ReplaceMe01", "card suspend", "cannot write"] {
                assert!(told.contains(part), "{format}: {part}: {told}");
            }
            assert!(card("delete", "Nobody", 3).contains("refused"));
            world
                .sandbox
                .fail_next(Fault::disconnect().operation("resumeCard"));
            let told = card("resume", "ReplaceMe01", 5);
            assert!(told.contains("unknown"), "{told}");
        }
    }
}

#[test]
fn a_bulk_tells_its_sum_on_standard_error() {
    for output in [full, closed] {
        for format in ["table", "json"] {
            let world = World::with_cards(2);
            world.file("in.ndjson", &crate::bulk::suspensions(2));
            let command = world.command(&["bulk", "in.ndjson", "--journal", "j", "-o", format]);
            let run = run(command, output(), "");
            assert_eq!(run.code, 0, "{run:?}");
            assert!(
                run.err.contains("done") && run.err.contains('2'),
                "{}",
                run.err
            );
        }
    }
}

#[test]
fn a_line_of_a_bulk_that_cannot_be_printed_is_told_and_the_exit_code_is_that_of_the_job() {
    for output in [full, closed] {
        for (card, code, outcome) in [("Bulk1", 0, "done"), ("NoSuchCard", 3, "refused")] {
            let world = World::with_cards(1);
            let line = format!("{{\"operation\":\"suspend\",\"cardId\":\"{card}\"}}\n");
            world.file("in.ndjson", &line);
            let command = world.command(&["bulk", "in.ndjson", "--no-journal", "-o", "ndjson"]);
            let run = run(command, output(), "");
            assert_eq!(run.code, code, "{run:?}");
            for part in [card, &format!("\"outcome\":\"{outcome}\""), "summary"] {
                assert!(run.err.contains(part), "{part}: {}", run.err);
            }
        }
    }
}

#[test]
fn a_read_ends_quietly_where_the_reader_has_gone_and_says_so_where_the_disk_is_full() {
    let world = World::start();
    let line = r#"{"operation":"suspend","cardId":"ReplaceMe01"}"#;
    world.file("in.ndjson", line);
    let bulk = ["bulk", "in.ndjson", "--journal", "j.ndjson"];
    world.d1(&bulk).expect(0);
    for arguments in [
        &["bulk", "report", "j.ndjson"][..],
        &["bulk", "report", "j.ndjson", "-o", "json"],
        &["bulk", "report", "j.ndjson", "-o", "ndjson"],
        &["operations", "list", "ReplaceMe01"],
        &["operations", "list", "ReplaceMe01", "--all", "-o", "ndjson"],
        &["operations", "get", "ReplaceMe01", "op-000001"],
        &["token"],
        &["doctor"],
        &["explain", "403"],
        &["config", "show"],
        &["completions", "bash"],
        &["card", "suspend", "ReplaceMe01", "--dry-run"],
        &["--help"],
        &["card", "renew", "--help"],
        &["--version"],
    ] {
        let gone = run(world.command(arguments), closed(), "");
        assert_eq!((gone.code, gone.err.as_str()), (0, ""), "{arguments:?}");
        let full = run(world.command(arguments), full(), "");
        assert_eq!(full.code, 1, "{arguments:?}: {full:?}");
        assert!(
            full.err.starts_with("d1: cannot write"),
            "{arguments:?}: {full:?}"
        );
    }
    // What failed keeps its code.
    let run = run(
        world.command(&["operations", "list", "Nobody", "-o", "json"]),
        full(),
        "",
    );
    assert_eq!(run.code, 3, "{run:?}");
}

#[test]
fn nothing_panics_where_standard_error_is_full_as_well() {
    let world = World::start();
    for arguments in [
        &["card", "suspend", "ReplaceMe01", "-v"][..],
        &["card", "resume", "ReplaceMe01", "-v"],
    ] {
        let mut command = world.command(arguments);
        command.stderr(full());
        assert_eq!(run(command, full(), "").code, 0);
    }
    let folder = tempfile::tempdir().unwrap();
    let mut command = bare(folder.path(), &["--nonsense"]);
    command.stderr(full());
    assert_eq!(run(command, full(), "").code, 2);
}
