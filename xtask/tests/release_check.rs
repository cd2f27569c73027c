//! Each rule of `release-check`, kept and broken.
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;
use xtask::release_check::check;

const CHANGELOG: &str = "\
# Changelog

## Unreleased

### Fixed

- something

## 1.2.0 - 2026-03-01

### Added

- something

## 1.1.0 - 2026-02-01

### Changed

- something
";

/// A workspace that is fit for a release: `core`, `app` that depends on it, and `tools`, which is not published.
struct Workspace {
    folder: TempDir,
    metadata: Value,
    tags: Vec<String>,
}

impl Workspace {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let root = folder.path();
        let package = |name: &str| {
            let manifest = root.join(name).join("Cargo.toml");
            json!({
                "name": name, "version": "1.2.0", "publish": null, "dependencies": [],
                "description": "Some crate.", "readme": "README.md", "license": "MIT OR Apache-2.0",
                "repository": "https://example.com/some", "rust_version": "1.89",
                "keywords": ["card"], "categories": ["api-bindings"], "manifest_path": manifest,
            })
        };
        let mut metadata =
            json!({ "packages": [package("core"), package("app"), package("tools")] });
        metadata["packages"][1]["dependencies"] =
            json!([{"name": "core", "req": "^1.2.0", "path": "core", "kind": null}]);
        metadata["packages"][2]["publish"] = json!([]);
        let workspace = Self {
            folder,
            metadata,
            tags: vec!["v1.1.0".to_owned(), "v1.2.0".to_owned()],
        };
        workspace.write("CHANGELOG.md", CHANGELOG);
        for place in ["", "core/", "app/"] {
            workspace.write(&format!("{place}LICENSE-MIT"), "MIT");
            workspace.write(&format!("{place}LICENSE-APACHE"), "Apache");
        }
        workspace.write("core/README.md", "# core\n\n```toml\ncore = \"1.2\"\n```\n");
        workspace.write("app/README.md", "# app\n");
        workspace
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn remove(&self, name: &str) {
        std::fs::remove_file(self.folder.path().join(name)).unwrap();
    }

    fn changelog(&self, from: &str, to: &str) {
        assert!(CHANGELOG.contains(from));
        self.write("CHANGELOG.md", &CHANGELOG.replace(from, to));
    }

    fn app(&mut self) -> &mut Value {
        &mut self.metadata["packages"][1]
    }

    fn found(&self, tag: Option<&str>) -> Vec<String> {
        let findings = check(self.folder.path(), &self.metadata, &self.tags, tag).unwrap();
        findings.iter().map(ToString::to_string).collect()
    }

    #[track_caller]
    fn is_refused_for(&self, what: &str) {
        assert_eq!(self.found(None), [what]);
    }
}

#[test]
fn a_workspace_that_keeps_to_the_rules_is_fit() {
    assert_eq!(Workspace::new().found(None), [""; 0]);
}

#[test]
fn this_workspace_is_fit() {
    let root = xtask::spec::workspace_root();
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps"])
        .current_dir(&root)
        .output()
        .unwrap();
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(check(&root, &metadata, &[], None).unwrap(), []);
}

#[test]
fn all_crates_have_one_version() {
    let mut workspace = Workspace::new();
    workspace.metadata["packages"][2]["version"] = json!("1.1.0");
    workspace.is_refused_for("tools: has version 1.1.0, the others have 1.2.0");
}

#[test]
fn a_published_crate_asks_for_this_release_and_for_published_crates_alone() {
    let mut workspace = Workspace::new();
    workspace.app()["dependencies"][0]["req"] = json!("^1.1.0");
    workspace.is_refused_for("app: asks for core ^1.1.0, not for 1.2.0");
    workspace.app()["dependencies"][0]["req"] = json!("*");
    workspace.is_refused_for("app: asks for core *, not for 1.2.0");

    let mut workspace = Workspace::new();
    workspace.app()["dependencies"][0]["name"] = json!("tools");
    workspace.is_refused_for("app: depends on tools, which is not published");
}

#[test]
fn a_published_crate_says_what_a_registry_shows() {
    for (key, shown) in [
        ("description", "description"),
        ("license", "license"),
        ("repository", "repository"),
        ("rust_version", "rust-version"),
    ] {
        let mut workspace = Workspace::new();
        workspace.app()[key] = Value::Null;
        workspace.is_refused_for(&format!("app: `{shown}` is missing"));
    }
    let mut workspace = Workspace::new();
    workspace.app()["keywords"] = json!(["a", "b", "c", "d", "e", "f"]);
    workspace.is_refused_for("app: has 6 keywords; a registry takes one to five");
    let mut workspace = Workspace::new();
    workspace.app()["categories"] = json!([]);
    workspace.is_refused_for("app: has 0 categories; a registry takes one to five");
}

#[test]
fn a_published_crate_has_the_licences_and_a_readme_of_this_version() {
    let workspace = Workspace::new();
    workspace.remove("core/LICENSE-MIT");
    workspace
        .is_refused_for("core: LICENSE-MIT is missing, or is another than that of the workspace");
    workspace.write("core/LICENSE-MIT", "BSD");
    workspace
        .is_refused_for("core: LICENSE-MIT is missing, or is another than that of the workspace");

    let workspace = Workspace::new();
    workspace.remove("core/README.md");
    workspace.is_refused_for("core: README.md cannot be read");
    workspace.write("core/README.md", "core = \"1.3\"\n");
    workspace.is_refused_for("core: its readme asks for version 1.3, which 1.2.0 is not");
}

#[test]
fn the_changelog_has_its_form() {
    let workspace = Workspace::new();
    workspace.changelog("### Fixed", "### Repaired");
    assert!(
        workspace.found(None)[0].starts_with("CHANGELOG.md: \"### Repaired\" is no kind of change")
    );
    workspace.changelog("1.1.0 - 2026-02-01", "1.1.0 - 2026-02-30");
    assert!(
        workspace.found(None)[0].starts_with("CHANGELOG.md: \"## 1.1.0 - 2026-02-30\" is neither")
    );
    workspace.changelog("1.1.0 - 2026-02-01", "1.1.0 - 2026-03-02");
    workspace.is_refused_for("CHANGELOG.md: 1.1.0 is below 1.2.0, but is not older and lower");
    workspace.changelog("### Changed\n\n- something", "");
    workspace.is_refused_for("CHANGELOG.md: 1.1.0 tells of no change");
    workspace.write(
        "CHANGELOG.md",
        &CHANGELOG.replace("## 1.1.0", "## Unreleased\n\n## 1.1.0"),
    );
    workspace.is_refused_for("CHANGELOG.md: \"## Unreleased\" is once, and first");
}

#[test]
fn the_changelog_tells_of_the_version_and_of_each_tag() {
    let mut workspace = Workspace::new();
    workspace.changelog("1.2.0 - 2026-03-01", "1.3.0 - 2026-03-01");
    assert_eq!(
        workspace.found(None),
        [
            "CHANGELOG.md: the newest release is 1.3.0, the version of the workspace is 1.2.0",
            "CHANGELOG.md: v1.2.0 is tagged and has no section",
        ]
    );
    workspace.tags.clear();
    workspace.write(
        "CHANGELOG.md",
        "# Changelog\n\n## Unreleased\n\n### Added\n\n- all\n",
    );
    assert_eq!(workspace.found(None), [""; 0]);
    workspace.write("CHANGELOG.md", "# Changelog\n\n## Unreleased\n");
    workspace.is_refused_for("CHANGELOG.md: nothing is told of 1.2.0, nor of what is unreleased");
}

#[test]
fn a_release_needs_its_version_its_section_and_nothing_left_over() {
    let workspace = Workspace::new();
    assert_eq!(
        workspace.found(Some("v1.2.0")),
        ["CHANGELOG.md: what is unreleased belongs into the section of 1.2.0"]
    );
    workspace.changelog("### Fixed\n\n- something\n\n", "");
    assert_eq!(workspace.found(Some("v1.2.0")), [""; 0]);
    assert_eq!(
        workspace.found(Some("1.2.0")),
        ["Cargo.toml: the version is 1.2.0; a release 1.2.0 is called v1.2.0"]
    );
    workspace.write(
        "CHANGELOG.md",
        "# Changelog\n\n## Unreleased\n\n### Added\n\n- all\n",
    );
    let found = workspace.found(Some("v1.2.0"));
    assert!(found.contains(
        &"CHANGELOG.md: \"## 1.2.0 - DATE\" is missing: v1.2.0 cannot be released".to_owned()
    ));
}

#[test]
fn a_changelog_that_is_not_there_is_an_error() {
    assert!(check(Path::new("/nowhere"), &Workspace::new().metadata, &[], None).is_err());
}
