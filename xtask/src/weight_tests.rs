//! What is counted and told, without a build; and that the guide has a row for each service.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::Path;
use std::time::Duration;

use super::*;
use service::section;

fn weight(crates: usize, seconds: u64, size: u64) -> Weight {
    Weight {
        crates,
        cold: Duration::from_secs(seconds),
        again: Duration::from_secs(seconds / 10),
        size,
    }
}

#[test]
fn each_version_of_a_crate_counts_once_and_the_root_does_not() {
    let tree = "service v0.0.0 (/a)\nsyn v2.0.1\nsyn v3.0.0\nserde v1.0.0 (*)\nserde v1.0.0\n\
                serde_derive v1.0.0 (proc-macro)\n";
    assert_eq!(measure::counted(tree), 4);
}

#[test]
fn a_row_tells_the_difference_and_the_ratio_to_the_first() {
    let weights = [
        (&REFERENCE, weight(10, 20, 1 << 20)),
        (&SERVICES[0], weight(15, 50, 3 << 20)),
    ];
    let text = table::render("When.", &weights, &weight(10, 30, 1 << 20));
    let rows: Vec<&str> = text.lines().skip(4).collect();
    assert_eq!(
        rows,
        [
            "| bare | 10 | 20.0 s | 2.00 s | 1.00 MiB |",
            "| bare+josekit | 15 (+5) | 50.0 s (2.50 ×) | 5.00 s (2.50 ×) | 3.00 MiB (+2.00) |",
            "| bare, once more | 10 (+0) | 30.0 s (1.50 ×) | 3.00 s (1.50 ×) | 1.00 MiB (+0.00) |",
        ]
    );
}

#[test]
fn the_table_takes_the_place_between_the_markers_and_nothing_else() {
    let (begin, end) = (table::BEGIN, table::END);
    let chapter = format!("before\n{begin}\nold\n{end}\nafter\n");
    let new = table::replaced(&chapter, "new\n").unwrap();
    assert_eq!(new, format!("before\n{begin}\n\nnew\n\n{end}\nafter\n"));
    assert_eq!(table::replaced("no markers", "new\n"), None);
}

#[test]
fn a_service_has_our_versions_and_a_workspace_of_its_own() {
    let ours = "[workspace]\nmembers = []\n\n[workspace.dependencies]\n\
                d1-facade = { path = \"d1-facade\" }\nreqwest = \"0.13\"\n\n[profile.dev]\ndebug = false\n";
    let manifest = REFERENCE.manifest(ours, Path::new("/root/of/it"));
    assert!(
        manifest.contains("d1-facade = { path = \"/root/of/it/d1-facade\" }\nreqwest = \"0.13\"\n")
    );
    assert!(manifest.contains("reqwest = { workspace = true"));
    assert!(manifest.contains("[workspace]\n"));
    assert!(!manifest.contains("profile.dev"));
}

#[test]
fn an_unknown_service_is_refused_by_name() {
    let error = chosen(&["facad".to_owned()]).err().unwrap().to_string();
    assert!(
        error.contains("facad;") && error.contains("facade+vendored"),
        "{error}"
    );
    let names: Vec<_> = chosen(&["facade".to_owned()])
        .unwrap()
        .iter()
        .map(|s| s.name)
        .collect();
    assert_eq!(names, ["bare", "facade"]);
}

#[test]
fn each_feature_of_the_facade_is_weighed() {
    let manifest = std::fs::read_to_string(workspace_root().join("d1-facade/Cargo.toml")).unwrap();
    let features = section(&manifest, "features");
    let features: Vec<&str> = features
        .lines()
        .filter_map(|l| l.split_once(" = "))
        .map(|f| f.0)
        .collect();
    assert!(features.len() > 1, "{features:?}");
    for feature in features {
        let wanted = format!("features = [\"{feature}\"]");
        let is_weighed = |service: &Service| {
            service
                .dependencies()
                .iter()
                .any(|line| line.contains(&wanted))
        };
        assert!(
            SERVICES.iter().any(is_weighed),
            "no service has the feature {feature}"
        );
    }
}

#[test]
fn the_guide_has_a_row_for_each_service() {
    let chapter = std::fs::read_to_string(workspace_root().join(CHAPTER)).unwrap();
    let (_, table) = chapter.split_once(table::BEGIN).unwrap();
    let (table, _) = table.split_once(table::END).unwrap();
    for service in chosen(&[]).unwrap() {
        assert!(
            table.contains(&format!("\n| {} | ", service.name)),
            "{}",
            service.name
        );
    }
}
