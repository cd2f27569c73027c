//! What a release needs and `cargo publish --workspace --dry-run` does not see.

use std::path::{Path, PathBuf};

use serde_json::Value;

fn cargo(arguments: &[&str]) -> String {
    let output = xtask::programs::cargo().args(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    String::from_utf8(output.stdout).unwrap()
}

/// The published crates with their folders.
fn published() -> Vec<(String, PathBuf, Value)> {
    let text = cargo(&["metadata", "--format-version", "1", "--no-deps"]);
    let mut metadata: Value = serde_json::from_str(&text).unwrap();
    let packages = metadata["packages"].as_array_mut().unwrap();
    packages.retain(|package| package["publish"].is_null());
    let with_folder = |package: &Value| {
        let manifest = Path::new(package["manifest_path"].as_str().unwrap());
        let name = package["name"].as_str().unwrap().to_owned();
        (name, manifest.parent().unwrap().to_owned(), package.clone())
    };
    packages.iter().map(with_folder).collect()
}

#[test]
fn published_crates_have_one_version_which_their_readmes_ask_for() {
    for (name, folder, package) in published() {
        let version = package["version"].as_str().unwrap();
        assert_eq!(version, env!("CARGO_PKG_VERSION"), "{name}");
        let readme = std::fs::read_to_string(folder.join("README.md")).unwrap();
        let manifest_line = format!("{name} = \"");
        for line in readme
            .lines()
            .filter(|line| line.starts_with(&manifest_line))
        {
            let wanted = line.split('"').nth(1).unwrap();
            assert!(
                format!("{version}.").starts_with(&format!("{wanted}.")),
                "{name}: {line}"
            );
        }
    }
}

/// A registry refuses a crate without a description or a license when it is uploaded, and not before.
#[test]
fn published_crates_say_what_a_registry_shows() {
    for (name, _, package) in published() {
        for key in [
            "description",
            "readme",
            "license",
            "repository",
            "rust_version",
        ] {
            assert!(package[key].is_string(), "{name} lacks `{key}`");
        }
        for key in ["keywords", "categories"] {
            let count = package[key].as_array().unwrap().len();
            assert!((1..=5).contains(&count), "{name} has {count} {key}");
        }
    }
}

#[test]
fn packages_have_the_licenses_and_no_key() {
    let root = xtask::spec::workspace_root();
    let secret = [
        ".pem",
        ".key",
        ".p12",
        ".env",
        ".jwk.json",
        ".journal",
        ".snap.new",
    ];
    for (name, folder, _) in published() {
        let list = cargo(&[
            "package",
            "--list",
            "--allow-dirty",
            "--offline",
            "-p",
            &name,
        ]);
        for license in ["LICENSE-MIT", "LICENSE-APACHE"] {
            assert!(
                list.lines().any(|file| file == license),
                "{name} lacks {license}"
            );
            let read = |folder: &Path| std::fs::read(folder.join(license)).unwrap();
            assert_eq!(read(&folder), read(&root), "{name}: {license}");
        }
        for file in list.lines() {
            assert!(
                !secret.iter().any(|end| file.ends_with(end)),
                "{name} has {file}"
            );
        }
    }
}

/// Each release has a section, the newest first, and the newest is the version of the workspace.
#[test]
fn the_changelog_has_a_section_for_this_version_or_for_what_is_unreleased() {
    let path = xtask::spec::workspace_root().join("CHANGELOG.md");
    let text = std::fs::read_to_string(path).unwrap();
    let mut sections = text.split("\n## ").skip(1).peekable();
    let unreleased = sections.next_if(|section| section.starts_with("Unreleased\n"));
    let has_entries = |section: &str| section.contains("\n- ");
    for section in sections.clone() {
        let (title, _) = section.split_once('\n').unwrap();
        let (version, date) = title.split_once(" - ").unwrap_or_default();
        let numbers = |text: &str, mark: char| {
            text.split(mark)
                .filter(|n| n.parse::<u32>().is_ok())
                .count()
        };
        assert_eq!(
            (numbers(version, '.'), numbers(date, '-')),
            (3, 3),
            "{title}"
        );
        assert!(has_entries(section), "{title} has no entry");
    }
    match sections.next() {
        Some(newest) => assert!(newest.starts_with(concat!(env!("CARGO_PKG_VERSION"), " - "))),
        None => assert!(
            unreleased.is_some_and(has_entries),
            "nothing is written about this version"
        ),
    }
}
