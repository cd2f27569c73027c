//! What each command does, and the shape of its JSON.

use std::io::{BufRead as _, BufReader};

use d1_sandbox::Fault;
use serde_json::{Value, json};

use crate::world::{CREDENTIALS, World, bare, exports, finish};

/// The names of an object's fields.
pub(crate) fn names(value: &Value) -> Vec<&str> {
    value
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect()
}

const DONE: [&str; 9] = [
    "command",
    "outcome",
    "cardId",
    "operationId",
    "reasonCode",
    "httpStatus",
    "correlationId",
    "attempts",
    "target",
];

#[test]
fn a_card_is_suspended_resumed_renewed_and_deleted() {
    let world = World::start();
    let suspend = [
        "card",
        "suspend",
        "ReplaceMe01",
        "--reason-code",
        "CARD_LOST",
    ];
    let suspended = world.d1(&[&suspend[..], &["--reason", "lost it", "-o", "json"]].concat());
    let suspended = suspended.expect(0).json();
    assert_eq!(names(&suspended), DONE);
    assert_eq!(suspended["outcome"], "done");
    assert_eq!(suspended["reasonCode"], "CARD_LOST");
    let body = world
        .sandbox
        .requests()
        .last()
        .unwrap()
        .body
        .clone()
        .unwrap();
    assert_eq!(
        body,
        json!({ "reason": "lost it", "reasonCode": "CARD_LOST" })
    );

    let resume = [
        "card",
        "resume",
        "ReplaceMe01",
        "--correlation-id",
        "case 4711",
    ];
    let resumed = world.d1(&[&resume[..], &["--output", "ndjson"]].concat());
    assert_eq!(resumed.expect(0).ndjson()[0]["correlationId"], "case 4711");

    let renew = [
        "card",
        "renew",
        "ReplaceMe01",
        "--new-card-id",
        "ReplaceMe02",
    ];
    let flags = ["--state", "ACTIVE", "--credentials-from", "-"];
    world
        .d1_reading(&[&renew[..], &flags].concat(), CREDENTIALS)
        .expect(0);
    let renewed = world.sandbox.card("ReplaceMe02").unwrap();
    assert!(renewed.has_credentials("4111111111111111", "1230"));

    world
        .d1(&["card", "delete", "ReplaceMe02", "--yes"])
        .expect(0);
    assert!(world.sandbox.card("ReplaceMe02").is_none());
}

#[cfg(unix)]
#[test]
fn credentials_are_read_from_a_file_descriptor() {
    let world = World::start();
    let file = world.file("credentials.json", CREDENTIALS);
    let shell = format!(
        "exec {} card renew ReplaceMe01 --credentials-from 3 3<{}",
        env!("CARGO_BIN_EXE_d1"),
        file.display()
    );
    let mut command = world.command(&[]);
    let environment: Vec<_> = command
        .get_envs()
        .filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())))
        .collect();
    command = std::process::Command::new("/bin/sh");
    command
        .args(["-c", &shell])
        .envs(environment)
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped());
    finish(command, "").expect(0);
    let renewed = world.sandbox.card("ReplaceMe01").unwrap();
    assert!(renewed.has_credentials("4111111111111111", "1230"));
}

#[test]
fn operations_are_listed_and_shown() {
    let world = World::start();
    world.d1(&["card", "suspend", "ReplaceMe01"]).expect(0);
    let list = ["operations", "list", "ReplaceMe01"];

    let table = world.d1(&list).expect(0).out;
    assert!(table.starts_with("operationId"), "{table}");
    assert!(table.lines().nth(1).unwrap().contains("SUSPEND"), "{table}");

    let page = world.d1(&[&list[..], &["--limit", "1", "--offset", "1", "-o", "json"]].concat());
    let page = page.expect(0).json();
    let shape = [
        "command",
        "cardId",
        "operations",
        "remainingOperations",
        "correlationId",
        "target",
    ];
    assert_eq!(names(&page), shape);
    assert_eq!(page["operations"].as_array().unwrap().len(), 1);
    assert_eq!(page["remainingOperations"], 1);

    let all = world.d1(&[&list[..], &["--all", "--limit", "2", "-o", "ndjson"]].concat());
    let all = all.expect(0).ndjson();
    assert_eq!(all.len(), world.operations("ReplaceMe01"));

    let id = all[0]["operationId"].as_str().unwrap();
    let get = ["operations", "get", "ReplaceMe01", id];
    assert!(world.d1(&get).expect(0).out.contains("SUSPEND"));
    let one = world
        .d1(&[&get[..], &["--digital-card", "-o", "json"]].concat())
        .expect(0)
        .json();
    assert_eq!(
        names(&one),
        ["command", "cardId", "operation", "correlationId", "target"]
    );
    assert_eq!(one["operation"]["operationId"], id);
    let path = world.sandbox.requests().pop().unwrap().path;
    assert!(path.ends_with("digitalCardDetails=true"), "{path}");
}

#[test]
fn a_token_is_shown_only_when_asked_for() {
    let world = World::start();
    let hidden = world.d1(&["token", "-o", "json"]).expect(0).json();
    assert_eq!(
        names(&hidden),
        ["command", "outcome", "expiresInSeconds", "scope", "target"]
    );
    assert_eq!(hidden["expiresInSeconds"], 900);
    assert_eq!(hidden["scope"], "d1-api:account:full d1-api:consumer:read");
    let revealed = world
        .d1(&["token", "--reveal", "-o", "json"])
        .expect(0)
        .json();
    assert!(revealed["token"].as_str().unwrap().len() > 20);
}

#[test]
fn a_failure_has_a_shape_as_well() {
    let world = World::start();
    let run = world
        .d1(&["card", "suspend", "Nobody", "-o", "json"])
        .expect(3);
    let shape = [
        "command",
        "outcome",
        "cardId",
        "kind",
        "httpStatus",
        "code",
        "troubleshootingText",
        "message",
        "advice",
        "causes",
        "retryable",
        "retryAfterSeconds",
        "correlationId",
        "tokenCorrelationId",
        "attempts",
        "target",
    ];
    let failure = run.json();
    assert_eq!(names(&failure), shape);
    assert_eq!(failure["outcome"], "refused");
    assert_eq!(failure["kind"], "notFound");
    assert_eq!(
        names(&failure["causes"][0]),
        ["meaning", "advice", "afterMigration"]
    );
    assert_eq!(run.err.lines().count(), 1, "{}", run.err);
}

#[test]
fn errors_are_explained_offline() {
    let folder = tempfile::tempdir().unwrap();
    let explain = |arguments: &[&str]| {
        finish(bare(folder.path(), &[&["explain"], arguments].concat()), "").expect(0)
    };
    let text = explain(&["UNKNOWN_CARD", "--operation", "list"]).out;
    assert!(text.contains("list: 404 UNKNOWN_CARD"), "{text}");
    let json = explain(&["403", "--operation", "renewCard", "-o", "json"]).json();
    assert_eq!(names(&json), ["command", "documented", "note"]);
    let causes = json["documented"].as_array().unwrap();
    let row = |cause: &Value| cause["operation"] == "renewCard" && cause["status"] == 403;
    assert!(causes.len() > 1 && causes.iter().all(row), "{causes:?}");
    let shape = [
        "operation",
        "status",
        "code",
        "meaning",
        "advice",
        "retryable",
        "afterMigration",
        "conditions",
    ];
    assert_eq!(names(&causes[0]), shape);
    assert!(explain(&["429"]).out.contains("rate limit"));
}

#[cfg(unix)]
#[test]
fn a_sandbox_prints_what_points_d1_at_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = bare(folder.path(), &["sandbox", "--control-port", "0"])
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let text: Vec<String> = lines.by_ref().take(9).map(Result::unwrap).collect();
    let environment = exports(&text.join("\n"));
    assert_eq!(environment.len(), 9);
    let mut command = bare(folder.path(), &["doctor"]);
    command.envs(environment.iter().cloned());
    finish(command, "").expect(0);
    let keys = environment
        .iter()
        .find(|(name, _)| name == "D1_SIGNING_KEY")
        .unwrap();
    assert!(std::path::Path::new(&keys.1).exists());
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    assert!(child.wait().unwrap().success());
    assert!(
        !std::path::Path::new(&keys.1).exists(),
        "the keys outlive the sandbox"
    );
}

#[cfg(unix)]
#[test]
fn a_sandbox_can_be_strict_and_have_several_issuers() {
    let folder = tempfile::tempdir().unwrap();
    let cards = "cards: [{id: A}]\nissuers: [{id: ISSUER_B-2, cards: [{id: B}]}]";
    std::fs::write(folder.path().join("cards.yaml"), cards).unwrap();
    let arguments = [
        "sandbox",
        "--strict",
        "--cards",
        "cards.yaml",
        "--dir",
        "d1",
    ];
    let mut child = bare(folder.path(), &arguments).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert_eq!(lines.by_ref().take(9).count(), 9);
    let suspend = |environment: &str, arguments: &[&str]| {
        let path = folder.path().join("d1").join(environment);
        let mut command = bare(folder.path(), &[&["card", "suspend"], arguments].concat());
        command.envs(exports(&std::fs::read_to_string(path).unwrap()));
        finish(command, "")
    };
    suspend("d1.env", &["A"]).expect(0);
    suspend("ISSUER_B-2/d1.env", &["B"]).expect(0);
    suspend("d1.env", &["B"]).expect(3);
    // A warning without --strict: the code is not documented for this operation.
    let odd = ["A", "--reason-code", "ODD", "--any-reason-code"];
    let run = suspend("d1.env", &odd).expect(3);
    assert!(run.err.contains("400"), "{}", run.err);
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    assert!(child.wait().unwrap().success());
}

#[test]
fn quiet_says_nothing_but_what_was_asked_for() {
    let world = World::start();
    let quiet = world
        .d1(&["card", "suspend", "ReplaceMe01", "--quiet"])
        .expect(0);
    assert_eq!((quiet.out.as_str(), quiet.err.as_str()), ("", ""));
    let token = world.d1(&["token", "--reveal", "--quiet"]).expect(0);
    assert_eq!(token.out.split_whitespace().count(), 1, "{token:?}");
    assert!(token.out.len() > 20, "{token:?}");
    let list = world.d1(&[
        "operations",
        "list",
        "ReplaceMe01",
        "--quiet",
        "--limit",
        "1",
    ]);
    let list = list.expect(0);
    assert!(list.out.contains("SUSPEND"));
    assert_eq!(list.err, "");
    let json = world
        .d1(&["card", "resume", "ReplaceMe01", "-q", "-o", "json"])
        .expect(0);
    assert_eq!(json.json()["outcome"], "done");
    let failed = world.d1(&["card", "resume", "Nobody", "-q"]).expect(3);
    assert_eq!(failed.err.lines().count(), 1, "{}", failed.err);
}

#[test]
fn without_a_terminal_there_are_no_colours() {
    let world = World::start();
    for arguments in [
        &["card", "suspend", "ReplaceMe01", "--verbose"][..],
        &["card", "suspend", "Nobody"],
        &["doctor"],
        &["--help"],
    ] {
        let run = world.d1(arguments);
        assert!(
            !run.out.contains('\u{1b}') && !run.err.contains('\u{1b}'),
            "{run:?}"
        );
    }
}

#[test]
fn what_a_server_says_is_not_obeyed_by_the_terminal() {
    let world = World::start();
    let words = "{\"error\":\"\u{1b}[2Jgone \\u001b[31m\"}";
    world
        .sandbox
        .fail_next(Fault::status(400).body("application/json", words));
    let run = world
        .d1(&["card", "suspend", "ReplaceMe01", "--verbose"])
        .expect(3);
    assert!(!run.err.contains('\u{1b}'), "{}", run.err);
}
