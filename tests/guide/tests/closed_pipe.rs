//! The programs and examples of the workspace, where the reader of what they print has left: they end
//! quietly (`| head -1`). The tests of xtask and of d1-sandbox try their own commands.
#![cfg(unix)]
#![allow(clippy::unwrap_used)]

use std::process::Command;

use d1_guide::book::workspace;

/// The arguments of `cargo run`.
const PROGRAMS: [&[&str]; 5] = [
    &["--example", "card_lifecycle"],
    &["--package", "d1-example-open-telemetry"],
    &["--package", "d1-cli", "--bin", "d1", "--", "explain", "403"],
    &["--package", "d1-cli", "--bin", "d1", "--", "--help"],
    &["--package", "d1-example-job-queue", "--", "--help"],
];

#[test]
fn every_program_ends_quietly_where_nobody_reads_it() {
    for arguments in PROGRAMS {
        let cargo = || {
            let mut command = Command::new(env!("CARGO"));
            command.current_dir(workspace()).env_remove("RUST_LOG");
            command
        };
        let of_build = arguments.iter().take_while(|word| **word != "--");
        let built = cargo().arg("build").args(of_build).output().unwrap();
        assert!(built.status.success(), "{built:?}");
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut run = cargo();
        run.args(["run", "--quiet"]).args(arguments).stdout(writer);
        let said = String::from_utf8(run.output().unwrap().stderr).unwrap();
        assert_eq!(said, "", "{arguments:?}");
    }
}
