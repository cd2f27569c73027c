//! Secrets are in nothing that any command prints, however talkative.

use d1_sandbox::Fault;

use crate::world::{CREDENTIALS, PAN, Run, World};

/// What nothing may show: card data, keys, assertions and tokens.
fn secrets(world: &World) -> Vec<String> {
    let body = |pem: &str| {
        let lines = pem.lines().filter(|line| !line.starts_with("-----"));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    let mut secrets = vec![
        PAN.to_owned(),
        "4111 1111".to_owned(),
        "\"1230\"".to_owned(),
    ];
    secrets.extend(body(world.sandbox.signing_key_pem()));
    secrets.extend(body(world.sandbox.client_key_pem()));
    secrets
}

/// Whether a JWT or a JWE stands in it: three of these characters alone stand in a random key id.
fn holds_token(text: &str) -> bool {
    let inside = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    text.split(|c| !inside(c))
        .any(|word| word.starts_with("eyJ") && word.trim_end_matches('.').contains('.'))
}

#[test]
fn a_token_is_told_from_a_key_id() {
    assert!(holds_token(
        "{\"assertion\":\"eyJhbGciOiJFUzI1NiJ9.e30.c2ln\"}"
    ));
    assert!(!holds_token("kid eyJdSdHyeyJqK8fZ37qXA1x7X1kHhFhgGm7p0iEo2o8 .") && !holds_token(""));
}

#[track_caller]
fn assert_none(world: &World, arguments: &[&str], run: &Run) {
    for secret in secrets(world) {
        assert!(!secret.is_empty());
        assert!(
            !run.out.contains(&secret),
            "{arguments:?} shows {secret}: {}",
            run.out
        );
        assert!(
            !run.err.contains(&secret),
            "{arguments:?} shows {secret}: {}",
            run.err
        );
    }
    assert!(
        !holds_token(&run.out) && !holds_token(&run.err),
        "{arguments:?} shows a token: {run:#?}"
    );
}

const RENEWAL: &str = r#"{"operation":"renew","cardId":"ReplaceMe01","credentials":{"pan":"4111111111111111","exp":"1230"}}"#;

type Commands = Vec<(Vec<&'static str>, &'static str)>;

fn bulks(world: &World) -> Commands {
    let bad = r#"{"operation":"renew","cardId":"4111111111111111","credentials":{"pan":4111111111111111}}"#;
    world.file("in.ndjson", &format!("{RENEWAL}\n{bad}\n"));
    let row = "renew;ReplaceMe01;4111111111111111;1230";
    let header = "operation;cardId;pan;exp";
    let bad_rows = "renew;4111111111111111;4111111111111111;1230\nrenew;\"4111111111111111;1230\n";
    world.file("in.csv", &format!("{header}\n{row}\n{bad_rows}"));
    world.file("no.csv", &format!("{row}\n"));
    let skip = ["bulk", "in.ndjson", "--skip-bad-lines"];
    let skip_csv = ["bulk", "in.csv", "--skip-bad-lines", "--format", "csv"];
    let files = ["--failed", "failed.csv", "--report", "report.html"];
    vec![
        ([&skip[..], &["--journal", "j.ndjson"]].concat(), ""),
        ([&skip[..], &["--resume", "j.ndjson"]].concat(), ""),
        ([&skip[..], &["--dry-run"]].concat(), ""),
        (
            [&skip[..], &["--failed", "failed", "--report", "report.xml"]].concat(),
            "",
        ),
        ([&skip_csv[..], &files].concat(), ""),
        ([&skip_csv[..], &["--dry-run"]].concat(), ""),
        (vec!["bulk", "in.csv", "--format", "csv"], ""),
        (vec!["bulk", "in.csv"], ""),
        (vec!["bulk", "no.csv", "--format", "csv"], ""),
        (vec!["bulk", "report", "j.ndjson"], ""),
        (vec!["bulk", "in.ndjson"], ""),
    ]
}

fn every_command(world: &World) -> Commands {
    let credentials = ["card", "renew", "ReplaceMe01", "--credentials-from", "-"];
    let mut all = vec![
        (vec!["card", "suspend", "ReplaceMe01"], ""),
        (vec!["card", "suspend", PAN], ""),
        (vec!["card", "suspend", "Nobody"], ""),
        (
            vec!["card", "suspend", "ReplaceMe01", "--signing-key", PAN],
            "",
        ),
        (vec!["card", "suspend", "ReplaceMe01", "--dry-run"], ""),
        (credentials.to_vec(), CREDENTIALS),
        ([&credentials[..], &["--dry-run"]].concat(), CREDENTIALS),
        (
            credentials.to_vec(),
            r#"{"pan":"4111111111111112","exp":"1230"}"#,
        ),
        (credentials.to_vec(), r#"{"pan":4111111111111111}"#),
        (credentials.to_vec(), PAN),
        (vec!["operations", "list", "ReplaceMe01"], ""),
        (vec!["operations", "get", "ReplaceMe01", "op-000001"], ""),
        (
            vec!["operations", "get", "ReplaceMe01", "4111111111111111"],
            "",
        ),
        (vec!["token"], ""),
        (vec!["token", "--dry-run"], ""),
        (vec!["token", "--signing-kid", "nobodys"], ""),
        (vec!["explain", PAN], ""),
        (
            vec!["encrypt"],
            r#"{"pan":"4111111111111112","exp":"1230"}"#,
        ),
        (vec!["encrypt", "--encryption-jwk", PAN], CREDENTIALS),
        (vec!["keygen", "made.key"], ""),
        (vec!["csr", PAN, "--common-name", "A", "--existing-key"], ""),
        (vec!["reconcile", "--from", "-"], RENEWAL),
        (vec!["reconcile", "--from", PAN], ""),
        (vec!["config", "show", "--issuer-id", PAN], ""),
        (vec!["doctor"], ""),
        (vec!["doctor", "--signing-kid", "nobodys"], ""),
        (vec!["bulk", PAN], ""),
        (vec![PAN], ""),
    ];
    all.extend(bulks(world));
    all
}

#[test]
fn no_command_shows_a_secret() {
    for output in ["table", "json", "ndjson"] {
        let world = World::start();
        for (arguments, input) in every_command(&world) {
            let all = [&arguments[..], &["--verbose", "--output", output]].concat();
            let run = world.d1_reading(&all, input);
            assert_none(&world, &all, &run);
        }
        assert!(!holds_token(&world.read("j.ndjson")));
        for name in [
            "j.ndjson",
            "failed",
            "report.xml",
            "failed.csv",
            "report.html",
        ] {
            let text = world.read(name);
            let is_shown = |secret: &String| text.contains(secret);
            assert!(!secrets(&world).iter().any(is_shown), "{name}: {text}");
        }
    }
}

#[test]
fn a_server_that_echoes_a_card_number_does_not_get_it_printed() {
    let world = World::start();
    let echo = format!(r#"{{"error":"bad pan {PAN}","errorCode":"{PAN}","pan":"{PAN}"}}"#);
    let renew = ["card", "renew", "ReplaceMe01", "--credentials-from", "-"];
    for status in [400, 403, 500] {
        world
            .sandbox
            .fail_next(Fault::status(status).body("application/json", &echo));
        let all = [&renew[..], &["--verbose"]].concat();
        let run = world.d1_reading(&all, CREDENTIALS);
        assert_ne!(run.code, 0);
        assert_none(&world, &all, &run);
    }
}

#[test]
fn a_card_number_in_what_d1_answers_is_not_printed() {
    let world = World::start();
    let operation = format!(
        r#"{{"operationId":"{PAN}","operation":"{PAN}","status":"SUCCESSFUL","reason":"card {PAN}","{PAN}":{PAN}}}"#
    );
    let page = format!(r#"{{"operations":[{operation}],"remainingOperations":0}}"#);
    let suspend = r#"{"operation":"suspend","cardId":"ReplaceMe01"}"#;
    world.file("in.ndjson", &format!("{suspend}\n"));
    for output in ["table", "json", "ndjson"] {
        let journal = format!("{output}.ndjson");
        let commands = [
            (&["operations", "list", "ReplaceMe01"][..], &page),
            (&["operations", "list", "ReplaceMe01", "--all"], &page),
            (&["operations", "get", "ReplaceMe01", "op-1"], &operation),
            (&["card", "suspend", "ReplaceMe01"], &operation),
            (&["bulk", "in.ndjson", "--journal", &journal], &operation),
        ];
        for (command, body) in commands {
            let operation = match (command[0], command[1]) {
                ("operations", "list") => "listOperations",
                ("operations", _) => "getOperation",
                (_, _) => "suspendCard",
            };
            let fault = Fault::status(200).operation(operation);
            world
                .sandbox
                .fail_next(fault.body("application/json", body));
            let all = [command, &["--verbose", "--output", output]].concat();
            let run = world.d1(&all).expect(0);
            assert_none(&world, &all, &run);
        }
        let run = world.d1(&["bulk", "report", &journal, "--output", output]);
        assert_none(&world, &["bulk", "report"], &run);
        assert!(!world.read(&journal).contains(PAN));
    }
}

#[test]
fn a_server_that_sends_a_secret_back_in_another_form_does_not_get_it_printed() {
    let world = World::start();
    let percent: String = PAN.bytes().map(|b| format!("%{b:02x}")).collect();
    let json: String = PAN.bytes().map(|b| format!("\\u{b:04x}")).collect();
    let token = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl";
    let renew = ["card", "renew", "ReplaceMe01", "--credentials-from", "-"];
    for (operation, said, shown) in [
        ("renewCard", "4111 - 1111 - 1111 - 1111", "4111"),
        ("renewCard", percent.as_str(), "%34"),
        ("renewCard", json.as_str(), "\\u0034"),
        ("renewCard", "NDExMTExMTExMTExMTExMQ==", "NDEx"),
        ("renewCard", "valid until 12/30", "12/30"),
        ("renewCard", token, "c2ln"),
        ("getToken", token, "c2ln"),
        ("getToken", "Bearer 0123456789abcdef", "0123456789"),
    ] {
        let body = format!(r#"{{"error":"{said}","errorCode":"{said}","{said}":1}}"#);
        for output in ["table", "json"] {
            for command in [&renew[..], &["doctor"], &["token"]] {
                let fault = Fault::status(400).operation(operation);
                world
                    .sandbox
                    .fail_next(fault.body("application/json", &body));
                let all = [command, &["--verbose", "--output", output]].concat();
                let run = world.d1_reading(&all, CREDENTIALS);
                world.sandbox.clear_faults();
                assert_none(&world, &all, &run);
                let all_said = format!("{}{}", run.out, run.err);
                assert!(!all_said.contains(shown), "{all:?}: {all_said}");
            }
        }
    }
}

#[test]
fn verbose_tells_of_the_calls() {
    let world = World::start();
    let run = world
        .d1(&["card", "suspend", "ReplaceMe01", "--verbose"])
        .expect(0);
    assert!(
        run.err.contains("operations:suspend") && run.err.contains("oauth2/token"),
        "{}",
        run.err
    );
    assert_eq!(
        world.d1(&["card", "resume", "ReplaceMe01"]).expect(0).err,
        ""
    );
}
