//! Reason codes: what is not documented for the operation is not sent by mistake.

use serde_json::json;

use crate::commands::names;
use crate::world::{World, bare, finish};

#[test]
fn a_code_that_is_not_documented_for_the_operation_is_refused() {
    let world = World::start();
    for (verb, code, documented) in [
        ("suspend", "LOST", "CARD_LOST"),
        ("suspend", "CARD_FOUND", "FRAUD"),
        ("resume", "CARD_LOST", "CARD_FOUND"),
        ("delete", "FRAUD", "CLOSED_ACCOUNT"),
        ("renew", "CARD_LOST", "ISSUER_DECISION"),
    ] {
        let run = world
            .d1(&["card", verb, "ReplaceMe01", "--reason-code", code])
            .expect(2);
        let begin = format!("d1: --reason-code: is not documented for {verb}: give one of ");
        assert!(run.err.starts_with(&begin), "{}", run.err);
        for part in [documented, "--any-reason-code"] {
            assert!(run.err.contains(part), "{part}: {}", run.err);
        }
    }
    world.assert_untouched();
    let any = [
        "card",
        "suspend",
        "ReplaceMe01",
        "--reason-code",
        "LOST",
        "--any-reason-code",
        "-o",
        "json",
    ];
    assert_eq!(world.d1(&any).expect(0).json()["reasonCode"], "LOST");
}

#[test]
fn the_case_of_a_code_does_not_matter() {
    let world = World::start();
    let run = world.d1(&[
        "card",
        "suspend",
        "ReplaceMe01",
        "--reason-code",
        "card_lost",
        "-o",
        "json",
    ]);
    assert_eq!(run.expect(0).json()["reasonCode"], "CARD_LOST");
    world.file(
        "in.ndjson",
        r#"{"operation":"resume","cardId":"ReplaceMe01","reasonCode":"Card_Found"}"#,
    );
    world.d1(&["bulk", "in.ndjson"]).expect(0);
    let body = world.sandbox.requests().pop().unwrap().body.unwrap();
    assert_eq!(body["reasonCode"], "CARD_FOUND");
}

#[test]
fn a_bulk_has_the_same_rule() {
    let world = World::start();
    world.file(
        "in.ndjson",
        r#"{"operation":"suspend","cardId":"ReplaceMe01","reasonCode":"LOST"}"#,
    );
    let run = world.d1(&["bulk", "in.ndjson"]).expect(2);
    let begin = "d1: in.ndjson, line 1: reasonCode is not documented for suspend: give one of ";
    assert!(run.err.starts_with(begin), "{}", run.err);
    world.assert_untouched();
    world
        .d1(&["bulk", "in.ndjson", "--any-reason-code"])
        .expect(0);
}

#[test]
fn the_documented_codes_stand_in_help_manual_and_completions() {
    let folder = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| finish(bare(folder.path(), arguments), "").expect(0).out;
    let help = run(&["card", "resume", "--help"]);
    assert!(
        help.contains("CARD_FOUND") && !help.contains("CARD_STOLEN"),
        "{help}"
    );
    assert!(run(&["card", "delete", "--help"]).contains("CLOSED_CARD"));
    assert!(run(&["completions", "bash"]).contains("CARD_STOLEN"));
    run(&["man", "pages"]);
    let page = std::fs::read_to_string(folder.path().join("pages/d1-card-suspend.1")).unwrap();
    assert!(page.contains("CARD_STOLEN"), "{page}");
}

#[test]
fn the_documented_codes_are_explained() {
    let folder = tempfile::tempdir().unwrap();
    let explain = |more: &[&str]| {
        let begin = ["explain", "reason-codes"];
        finish(bare(folder.path(), &[&begin[..], more].concat()), "").expect(0)
    };
    let all = explain(&["-o", "json"]).json();
    assert_eq!(names(&all), ["command", "reasonCodes", "note"]);
    let codes = all["reasonCodes"].as_array().unwrap();
    assert_eq!(codes.len(), d1_facade::ReasonCode::KNOWN.len());
    let lost = codes.iter().find(|code| code["code"] == "CARD_LOST");
    let expected = json!({
        "code": "CARD_LOST",
        "operations": ["suspend", "delete"],
        "meaning": "The card was lost.",
    });
    assert_eq!(lost, Some(&expected));
    let one = bare(folder.path(), &["explain", "card_lost", "-o", "json"]);
    assert_eq!(
        finish(one, "").expect(0).json()["reasonCodes"],
        json!([expected])
    );
    let none = explain(&["--operation", "list"]).out;
    assert!(none.starts_with("No reason code is documented"), "{none}");
    let resume = explain(&["--operation", "resume"]).out;
    assert!(
        resume.contains("CARD_FOUND") && !resume.contains("FRAUD  "),
        "{resume}"
    );
    assert!(
        resume.contains("Only ISSUER_DECISION is documented for V1 cards"),
        "{resume}"
    );
}
