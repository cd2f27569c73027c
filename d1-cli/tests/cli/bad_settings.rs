//! Settings that are missing or cannot be used: one line that names them, exit code 2, and nothing is sent.

use crate::bad_input::refused;
use crate::world::World;

/// Options, and how the line begins.
const SETTINGS: &[(&[&str], &str)] = &[
    (
        &["--issuer-id", "short"],
        "--issuer-id: has 5 characters, must have exactly 10 of A-Z a-z 0-9 _ -\n",
    ),
    (&["--issuer-id", ""], "--issuer-id: must not be empty"),
    (
        &["--base-url", "http://localhost"],
        "--base-url: must be an https",
    ),
    (
        &["--base-url", "https://u:s3cret@h"],
        "--base-url: must not hold",
    ),
    (
        &["--signing-key", "nofile"],
        "--signing-key nofile: names a file that does not exist",
    ),
    (
        &["--signing-key", "text"],
        "--signing-key text: must be a PEM",
    ),
    (
        &["--signing-key=-----BEGIN PRIVATE KEY-----"],
        "--signing-key: must be the path of a file",
    ),
    (
        &["--client-key", "text"],
        "--client-key text: must be a PEM",
    ),
    (&["--client-key", "sandbox/signing.key"], "D1_CLIENT_CERT "),
    (
        &["--idle-timeout", "0"],
        "--idle-timeout: must be a whole number of seconds",
    ),
    (
        &["--client-cert", "text"],
        "--client-cert text: must be a PEM",
    ),
    (&["--ca", "text"], "--ca text: must be a PEM"),
    (
        &["--require-fips=yes"],
        "--require-fips: must be true or false",
    ),
    (
        &["--encryption-jwk", "text"],
        "--encryption-jwk text: must be a PEM",
    ),
    (
        &["--encryption-kid", "another"],
        "--encryption-kid: is not the kid",
    ),
    (&["--signing-kid", "a b"], "--signing-kid: must be 1 to 256"),
    (&["--proxy", "::"], "--proxy: must be a URL"),
    (&["--aggregator-id", "ä"], "--aggregator-id: must be"),
    (&["--config", "nofile"], "--config nofile: cannot be read"),
    (&["--config", "bad.toml"], "bad.toml: line 1: must be TOML"),
    (
        &["--config", "unknown.toml"],
        "unknown.toml: profiles.x.issuer: is not a setting; did you mean issuer-id?",
    ),
    (
        &["--config", "kind.toml"],
        "kind.toml: profiles.x.issuer-id: must be a string",
    ),
    (
        &["--config", "top.toml"],
        "top.toml: issuer-id: must be profile or",
    ),
    (
        &["--profile", "nobodys"],
        "--profile: must be staging or production",
    ),
];

#[test]
fn settings() {
    let world = World::start();
    world.file("text", "no key");
    world.file("bad.toml", "profile = ");
    world.file("unknown.toml", "[profiles.x]\nissuer = \"A\"");
    world.file("kind.toml", "[profiles.x]\nissuer-id = 7");
    world.file("top.toml", "issuer-id = \"ISSUER_A-1\"");
    for (options, line) in SETTINGS {
        let arguments = [&["card", "suspend", "A"][..], options].concat();
        refused(&world, (&arguments, "", line));
    }
}

/// All settings that are missing are named at once.
#[test]
fn missing_settings() {
    let world = World::start();
    let mut command = world.command(&["card", "suspend", "A"]);
    for variable in ["D1_ISSUER_ID", "D1_SIGNING_KEY", "D1_CLIENT_KEY"] {
        command.env_remove(variable);
    }
    let run = crate::world::finish(command, "").expect(2);
    let line = "d1: issuer-id, signing-key, client-key: are missing: give --issuer-id, D1_ISSUER_ID, or issuer-id in \
                the profile staging of d1.toml, and the others likewise";
    assert!(run.err.starts_with(line), "{}", run.err);
    let mut command = world.command(&["card", "suspend", "A"]);
    command.env_remove("D1_CLIENT_CERT");
    let run = crate::world::finish(command, "").expect(2);
    assert!(
        run.err.starts_with("d1: client-cert: is missing: give"),
        "{}",
        run.err
    );
    world.assert_untouched();
}
