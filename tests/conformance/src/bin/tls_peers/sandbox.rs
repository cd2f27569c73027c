//! OpenSSL's client before the sandbox.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use d1_sandbox::Sandbox;

use crate::{Pair, Rows};

/// A client for the sandbox: what it is, flags, its certificate, and whether it is let in.
type ClientCase<'c> = (&'c str, Vec<&'static str>, Option<&'c Pair>, bool);

/// What OpenSSL's client hears of the sandbox.
fn s_client(port: u16, ca: &Path, flags: &[&str], identity: Option<&Pair>) -> String {
    let mut command = Command::new("openssl");
    command
        .args(["s_client", "-quiet", "-ign_eof", "-verify_return_error"])
        .args(["-verify_hostname", "localhost", "-servername", "localhost"])
        .args(["-connect", &format!("localhost:{port}"), "-CAfile"])
        .arg(ca)
        .args(flags);
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
    let port = sandbox
        .base_url()
        .rsplit(':')
        .next()
        .unwrap()
        .parse()
        .unwrap();
    let ca = folder.join("ca.pem");
    std::fs::write(&ca, sandbox.ca_pem()).unwrap();
    let known = Pair::named(folder, "known");
    std::fs::write(&known.certificate, sandbox.client_certificate_pem()).unwrap();
    std::fs::write(&known.key, sandbox.client_key_pem()).unwrap();
    let stranger = Pair::p256(folder, "stranger", "nobody", 2);
    let old = ["-cipher", "ALL:@SECLEVEL=0"];
    let tls12 = |ciphers| ["-tls1_2", "-cipher", ciphers];
    let cases: [ClientCase<'_>; 13] = [
        ("TLS 1.3", vec!["-tls1_3"], Some(&known), true),
        ("TLS 1.2", vec!["-tls1_2"], Some(&known), true),
        (
            "AES-GCM and ChaCha20 alone",
            tls12("ECDHE+AESGCM:ECDHE+CHACHA20").to_vec(),
            Some(&known),
            true,
        ),
        (
            "TLS 1.3, no client certificate, refused",
            vec!["-tls1_3"],
            None,
            false,
        ),
        (
            "TLS 1.2, no client certificate, refused",
            vec!["-tls1_2"],
            None,
            false,
        ),
        (
            "TLS 1.3, a stranger's certificate, refused",
            vec!["-tls1_3"],
            Some(&stranger),
            false,
        ),
        (
            "TLS 1.2, a stranger's certificate, refused",
            vec!["-tls1_2"],
            Some(&stranger),
            false,
        ),
        (
            "TLS 1.1 refused",
            [&["-tls1_1"][..], &old].concat(),
            Some(&known),
            false,
        ),
        (
            "TLS 1.0 refused",
            [&["-tls1"][..], &old].concat(),
            Some(&known),
            false,
        ),
        (
            "CBC refused",
            tls12("AES128-SHA256:ECDHE-ECDSA-AES128-SHA:ECDHE-ECDSA-AES256-SHA384:@SECLEVEL=0")
                .to_vec(),
            Some(&known),
            false,
        ),
        (
            "no forward secrecy refused",
            tls12("AES256-GCM-SHA384:AES128-GCM-SHA256:@SECLEVEL=0").to_vec(),
            Some(&known),
            false,
        ),
        (
            "no encryption refused",
            tls12("NULL:eNULL:@SECLEVEL=0").to_vec(),
            Some(&known),
            false,
        ),
        (
            "no authentication refused",
            tls12("ADH:AECDH:@SECLEVEL=0").to_vec(),
            Some(&known),
            false,
        ),
    ];
    for (name, flags, identity, accepted) in cases {
        let heard = s_client(port, &ca, &flags, identity);
        let is_right =
            heard.starts_with("HTTP/1.1 404") == accepted && (accepted || heard.is_empty());
        rows.add(
            &format!("sandbox: {name}"),
            is_right.then_some(()).ok_or(heard),
        );
    }
}
