//! Where a call goes: what is explicit comes first, a mix is refused, and every result says it.

use d1_sandbox::Fault;
use serde_json::{Value, json};

use crate::world::{Run, World};

const SUSPEND: [&str; 3] = ["card", "suspend", "ReplaceMe01"];

/// With a `d1.toml` that describes production and a profile of its own for the sandbox.
fn world() -> World {
    let world = World::start();
    let url = world.sandbox.base_url();
    world.file(
        "d1.toml",
        &format!(
            "[profiles.production]\nissuer-id = \"ISSUER_P-1\"\n\
             [profiles.mine]\nbase-url = \"{url}\"\nissuer-id = \"ISSUER_A-1\"\n\
             [profiles.other]\nbase-url = \"{url}\"\nissuer-id = \"ISSUER_O-1\"\n"
        ),
    );
    world
}

fn suspending(world: &World, more: &[&str]) -> Run {
    world.d1(&[&SUSPEND[..], more].concat())
}

#[test]
fn variables_that_contradict_a_named_profile_are_refused_with_both_names() {
    let world = world();
    // The variables of the sandbox are left over in the shell.
    let run = suspending(&world, &["--profile", "production"]).expect(2);
    let begin = "d1: D1_BASE_URL: differs from base-url of the profile production (default), which --profile names";
    assert!(run.err.starts_with(begin), "{}", run.err);
    let run = suspending(&world, &["--profile", "other"]).expect(2);
    let begin = "d1: D1_ISSUER_ID: differs from issuer-id of the profile other \
                 (d1.toml: profiles.other.issuer-id), which --profile names";
    assert!(run.err.starts_with(begin), "{}", run.err);
    let run = world
        .d1_where(&[("D1_PROFILE", "other")], &SUSPEND)
        .expect(2);
    assert!(run.err.contains("which D1_PROFILE names"), "{}", run.err);
    world.assert_untouched();
    // What agrees is no contradiction, and a flag settles it.
    suspending(&world, &["--profile", "mine"]).expect(0);
    suspending(&world, &["--profile", "other", "--issuer-id", "ISSUER_A-1"]).expect(0);
    let url = world.sandbox.base_url();
    let run = suspending(&world, &["--profile", "production", "--base-url", url]).expect(2);
    assert!(run.err.contains("D1_ISSUER_ID: differs"), "{}", run.err);
}

#[test]
fn a_variable_that_says_the_same_in_another_form_is_no_contradiction() {
    let world = World::start();
    let url = world.sandbox.base_url();
    world.file(
        "d1.toml",
        &format!(
            "[profiles.mine]\nbase-url = \"{url}\"\nissuer-id = \"ISSUER_A-1\"\n\
             signing-key = \"sandbox/signing.key\"\nproxy = \"http://proxy.example:80\"\n"
        ),
    );
    let key = world.folder.path().join("sandbox/../sandbox/signing.key");
    let key = key.display().to_string();
    let same = [
        (
            "D1_BASE_URL",
            format!("{}/", url.replace("https://l", "HTTPS://L")),
        ),
        ("D1_SIGNING_KEY", key),
        ("D1_PROXY", "http://PROXY.example".to_owned()),
    ];
    let show = ["config", "show", "--profile", "mine"];
    let same = same.each_ref().map(|(name, value)| (*name, value.as_str()));
    world.d1_where(&same, &show).expect(0);
    // Another file with the same content, and another path of the same host, may be meant otherwise.
    world.file("copy.key", &world.read("sandbox/signing.key"));
    let copy = world.folder.path().join("copy.key").display().to_string();
    let path = format!("{url}/path");
    for (name, value) in [("D1_SIGNING_KEY", copy), ("D1_BASE_URL", path)] {
        let run = world.d1_where(&[(name, value.as_str())], &show).expect(2);
        assert!(run.err.contains(&format!("{name}: differs")), "{}", run.err);
    }
}

/// Whether a document says where the call went.
#[track_caller]
fn assert_names(document: &Value, expected: &Value) {
    assert_eq!(&document["target"], expected, "{document}");
}

#[test]
fn every_result_names_profile_host_and_issuer() {
    let world = world();
    let expected = json!({
        "profile": "mine",
        "host": world.sandbox.base_url(),
        "issuerId": "ISSUER_A-1",
        "production": false,
    });
    world.file(
        "in.ndjson",
        r#"{"operation":"suspend","cardId":"ReplaceMe01"}"#,
    );
    for (arguments, code) in [
        (&["card", "suspend", "ReplaceMe01"][..], 0),
        (&["card", "suspend", "Nobody"], 3),
        (&["card", "suspend", "ReplaceMe01", "--dry-run"], 0),
        (&["operations", "list", "ReplaceMe01"], 0),
        (&["operations", "list", "ReplaceMe01", "--all"], 0),
        (&["operations", "list", "Nobody"], 3),
        (&["operations", "get", "ReplaceMe01", "op-000001"], 0),
        (&["token"], 0),
        (&["token", "--dry-run"], 0),
        (&["doctor"], 0),
        (&["bulk", "in.ndjson"], 0),
        (&["config", "show"], 0),
    ] {
        let run = |output| {
            let named = ["--profile", "mine", "-o", output];
            world.d1(&[arguments, &named].concat()).expect(code)
        };
        assert_names(&run("json").json(), &expected);
        let lines = run("ndjson").ndjson();
        assert!(!lines.is_empty(), "{arguments:?}");
        lines.iter().for_each(|line| assert_names(line, &expected));
        let Run { out, err, .. } = run("table");
        for part in ["mine", world.sandbox.base_url(), "ISSUER_A-1"] {
            assert!(
                (out.clone() + &err).contains(part),
                "{arguments:?}: {part}: {out}{err}"
            );
        }
    }
}

#[test]
fn production_is_marked() {
    let world = world();
    let url = world.sandbox.base_url().to_owned();
    let flags = [
        "--profile",
        "production",
        "--base-url",
        &url,
        "--issuer-id",
        "ISSUER_A-1",
    ];
    let run = suspending(&world, &[&flags[..], &["-o", "json"]].concat()).expect(0);
    assert_eq!(run.json()["target"]["production"], true);
    assert!(
        suspending(&world, &flags)
            .expect(0)
            .out
            .contains("PRODUCTION")
    );
    world.sandbox.fail_next(Fault::status(403));
    assert!(
        suspending(&world, &flags)
            .expect(3)
            .err
            .contains("PRODUCTION")
    );
    let list = ["operations", "list", "ReplaceMe01"];
    assert!(
        world
            .d1(&[&list[..], &flags].concat())
            .expect(0)
            .out
            .contains("PRODUCTION")
    );
}
