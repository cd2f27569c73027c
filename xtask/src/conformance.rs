//! `cargo xtask conformance`: lets tools that others wrote judge the spec and what goes over the wire.
//!
//! The tools are installed into the build folder, in the versions that the lock files in
//! `tests/conformance` pin. Each suite prints what it counted; one table says it all at the end.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use clap::ValueEnum;

use crate::error::Error;
use crate::spec::workspace_root;

/// What can be run by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Suite {
    /// The spec before redocly, spectral and openapi-spec-validator, and its descriptions and examples.
    Spec,
    /// JWE and assertions between the facade, the sandbox and jose, node-jose, jwcrypto, PyJWT.
    Jose,
}

/// How many tokens go each way between the facade, or the sandbox, and each JOSE library.
const TOKENS: &str = "1000";

/// One check.
struct Row {
    suite: &'static str,
    check: String,
    count: String,
    passed: bool,
    /// What is wrong, where something is.
    detail: String,
}

/// Runs the suites, all of them if none is named, and writes one table to `out`.
///
/// # Errors
/// When a tool cannot be installed or run, or a check fails.
pub(crate) fn run(suites: &[Suite], out: &mut impl Write) -> Result<(), Error> {
    let tools = Tools::install()?;
    let suites = if suites.is_empty() {
        Suite::value_variants()
    } else {
        suites
    };
    let mut rows = Vec::new();
    for suite in suites {
        rows.extend(match suite {
            Suite::Spec => spec(&tools)?,
            Suite::Jose => jose(&tools)?,
        });
    }
    write(&rows, out).map_err(|source| io("the table", source))?;
    match rows.iter().filter(|row| !row.passed).count() {
        0 => Ok(()),
        failed => Err(Error::Conformance(failed)),
    }
}

fn write(rows: &[Row], out: &mut impl Write) -> std::io::Result<()> {
    writeln!(
        out,
        "| suite | check | count | verdict |\n|---|---|---|---|"
    )?;
    for row in rows {
        let verdict = if row.passed { "ok" } else { "FAIL" };
        writeln!(
            out,
            "| {} | {} | {} | {verdict} |",
            row.suite, row.check, row.count
        )?;
    }
    for row in rows.iter().filter(|row| !row.passed) {
        writeln!(out, "\n{}:\n{}", row.check, row.detail.trim())?;
    }
    Ok(())
}

/// The installed tools.
struct Tools {
    folder: PathBuf,
    sources: PathBuf,
}

impl Tools {
    fn install() -> Result<Self, Error> {
        let sources = workspace_root().join("tests/conformance");
        let folder = target_folder()?.join("conformance");
        std::fs::create_dir_all(&folder).map_err(|e| io("the build folder", e))?;
        for name in [
            "package.json",
            "package-lock.json",
            "jose.mjs",
            "node-jose.cjs",
        ] {
            let (from, to) = (sources.join(name), folder.join(name));
            std::fs::copy(&from, to).map_err(|e| io(&from.display().to_string(), e))?;
        }
        let tools = Self { folder, sources };
        let mut npm = Command::new("npm");
        npm.args([
            "ci",
            "--silent",
            "--no-fund",
            "--no-audit",
            "--ignore-scripts",
        ]);
        tools.must(npm.current_dir(&tools.folder))?;
        let mut venv = Command::new("python3");
        tools.must(venv.args(["-m", "venv"]).arg(tools.folder.join("python")))?;
        let mut pip = tools.python();
        pip.args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--require-hashes",
            "--no-deps",
            "-r",
        ]);
        tools.must(pip.arg(tools.sources.join("requirements.txt")))?;
        Ok(tools)
    }

    fn python(&self) -> Command {
        Command::new(self.folder.join("python/bin/python"))
    }

    fn npm_tool(&self, name: &str) -> Command {
        Command::new(self.folder.join("node_modules/.bin").join(name))
    }

    fn must(&self, command: &mut Command) -> Result<(), Error> {
        let output = self.output(command)?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        Err(Error::Tool(program(command), said))
    }

    fn output(&self, command: &mut Command) -> Result<Output, Error> {
        let output = command.env("NO_COLOR", "1").output();
        output.map_err(|e| io(&program(command), e))
    }

    /// Runs a tool that counts nothing and fails when it finds something.
    fn check(&self, suite: &'static str, check: &str, command: &mut Command) -> Result<Row, Error> {
        let output = self.output(command)?;
        Ok(Row {
            suite,
            check: check.to_owned(),
            count: "1".to_owned(),
            passed: output.status.success(),
            detail: said(&output),
        })
    }
}

fn spec(tools: &Tools) -> Result<Vec<Row>, Error> {
    let document = crate::spec::spec_path();
    let (redocly, spectral) = (
        tools.sources.join("redocly.yaml"),
        tools.sources.join("spectral.yaml"),
    );
    let mut command = tools.npm_tool("redocly");
    command
        .args(["lint", "--max-problems=1000", "--config"])
        .arg(redocly);
    let mut rows = Vec::new();
    let mut row = tools.check(
        "spec",
        "redocly, recommended and examples",
        command.arg(&document),
    )?;
    // It exits with 0 on warnings.
    row.passed &= !row.detail.contains("warning");
    rows.push(row);
    let mut command = tools.npm_tool("spectral");
    command
        .args(["lint", "--fail-severity=hint", "-r"])
        .arg(spectral);
    rows.push(tools.check("spec", "spectral, recommended", command.arg(&document))?);
    let mut command = tools.python();
    command.args(["-W", "ignore", "-m", "openapi_spec_validator"]);
    rows.push(tools.check("spec", "openapi-spec-validator", command.arg(&document))?);

    let mut command = tools.python();
    command
        .args(["-W", "ignore"])
        .arg(tools.sources.join("descriptions.py"));
    let output = tools.output(command.arg(&document))?;
    if !output.status.success() {
        rows.push(Row {
            suite: "spec",
            check: "descriptions.py finds nothing".to_owned(),
            count: "1".to_owned(),
            passed: false,
            detail: said(&output),
        });
    }
    let text = String::from_utf8_lossy(&output.stdout);
    for line in text.lines().filter(|line| !line.starts_with("FINDING")) {
        if let Some((kind, count)) = line.split_once(": ") {
            rows.push(Row {
                suite: "spec",
                check: format!("{kind} are described, examples are there and valid"),
                count: count.to_owned(),
                passed: output.status.success(),
                detail: String::new(),
            });
        }
    }
    Ok(rows)
}

fn jose(tools: &Tools) -> Result<Vec<Row>, Error> {
    let python = tools.folder.join("python/bin/python");
    let script = tools.sources.join("jwcrypto_peer.py");
    let mut command = Command::new(env!("CARGO"));
    command
        .args([
            "build",
            "--quiet",
            "--locked",
            "--workspace",
            "--bin",
            "jose_peers",
        ])
        .current_dir(workspace_root());
    tools.must(&mut command)?;
    let mut command = Command::new(target_folder()?.join("debug/jose_peers"));
    command
        .args([TOKENS, "node jose.mjs", "node node-jose.cjs"])
        .arg(format!("{} {}", python.display(), script.display()))
        .current_dir(&tools.folder);
    let output = tools.output(&mut command)?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut rows: Vec<Row> = text
        .lines()
        .filter_map(|line| {
            let mut parts = line.splitn(3, '\t');
            let (check, count) = (parts.next()?, parts.next()?);
            let verdict = parts.next()?;
            Some(Row {
                suite: "jose",
                check: check.to_owned(),
                count: count.to_owned(),
                passed: verdict == "ok",
                detail: verdict.to_owned(),
            })
        })
        .collect();
    if rows.is_empty() || !output.status.success() && rows.iter().all(|row| row.passed) {
        rows.push(Row {
            suite: "jose",
            check: "jose_peers runs".to_owned(),
            count: "0".to_owned(),
            passed: false,
            detail: said(&output),
        });
    }
    Ok(rows)
}

fn said(output: &Output) -> String {
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    text(&output.stdout) + &text(&output.stderr)
}

fn program(command: &Command) -> String {
    command.get_program().to_string_lossy().into_owned()
}

fn io(what: &str, source: std::io::Error) -> Error {
    Error::Io {
        path: what.into(),
        source,
    }
}

/// The build folder of the workspace, wherever it was put.
fn target_folder() -> Result<PathBuf, Error> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps"])
        .current_dir(workspace_root())
        .output()
        .map_err(|e| io("cargo", e))?;
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let folder = metadata["target_directory"].as_str();
    folder
        .map(|folder| Path::new(folder).to_path_buf())
        .ok_or_else(|| {
            Error::Tool(
                "cargo metadata".to_owned(),
                "no target_directory".to_owned(),
            )
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_check_is_told_at_the_end_with_what_the_tool_said() {
        let row = |check: &str, passed| Row {
            suite: "spec",
            check: check.to_owned(),
            count: "3".to_owned(),
            passed,
            detail: "what it said\n".to_owned(),
        };
        let mut table = Vec::new();
        let written = write(&[row("good", true), row("bad", false)], &mut table);
        assert!(written.is_ok());
        assert_eq!(
            String::from_utf8_lossy(&table),
            "| suite | check | count | verdict |\n|---|---|---|---|\n\
             | spec | good | 3 | ok |\n| spec | bad | 3 | FAIL |\n\nbad:\nwhat it said\n"
        );
    }
}
