//! Which settings hold, and who said so.

use serde_json::Value;

use crate::world::{Run, World, bare, finish};

/// The value and the source of a setting.
#[track_caller]
fn setting(run: &Run, name: &str) -> (String, String) {
    let json = run.json();
    let settings = json["settings"].as_array().unwrap();
    let found = settings
        .iter()
        .find(|setting| setting["name"] == name)
        .unwrap();
    let text = |field: &str| found[field].as_str().unwrap_or("-").to_owned();
    (text("value"), text("source"))
}

fn pair(value: &str, source: &str) -> (String, String) {
    (value.to_owned(), source.to_owned())
}

const SHOW: [&str; 4] = ["config", "show", "-o", "json"];

const FILE: &str = r#"
profile = "test"

[profiles.test]
base-url = "https://test.example"
issuer-id = "ISSUER_T-1"
signing-key = "keys/signing.key"
timeout = 7

[profiles.production]
issuer-id = "ISSUER_P-1"
"#;

#[test]
fn flags_come_before_variables_before_the_profile_before_defaults() {
    let world = World::start();
    world.file("d1.toml", FILE);
    let folder = world.folder.path();
    let show = |variables: &[(&str, &str)], more: &[&str]| {
        let mut command = bare(folder, &[&SHOW[..], more].concat());
        command.envs(variables.iter().copied());
        finish(command, "").expect(0)
    };
    let place = "d1.toml: profiles.test.issuer-id";
    let run = show(&[], &[]);
    assert_eq!(setting(&run, "issuer-id"), pair("ISSUER_T-1", place));
    assert_eq!(setting(&run, "profile"), pair("test", "d1.toml: profile"));
    assert_eq!(setting(&run, "timeout").0, "7");
    assert_eq!(setting(&run, "client-key"), pair("-", "-"));
    // A path in the file is one beside the file.
    assert_eq!(setting(&run, "signing-key").0, "keys/signing.key");

    let variable = [("D1_ISSUER_ID", "ISSUER_V-1")];
    let run = show(&variable, &[]);
    assert_eq!(
        setting(&run, "issuer-id"),
        pair("ISSUER_V-1", "D1_ISSUER_ID")
    );
    let run = show(&variable, &["--issuer-id", "ISSUER_F-1"]);
    assert_eq!(
        setting(&run, "issuer-id"),
        pair("ISSUER_F-1", "--issuer-id")
    );
    // An empty variable is none.
    let run = show(&[("D1_ISSUER_ID", "")], &[]);
    assert_eq!(setting(&run, "issuer-id").0, "ISSUER_T-1");

    let run = show(&[("D1_PROFILE", "staging")], &[]);
    assert_eq!(setting(&run, "profile"), pair("staging", "D1_PROFILE"));
    assert_eq!(
        setting(&run, "base-url"),
        pair("https://api.d1-stg.thalescloud.io", "default")
    );
    let run = show(&[], &["--profile", "production"]);
    assert_eq!(
        setting(&run, "base-url"),
        pair("https://api.d1.thalescloud.io", "default")
    );
    assert_eq!(setting(&run, "issuer-id").0, "ISSUER_P-1");
}

#[test]
fn a_file_elsewhere_is_named_or_found() {
    let world = World::start();
    std::fs::create_dir_all(world.folder.path().join(".config/d1")).unwrap();
    world.file(".config/d1/d1.toml", FILE);
    let show = |variables: &[(&str, &str)]| {
        let mut command = bare(world.folder.path(), &SHOW);
        command.envs(variables.iter().copied());
        finish(command, "").expect(0)
    };
    let (value, source) = setting(&show(&[]), "signing-key");
    assert!(value.ends_with(".config/d1/keys/signing.key"), "{value}");
    assert!(
        source.ends_with(".config/d1/d1.toml: profiles.test.signing-key"),
        "{source}"
    );
    world.file(
        "other.toml",
        "[profiles.staging]\nissuer-id = \"ISSUER_O-1\"",
    );
    let run = show(&[("D1_CONFIG", "other.toml")]);
    assert_eq!(setting(&run, "issuer-id").0, "ISSUER_O-1");
}

#[test]
fn production_is_reached_only_when_said_aloud() {
    let world = World::start();
    world.file(
        "quiet.toml",
        "profile = \"production\"\n[profiles.harmless]\nbase-url = \"https://API.d1.thalescloud.io:443\"",
    );
    let suspend = ["card", "suspend", "ReplaceMe01", "--dry-run"];
    let without_url = |variables: &[(&str, &str)], more: &[&str]| {
        let mut command = world.command(&[&suspend[..], more].concat());
        command
            .env_remove("D1_BASE_URL")
            .envs(variables.iter().copied());
        finish(command, "")
    };
    let line = "d1: --profile: these settings lead to production";
    for run in [
        without_url(&[("D1_PROFILE", "production")], &[]),
        without_url(&[("D1_BASE_URL", "https://api.d1.thalescloud.io")], &[]),
        without_url(&[], &["--base-url", "https://api.d1.thalescloud.io/"]),
        without_url(&[("D1_CONFIG", "quiet.toml")], &[]),
        without_url(&[("D1_CONFIG", "quiet.toml")], &["--profile", "harmless"]),
        without_url(
            &[("D1_PROFILE", "production")],
            &[
                "--profile",
                "staging",
                "--base-url",
                "https://api.d1.thalescloud.io",
            ],
        ),
    ] {
        let run = run.expect(2);
        assert!(run.err.starts_with(line), "{}", run.err);
    }
    let said = without_url(&[], &["--profile", "production"]).expect(0);
    assert!(
        said.out.contains("https://api.d1.thalescloud.io/banking"),
        "{}",
        said.out
    );
}

#[test]
fn a_tilde_is_the_home_directory() {
    let world = World::start();
    let show = |path: &str, home: Option<&str>| {
        world.file("d1.toml", &format!("[profiles.staging]\nca = \"{path}\""));
        let mut command = bare(world.folder.path(), &SHOW);
        match home {
            Some(home) => command.env("HOME", home),
            None => command.env_remove("HOME"),
        };
        finish(command, "")
    };
    for (path, expected) in [
        ("~", "/home/me"),
        ("~/", "/home/me"),
        ("~/keys/ca.pem", "/home/me/keys/ca.pem"),
        ("keys/~/ca.pem", "keys/~/ca.pem"),
        ("/~", "/~"),
    ] {
        let run = show(path, Some("/home/me")).expect(0);
        assert_eq!(setting(&run, "ca").0, expected);
    }
    let place = "d1: d1.toml: profiles.staging.ca: ";
    for (path, home, rule) in [
        ("~/ca.pem", None, "begins with ~, and the variable HOME"),
        ("~/ca.pem", Some(""), "begins with ~, and the variable HOME"),
        (
            "~root/ca.pem",
            Some("/home/me"),
            "must not begin with the home directory of another",
        ),
    ] {
        let run = show(path, home).expect(2);
        assert!(
            run.err.starts_with(&format!("{place}{rule}")),
            "{}",
            run.err
        );
    }
}

#[test]
fn secrets_are_masked_where_settings_are_shown() {
    let world = World::start();
    let show = |output: &str| {
        let flags = [
            "config",
            "show",
            "-o",
            output,
            "--proxy",
            "http://me:s3cret@proxy:1",
        ];
        let odd = [
            "--base-url",
            "https://me:s3cret@host",
            "--issuer-id",
            "4111111111111111",
        ];
        world.d1(&[&flags[..], &odd].concat()).expect(0)
    };
    for output in ["table", "json", "ndjson"] {
        let run = show(output);
        // A random port can have four of the digits.
        assert!(
            !run.out.contains("s3cret") && !run.out.contains("411111"),
            "{}",
            run.out
        );
        assert!(run.out.contains("http://[masked]@proxy:1"), "{}", run.out);
    }
    let json = show("json").json();
    let names: Vec<&str> = json
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    assert_eq!(names, ["command", "file", "settings", "target"]);
    assert_eq!(json["file"], Value::Null);
}
