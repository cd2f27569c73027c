//! Rules on the workspace itself: who may use whom, and that the stated Rust version is true.

use std::collections::HashSet;
use std::process::Command;

use serde_json::Value;

/// What cargo prints.
fn cargo(arguments: &[&str]) -> Vec<u8> {
    let output = Command::new(env!("CARGO"))
        .args(arguments)
        .args(["--locked", "--all-features"])
        .current_dir(xtask::spec::workspace_root())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    output.stdout
}

pub(crate) fn metadata() -> Value {
    serde_json::from_slice(&cargo(&["metadata", "--format-version", "1"])).unwrap()
}

/// The packages that are compiled, as `name version`: metadata also has those that only an optional
/// feature of a dependency would bring.
fn compiled() -> HashSet<String> {
    let tree = cargo(&[
        "tree",
        "--workspace",
        "--target=all",
        "--edges=all",
        "--prefix=none",
        "--format={p}",
    ]);
    let words = |line: &str| line.split(' ').take(2).collect::<Vec<_>>().join(" ");
    String::from_utf8(tree)
        .unwrap()
        .lines()
        .map(|line| words(line).replace(" v", " "))
        .collect()
}

/// The crates of this workspace that `crate_name` depends on; development only or not.
fn uses(metadata: &Value, crate_name: &str, development: bool) -> Vec<String> {
    let packages = metadata["packages"].as_array().unwrap();
    let package = packages.iter().find(|p| p["name"] == crate_name).unwrap();
    let dependencies = package["dependencies"].as_array().unwrap();
    dependencies
        .iter()
        .filter(|d| d["path"].is_string() && (d["kind"] == "dev") == development)
        .map(|d| d["name"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn each_crate_uses_only_what_it_may() {
    let metadata = metadata();
    assert!(uses(&metadata, "d1-generated", false).is_empty());
    assert!(uses(&metadata, "d1-transport", false).is_empty());
    assert_eq!(
        uses(&metadata, "d1-facade", false),
        ["d1-generated", "d1-transport"]
    );
    // Both are on the facade's public API alone.
    assert_eq!(uses(&metadata, "d1-bulk", false), ["d1-facade"]);
    assert_eq!(
        uses(&metadata, "d1-cli", false),
        ["d1-bulk", "d1-facade", "d1-sandbox"]
    );
    // The sandbox must be able to disagree with the client.
    for development in [false, true] {
        assert!(uses(&metadata, "d1-sandbox", development).is_empty());
        assert!(uses(&metadata, "xtask", development).is_empty());
    }
    for crate_name in [
        "d1-generated",
        "d1-transport",
        "d1-facade",
        "d1-bulk",
        "d1-sandbox",
    ] {
        for development in [false, true] {
            let used = uses(&metadata, crate_name, development);
            assert!(
                !used.contains(&"xtask".to_owned()),
                "{crate_name} uses xtask"
            );
        }
    }
}

#[test]
fn no_dependency_needs_a_newer_rust_than_we_state() {
    let metadata = metadata();
    let packages = metadata["packages"].as_array().unwrap();
    let version =
        |text: &str| -> Vec<u32> { text.split('.').map(|p| p.parse().unwrap()).collect() };
    let facade = packages.iter().find(|p| p["name"] == "d1-facade").unwrap();
    let ours = facade["rust_version"].as_str().unwrap();
    let compiled = compiled();
    let is_compiled = |p: &&Value| {
        let id = [p["name"].as_str().unwrap(), p["version"].as_str().unwrap()].join(" ");
        compiled.contains(&id)
    };
    let checked = packages.iter().filter(is_compiled);
    assert!(checked.clone().count() > 100, "cargo tree reads otherwise");
    let newer: Vec<String> = checked
        .filter_map(|p| Some((p["name"].as_str()?, p["rust_version"].as_str()?)))
        .filter(|(_, needed)| version(needed) > version(&format!("{ours}.0")))
        .map(|(name, needed)| format!("{name} needs {needed}"))
        .collect();
    assert!(newer.is_empty(), "we state {ours}, but {newer:?}");
}
