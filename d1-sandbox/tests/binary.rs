//! The binary: what it writes, and that it ends cleanly.
#![cfg(all(unix, feature = "cli"))]
#![allow(clippy::unwrap_used)]

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

#[test]
fn it_writes_its_files_and_ends_on_an_interrupt() {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("it's a sandbox");
    fs::create_dir_all(&directory).unwrap();
    // A file of an earlier run that anybody may read must not stay so.
    fs::write(directory.join("signing.key"), "old").unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_d1-sandbox"))
        .args([
            "serve",
            "--mode",
            "migrated",
            "--issuer",
            "ISSUER_B-2",
            "--dir",
        ])
        .arg(&directory)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let url = lines.next().unwrap().unwrap();
    assert!(url.starts_with("https://localhost:"), "{url}");
    let last = lines.by_ref().take(2).last().unwrap().unwrap();
    assert!(last.contains("Ctrl-C"), "{last}");

    let read = |name: &str| fs::read_to_string(directory.join(name)).unwrap();
    let mode = |name: &str| {
        fs::metadata(directory.join(name))
            .unwrap()
            .permissions()
            .mode()
    };
    for name in ["client.key", "signing.key"] {
        assert!(
            read(name).starts_with("-----BEGIN PRIVATE KEY-----"),
            "{name}"
        );
        assert_eq!(mode(name) & 0o777, 0o600, "{name}");
    }
    for name in ["ca.pem", "client.pem"] {
        assert!(
            read(name).starts_with("-----BEGIN CERTIFICATE-----"),
            "{name}"
        );
    }
    assert!(read("encryption.jwk.json").contains("P-256"));
    // A shell must read the file as it was meant, quotes included.
    let script =
        r#". "$0" && printf '%s\n%s\n' "$D1_BASE_URL" "$D1_ISSUER_ID" && cat "$D1_SIGNING_KEY""#;
    let shell = Command::new("sh")
        .args(["-c", script])
        .arg(directory.join("d1.env"))
        .output();
    let expected = format!("{url}\nISSUER_B-2\n{}", read("signing.key"));
    assert_eq!(String::from_utf8(shell.unwrap().stdout).unwrap(), expected);

    let id = child.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-INT", &id])
            .status()
            .unwrap()
            .success()
    );
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
