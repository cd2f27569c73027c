//! The shell commands of each chapter, in order, against a sandbox that runs beside them.
#![cfg(unix)]
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use d1_guide::book::{chapters, workspace};
use d1_guide::programs::{missing, skip};
use d1_guide::shell::{commands_of, follow, server_of};
use josekit::jwk::Jwk;
use josekit::jwk::alg::ec::{EcCurve, EcKeyPair};
use openssl::sha::sha256;

/// Where the quick start sends its reader.
const FOLDER: &str = "target/guide";

/// What is left of an earlier run must not help this one.
fn emptied(folder: &Path) {
    if folder.exists() {
        fs::remove_dir_all(folder).unwrap();
    }
    fs::create_dir_all(folder).unwrap();
}

/// What the commands of the onboarding say of a key is what others say of it.
fn check_onboarding(folder: &Path) {
    let read = |name: &str| fs::read(folder.join(name)).unwrap();
    let key = EcKeyPair::from_pem(read("signing.key"), Some(EcCurve::P256)).unwrap();
    let (expected, jwk) = (
        key.to_jwk_public_key(),
        Jwk::from_bytes(read("signing.jwk.json")).unwrap(),
    );
    for name in ["kty", "crv", "x", "y"] {
        assert_eq!(jwk.parameter(name), expected.parameter(name), "{name}");
    }
    // RFC 7638 fixes these members, in this order and without spaces.
    let [x, y] = ["x", "y"].map(|name| expected.parameter(name).unwrap());
    let canonical = format!(r#"{{"crv":"P-256","kty":"EC","x":{x},"y":{y}}}"#);
    let thumbprint = URL_SAFE_NO_PAD.encode(sha256(canonical.as_bytes()));
    assert_eq!(jwk.key_id(), Some(thumbprint.as_str()));
    assert_eq!(String::from_utf8(read("kid")).unwrap().trim(), thumbprint);
}

#[test]
fn the_onboarding_works_with_a_kid_that_begins_with_a_hyphen() {
    // One thumbprint in 64 does.
    let chapter = chapters().into_iter().find(|c| c.name == "onboarding.md");
    let mut chapter = chapter.unwrap();
    let named = "d1 keygen signing.key --quiet >kid";
    assert!(chapter.text.contains(named));
    chapter.text = chapter
        .text
        .replace(named, "d1 keygen signing.key; echo -P >kid");
    let folder = workspace().join("target/guide-hyphen");
    emptied(&folder);
    match missing(&commands_of(&chapter)) {
        Some(why) => skip(&chapter.name, &why),
        None => drop(follow(&chapter, &folder, "false").unwrap()),
    }
}

#[test]
fn every_command_of_the_guide_works() {
    let (root, folder) = (workspace(), workspace().join(FOLDER));
    let chapters = chapters();
    let quick_start = chapters
        .iter()
        .find(|c| c.name == "quick-start.md")
        .unwrap();
    // The sandbox that the other chapters count on.
    let server = server_of(quick_start).unwrap();
    let (mut run, mut wrong) = (0, Vec::new());
    for chapter in &chapters {
        if let Some(why) = missing(&commands_of(chapter)) {
            skip(&chapter.name, &why);
            continue;
        }
        emptied(&folder);
        let begin = if chapter.name == quick_start.name {
            &root
        } else {
            &folder
        };
        match follow(chapter, begin, &server) {
            Ok(blocks) => run += blocks,
            Err(failure) => {
                wrong.push(failure.to_string());
                continue;
            }
        }
        if chapter.name == "onboarding.md" {
            check_onboarding(&folder);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(run > 5, "{run} blocks are not all of them");
}
