//! Lets OpenSSL's client try the sandbox, and the facade OpenSSL's server: `tls_peers FOLDER`.
//!
//! Prints a row for each check; exits with 1 when one of them failed. Certificates go into the folder.
#![allow(clippy::unwrap_used)]

mod facade;
mod sandbox;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use d1_sandbox::Sandbox;
use d1_tests::{certificate, say};
use xtask::programs::found;

/// A certificate and its key, as files.
pub(crate) struct Pair {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

impl Pair {
    /// By the helper of the tests: P-256, self-signed.
    pub(crate) fn p256(folder: &Path, file: &str, name: &str, valid_days: i64) -> Self {
        let (certificate, key) = certificate(name, valid_days);
        let pair = Self::named(folder, file);
        std::fs::write(&pair.certificate, certificate.to_pem().unwrap()).unwrap();
        std::fs::write(&pair.key, key.private_key_to_pem_pkcs8().unwrap()).unwrap();
        pair
    }

    /// By OpenSSL itself: RSA, self-signed.
    pub(crate) fn rsa(folder: &Path, file: &str, name: &str, bits: u32) -> Self {
        let pair = Self::named(folder, file);
        let done = Command::new("openssl")
            .args([
                "req",
                "-x509",
                "-nodes",
                "-days",
                "2",
                "-newkey",
                &format!("rsa:{bits}"),
            ])
            .args(["-subj", &format!("/CN={name}")])
            .args(["-addext", &format!("subjectAltName=DNS:{name}")])
            .args(["-addext", "basicConstraints=critical,CA:FALSE"])
            .arg("-keyout")
            .arg(&pair.key)
            .arg("-out")
            .arg(&pair.certificate)
            .output();
        let done = found("openssl", done);
        assert!(
            done.status.success(),
            "{}",
            String::from_utf8_lossy(&done.stderr)
        );
        pair
    }

    pub(crate) fn named(folder: &Path, file: &str) -> Self {
        Self {
            certificate: folder.join(format!("{file}.pem")),
            key: folder.join(format!("{file}.key")),
        }
    }
}

/// The rows, as they are printed.
#[derive(Default)]
pub(crate) struct Rows {
    failed: usize,
}

impl Rows {
    pub(crate) fn add(&mut self, check: &str, verdict: Result<(), String>) {
        let verdict = match verdict {
            Ok(()) => "ok".to_owned(),
            Err(why) => {
                self.failed += 1;
                format!("failed: {}", why.replace(['\n', '\t'], " "))
            }
        };
        say!("{check}\t1\t{verdict}");
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let folder = PathBuf::from(std::env::args().nth(1).unwrap());
    std::fs::create_dir_all(&folder).unwrap();
    let mut rows = Rows::default();
    facade::check(&folder, &mut rows).await;
    let local = Sandbox::start().await.unwrap();
    let rows = tokio::task::spawn_blocking(move || {
        sandbox::check(&local, &folder, &mut rows);
        rows
    });
    match rows.await.unwrap().failed {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}
