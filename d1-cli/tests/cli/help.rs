//! Help, completions and manual pages.

use crate::world::{World, bare, finish};

#[test]
fn completions_and_manual_pages_are_written() {
    let folder = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let run = finish(bare(folder.path(), &["completions", shell]), "").expect(0);
        assert!(run.out.contains("suspend"), "{shell}");
    }
    finish(bare(folder.path(), &["man", "pages/man1"]), "").expect(0);
    let page = std::fs::read_to_string(folder.path().join("pages/man1/d1-card-renew.1")).unwrap();
    assert!(page.contains("credentials\\-from"), "{page}");
}

#[test]
fn help_documents_the_exit_codes() {
    let folder = tempfile::tempdir().unwrap();
    for (arguments, code) in [
        (&["--help"][..], "5   unknown outcome"),
        (&["card", "--help"], "3   D1 refused"),
        (&["doctor", "--help"], "17  token"),
        (&["bulk", "--help"], "The code is the first"),
    ] {
        let help = finish(bare(folder.path(), arguments), "").expect(0).out;
        assert!(help.contains(code), "{arguments:?}: {help}");
    }
}

#[test]
fn help_lists_the_commands_own_options_then_output_then_settings() {
    let world = World::start();
    for command in [
        &["card", "renew"][..],
        &["bulk"],
        &["operations", "list"],
        &["doctor"],
    ] {
        let help = world.d1(&[command, &["--help"]].concat()).expect(0).out;
        let (own, rest) = help.split_once("\nOutput:\n").unwrap();
        let (output, settings) = rest.split_once("\nSettings:\n").unwrap();
        let options = |part: &str| {
            let words = part
                .split_whitespace()
                .filter(|word| word.starts_with("--"));
            words.map(ToOwned::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(
            options(output),
            ["--output", "--quiet", "--verbose"],
            "{help}"
        );
        assert!(
            options(settings).contains(&"--base-url".to_owned()),
            "{help}"
        );
        let shared = ["--output", "--quiet", "--verbose", "--base-url"];
        assert!(
            options(own)
                .iter()
                .all(|one| !shared.contains(&one.as_str())),
            "{help}"
        );
    }
}
