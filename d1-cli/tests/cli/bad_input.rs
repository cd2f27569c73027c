//! Bad input: one line that names it and the rule, exit code 2, and nothing is sent.

use crate::world::{PAN, World};

/// Arguments, what is on standard input, and how the line begins.
pub(crate) type Case<'a> = (&'a [&'a str], &'a str, &'a str);

#[track_caller]
pub(crate) fn refused(world: &World, (arguments, input, line): Case<'_>) {
    let run = world.d1_reading(arguments, input).expect(2);
    assert_eq!(run.out, "", "{arguments:?}");
    assert_eq!(run.err.lines().count(), 1, "{arguments:?}: {}", run.err);
    let expected = format!("d1: {line}");
    assert!(run.err.starts_with(&expected), "{arguments:?}: {}", run.err);
    assert!(!run.err.contains(PAN), "{}", run.err);
    world.assert_untouched();
}

/// Arguments, and how the line begins.
const ARGUMENTS: &[(&[&str], &str)] = &[
    (
        &["sandbox", "--port", PAN],
        "--port <PORT>: must be a whole number from 0 to 65535",
    ),
    (
        &["sandbox", "--seed", "4111111111111111x"],
        "--seed <SEED>: must be a whole number from 0",
    ),
    (
        &["bulk", "in", "--dry-run", "--resume", "j"],
        "--dry-run: cannot be given beside --resume <FILE>",
    ),
    (&["bulk", "two\nlines"], "two\\u{a}lines: cannot be read"),
    (
        &["config", "show", "--config", "two\nlines"],
        "--config two\\u{a}lines: cannot be read",
    ),
    (&[], "a command is missing"),
    (&["card"], "a command is missing"),
    (
        &["crad"],
        "crad: there is no such command; did you mean card?",
    ),
    (
        &["card", "suspnd", "A"],
        "suspnd: there is no such command; did you mean suspend?",
    ),
    (
        &["nonsense"],
        "nonsense: there is no such command; see --help",
    ),
    (&["card", "suspend"], "<CARD_ID>: is missing"),
    (
        &["card", "suspend", "a b"],
        "<CARD_ID>: has a wrong character at position 2, must have 1 to 48 of A-Z a-z 0-9 _ -\n",
    ),
    (&["card", "suspend", PAN], "<CARD_ID>: must not hold"),
    (
        &["card", "suspend", "A", PAN],
        "[digits]: there is no such argument",
    ),
    (
        &["card", "suspend", "A", "eyJhbGciOiJFUzI1NiIsImtpZCI6IjEifQ"],
        "an argument: there is no such argument",
    ),
    (
        &["card", "suspend", "A", "--pan=4111111111111111"],
        "--pan: there is no such argument",
    ),
    (
        &["card", "suspend", "A", "--reason-code", "l st"],
        "--reason-code <CODE>: has a wrong character at position 2, must have",
    ),
    (
        &["card", "suspend", "A", "--reason", "a_b"],
        "--reason <TEXT>: has a wrong character at position 2, must have 1 to 64 of a-z A-Z 0-9 space",
    ),
    (
        &["card", "suspend", "A", "--reason", PAN],
        "--reason <TEXT>: must not hold",
    ),
    (
        &["card", "suspend", "A", "--reason"],
        "--reason <TEXT>: needs a value",
    ),
    (
        &["card", "suspend", "A", "--correlation-id", "ä"],
        "--correlation-id <ID>: has a wrong character",
    ),
    (
        &["card", "suspend", "A", "--timeout", "0"],
        "--timeout: must be a whole number",
    ),
    (
        &["card", "suspend", "A", "--timeout", PAN],
        "--timeout: must be a whole number",
    ),
    (
        &["card", "suspend", "A", "--wait", "0"],
        "--wait <SECONDS>: must be a whole number",
    ),
    (
        &["card", "suspend", "A", "-o", "xml"],
        "--output <FORMAT>: must be one of table, json, ndjson",
    ),
    (
        &["card", "suspend", "A", "-q", "-v"],
        "--quiet: cannot be given beside --verbose",
    ),
    (
        &["card", "suspend", "A", "--yes"],
        "--yes: there is no such argument",
    ),
    (
        &["card", "renew", "A", "--state", "OPEN"],
        "--state <STATE>: must be ACTIVE",
    ),
    (
        &["card", "renew", "A", "--new-card-id", "ä"],
        "--new-card-id <ID>: has a wrong",
    ),
    (
        &["operations", "list", "A", "--limit", "51"],
        "--limit <N>: must be a whole number from 1 to 50",
    ),
    (
        &["operations", "list", "A", "--limit", PAN],
        "--limit <N>: must be",
    ),
    (
        &["operations", "list", "A", "--offset", "-1"],
        "--offset <N>: must be a whole number from 0",
    ),
    (
        &["operations", "get", "A", "a/b"],
        "<OPERATION_ID>: has a wrong character at position 2",
    ),
    (&["explain", "200"], "<CODE|STATUS>: must be an HTTP status"),
    (
        &["explain", "404", "--operation", "suspnd"],
        "--operation <OP>: must be one of suspend, resume, delete, renew, list, get, token; did you mean suspend?",
    ),
    (&["csr", "A"], "--common-name <CN>: is missing"),
    (
        &["encrypt", "--credentials-from", PAN],
        "--credentials-from <-|NUMBER>: must be -",
    ),
    (&["completions", "tcsh"], "<SHELL>: must be one of"),
    (&["bulk", "nofile"], "nofile: cannot be read"),
    (&["bulk", "."], ".: cannot be read"),
    (
        &["bulk", "-", "--rate", "0"],
        "--rate <N>: must be a number",
    ),
    (
        &["bulk", "-", "--concurrency", "0"],
        "--concurrency <N>: must be a whole",
    ),
    (
        &["bulk", "-", "--journal", "a", "--resume", "b"],
        "--journal <FILE>: cannot be given beside",
    ),
    (
        &["bulk", "-", "--journal", "no/such/folder"],
        "--journal no/such/folder: cannot be made",
    ),
    (
        &["bulk", "-", "--resume", "nofile"],
        "--resume nofile: cannot be read",
    ),
    (
        &["sandbox", "--cards", "nofile"],
        "--cards nofile: cannot be read",
    ),
    (&["sandbox", "--port", "x"], "--port <PORT>: "),
];

#[test]
fn arguments() {
    let world = World::start();
    for (arguments, line) in ARGUMENTS {
        refused(&world, (arguments, "", line));
    }
}

#[test]
fn credentials() {
    let world = World::start();
    let renew = |from: &'static str| vec!["card", "renew", "A", "--credentials-from", from];
    for (from, input, line) in [
        (PAN, "", "--credentials-from <-|NUMBER>: must be - for"),
        ("1", "", "--credentials-from <-|NUMBER>: must be - for"),
        ("977", "", "--credentials-from: cannot be read"),
        ("-", "", "--credentials-from: must be a JSON object"),
        ("-", "[]", "--credentials-from: must be a JSON object"),
        (
            "-",
            r#"{"pan":4111111111111111,"exp":"1230"}"#,
            "--credentials-from: pan must be a string",
        ),
        (
            "-",
            r#"{"pan":"4111111111111111","exp":"1230","4111111111111111":1}"#,
            "--credentials-from: [digits] is not a field",
        ),
        (
            "-",
            r#"{"pan":"4111111111111111"}"#,
            "--credentials-from: exp is missing",
        ),
        (
            "-",
            r#"{"pan":"4111111111111112","exp":"1230"}"#,
            "--credentials-from: pan must pass the Luhn",
        ),
        (
            "-",
            r#"{"pan":"4111111111111111","exp":"1330"}"#,
            "--credentials-from: exp must be MMYY",
        ),
        (
            "-",
            r#"{"pan":"4111111111111111","exp":"1230","psn":"00"}"#,
            "--credentials-from: psn is for",
        ),
        (
            "-",
            r#"{"pan":"4111111111111111","exp":"1230","auxiliaryExp":"1230"}"#,
            "--credentials-from: auxiliaryPan must have",
        ),
    ] {
        refused(&world, (&renew(from), input, line));
    }
    let huge = format!(r#"{{"pan":"{}"}}"#, "4".repeat(5000));
    refused(
        &world,
        (&renew("-"), &huge, "--credentials-from: must be at most"),
    );
}

#[test]
fn what_the_facade_refuses_is_told_as_such() {
    let world = World::start();
    // Credentials, and no key to encrypt them to.
    let renew = ["card", "renew", "ReplaceMe01", "--credentials-from", "-"];
    let mut command = world.command(&renew);
    command.env_remove("D1_ENCRYPTION_JWK");
    let run = crate::world::finish(command, crate::world::CREDENTIALS).expect(2);
    assert!(
        run.err.contains("encryption_key must be configured"),
        "{}",
        run.err
    );
    world.assert_untouched();
    let run = world
        .d1(&["card", "renew", "ReplaceMe01", "--american-express"])
        .expect(2);
    assert!(
        run.err.contains("encryptedData is mandatory"),
        "{}",
        run.err
    );
    world.assert_untouched();
}

#[cfg(unix)]
#[test]
fn a_variable_that_is_no_text_is_not_passed_over() {
    use std::os::unix::ffi::OsStrExt as _;
    let world = World::start();
    for name in ["D1_BASE_URL", "D1_PROFILE"] {
        let mut command = world.command(&["card", "suspend", "ReplaceMe01"]);
        command.env(name, std::ffi::OsStr::from_bytes(b"https://\xff"));
        let run = crate::world::finish(command, "").expect(2);
        assert_eq!(run.err, format!("d1: {name}: must be UTF-8\n"));
    }
    world.assert_untouched();
}

#[test]
fn lines_of_a_bulk() {
    let world = World::start();
    world.file(
        "bad",
        "{\"operation\":\"suspend\",\"cardId\":\"ReplaceMe01\"}\n[]\n",
    );
    let run = world
        .d1(&["bulk", "bad", "--strict", "--dry-run"])
        .expect(2);
    assert_eq!(run.out, "");
    world.assert_untouched();
}
