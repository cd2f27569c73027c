//! `cargo xtask release-check`: whether versions, changelog and packages are fit for a release.

mod changelog;
mod manifests;
mod packages;

use std::fmt;
use std::io::Write;
use std::path::Path;
use std::process::Command;

use semver::Version;
use serde_json::Value;

use crate::build_tools::{cargo, io, must, output, said};
use crate::error::Error;
use crate::spec::workspace_root;

/// What to check beside what always holds.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The tag of the release that is about to be made: everything must be ready for it.
    pub tag: Option<String>,
    /// Also make the packages, and build what is in them.
    pub package: bool,
}

/// A reason not to release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The file, or the crate.
    pub place: String,
    /// What is wrong, and the rule.
    pub problem: String,
}

impl Finding {
    fn new(place: impl Into<String>, problem: impl Into<String>) -> Self {
        Self {
            place: place.into(),
            problem: problem.into(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.problem)
    }
}

/// Checks this workspace.
///
/// # Errors
/// When something is not fit for a release, or cargo or git cannot be asked.
pub(crate) fn run(options: &Options, out: &mut impl Write) -> Result<(), Error> {
    let root = workspace_root();
    let metadata = metadata()?;
    let published = manifests::published(&metadata);
    let mut findings = check(&root, &metadata, &tags(&root)?, options.tag.as_deref())?;
    for name in &published {
        findings.extend(packages::check(name, &packages::files(name)?));
    }
    if !findings.is_empty() {
        return Err(Error::Release(findings));
    }
    let mut say = |text: String| writeln!(out, "{text}").map_err(|e| io("standard output", e));
    say(format!(
        "release-check: {} crates are fit for a release: {}",
        published.len(),
        published.join(", ")
    ))?;
    if options.package {
        for line in packages::make(&published)? {
            say(line)?;
        }
    }
    Ok(())
}

/// What of a workspace is not fit for a release: `metadata` is what cargo says of it, `tags` are its tags.
///
/// # Errors
/// When a file cannot be read, or the metadata is none.
pub fn check(
    root: &Path,
    metadata: &Value,
    tags: &[String],
    tag: Option<&str>,
) -> Result<Vec<Finding>, Error> {
    let path = root.join("CHANGELOG.md");
    let text = std::fs::read_to_string(&path).map_err(|e| io("CHANGELOG.md", e))?;
    let version = manifests::version(metadata)?;
    let mut findings = manifests::check(root, metadata, &version);
    let (changelog, problems) = changelog::read(&text);
    findings.extend(problems);
    findings.extend(changelog.against(&version, &versions(tags)));
    if let Some(tag) = tag {
        findings.extend(changelog.ready_for(tag, &version));
    }
    Ok(findings)
}

/// What cargo says of the crates of this workspace.
fn metadata() -> Result<Value, Error> {
    let output = must(cargo().args(["metadata", "--format-version", "1", "--no-deps"]))?;
    serde_json::from_slice(&output.stdout)
        .map_err(|e| Error::Tool("cargo metadata".to_owned(), e.to_string()))
}

/// The names of the crates that are published.
pub(crate) fn published() -> Result<Vec<String>, Error> {
    Ok(manifests::published(&metadata()?))
}

/// The tags of the repository; none where git does not know this folder.
fn tags(root: &Path) -> Result<Vec<String>, Error> {
    let mut git = Command::new("git");
    let output = output(git.args(["tag", "--list", "v*"]).current_dir(root))?;
    Ok(said(&output).lines().map(str::to_owned).collect())
}

fn versions(tags: &[String]) -> Vec<Version> {
    tags.iter().filter_map(|tag| of_tag(tag)).collect()
}

/// The version that a tag such as `v1.2.3` is of.
fn of_tag(tag: &str) -> Option<Version> {
    tag.strip_prefix('v')?.parse().ok()
}
