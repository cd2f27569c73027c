//! The public APIs of the published crates, as rustdoc describes them: a change of one is a change for services.
//!
//! `UPDATE_SNAPSHOTS=yes` writes them anew.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;

const CRATES: [&str; 5] = [
    "d1_generated",
    "d1_transport",
    "d1_facade",
    "d1_bulk",
    "d1_sandbox",
];

/// Auto traits that services do not ask for.
const UNASKED: [&str; 5] = [
    "Freeze",
    "RefUnwindSafe",
    "Unpin",
    "UnsafeUnpin",
    "UnwindSafe",
];

fn workspace() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// Lets rustdoc describe all crates, with the features that the tests of the workspace use.
static DESCRIBED: LazyLock<()> = LazyLock::new(|| {
    let doc = Command::new(env!("CARGO"))
        .args(["doc", "--workspace", "--lib", "--no-deps", "--locked"])
        .args(["--target-dir", "target"])
        .env("RUSTDOC", concat!(env!("CARGO_MANIFEST_DIR"), "/rustdoc"))
        .env("RUSTDOCFLAGS", "-Z unstable-options --output-format json")
        .current_dir(workspace())
        .status();
    assert!(doc.unwrap().success());
});

/// The public items of a crate, one a line.
fn lines(crate_name: &str) -> Vec<String> {
    LazyLock::force(&DESCRIBED);
    let description = workspace()
        .join("target/doc")
        .join(crate_name)
        .with_extension("json");
    let api = public_api::Builder::from_rustdoc_json(description)
        .omit_blanket_impls(true)
        .build()
        .unwrap();
    let is_unasked = |line: &str| {
        UNASKED
            .iter()
            .any(|name| line.contains(&format!("::{name} for ")))
    };
    let lines = api.items().map(ToString::to_string);
    lines.filter(|line| !is_unasked(line)).collect()
}

#[test]
fn public_apis_change_only_with_their_snapshots() {
    for name in CRATES {
        let file = format!("{}/{name}.txt", env!("CARGO_MANIFEST_DIR"));
        snapshot_testing::assert_eq_or_update(lines(name).join("\n") + "\n", file);
    }
}

/// The crates whose items a line names.
fn crates(line: &str) -> impl Iterator<Item = &str> {
    let paths = line.split(|c: char| !c.is_alphanumeric() && c != '_' && c != ':');
    let roots = paths.filter_map(|path| Some(path.split_once("::")?.0));
    // `Self` and parameters of types are no crates.
    roots.filter(|root| root.starts_with(|c: char| c.is_lowercase()))
}

/// The layers beneath can change without a change for services, which meet types of other crates only for JSON that
/// D1 may add, for times, streams and serialization, and tokio's tasks and permits; beside the escape hatches.
#[test]
fn no_type_of_the_layers_beneath_is_part_of_what_services_use() {
    let meant = [
        "core",
        "alloc",
        "std",
        "d1_facade",
        "d1_bulk",
        "futures_core",
        "schemars",
        "serde_core",
        "serde_json",
        "time",
        "tokio",
    ];
    let hatches = [
        "::http_client(",
        "::crypto_provider(",
        "::from_resolver(",
        "::meter(",
    ];
    let mut found = BTreeSet::new();
    for line in ["d1_facade", "d1_bulk"].into_iter().flat_map(lines) {
        let is_hatch = hatches.iter().any(|hatch| line.contains(hatch));
        if !is_hatch && !crates(&line).all(|name| meant.contains(&name)) {
            found.insert(line);
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}
