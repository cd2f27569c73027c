//! OpenSSL's client before the sandbox.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use d1_sandbox::Sandbox;

use crate::{Pair, Rows};

/// The versions of TLS that are spoken, with the flag of each.
pub(crate) const VERSIONS: [(&str, &str); 2] = [("TLS 1.3", "-tls1_3"), ("TLS 1.2", "-tls1_2")];

/// Ciphers that the sandbox speaks.
const GOOD_CIPHERS: &str = "-tls1_2 -cipher ECDHE+AESGCM:ECDHE+CHACHA20";

/// What the sandbox refuses of a client whose certificate is its own.
const REFUSED: [(&str, &str); 6] = [
    ("TLS 1.1", "-tls1_1 -cipher ALL:@SECLEVEL=0"),
    ("TLS 1.0", "-tls1 -cipher ALL:@SECLEVEL=0"),
    (
        "CBC",
        "-tls1_2 -cipher AES128-SHA256:ECDHE-ECDSA-AES128-SHA:ECDHE-ECDSA-AES256-SHA384:@SECLEVEL=0",
    ),
    (
        "no forward secrecy",
        "-tls1_2 -cipher AES256-GCM-SHA384:AES128-GCM-SHA256:@SECLEVEL=0",
    ),
    ("no encryption", "-tls1_2 -cipher NULL:eNULL:@SECLEVEL=0"),
    ("no authentication", "-tls1_2 -cipher ADH:AECDH:@SECLEVEL=0"),
];

/// What OpenSSL's client hears of the sandbox.
fn s_client(port: u16, ca: &Path, flags: &str, identity: Option<&Pair>) -> String {
    let mut command = Command::new("openssl");
    command
        .args(["s_client", "-quiet", "-ign_eof", "-verify_return_error"])
        .args(["-verify_hostname", "localhost", "-servername", "localhost"])
        .args(["-connect", &format!("localhost:{port}"), "-CAfile"])
        .arg(ca)
        .args(flags.split(' '));
    if let Some(pair) = identity {
        command
            .arg("-cert")
            .arg(&pair.certificate)
            .arg("-key")
            .arg(&pair.key);
    }
    let child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let mut child = xtask::programs::found("openssl", child);
    let request = b"GET /nothing HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    // It may have ended by now, which is an answer as well.
    let _ = child.stdin.take().unwrap().write_all(request);
    let output = child.wait_with_output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// OpenSSL's client before the sandbox.
pub(crate) fn check(sandbox: &Sandbox, folder: &Path, rows: &mut Rows) {
    let port = sandbox.base_url().rsplit(':').next();
    let port = port.unwrap().parse().unwrap();
    let ca = folder.join("ca.pem");
    std::fs::write(&ca, sandbox.ca_pem()).unwrap();
    let known = Pair::named(folder, "known");
    std::fs::write(&known.certificate, sandbox.client_certificate_pem()).unwrap();
    std::fs::write(&known.key, sandbox.client_key_pem()).unwrap();
    let stranger = Pair::p256(folder, "stranger", "nobody", 2);
    let mut accepted = |name: &str, flags| {
        let heard = s_client(port, &ca, flags, Some(&known));
        let is_right = heard.starts_with("HTTP/1.1 404");
        rows.add(
            &format!("sandbox: {name}"),
            is_right.then_some(()).ok_or(heard),
        );
    };
    for (version, flag) in VERSIONS {
        accepted(version, flag);
    }
    accepted("AES-GCM and ChaCha20 alone", GOOD_CIPHERS);
    let mut refused = |name: &str, flags, identity| {
        let heard = s_client(port, &ca, flags, identity);
        let is_right = heard.is_empty();
        rows.add(
            &format!("sandbox: {name} refused"),
            is_right.then_some(()).ok_or(heard),
        );
    };
    for (version, flag) in VERSIONS {
        refused(&format!("{version}, no client certificate,"), flag, None);
        let name = format!("{version}, a stranger's certificate,");
        refused(&name, flag, Some(&stranger));
    }
    for (name, flags) in REFUSED {
        refused(name, flags, Some(&known));
    }
}
