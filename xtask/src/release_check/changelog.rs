//! The changelog: its form, and whether it tells of the version that the workspace has.

use semver::Version;
use time::Date;
use time::macros::format_description;

use super::{Finding, of_tag};

const FILE: &str = "CHANGELOG.md";
const UNRELEASED: &str = "Unreleased";

/// What kinds of change there are, by Keep a Changelog.
const KINDS: [&str; 6] = [
    "Added",
    "Changed",
    "Deprecated",
    "Removed",
    "Fixed",
    "Security",
];

/// What the changelog tells of, newest first.
#[derive(Debug, Default)]
pub(super) struct Changelog {
    unreleased: Option<Section>,
    releases: Vec<(Version, Date)>,
}

#[derive(Debug, Default)]
struct Section {
    entries: usize,
}

/// Reads a changelog, and finds what is against its form.
pub(super) fn read(text: &str) -> (Changelog, Vec<Finding>) {
    let mut changelog = Changelog::default();
    let mut findings = Vec::new();
    let mut found = |problem: String| findings.push(Finding::new(FILE, problem));
    for part in text.split("\n## ").skip(1) {
        let (title, body) = part.split_once('\n').unwrap_or((part, ""));
        let entries = body.lines().filter(|line| line.starts_with("- ")).count();
        for kind in body.lines().filter_map(|line| line.strip_prefix("### ")) {
            if !KINDS.contains(&kind) {
                found(format!(
                    "\"### {kind}\" is no kind of change; there are {}",
                    KINDS.join(", ")
                ));
            }
        }
        if title == UNRELEASED {
            if changelog.unreleased.is_some() || !changelog.releases.is_empty() {
                found("\"## Unreleased\" is once, and first".to_owned());
            }
            changelog.unreleased = Some(Section { entries });
        } else if let Some(release) = release(title) {
            if entries == 0 {
                found(format!("{} tells of no change", release.0));
            }
            if let Some(newer) = changelog.releases.last()
                && (release.0 >= newer.0 || release.1 > newer.1)
            {
                found(format!(
                    "{} is below {}, but is not older and lower",
                    release.0, newer.0
                ));
            }
            changelog.releases.push(release);
        } else {
            found(format!(
                "\"## {title}\" is neither Unreleased nor like \"1.2.3 - 2026-01-31\""
            ));
        }
    }
    (changelog, findings)
}

/// The version and the date of a title such as `1.2.3 - 2026-01-31`.
fn release(title: &str) -> Option<(Version, Date)> {
    let (version, date) = title.split_once(" - ")?;
    let format = format_description!("[year]-[month]-[day]");
    Some((version.parse().ok()?, Date::parse(date, format).ok()?))
}

impl Changelog {
    /// What does not agree with the version of the workspace, and with what was tagged.
    pub(super) fn against(&self, version: &Version, tagged: &[Version]) -> Vec<Finding> {
        let mut findings = Vec::new();
        let mut found = |problem: String| findings.push(Finding::new(FILE, problem));
        match self.releases.first() {
            Some((newest, _)) if newest != version => found(format!(
                "the newest release is {newest}, the version of the workspace is {version}"
            )),
            None if self.entries() == 0 => {
                found(format!(
                    "nothing is told of {version}, nor of what is unreleased"
                ));
            }
            _ => {}
        }
        for tag in tagged {
            if self.releases.iter().all(|(release, _)| release != tag) {
                found(format!("v{tag} is tagged and has no section"));
            }
        }
        findings
    }

    /// What is missing before the tag can be set.
    pub(super) fn ready_for(&self, tag: &str, version: &Version) -> Vec<Finding> {
        let mut findings = Vec::new();
        if of_tag(tag).as_ref() != Some(version) {
            findings.push(Finding::new(
                "Cargo.toml",
                format!("the version is {version}; a release {tag} is called v{version}"),
            ));
        }
        if self.releases.iter().all(|(release, _)| release != version) {
            findings.push(Finding::new(
                FILE,
                format!("\"## {version} - DATE\" is missing: {tag} cannot be released"),
            ));
        }
        if self.entries() > 0 {
            findings.push(Finding::new(
                FILE,
                format!("what is unreleased belongs into the section of {version}"),
            ));
        }
        findings
    }

    fn entries(&self) -> usize {
        self.unreleased
            .as_ref()
            .map_or(0, |section| section.entries)
    }
}
