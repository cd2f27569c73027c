//! The suite `api`: what a release promises: each feature by itself, the least versions, the oldest
//! compiler, the documentation as docs.rs builds it, and no break since the last release.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::Row;
use super::tools::{Tools, cargo, io, said};
use crate::error::Error;
use crate::spec::workspace_root;

const HACK: &str = "0.6.44";
const SEMVER_CHECKS: &str = "0.45.0";

/// The packages that others depend on.
const RELEASED: [&str; 6] = ["-p", "d1-generated", "-p", "d1-facade", "-p", "d1-sandbox"];

pub(super) fn run(tools: &Tools) -> Result<Vec<Row>, Error> {
    Ok(vec![
        each_feature(tools)?,
        least_versions(tools)?,
        oldest_compiler(tools)?,
        documentation(tools)?,
        breaks(tools)?,
    ])
}

/// One build folder for all of them: most of what they compile is the same.
fn released(tools: &Tools) -> PathBuf {
    tools.folder.join("released")
}

/// Installs a subcommand of cargo into the build folder.
fn subcommand(tools: &Tools, name: &str, version: &str) -> Result<(), Error> {
    let root = tools.folder.join("cargo");
    let mut install = cargo();
    install
        .args([
            "install",
            "--quiet",
            "--locked",
            "--version",
            version,
            "--root",
        ])
        .arg(root)
        .arg(name);
    tools.must(&mut install)
}

/// A cargo that finds the installed subcommands.
fn with_subcommands(tools: &Tools) -> Command {
    let mut path = tools.folder.join("cargo/bin").into_os_string();
    if let Some(before) = std::env::var_os("PATH") {
        path.push(":");
        path.push(before);
    }
    let mut command = cargo();
    command.env("PATH", path);
    command
}

fn each_feature(tools: &Tools) -> Result<Row, Error> {
    subcommand(tools, "cargo-hack", HACK)?;
    let mut hack = with_subcommands(tools);
    hack.args(["hack", "check", "--each-feature", "--locked"])
        .args(RELEASED)
        .arg("--target-dir")
        .arg(released(tools));
    let output = tools.output(&mut hack)?;
    let text = said(&output);
    let builds = text.lines().filter(|l| l.contains("info: running")).count();
    Ok(row(
        "builds, each feature by itself",
        builds.to_string(),
        output.status.success(),
        text,
    ))
}

fn least_versions(tools: &Tools) -> Result<Row, Error> {
    let copy = tools.folder.join("least");
    copy_workspace(tools, &copy)?;
    // Cargo's own resolver has an option for it, not yet stable.
    let mut update = cargo();
    update
        .args(["update", "--quiet", "-Z", "direct-minimal-versions"])
        .env("RUSTC_BOOTSTRAP", "1")
        .current_dir(&copy);
    tools.must(&mut update)?;
    let mut check = cargo();
    check
        .args(["check", "--locked"])
        .args(RELEASED)
        .arg("--target-dir")
        .arg(released(tools))
        .current_dir(&copy);
    let output = tools.output(&mut check)?;
    let text = said(&output);
    Ok(row(
        "builds with the least versions that are asked for",
        "1".to_owned(),
        output.status.success(),
        text,
    ))
}

/// Copies what git knows of, as it stands in the work tree.
fn copy_workspace(tools: &Tools, to: &Path) -> Result<(), Error> {
    let mut list = Command::new("git");
    list.args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(workspace_root());
    let output = tools.output(&mut list)?;
    for name in String::from_utf8_lossy(&output.stdout).lines() {
        let (from, to) = (workspace_root().join(name), to.join(name));
        let folder = to.parent().unwrap_or(&to);
        std::fs::create_dir_all(folder).map_err(|e| io(name, e))?;
        if from.is_file() {
            std::fs::copy(&from, &to).map_err(|e| io(name, e))?;
        }
    }
    Ok(())
}

fn oldest_compiler(tools: &Tools) -> Result<Row, Error> {
    let mut metadata = cargo();
    metadata.args(["metadata", "--format-version", "1", "--no-deps"]);
    let output = tools.output(&mut metadata)?;
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let version = metadata["packages"][0]["rust_version"].as_str();
    let version = version.unwrap_or("none is stated").to_owned();
    let mut check = Command::new("rustup");
    check
        .args(["run", version.as_str(), "cargo", "check", "--locked"])
        .args(RELEASED)
        .arg("--target-dir")
        .arg(released(tools))
        .current_dir(workspace_root());
    let mut listed = Command::new("rustup");
    let listed = tools.output(listed.args(["toolchain", "list"]));
    let is_here = listed.is_ok_and(|output| {
        let text = said(&output);
        text.lines().any(|line| line.starts_with(&version))
    });
    let check_name = format!("builds with Rust {version}");
    if !is_here {
        return Ok(row(
            &check_name,
            "not installed here".to_owned(),
            true,
            String::new(),
        ));
    }
    let output = tools.output(&mut check)?;
    Ok(row(
        &check_name,
        "1".to_owned(),
        output.status.success(),
        said(&output),
    ))
}

fn documentation(tools: &Tools) -> Result<Row, Error> {
    let mut doc = cargo();
    doc.args([
        "doc",
        "--no-deps",
        "--locked",
        "-p",
        "d1-facade",
        "--features",
        "schemars",
    ])
    .arg("--target-dir")
    .arg(released(tools))
    .env("RUSTDOCFLAGS", "-D warnings --cfg docsrs");
    let output = tools.output(&mut doc)?;
    Ok(row(
        "documentation as docs.rs builds it",
        "1".to_owned(),
        output.status.success(),
        said(&output),
    ))
}

fn breaks(tools: &Tools) -> Result<Row, Error> {
    let mut describe = Command::new("git");
    describe
        .args(["describe", "--tags", "--abbrev=0", "--match", "v*"])
        .current_dir(workspace_root());
    let output = tools.output(&mut describe)?;
    let tag = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let check = "no break since the last release";
    if !output.status.success() {
        return Ok(row(check, "no release yet".to_owned(), true, String::new()));
    }
    subcommand(tools, "cargo-semver-checks", SEMVER_CHECKS)?;
    let mut semver = with_subcommands(tools);
    semver
        .args(["semver-checks", "-p", "d1-facade", "--baseline-rev", &tag])
        .env("CARGO_TARGET_DIR", tools.folder.join("semver"));
    let output = tools.output(&mut semver)?;
    Ok(row(check, tag, output.status.success(), said(&output)))
}

fn row(check: &str, count: String, passed: bool, detail: String) -> Row {
    Row {
        suite: "api",
        check: check.to_owned(),
        count,
        passed,
        detail,
    }
}
