//! Values that begin with a hyphen: D1's patterns allow them for ids, and a thumbprint as a kid has one in
//! 64 cases.

use d1_sandbox::{Card, Sandbox};
use openssl::ec::{EcGroup, EcKey};
use openssl::nid::Nid;
use openssl::pkey::PKey;

use crate::world::{CREDENTIALS, World};

const CARD: &str = "-card";
const KID: &str = "-P_kid";

/// A sandbox whose card and signing key have ids with a hyphen in front.
fn world() -> World {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    let key = PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap();
    let text = |pem: Vec<u8>| String::from_utf8(pem).unwrap();
    let public = text(key.public_key_to_pem().unwrap());
    let world = World::with(
        Sandbox::builder()
            .card(Card::new(CARD))
            .signing_key(KID, public),
    );
    world.file("own.key", &text(key.private_key_to_pem_pkcs8().unwrap()));
    world
}

/// The same options in both forms.
const APART: &[&str] = &[
    "--signing-key",
    "own.key",
    "--signing-kid",
    KID,
    "--correlation-id",
    "-c 1",
];
const JOINED: &[&str] = &[
    "--signing-key=own.key",
    "--signing-kid=-P_kid",
    "--correlation-id=-c 1",
];

#[test]
fn ids_are_taken_in_both_forms() {
    let world = world();
    for flags in [APART, JOINED] {
        let run = |arguments: &[&str], code| {
            let (command, rest) = arguments.split_at(2);
            for words in [[command, flags, rest].concat(), [arguments, flags].concat()] {
                // What comes after -- is no option.
                if !rest.contains(&"--") || words.ends_with(rest) {
                    world.d1_reading(&words, CREDENTIALS).expect(code);
                }
            }
        };
        run(&["operations", "list", CARD, "--limit", "1"], 0);
        run(
            &["operations", "get", CARD, "-operation", "--digital-card"],
            3,
        );
        run(&["card", "suspend", "--reason-code", "CARD_LOST", CARD], 0);
        run(&["card", "resume", CARD, "--quiet", "-ojson"], 0);
        run(
            &[
                "card",
                "renew",
                CARD,
                "--new-card-id",
                CARD,
                "--credentials-from",
                "-",
            ],
            0,
        );
        run(&["card", "renew", "--new-card-id=-card", "--", CARD], 0);
    }
    let paths: Vec<_> = world
        .sandbox
        .requests()
        .into_iter()
        .map(|request| request.path)
        .collect();
    assert!(
        paths
            .iter()
            .any(|path| path.contains("/-card/operations/-operation")),
        "{paths:?}"
    );
}

#[test]
fn an_issuer_an_aggregator_and_a_kid_may_begin_with_a_hyphen() {
    let world = world();
    let ids = [
        "--issuer-id",
        "-SSUER_A-1",
        "--aggregator-id",
        "-aggregator",
    ];
    let key = [
        "--signing-key",
        "own.key",
        "--signing-kid",
        "-v",
        "--dry-run",
    ];
    let suspend = ["card", "suspend", "-x"];
    let run = world.d1(&[&ids[..], &suspend, &key].concat()).expect(0);
    assert!(
        run.out.contains("/issuers/-SSUER_A-1/cards/-x/"),
        "{}",
        run.out
    );
    world.d1(&[&["token"][..], &key].concat()).expect(0);
}

/// Arguments, and how the line begins that names the option.
const MISTYPED: &[(&[&str], &str)] = &[
    (
        &["card", "suspend", "X", "--reasn-code", "LOST"],
        "--reasn-code: there is no such argument here; did you mean --reason-code?",
    ),
    (
        &["card", "suspend", "--reasn-code", "LOST", "X"],
        "--reasn-code: there is no such argument",
    ),
    (
        &["card", "suspend", "--reasn-code=LOST", "X"],
        "--reasn-code: there is no such argument",
    ),
    (
        &["card", "delete", "--dry-runn"],
        "--dry-runn: there is no such argument",
    ),
    (
        &["operations", "get", "X", "--digtal-card"],
        "--digtal-card: there is no such argument",
    ),
    (
        &["card", "suspend", "-n", "X"],
        "-n: there is no such argument",
    ),
    (
        &["card", "suspend", "X", "-n"],
        "-n: there is no such argument",
    ),
    (
        &["card", "-n", "suspend", "X"],
        "-n: there is no such argument",
    ),
    (&["token", "-n"], "-n: there is no such argument"),
    (
        &["--profil", "x", "token"],
        "--profil: there is no such argument here; did you mean --profile?",
    ),
    // A value that was forgotten does not swallow the option after it.
    (
        &["card", "suspend", "X", "--correlation-id", "--dry-run"],
        "--correlation-id <ID>: needs a value",
    ),
    (
        &[
            "card",
            "suspend",
            "X",
            "--signing-kid",
            "--profile",
            "production",
        ],
        "--signing-kid <KID>: needs a value",
    ),
];

#[test]
fn a_mistyped_option_is_named() {
    let world = World::start();
    for (arguments, line) in MISTYPED {
        let run = world.d1(arguments).expect(2);
        assert!(
            run.err.starts_with(&format!("d1: {line}")),
            "{arguments:?}: {}",
            run.err
        );
    }
    world.assert_untouched();
}
