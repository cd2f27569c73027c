//! The manifests: one version, and what a registry and its readers want to know of each crate.

use std::path::Path;

use semver::{Version, VersionReq};
use serde_json::Value;

use super::Finding;
use crate::error::Error;

/// Texts that a registry wants, by the names of the manifest.
const TEXTS: [&str; 5] = [
    "description",
    "readme",
    "license",
    "repository",
    "rust_version",
];

/// What the licence of the workspace refers to; each package has it.
const LICENCES: [&str; 2] = ["LICENSE-MIT", "LICENSE-APACHE"];

fn packages(metadata: &Value) -> impl Iterator<Item = &Value> {
    metadata["packages"].as_array().into_iter().flatten()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

/// Whether a package may be published: `publish = false` is an empty list of registries.
fn is_published(package: &Value) -> bool {
    package["publish"]
        .as_array()
        .is_none_or(|registries| !registries.is_empty())
}

/// The names of the crates that are published.
pub(super) fn published(metadata: &Value) -> Vec<String> {
    packages(metadata)
        .filter(|package| is_published(package))
        .map(|package| text(package, "name").to_owned())
        .collect()
}

/// The version of the first published crate, which all are to have.
pub(super) fn version(metadata: &Value) -> Result<Version, Error> {
    let problem = |text: &str| Error::Tool("cargo metadata".to_owned(), text.to_owned());
    let package = packages(metadata)
        .find(|package| is_published(package))
        .ok_or_else(|| problem("no crate is published"))?;
    text(package, "version")
        .parse()
        .map_err(|_| problem("a version that is none"))
}

/// What of the manifests is not fit for a release.
pub(super) fn check(root: &Path, metadata: &Value, version: &Version) -> Vec<Finding> {
    let mut findings = Vec::new();
    let published = published(metadata);
    for package in packages(metadata) {
        let name = text(package, "name");
        let mut found = |problem: String| findings.push(Finding::new(name, problem));
        if text(package, "version") != version.to_string() {
            found(format!(
                "has version {}, the others have {version}",
                text(package, "version")
            ));
        }
        if !is_published(package) {
            continue;
        }
        for problem in dependencies(package, version, &published) {
            found(problem);
        }
        for problem in description(root, package) {
            found(problem);
        }
        for problem in readme(package, version) {
            found(problem);
        }
    }
    findings
}

/// A published crate depends on crates of the same release, and on none that is not published.
fn dependencies(package: &Value, version: &Version, published: &[String]) -> Vec<String> {
    let all = package["dependencies"].as_array().into_iter().flatten();
    let ours = all.filter(|dependency| dependency["path"].is_string());
    let mut problems = Vec::new();
    for dependency in ours {
        let (name, wanted) = (text(dependency, "name"), text(dependency, "req"));
        if !published.iter().any(|other| other == name) {
            problems.push(format!("depends on {name}, which is not published"));
        }
        let lowest = wanted.trim_start_matches(['^', '=']);
        if lowest.parse::<Version>().ok().as_ref() != Some(version) {
            problems.push(format!("asks for {name} {wanted}, not for {version}"));
        }
    }
    problems
}

/// What a registry shows, and the licences.
fn description(root: &Path, package: &Value) -> Vec<String> {
    let mut problems = Vec::new();
    for key in TEXTS {
        if text(package, key).is_empty() {
            problems.push(format!("`{}` is missing", key.replace('_', "-")));
        }
    }
    for key in ["keywords", "categories"] {
        let count = package[key].as_array().map_or(0, Vec::len);
        if !(1..=5).contains(&count) {
            problems.push(format!("has {count} {key}; a registry takes one to five"));
        }
    }
    let folder = folder(package);
    for licence in LICENCES {
        let read = |folder: &Path| std::fs::read(folder.join(licence)).ok();
        if read(folder).is_none() || read(folder) != read(root) {
            problems.push(format!(
                "{licence} is missing, or is another than that of the workspace"
            ));
        }
    }
    problems
}

fn folder(package: &Value) -> &Path {
    let manifest = Path::new(text(package, "manifest_path"));
    manifest.parent().unwrap_or(manifest)
}

/// The readme is there, and asks for this version where it says what to write into a manifest.
fn readme(package: &Value, version: &Version) -> Vec<String> {
    let path = folder(package).join(text(package, "readme"));
    let Ok(readme) = std::fs::read_to_string(&path) else {
        return vec![format!("{} cannot be read", text(package, "readme"))];
    };
    let asks = format!("{} = \"", text(package, "name"));
    let wanted = readme.lines().filter_map(|line| {
        let (version, _) = line.strip_prefix(&asks)?.split_once('"')?;
        Some(version)
    });
    wanted
        .filter(|wanted| {
            !wanted
                .parse::<VersionReq>()
                .is_ok_and(|w| w.matches(version))
        })
        .map(|wanted| format!("its readme asks for version {wanted}, which {version} is not"))
        .collect()
}
