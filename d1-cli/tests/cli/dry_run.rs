//! A dry run: what it shows is what is sent otherwise, and nothing is sent.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::commands::names;
use crate::world::{CREDENTIALS, World};

#[test]
fn a_dry_run_shows_the_request_that_is_sent_otherwise() {
    let world = World::start();
    let renew = [
        "card",
        "renew",
        "ReplaceMe01",
        "--new-card-id",
        "ReplaceMe02",
        "--credentials-from",
        "-",
        "--correlation-id",
        "case 1",
    ];
    let dry = [&renew[..], &["--dry-run", "-o", "json"]].concat();
    let shown = world.d1_reading(&dry, CREDENTIALS).expect(0).json();
    world.assert_untouched();
    assert_eq!(shown["dryRun"], true);
    let request = &shown["request"];
    assert_eq!(names(request), ["method", "url", "headers", "body"]);
    assert_eq!(request["headers"]["authorization"], "Bearer [masked]");
    assert_eq!(request["headers"]["x-correlation-id"], "case 1");
    assert_eq!(request["body"]["encryptedData"], "[masked]");

    world.d1_reading(&renew, CREDENTIALS).expect(0);
    let requests = world.sandbox.requests();
    let sent = requests.last().unwrap();
    assert_eq!(request["method"], sent.method.as_str());
    let url = format!("{}{}", world.sandbox.base_url(), sent.path);
    assert_eq!(request["url"], url);
    let fields =
        |body: &Value| -> BTreeSet<String> { body.as_object().unwrap().keys().cloned().collect() };
    assert_eq!(
        fields(&request["body"]),
        fields(sent.body.as_ref().unwrap())
    );
}

#[test]
fn every_command_that_calls_has_a_dry_run() {
    let world = World::start();
    let input = world.file(
        "in.ndjson",
        r#"{"operation":"resume","cardId":"ReplaceMe01"}"#,
    );
    for arguments in [
        &["card", "suspend", "ReplaceMe01"][..],
        &["card", "delete", "ReplaceMe01"],
        &["operations", "list", "ReplaceMe01", "--all"],
        &["operations", "get", "ReplaceMe01", "op-1"],
        &["token"],
        &["bulk", input.to_str().unwrap()],
    ] {
        let text = world
            .d1(&[arguments, &["--dry-run"]].concat())
            .expect(0)
            .out;
        assert!(
            text.contains(world.sandbox.base_url()),
            "{arguments:?}: {text}"
        );
    }
    world.assert_untouched();
}
