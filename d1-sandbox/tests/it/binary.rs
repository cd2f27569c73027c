//! The binary: what it writes, and that it ends cleanly.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::x509::{X509Name, X509Req};
use rustix::process::{Pid, Signal, kill_process};

fn p256() -> PKey<Private> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap()
}

#[test]
fn it_writes_its_files_and_ends_on_an_interrupt() {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("it's a sandbox");
    fs::create_dir_all(&directory).unwrap();
    // A file of an earlier run that anybody may read must not stay so.
    let key = p256().private_key_to_pem_pkcs8().unwrap();
    fs::write(directory.join("signing.key"), &key).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_d1-sandbox"))
        .args([
            "serve",
            "--mode",
            "migrated",
            "--issuer",
            "ISSUER_B-2",
            "--dir",
        ])
        .arg(&directory)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let url = lines.next().unwrap().unwrap();
    let url = url.strip_prefix("export D1_BASE_URL='").unwrap();
    let url = url.strip_suffix('\'').unwrap();
    assert!(url.starts_with("https://localhost:"), "{url}");
    let last = lines.by_ref().nth(9).unwrap().unwrap();
    assert!(last.contains("Ctrl-C"), "{last}");

    let read = |name: &str| fs::read_to_string(directory.join(name)).unwrap();
    let mode = |name: &str| {
        fs::metadata(directory.join(name))
            .unwrap()
            .permissions()
            .mode()
    };
    for name in ["client.key", "signing.key"] {
        assert!(
            read(name).starts_with("-----BEGIN PRIVATE KEY-----"),
            "{name}"
        );
        assert_eq!(mode(name) & 0o777, 0o600, "{name}");
    }
    for name in ["ca.pem", "client.pem"] {
        assert!(
            read(name).starts_with("-----BEGIN CERTIFICATE-----"),
            "{name}"
        );
    }
    assert!(read("encryption.jwk.json").contains("P-256"));
    assert_eq!(
        read("signing.key").as_bytes(),
        key,
        "an earlier key is used again"
    );
    let expected = format!("{url}\nISSUER_B-2\n{}", read("signing.key"));
    assert_eq!(read_by_a_shell(&directory.join("d1.env")), expected);

    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

/// A shell must read the file as it was meant, quotes included.
fn read_by_a_shell(environment: &Path) -> String {
    let script =
        r#". "$0" && printf '%s\n%s\n' "$D1_BASE_URL" "$D1_ISSUER_ID" && cat "$D1_SIGNING_KEY""#;
    let mut shell = Command::new("sh");
    let output = shell.args(["-c", script]).arg(environment).output();
    String::from_utf8(output.unwrap().stdout).unwrap()
}

#[test]
fn the_modes_of_its_directory_and_files_do_not_follow_the_umask() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("modes");
    let _ = fs::remove_dir_all(&folder);
    for umask in ["000", "022", "277"] {
        let directory = folder.join(umask);
        let mut child = Command::new("sh")
            .args(["-c", r#"umask "$1" && exec "$0" serve --dir "$2""#])
            .args([env!("CARGO_BIN_EXE_d1-sandbox"), umask])
            .arg(&directory)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap().contains("Ctrl-C")));
        child.kill().unwrap();
        child.wait().unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&directory), 0o700, "umask {umask}");
        assert_eq!(mode(&directory.join("sandbox")), 0o700, "umask {umask}");
        let files = [&directory, &directory.join("sandbox")].map(|d| fs::read_dir(d).unwrap());
        let files = files.into_iter().flatten().map(|file| file.unwrap().path());
        let files: Vec<_> = files.filter(|path| path.is_file()).collect();
        assert_eq!(files.len(), 12);
        for path in files {
            assert_eq!(mode(&path), 0o600, "{} with umask {umask}", path.display());
        }
    }
}

#[test]
fn with_the_keys_of_an_issuer_it_writes_no_private_key() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("onboarding");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    let key = p256();
    let mut name = X509Name::builder().unwrap();
    name.append_entry_by_text("CN", "bank.example").unwrap();
    let mut request = X509Req::builder().unwrap();
    request.set_subject_name(&name.build()).unwrap();
    request.set_pubkey(&key).unwrap();
    request.sign(&key, MessageDigest::sha256()).unwrap();
    fs::write(folder.join("csr"), request.build().to_pem().unwrap()).unwrap();
    fs::write(folder.join("pub"), key.public_key_to_pem().unwrap()).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_d1-sandbox"))
        .args(["serve", "--dir", "out", "--csr", "csr"])
        .args(["--registered-key", "pub", "--registered-kid", "my-kid"])
        .current_dir(&folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("Ctrl-C")));
    child.kill().unwrap();
    child.wait().unwrap();

    let out = folder.join("out");
    let environment = fs::read_to_string(out.join("d1.env")).unwrap();
    assert!(environment.contains("export D1_SIGNING_KID='my-kid'\n"));
    assert!(environment.contains("export D1_CLIENT_CERT="));
    for (file, variable) in [
        ("client.key", "D1_CLIENT_KEY"),
        ("signing.key", "D1_SIGNING_KEY"),
    ] {
        assert!(!out.join(file).exists(), "{file}");
        assert!(!environment.contains(&format!("{variable}=")), "{variable}");
    }
}

/// Runs it with arguments that it cannot use, and gives its exit code and what it says.
fn refused(arguments: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_d1-sandbox"))
        .arg("serve")
        .args(arguments)
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    (output.status.code(), said)
}

#[test]
fn what_it_cannot_use_is_said_in_a_line_and_is_exit_code_2() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bad input");
    fs::create_dir_all(&folder).unwrap();
    let fixtures = folder.join("cards.yaml");
    fs::write(&fixtures, "cards: [{id: A, pan: \"4111\"}]").unwrap();
    let broken = folder.join("broken.yaml");
    fs::write(&broken, "cards: [{id: A, colour: 4111111111111111}]").unwrap();
    let broken_keys = folder.join("keys");
    fs::create_dir_all(&broken_keys).unwrap();
    fs::write(broken_keys.join("client.key"), "4111111111111111").unwrap();
    let broken_keys = broken_keys.to_str().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let (fixtures, broken) = (fixtures.to_str().unwrap(), broken.to_str().unwrap());
    for (arguments, part) in [
        (&["--issuer", "short"][..], "issuer"),
        (&["--port", &port], "listen"),
        (&["--control-port", &port], "listen"),
        (&["--cards", "no such file"], "no such file"),
        (&["--cards", fixtures], "card PAN"),
        (&["--csr", "no such file"], "no such file"),
        (&["--csr", fixtures], "client certificate request"),
        (
            &["--registered-key", fixtures, "--registered-kid", "k"],
            "signing key",
        ),
        (&["--cards", broken], "colour"),
        (&["--issuer-endpoint", "https://x"], "issuer endpoint"),
        (&["--issuer-ca", fixtures], "issuer authority"),
        (&["--dir", fixtures], "cannot be written"),
        (&["--dir", broken_keys], "client.key"),
        (&["--state", fixtures], "not the state of a sandbox"),
        (&["--san", "a b"], "server name"),
    ] {
        let (code, said) = refused(arguments);
        assert_eq!(code, Some(2), "{arguments:?}: {said}");
        assert!(said.contains(part), "{arguments:?}: {said}");
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(!said.contains("4111111111111111"), "{said}");
    }
    // clap's own, which shows the usage as well.
    for arguments in [
        &["--no-such-flag"][..],
        &["--port", "x"],
        &["--seed", "-"],
        &["--registered-kid", "k"],
    ] {
        assert_eq!(refused(arguments).0, Some(2), "{arguments:?}");
    }
}

#[test]
fn an_assertion_for_a_shell_is_signed_with_the_key_that_it_is_given() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("assertion");
    fs::create_dir_all(&folder).unwrap();
    let key = p256();
    let file = folder.join("signing.key");
    fs::write(&file, key.private_key_to_pem_pkcs8().unwrap()).unwrap();
    let run = |file: &Path| {
        Command::new(env!("CARGO_BIN_EXE_d1-sandbox"))
            .args(["assertion", "--now", "1767225600"])
            .env("D1_ISSUER_ID", "ISSUER_A-1")
            .env("D1_SIGNING_KID", "kid-1")
            .env("D1_SIGNING_KEY", file)
            .output()
            .unwrap()
    };
    let token = run(&file).stdout;
    let verifier = josekit::jws::ES256
        .verifier_from_pem(key.public_key_to_pem().unwrap())
        .unwrap();
    let token = String::from_utf8(token).unwrap();
    let (claims, header) = josekit::jwt::decode_with_verifier(token.trim(), &verifier).unwrap();
    assert_eq!(
        (claims.issuer(), claims.subject()),
        (Some("ISSUER_A-1"), Some("ISSUER_A-1"))
    );
    assert_eq!(claims.claim("exp"), Some(&(1_767_225_600 + 300).into()));
    assert_eq!(header.key_id(), Some("kid-1"));

    let refused = run(&folder);
    assert_eq!(refused.status.code(), Some(2));
    assert!(
        String::from_utf8(refused.stderr)
            .unwrap()
            .contains("cannot be read")
    );
}

#[test]
fn ids_may_begin_with_a_hyphen_and_a_mistyped_option_is_named() {
    let key = Path::new(env!("CARGO_TARGET_TMPDIR")).join("hyphens.key");
    fs::write(&key, p256().private_key_to_pem_pkcs8().unwrap()).unwrap();
    let sandbox = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_d1-sandbox"));
        let output = command
            .args(arguments)
            .arg("--key")
            .arg(&key)
            .output()
            .unwrap();
        (
            output.status.code(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    for ids in [
        ["--kid", "-P", "--issuer", "-SSUER_A-1"].as_slice(),
        &["--kid=-P", "--issuer=-SSUER_A-1"],
    ] {
        let run = sandbox(&[&["assertion"], ids].concat());
        assert_eq!(run, (Some(0), String::new()));
    }
    let (code, text) = sandbox(&["assertion", "--kit", "-P", "--issuer", "ISSUER_A-1"]);
    assert_eq!(code, Some(2));
    assert!(
        text.contains("'--kit'") && text.contains("'--kid'"),
        "{text}"
    );
    // An option is not taken for a value: `--now` is not meant as a kid.
    let (code, text) = sandbox(&["assertion", "--kid", "--issuer", "-SSUER_A-1"]);
    assert_eq!(code, Some(2));
    assert!(text.contains("'--kid <KID>'"), "{text}");
}

#[test]
fn output_that_cannot_be_written_is_an_error() {
    for arguments in [
        &["serve"][..],
        &["--help"],
        &["serve", "--help"],
        &["--version"],
    ] {
        let full = fs::OpenOptions::new()
            .write(true)
            .open("/dev/full")
            .unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_d1-sandbox"));
        let command = command.args(arguments).env("RUST_LOG", "off").stdout(full);
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let line = String::from_utf8(output.stderr).unwrap();
        assert!(line.starts_with("d1-sandbox: No space left"), "{line}");
    }
}

#[test]
fn a_reader_that_left_ends_it_quietly() {
    for arguments in [&["serve"][..], &["--help"], &["--version"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = Command::new(env!("CARGO_BIN_EXE_d1-sandbox"));
        let output = command
            .args(arguments)
            .env("RUST_LOG", "off")
            .stdout(writer)
            .output()
            .unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(said, "", "{arguments:?}");
    }
}
