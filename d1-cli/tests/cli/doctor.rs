//! Each stage of the doctor: what passes, what fails, and with which code.

use d1_sandbox::Fault;
use openssl::asn1::Asn1Time;
use openssl::ec::{EcGroup, EcKey};
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use openssl::x509::X509;

use crate::world::{Run, World, certificate_for};

const NAMES: [&str; 9] = [
    "config",
    "key",
    "certificate",
    "host",
    "tls",
    "client-certificate",
    "clock",
    "token",
    "read",
];

/// Asserts that the stage with this code failed, those before it passed, and that a fix is given.
#[track_caller]
fn failed(run: Run, code: usize) {
    let run = run.expect(code as i32);
    let json = run.json();
    let stages = json["stages"].as_array().unwrap();
    let names: Vec<&str> = stages
        .iter()
        .map(|stage| stage["stage"].as_str().unwrap())
        .collect();
    assert_eq!(names, NAMES);
    let at = code - 10;
    assert_eq!(json["failed"], NAMES[at], "{run:?}");
    for (number, stage) in stages.iter().enumerate() {
        assert_eq!(stage["exitCode"], number + 10);
        if number < at {
            assert_ne!(stage["result"], "failed", "{stage}");
        }
    }
    assert_eq!(stages[at]["result"], "failed");
    assert!(!stages[at]["fix"].as_str().unwrap().is_empty());
}

fn doctor(world: &World, variables: &[(&str, &str)], more: &[&str]) -> Run {
    world.d1_where(variables, &[&["doctor", "-o", "json"], more].concat())
}

/// A certificate of a stranger that is valid for this many days, or has expired, and its key.
fn stranger(world: &World, days: Option<u32>) -> (String, String) {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    let key = PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap();
    let certificate = certificate_for(&key, "stranger", days.unwrap_or_default(), |builder| {
        if days.is_none() {
            let day = Asn1Time::from_unix(24 * 60 * 60).unwrap();
            builder.set_not_after(&day).unwrap();
        }
    });
    let write = |name: &str, pem: Vec<u8>| {
        let path = world.file(name, &String::from_utf8(pem).unwrap());
        path.display().to_string()
    };
    (
        write("stranger.pem", certificate.to_pem().unwrap()),
        write("stranger.key", key.private_key_to_pem_pkcs8().unwrap()),
    )
}

#[test]
fn all_is_well_with_a_sandbox() {
    let world = World::start();
    let run = world.d1(&["doctor", "--card", "ReplaceMe01"]).expect(0);
    assert_eq!(run.out.lines().count(), NAMES.len(), "{}", run.out);
    assert!(
        run.out.lines().all(|line| line.starts_with("ok ")),
        "{}",
        run.out
    );
    // A card that nobody knows does as well, and nothing is changed either way.
    world.d1(&["doctor"]).expect(0);
    let changed = world
        .sandbox
        .requests()
        .into_iter()
        .filter(|r| r.method == "POST");
    assert!(
        changed
            .into_iter()
            .all(|request| request.operation_id == Some("getToken"))
    );
}

#[test]
fn settings_10_key_11_certificate_12() {
    let world = World::start();
    failed(doctor(&world, &[("D1_SIGNING_KEY", "")], &[]), 10);
    failed(doctor(&world, &[], &["--issuer-id", "short"]), 10);
    failed(doctor(&world, &[], &["--config", "nofile"]), 10);
    let run = doctor(&world, &[], &["--base-url", "https://me:hunter2@localhost"]);
    assert!(!run.out.contains("hunter2"), "{}", run.out);
    failed(run, 10);
    failed(doctor(&world, &[("D1_PROFILE", "production")], &[]), 10);
    let rsa = PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap();
    let pem = String::from_utf8(rsa.private_key_to_pem_pkcs8().unwrap()).unwrap();
    world.file("rsa.key", &pem);
    failed(doctor(&world, &[("D1_SIGNING_KEY", "rsa.key")], &[]), 11);
    let (certificate, key) = stranger(&world, Some(300));
    failed(doctor(&world, &[("D1_CLIENT_CERT", &certificate)], &[]), 12);
    let own = world.d1_where(
        &[("D1_CLIENT_CERT", &certificate), ("D1_CLIENT_KEY", &key)],
        &["doctor", "-o", "json"],
    );
    failed(own, 15);
}

#[test]
fn a_certificate_that_ends_soon_is_a_warning_and_one_that_has_ended_a_failure() {
    let world = World::start();
    // The certificate of a sandbox is valid for ten years.
    for (days, result) in [("0", "ok"), ("30", "ok"), ("3700", "warning")] {
        let run = doctor(&world, &[], &["--warn-days", days]).expect(0);
        let stage = &run.json()["stages"][2];
        assert_eq!(stage["result"], result, "{stage}");
        let detail = stage["detail"].as_str().unwrap();
        assert!(detail.contains("expires in 3650 days"), "{detail}");
    }
    let shown = world.d1(&["doctor", "--warn-days", "3700"]).expect(0);
    assert!(shown.out.contains("warning  certificate"), "{}", shown.out);
    let (certificate, key) = stranger(&world, None);
    let ended = [("D1_CLIENT_CERT", &*certificate), ("D1_CLIENT_KEY", &*key)];
    failed(doctor(&world, &ended, &[]), 12);
}

#[test]
fn a_mistyped_path_is_no_reason_for_a_new_key() {
    let world = World::start();
    for (variable, code) in [
        ("D1_SIGNING_KEY", 11),
        ("D1_ENCRYPTION_JWK", 11),
        ("D1_CLIENT_CERT", 12),
        ("D1_CLIENT_KEY", 12),
        ("D1_CA", 10),
    ] {
        let run = doctor(&world, &[(variable, "no-such-file")], &[]);
        let stage = run.json()["stages"][code - 10].clone();
        let detail = stage["detail"].as_str().unwrap();
        let expected = format!("{variable} no-such-file: names a file that does not exist");
        assert_eq!(detail, expected);
        let fix = stage["fix"].as_str().unwrap().to_lowercase();
        assert!(!fix.contains("make") && !fix.contains("new"), "{fix}");
        failed(run, code);
    }
}

#[test]
fn fips_is_required_by_a_setting() {
    let world = World::start();
    // Where OpenSSL has a FIPS module, it is no failure.
    let run = doctor(&world, &[("D1_REQUIRE_FIPS", "true")], &[]);
    let json = run.json();
    match json["health"]["cryptography"]["isTlsFips"].as_bool() {
        Some(is_fips) => assert!(is_fips),
        None => {
            let detail = json["stages"][0]["detail"].as_str().unwrap();
            let expected = "D1_REQUIRE_FIPS: needs `default_properties = fips=yes`";
            assert!(detail.starts_with(expected), "{detail}");
            failed(run, 10);
        }
    }
    let run = doctor(&world, &[("D1_REQUIRE_FIPS", "false")], &[]).expect(0);
    let health = &run.json()["health"];
    assert_eq!(health["cryptography"]["isTlsFips"], false);
    assert_eq!(health["signingKid"], world.sandbox.signing_kid());
}

#[test]
fn host_13_tls_14() {
    let world = World::start();
    // No resolver may find this name (RFC 6761, section 6.4), and one that stays silent fails the same stage.
    let no_name = "https://no.such.host.invalid";
    failed(doctor(&world, &[], &["--base-url", no_name]), 13);
    let (_socket, closed) = crate::world::closed_port();
    failed(doctor(&world, &[], &["--base-url", &closed]), 14);
    // Trusted by the system is the sandbox not.
    failed(doctor(&world, &[("D1_CA", "")], &[]), 14);
    world.assert_untouched();
}

#[test]
fn clock_16_token_17_read_18() {
    let world = World::start();
    world.sandbox.set_clock_offset(-3600);
    let run = doctor(&world, &[], &[]);
    let detail = run.json()["stages"][6]["detail"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(detail.contains("ahead of D1's"), "{detail}");
    failed(run, 16);
    world.sandbox.set_clock_offset(0);
    let run = doctor(&world, &[("D1_SIGNING_KID", "nobodys")], &[]);
    let detail = run.json()["stages"][7]["detail"].to_string();
    assert!(detail.contains("D1's words: "), "{detail}");
    failed(run, 17);
    world
        .sandbox
        .fail_next(Fault::status(403).operation("listOperations"));
    failed(doctor(&world, &[], &[]), 18);
}

#[test]
fn a_server_that_does_not_ask_for_the_certificate_is_15() {
    // The control port of a sandbox speaks no TLS, so this is one that does: OpenSSL's own.
    let world = World::start();
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    let key = PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap();
    let own = localhost(&key, false);
    let ca = world.file(
        "own.pem",
        &String::from_utf8(own.to_pem().unwrap()).unwrap(),
    );
    let url = serve(&own, &key);
    let ca = ca.display().to_string();
    let run = doctor(&world, &[("D1_CA", &ca)], &["--base-url", &url]);
    let detail = run.json()["stages"][5]["detail"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(detail.contains("did not ask"), "{detail}");
    failed(run, 15);
}

#[test]
fn a_certificate_that_a_call_can_use_passes_in_whatever_form_it_is() {
    let world = World::start();
    let certificate = world.sandbox.client_certificate_pem().to_owned();
    let key = world.sandbox.client_key_pem().to_owned();
    let der = X509::from_pem(certificate.as_bytes()).unwrap();
    let der = der.to_der().unwrap();
    std::fs::write(world.folder.path().join("cert.der"), der).unwrap();
    let authority = world.sandbox.ca_pem().to_owned();
    world.file("first.pem", &format!("{authority}{certificate}"));
    world.file("cert.pem", &certificate.replace('\n', "\\n"));
    world.file("key.pem", &key.replace('\n', "\\n"));
    world.file("ca.pem", &authority.replace('\n', "\\n"));
    for (certificate, key) in [
        ("cert.pem", "key.pem"),
        ("cert.der", "key.pem"),
        ("first.pem", "key.pem"),
    ] {
        let variables = [
            ("D1_CLIENT_CERT", certificate),
            ("D1_CLIENT_KEY", key),
            ("D1_CA", "ca.pem"),
        ];
        world
            .d1_where(&variables, &["operations", "list", "ReplaceMe01"])
            .expect(0);
        doctor(&world, &variables, &[]).expect(0);
    }
}

#[test]
fn why_the_server_is_not_trusted_is_told_in_words() {
    let world = World::start();
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    let key = PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap();
    let own = localhost(&key, true);
    let pem = String::from_utf8(own.to_pem().unwrap()).unwrap();
    let ca = world.file("own.pem", &pem).display().to_string();
    let url = serve(&own, &key);
    let run = doctor(&world, &[("D1_CA", &ca)], &["--base-url", &url]);
    let detail = run.json()["stages"][4]["detail"].to_string();
    assert!(detail.contains("that of an authority"), "{detail}");
    assert!(!detail.contains("Other"), "{detail}");
    failed(run, 14);
}

/// Makes connections with this certificate, and asks for none.
fn serve(own: &X509, key: &PKey<Private>) -> String {
    let method = openssl::ssl::SslMethod::tls();
    let mut acceptor = openssl::ssl::SslAcceptor::mozilla_modern_v5(method).unwrap();
    acceptor.set_private_key(key).unwrap();
    acceptor.set_certificate(own).unwrap();
    let acceptor = acceptor.build();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            let _ = acceptor.accept(connection);
        }
    });
    format!("https://localhost:{port}")
}

/// A certificate for `localhost` that is its own authority, and may say so.
fn localhost(key: &PKey<Private>, says_so: bool) -> X509 {
    use openssl::x509::extension::{BasicConstraints, SubjectAlternativeName};
    certificate_for(key, "localhost", 300, |builder| {
        let names = SubjectAlternativeName::new()
            .dns("localhost")
            .build(&builder.x509v3_context(None, None));
        builder.append_extension(names.unwrap()).unwrap();
        if says_so {
            let may_sign = BasicConstraints::new().critical().ca().build();
            builder.append_extension(may_sign.unwrap()).unwrap();
        }
    })
}
