//! What `cargo xtask demo` and `test` do on a machine, by what is on it; and the programs that may be missing.

use std::path::PathBuf;

use xtask::programs::{cargo, is_here, missing};
use xtask::setup::{CURL, HEADERS, INSTALLERS, Machine, Need, OPENSSL, Plan, installed};

fn machine(missing: &[Need]) -> Machine {
    Machine {
        missing: missing.to_vec(),
        can_build_openssl: false,
        installer: Some(0),
        is_root: true,
        has_sudo: false,
    }
}

#[test]
fn with_everything_there_nothing_is_done() {
    assert_eq!(machine(&[]).plan(true), Plan::Run);
}

#[test]
fn each_package_manager_has_its_command() {
    for (program, is_root, has_sudo, expected) in [
        (
            "apt-get",
            true,
            false,
            "apt-get update; apt-get install --yes --no-install-recommends pkg-config libssl-dev curl",
        ),
        (
            "dnf",
            false,
            true,
            "sudo dnf install --assumeyes pkgconf-pkg-config openssl-devel curl",
        ),
        ("apk", true, true, "apk add pkgconf openssl-dev curl"),
        ("brew", false, false, "brew install pkgconf openssl@3 curl"),
    ] {
        let installer = INSTALLERS.iter().position(|(name, _)| *name == program);
        let machine = Machine {
            installer,
            is_root,
            has_sudo,
            ..machine(&[HEADERS, CURL])
        };
        let Plan::Install(commands) = machine.plan(true) else {
            unreachable!("{program}");
        };
        assert_eq!(commands.join("; "), expected);
    }
}

#[test]
fn where_nothing_may_be_installed_openssl_is_built() {
    let mut refused = Machine {
        can_build_openssl: true,
        ..machine(&[HEADERS])
    };
    assert_eq!(refused.plan(false), Plan::BuildOpenSsl);
    refused.is_root = false;
    assert_eq!(refused.plan(true), Plan::BuildOpenSsl);
    refused.installer = None;
    assert_eq!(refused.plan(true), Plan::BuildOpenSsl);
}

#[test]
fn without_perl_and_make_the_command_that_helps_is_named() {
    let Plan::GiveUp(why) = machine(&[HEADERS]).plan(false) else {
        unreachable!();
    };
    assert_eq!(
        why,
        "pkg-config and OpenSSL's headers are missing, and so are perl and make to build \
         OpenSSL from source. Run `apt-get update && apt-get install --yes \
         --no-install-recommends pkg-config libssl-dev`, or this command with --yes."
    );
    let elsewhere = Machine {
        installer: None,
        ..machine(&[HEADERS])
    };
    assert!(matches!(elsewhere.plan(true), Plan::GiveUp(_)));
}

#[test]
fn programs_that_a_few_tests_call_hold_nothing_up() {
    let programs = machine(&[CURL, OPENSSL]);
    assert!(matches!(programs.plan(true), Plan::Install(_)));
    assert_eq!(programs.plan(false), Plan::Run);
}

#[test]
fn the_openssl_that_was_built_is_found_in_what_cargo_says() {
    let line = r#"{"reason":"build-script-executed","package_id":"registry+x#openssl-sys@0.9.1","out_dir":"/t/out"}"#;
    assert_eq!(
        installed(line),
        Some(PathBuf::from("/t/out/openssl-build/install"))
    );
    assert_eq!(installed(&line.replace("openssl-sys", "ring")), None);
    assert_eq!(installed("Compiling"), None);
}

#[test]
fn a_cargo_that_a_test_runs_does_not_inherit_the_package_of_the_test() {
    let removed = |name: &str| {
        cargo()
            .get_envs()
            .any(|(key, value)| key == name && value.is_none())
    };
    assert!(removed("CARGO_MANIFEST_DIR") && removed("CARGO_PKG_NAME"));
    assert!(!removed("CARGO_HOME") && !removed("CARGO_TARGET_DIR"));
}

#[test]
fn a_missing_program_is_named_with_its_package() {
    assert_eq!(
        missing("nginx"),
        "the program `nginx` is missing: install the package nginx-light"
    );
    assert_eq!(missing("unheard-of"), "the program `unheard-of` is missing");
    assert!(is_here("cargo") && !is_here("unheard-of"));
}
