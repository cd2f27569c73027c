//! Calls to paths that have no command of their own.

use d1_sandbox::Fault;
use serde_json::{Value, json};

use crate::commands::names;
use crate::world::{PAN, World, until, wait};

const CARD: &str = "/banking/v1/issuers/{issuerId}/cards/ReplaceMe01";

#[test]
fn a_get_prints_the_body_of_the_response() {
    let world = World::start();
    let path = format!("{CARD}/operations?limit=1");
    let body = world.d1(&["api", "get", &path]).expect(0).out;
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(body["operations"].as_array().unwrap().len(), 1);
    let id = ["--correlation-id", "case-4711", "-o", "json"];
    let json = world.d1(&[&["api", "GET", &path], &id[..]].concat());
    let json = json.expect(0).json();
    assert_eq!(
        names(&json),
        [
            "command",
            "httpStatus",
            "correlationId",
            "attempts",
            "body",
            "target"
        ]
    );
    assert_eq!(json["body"], body);
    assert_eq!(json["correlationId"], "case-4711");
}

#[test]
fn a_change_has_a_body_of_fields_or_of_a_file_and_needs_a_yes() {
    let world = World::start();
    let path = format!("{CARD}/operations:suspend");
    let suspend = ["api", "POST", &path];
    let fields = ["-f", "reasonCode=CARD_LOST", "--field", "reason=a=b"];
    let refused = world.d1(&[&suspend, &fields[..]].concat()).expect(2).err;
    assert!(refused.starts_with("d1: --yes: must be given"), "{refused}");
    world.assert_untouched();
    let header = ["--header", "x-user-id=u 1", "--yes"];
    // The sandbox refuses the reason as D1 does.
    let run = world.d1(&[&suspend, &fields[..], &header].concat());
    assert!(run.expect(3).err.starts_with("d1: rawPost"));
    let body = r#"{"reasonCode":"FRAUD"}"#;
    world
        .d1_reading(&[&suspend[..], &["--input", "-", "-y"]].concat(), body)
        .expect(0);
    let sent = world.sandbox.requests_for("suspendCard", "ReplaceMe01");
    assert_eq!(
        sent[0].body,
        Some(json!({ "reasonCode": "CARD_LOST", "reason": "a=b" }))
    );
    assert_eq!(sent[1].body, Some(json!({ "reasonCode": "FRAUD" })));
}

#[test]
fn a_change_whose_response_is_lost_is_not_sent_again() {
    let world = World::start();
    let path = format!("{CARD}/operations:suspend");
    let lost = || Fault::disconnect().operation("suspendCard").after_effect();
    world.sandbox.fail_next(lost());
    let run = world.d1(&["api", "POST", &path, "--yes"]).expect(5);
    assert!(run.err.contains("the outcome is unknown"), "{}", run.err);
    world
        .sandbox
        .assert_requests("suspendCard", "ReplaceMe01", 1);
}

#[cfg(unix)]
#[test]
fn an_interrupted_change_has_an_unknown_outcome() {
    use rustix::process::{Pid, Signal, kill_process};

    let world = World::start();
    let stall = Fault::stall().operation("suspendCard").after_effect();
    world.sandbox.fail_next(stall);
    let path = format!("{CARD}/operations:suspend");
    let mut child = world
        .command(&["api", "POST", &path, "--yes"])
        .spawn()
        .unwrap();
    let sent = || world.sandbox.requests_for("suspendCard", "ReplaceMe01");
    until(&mut child, || !sent().is_empty());
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let run = wait(child).expect(5);
    assert!(
        run.err.starts_with("d1: interrupted: it is not known"),
        "{run:?}"
    );
}

#[test]
fn a_card_number_is_neither_sent_nor_shown() {
    let world = World::start();
    let path = format!("{CARD}/operations");
    let with_number = format!("/banking/v1/issuers/{{issuerId}}/cards/{PAN}/operations");
    let field = format!("pan={PAN}");
    let post = ["api", "POST", &path, "--yes"];
    for (arguments, input) in [
        (&["api", "GET", &with_number][..], ""),
        (&[&post[..], &["--field", &field]].concat(), ""),
        (
            &[&post[..], &["--input", "-"]].concat(),
            &format!(r#"{{"pan":{PAN}}}"#),
        ),
        (&[&post[..], &["--input", "-"]].concat(), PAN),
        (
            &[&post[..], &["--input", "-"]].concat(),
            &format!("{{\"pan\":{PAN}"),
        ),
        (&[&post[..], &["--input", PAN]].concat(), ""),
        (&["api", PAN, "/x"], ""),
        (&["api", "GET", PAN], ""),
    ] {
        let refused = world.d1_reading(arguments, input).expect(2);
        assert!(
            refused.out.is_empty() && !refused.err.contains(PAN),
            "{refused:?}"
        );
        assert_eq!(refused.err.lines().count(), 1, "{refused:?}");
    }
    assert_eq!(world.sandbox.requests(), []);

    let body = format!(r#"{{"pan":{PAN},"exp":"1230","id":"a {PAN}"}}"#);
    let answer = || {
        Fault::status(200)
            .operation("listOperations")
            .body("application/json", &body)
    };
    for output in ["table", "json", "ndjson"] {
        world.sandbox.fail_next(answer());
        let masked = world
            .d1(&["api", "GET", &path, "-o", output, "-v"])
            .expect(0);
        for secret in [PAN, "1230\""] {
            assert!(
                !masked.out.contains(secret) && !masked.err.contains(secret),
                "{masked:?}"
            );
        }
    }
    world.sandbox.fail_next(answer());
    let revealed = world.d1(&["api", "GET", &path, "--reveal"]).expect(0);
    assert!(revealed.out.contains(PAN));
}

#[test]
fn a_dry_run_shows_the_request_and_asks_nothing() {
    let world = World::start();
    let path = format!("{CARD}/operations:suspend");
    let run = world.d1(&[
        "api",
        "POST",
        &path,
        "-f",
        "reason=a",
        "--dry-run",
        "-o",
        "json",
    ]);
    let request = run.expect(0).json()["request"].clone();
    assert_eq!(request["method"], "POST");
    let url = request["url"].as_str().unwrap();
    assert!(
        url.ends_with("/issuers/ISSUER_A-1/cards/ReplaceMe01/operations:suspend"),
        "{url}"
    );
    assert_eq!(request["body"], json!({ "reason": "a" }));
    assert_eq!(request["headers"]["authorization"], "Bearer [masked]");
    world.assert_untouched();
}

#[test]
fn what_is_wrong_with_the_call_is_named() {
    let world = World::start();
    for (arguments, expected) in [
        (
            &["FETCH", "/x"][..],
            "<METHOD>: must be GET, POST, PUT, PATCH or DELETE",
        ),
        (&["GET"], "<PATH>: is missing"),
        (&["GET", "banking"], "path: must begin with /"),
        (&["GET", "/a/../b"], "path: must be percent-encoded"),
        (
            &["GET", "/a", "-f", "a=b"],
            "body: must not be given: a GET has none",
        ),
        (
            &["GET", "/a", "-f", "a"],
            "--field <NAME=VALUE>: must be NAME=VALUE",
        ),
        (
            &["POST", "/a", "-f", "a=b", "--input", "x"],
            "--field <NAME=VALUE>: cannot be given beside --input",
        ),
        (
            &["POST", "/a", "--input", "nofile"],
            "--input nofile: cannot be read",
        ),
        (
            &["GET", "/a", "-H", "authorization=x"],
            "header: must not be one that the client itself sets",
        ),
    ] {
        let refused = world.d1(&[&["api"], arguments].concat()).expect(2).err;
        assert!(refused.starts_with(&format!("d1: {expected}")), "{refused}");
    }
    assert_eq!(world.sandbox.requests(), []);
}
