//! What a shell completes.

use std::process::Command;

use crate::world::{World, bare, finish};

/// What bash offers for the last of these words.
fn completed(world: &World, words: &[&str]) -> Vec<String> {
    let quoted: Vec<_> = words.iter().map(|word| format!("'{word}'")).collect();
    let (last, before) = (words[words.len() - 1], words[words.len() - 2]);
    let commands = format!(
        "source d1.bash; COMP_WORDS=({}) COMP_CWORD={}\n\
         _d1 d1 '{last}' '{before}' 2>/dev/null; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        quoted.join(" "),
        words.len() - 1
    );
    let script = finish(bare(world.folder.path(), &["completions", "bash"]), "");
    world.file("d1.bash", &script.expect(0).out);
    let mut bash = Command::new("bash");
    let output = bash
        .args(["-c", &commands])
        .current_dir(world.folder.path());
    let output = output.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let offered = String::from_utf8(output.stdout).unwrap();
    offered.lines().map(str::to_owned).collect()
}

#[test]
fn operations_codes_profiles_and_files_are_completed() {
    let world = World::start();
    world.file(
        "d1.toml",
        "[profiles.production-eu]\nissuer-id = \"ISSUER_A-1\"\n",
    );
    let file = world.file("cards.ndjson", "");
    let (file, cut) = (
        file.to_str().unwrap(),
        file.to_str().unwrap().trim_end_matches("json"),
    );
    for (words, expected) in [
        (&["d1", "card", "res"][..], &["resume"][..]),
        (&["d1", "explain", "reas"], &["reason-codes"]),
        (&["d1", "explain", "UNKNOWN_C"], &["UNKNOWN_CARD"]),
        (&["d1", "explain", "403", "--operation", "li"], &["list"]),
        (&["d1", "reconcile", "A", "--operation", "su"], &["suspend"]),
        (
            &["d1", "card", "resume", "A", "--reason-code", ""],
            &["CARD_FOUND", "USER_DECISION", "ISSUER_DECISION"],
        ),
        (&["d1", "card", "renew", "A", "--state", "I"], &["INACTIVE"]),
        (
            &["d1", "--profile", ""],
            &["production", "production-eu", "staging"],
        ),
        (
            &["d1", "card", "suspend", "A", "--profile", "s"],
            &["staging"],
        ),
        (&["d1", "doctor", "--client-cert", cut], &[file]),
        (&["d1", "bulk", "x", "--resume", cut], &[file]),
        (&["d1", "card", "suspend", "A", "--reason", cut], &[cut]),
    ] {
        assert_eq!(completed(&world, words), expected, "{words:?}");
    }
}

#[test]
fn a_broken_profile_file_does_not_break_the_start_of_a_shell() {
    let world = World::start();
    world.file("d1.toml", "profiles = 7");
    assert_eq!(completed(&world, &["d1", "--profile", "st"]), ["staging"]);
}
