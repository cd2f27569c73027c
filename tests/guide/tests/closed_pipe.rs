//! The programs and examples of the workspace end quietly where the reader of their output has left
//! (`| head -1`). The tests of xtask and of d1-sandbox try their own commands.
#![cfg(unix)]
#![allow(clippy::unwrap_used)]

use std::process::Command;

use d1_guide::book::workspace;
use d1_guide::programs::built;

const PROGRAMS: [(&str, &[&str]); 6] = [
    ("examples/card_lifecycle", &[]),
    ("open-telemetry", &[]),
    ("d1", &["explain", "403"]),
    ("d1", &["--help"]),
    ("issuer-service", &["--help"]),
    ("job-queue", &["--help"]),
];

#[test]
fn every_program_ends_quietly_when_its_output_is_closed() {
    let folder = built();
    for (program, arguments) in PROGRAMS {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut run = Command::new(folder.join(program));
        run.args(arguments).stdout(writer);
        run.current_dir(workspace()).env_remove("RUST_LOG");
        let errors = String::from_utf8(run.output().unwrap().stderr).unwrap();
        assert_eq!(errors, "", "{program} {arguments:?}");
    }
}
