//! Bad input: one line that names it and the rule, exit code 2, and nothing is sent.

use crate::world::{PAN, World};

/// Arguments, what is on standard input, and how the line begins.
type Case<'a> = (&'a [&'a str], &'a str, &'a str);

#[track_caller]
fn refused(world: &World, (arguments, input, line): Case<'_>) {
    let run = world.d1_reading(arguments, input).expect(2);
    assert_eq!(run.out, "", "{arguments:?}");
    assert_eq!(run.err.lines().count(), 1, "{arguments:?}: {}", run.err);
    let expected = format!("d1: {line}");
    assert!(run.err.starts_with(&expected), "{arguments:?}: {}", run.err);
    assert!(!run.err.contains(PAN), "{}", run.err);
    world.assert_untouched();
}

#[test]
fn arguments() {
    let world = World::start();
    let suspend = |more: &[&'static str]| [&["card", "suspend", "A"][..], more].concat();
    for (arguments, line) in [
        (
            vec!["sandbox", "--port", PAN],
            "--port <PORT>: must be a whole number from 0 to 65535",
        ),
        (
            vec!["sandbox", "--seed", "4111111111111111x"],
            "--seed <SEED>: must be a whole number from 0",
        ),
        (
            vec!["bulk", "in", "--dry-run", "--resume", "j"],
            "--dry-run: cannot be given beside --resume <FILE>",
        ),
        (vec!["bulk", "two\nlines"], "two\\u{a}lines: cannot be read"),
        (
            vec!["config", "show", "--config", "two\nlines"],
            "--config two\\u{a}lines: cannot be read",
        ),
        (vec![], "a command is missing"),
        (vec!["card"], "a command is missing"),
        (vec!["crad"], "crad: there is no such command"),
        (vec!["card", "suspend"], "<CARD_ID>: is missing"),
        (
            vec!["card", "suspend", "a b"],
            "<CARD_ID>: cardId must match",
        ),
        (
            vec!["card", "suspend", PAN],
            "<CARD_ID>: cardId must not hold",
        ),
        (
            vec!["card", "suspend", "A", PAN],
            "[digits]: there is no such argument",
        ),
        (
            suspend(&["eyJhbGciOiJFUzI1NiIsImtpZCI6IjEifQ"]),
            "an argument: there is no such argument",
        ),
        (
            suspend(&["--pan=4111111111111111"]),
            "--pan: there is no such argument",
        ),
        (
            suspend(&["--reason-code", "l st"]),
            "--reason-code <CODE>: reasonCode must match",
        ),
        (
            suspend(&["--reason", "a_b"]),
            "--reason <TEXT>: reason must match",
        ),
        (
            suspend(&["--reason", PAN]),
            "--reason <TEXT>: reason must not hold",
        ),
        (suspend(&["--reason"]), "--reason <TEXT>: needs a value"),
        (
            suspend(&["--correlation-id", "ä"]),
            "--correlation-id <ID>: x-correlation-id must",
        ),
        (
            suspend(&["--timeout", "0"]),
            "--timeout: must be a whole number",
        ),
        (
            suspend(&["--timeout", PAN]),
            "--timeout: must be a whole number",
        ),
        (
            suspend(&["--wait", "0"]),
            "--wait <SECONDS>: must be a whole number",
        ),
        (
            suspend(&["-o", "xml"]),
            "--output <FORMAT>: must be one of table, json, ndjson",
        ),
        (
            suspend(&["-q", "-v"]),
            "--quiet: cannot be given beside --verbose",
        ),
        (suspend(&["--yes"]), "--yes: there is no such argument"),
        (
            vec!["card", "renew", "A", "--state", "OPEN"],
            "--state <STATE>: must be ACTIVE",
        ),
        (
            vec!["card", "renew", "A", "--new-card-id", "ä"],
            "--new-card-id <ID>: cardId must",
        ),
        (
            vec!["operations", "list", "A", "--limit", "51"],
            "--limit <N>: must be a whole number from 1 to 50",
        ),
        (
            vec!["operations", "list", "A", "--limit", PAN],
            "--limit <N>: must be",
        ),
        (
            vec!["operations", "list", "A", "--offset", "-1"],
            "--offset <N>: must be a whole number from 0",
        ),
        (
            vec!["operations", "get", "A", "a/b"],
            "<OPERATION_ID>: operationId must match",
        ),
        (
            vec!["explain", "200"],
            "<CODE|STATUS>: must be an HTTP status",
        ),
        (
            vec!["explain", "404", "--operation", "x"],
            "--operation <OP>: must be suspend",
        ),
        (vec!["completions", "tcsh"], "<SHELL>: must be one of"),
        (vec!["bulk", "nofile"], "nofile: cannot be read"),
        (vec!["bulk", "."], ".: cannot be read"),
        (
            vec!["bulk", "-", "--rate", "0"],
            "--rate <N>: must be a number",
        ),
        (
            vec!["bulk", "-", "--concurrency", "0"],
            "--concurrency <N>: must be a whole",
        ),
        (
            vec!["bulk", "-", "--journal", "a", "--resume", "b"],
            "--journal <FILE>: cannot be given beside",
        ),
        (
            vec!["bulk", "-", "--journal", "no/such/folder"],
            "--journal no/such/folder: cannot be made",
        ),
        (
            vec!["bulk", "-", "--resume", "nofile"],
            "--resume nofile: cannot be read",
        ),
        (
            vec!["sandbox", "--cards", "nofile"],
            "--cards nofile: cannot be read",
        ),
        (vec!["sandbox", "--port", "x"], "--port <PORT>: "),
    ] {
        refused(&world, (&arguments, "", line));
    }
}

#[test]
fn settings() {
    let world = World::start();
    let suspend = |more: &[&'static str]| [&["card", "suspend", "A"][..], more].concat();
    world.file("text", "no key");
    world.file("bad.toml", "profile = ");
    world.file("unknown.toml", "[profiles.x]\nissuer = \"A\"");
    world.file("kind.toml", "[profiles.x]\nissuer-id = 7");
    world.file("top.toml", "issuer-id = \"ISSUER_A-1\"");
    let pem = "--signing-key=-----BEGIN PRIVATE KEY-----";
    for (arguments, line) in [
        (
            suspend(&["--issuer-id", "short"]),
            "--issuer-id: issuerId must match",
        ),
        (
            suspend(&["--issuer-id", ""]),
            "--issuer-id: must not be empty",
        ),
        (
            suspend(&["--base-url", "http://localhost"]),
            "--base-url: environment must be an https",
        ),
        (
            suspend(&["--base-url", "https://u:s3cret@h"]),
            "--base-url: environment must not hold",
        ),
        (
            suspend(&["--signing-key", "nofile"]),
            "--signing-key nofile: cannot be read",
        ),
        (
            suspend(&["--signing-key", "text"]),
            "--signing-key: signing_key must be a PEM",
        ),
        (suspend(&[pem]), "--signing-key: must be the path of a file"),
        (
            suspend(&["--client-key", "text"]),
            "--client-key: client_identity_key must be a PEM",
        ),
        (
            suspend(&["--client-key", "sandbox/signing.key"]),
            "D1_CLIENT_CERT and --client-key: client_identity has a key that is not",
        ),
        (
            suspend(&["--idle-timeout", "0"]),
            "--idle-timeout: must be a whole number of seconds",
        ),
        (
            suspend(&["--client-cert", "text"]),
            "--client-cert: client_identity_certificate must be a PEM",
        ),
        (
            suspend(&["--ca", "text"]),
            "--ca: root_certificate must be a PEM",
        ),
        (
            suspend(&["--encryption-jwk", "text"]),
            "--encryption-jwk: encryption_key must be a PEM",
        ),
        (
            suspend(&["--encryption-kid", "another"]),
            "--encryption-kid: encryption_kid is not the kid",
        ),
        (
            suspend(&["--signing-kid", "a b"]),
            "--signing-kid: signing_kid must be 1 to 256",
        ),
        (suspend(&["--proxy", "::"]), "--proxy: proxy must be a URL"),
        (
            suspend(&["--aggregator-id", "ä"]),
            "--aggregator-id: aggregator_id must be",
        ),
        (
            suspend(&["--config", "nofile"]),
            "--config nofile: cannot be read",
        ),
        (
            suspend(&["--config", "bad.toml"]),
            "bad.toml: line 1: is not TOML",
        ),
        (
            suspend(&["--config", "unknown.toml"]),
            "unknown.toml: profiles.x.issuer: must be one of base-url",
        ),
        (
            suspend(&["--config", "kind.toml"]),
            "kind.toml: profiles.x.issuer-id: must be a string",
        ),
        (
            suspend(&["--config", "top.toml"]),
            "top.toml: issuer-id: must be profile or",
        ),
        (
            suspend(&["--profile", "nobodys"]),
            "--profile: must be staging or production",
        ),
    ] {
        refused(&world, (&arguments, "", line));
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
        (
            "-",
            "",
            "--credentials-from, line 1 column 0: must be a JSON object",
        ),
        ("-", "[]", "--credentials-from, line 1"),
        (
            "-",
            r#"{"pan":4111111111111111,"exp":"1230"}"#,
            "--credentials-from, line 1",
        ),
        (
            "-",
            r#"{"pan":"4111111111111111","exp":"1230","4111111111111111":1}"#,
            "--credentials-from, line 1",
        ),
        (
            "-",
            r#"{"pan":"4111111111111111"}"#,
            "--credentials-from, line 1",
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
        "bom",
        "\u{feff}{\"operation\":\"suspend\",\"cardId\":\"ReplaceMe01\"}\r\n",
    );
    let run = world.d1(&["bulk", "bom", "-q"]).expect(2);
    assert_eq!(run.out, "");
    let lines: Vec<&str> = run.err.lines().collect();
    let [line, summary] = lines[..] else {
        panic!("{lines:?}");
    };
    assert_eq!(
        line,
        "d1: bom, line 1: must not begin with a byte order mark"
    );
    assert!(
        summary.starts_with("d1: bom: 1 bad line: nothing was sent"),
        "{summary}"
    );
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
