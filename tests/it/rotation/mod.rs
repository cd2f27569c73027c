//! A client certificate, a signer and encryption keys that are replaced while a client is in use, and its health.

mod load;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use d1_facade::{EncryptionKey, ErrorKind, Identity, Outcome, SigningKey};
use d1_sandbox::Sandbox;
use d1_tests::{FixedToken, certificate_of_days, refused, sandbox_builder};
use openssl::hash::MessageDigest;
use openssl::x509::X509;

/// The files of a client certificate, in a folder of their own.
struct Files(PathBuf);

impl Files {
    fn new(test: &str) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(test);
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        for name in ["tls.crt", "tls.key"] {
            symlink(format!("..data/{name}"), folder.join(name)).unwrap();
        }
        Self(folder)
    }

    /// Replaces both files at once, as Kubernetes does.
    fn swap(&self, certificate: &str, key: &str) {
        static MADE: AtomicUsize = AtomicUsize::new(0);
        let version = MADE.fetch_add(1, Ordering::SeqCst).to_string();
        fs::create_dir(self.0.join(&version)).unwrap();
        symlink(&version, self.0.join("..new")).unwrap();
        fs::write(self.0.join("..new/tls.crt"), certificate).unwrap();
        fs::write(self.0.join("..new/tls.key"), key).unwrap();
        fs::rename(self.0.join("..new"), self.0.join("..data")).unwrap();
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.0.join(name), text).unwrap();
    }

    fn identity(&self) -> Identity {
        Identity::watch(self.0.join("tls.crt"), self.0.join("tls.key")).unwrap()
    }
}

/// Lets the files be read again at the next request.
async fn next_check() {
    advance(Duration::from_secs(1)).await;
}

async fn advance(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

fn fingerprint(certificate: &str) -> String {
    let certificate = X509::from_pem(certificate.as_bytes()).unwrap();
    let digest = certificate.digest(MessageDigest::sha256()).unwrap();
    let bytes: Vec<_> = digest.iter().map(|byte| format!("{byte:02X}")).collect();
    bytes.join(":")
}

#[tokio::test]
async fn files_that_cannot_be_used_leave_the_certificate_before() {
    let sandbox = Sandbox::builder().strict().start().await.unwrap();
    let files = Files::new("rotation-bad-files");
    let (certificate, key) = sandbox.renew_client_certificate().unwrap();
    files.swap(&certificate, &key);
    let d1 = sandbox_builder(&sandbox).client_identity(files.identity());
    let d1 = d1.build().unwrap();
    let card = d1.card(d1_tests::CARD.parse().unwrap());
    let (other, other_key) = sandbox.renew_client_certificate().unwrap();
    let dated = |first, last| {
        let (certificate, key) = certificate_of_days("client", first, last);
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (
            text(certificate.to_pem().unwrap()),
            text(key.private_key_to_pem_pkcs8().unwrap()),
        )
    };
    let (expired, expired_key) = dated(-30, -1);
    let (early, early_key) = dated(1, 30);
    let half = &other[..other.len() / 2];
    for (certificate, key) in [
        (&*other, &*key),
        (&*certificate, &*other_key),
        (half, &*other_key),
        ("", ""),
        (&*expired, &*expired_key),
        (&*early, &*early_key),
    ] {
        files.swap(certificate, key);
        next_check().await;
        card.operations().await.unwrap();
    }
    fs::remove_file(files.0.join("tls.key")).unwrap();
    next_check().await;
    card.operations().await.unwrap();
    let used = sandbox.requests();
    let own = fingerprint(&certificate);
    assert!(
        used.iter()
            .all(|r| r.client_certificate.as_ref() == Some(&own))
    );
    files.write("tls.key", &other_key);
    files.write("tls.crt", &other);
    next_check().await;
    card.operations().await.unwrap();
    let last = sandbox.requests().pop().unwrap();
    assert_eq!(last.client_certificate, Some(fingerprint(&other)));
}

#[test]
fn files_that_cannot_be_used_at_the_start_are_an_error() {
    let files = Files::new("rotation-start");
    let watch = |folder: &Path| Identity::watch(folder.join("tls.crt"), folder.join("tls.key"));
    let unreadable = "is in a file that cannot be read";
    refused(watch(&files.0), "client_identity_certificate", unreadable);
    files.swap("", "");
    assert!(watch(&files.0).is_err());
}

#[tokio::test]
async fn keys_that_cannot_be_used_leave_those_before() {
    let sandbox = Sandbox::builder().strict().start().await.unwrap();
    let d1 = sandbox_builder(&sandbox).build().unwrap();
    let key = EncryptionKey::from_jwk(sandbox.encryption_jwk()).unwrap();
    let twice = d1.replace_encryption_keys([key.clone(), key]);
    refused(twice, "encryption_key", "twice");
    let own_source = d1_tests::sandbox_builder_without_tokens(&sandbox).token_source(FixedToken);
    let signer = SigningKey::from_pem(sandbox.signing_key_pem(), "kid").unwrap();
    let refusal = own_source.build().unwrap().replace_signer(signer);
    refused(refusal, "signer", "token_source");
}

#[tokio::test]
async fn health_names_the_keys_in_use_and_what_carries_out_the_cryptography() {
    let sandbox = Sandbox::builder().strict().start().await.unwrap();
    let d1 = sandbox_builder(&sandbox).build().unwrap();
    let before = d1.health();
    assert_eq!(before.signing_kid.as_deref(), Some(sandbox.signing_kid()));
    let encryption_key = EncryptionKey::from_jwk(sandbox.encryption_jwk()).unwrap();
    assert_eq!(before.encryption_kid.as_deref(), Some(encryption_key.kid()));
    // A JWK has no end.
    assert_eq!(before.encryption_key_days_left, None);
    let key = EncryptionKey::from_pem(sandbox.client_certificate_pem(), "certificate").unwrap();
    d1.replace_encryption_keys([key]).unwrap();
    let days = before.certificate_days_left;
    assert_eq!(d1.health().encryption_key_days_left, days);
    assert_eq!(d1.health().encryption_kid.as_deref(), Some("certificate"));

    let json = serde_json::to_value(&before).unwrap();
    let is_fips = before.cryptography.as_ref().unwrap().is_tls_fips;
    assert_eq!(json["cryptography"]["isTlsFips"], is_fips);
}

#[tokio::test]
async fn health_shows_certificate_token_connections_and_clock() {
    let sandbox = Sandbox::builder().strict().start().await.unwrap();
    let d1 = sandbox_builder(&sandbox).build().unwrap();
    let before = d1.health();
    assert_eq!((before.token_age, before.token_failure), (None, None));
    assert_eq!((before.open_connections, before.protocol), (Some(0), None));
    assert_eq!(before.clock_offset, None);
    // The sandbox issues certificates for ten years.
    let days = before.certificate_days_left;
    assert_eq!(days, Some(3650));
    d1.card(d1_tests::CARD.parse().unwrap())
        .operations()
        .await
        .unwrap();
    let after = d1.health();
    assert_eq!(
        (after.open_connections, after.protocol),
        (Some(1), Some("HTTP/2"))
    );
    assert!(
        after
            .token_expires_in
            .is_some_and(|left| left > Duration::ZERO)
    );
    assert!(
        after
            .clock_offset
            .is_some_and(|seconds| seconds.abs() <= 60)
    );
    let json = serde_json::to_value(&after).unwrap();
    assert_eq!(json["protocol"], "HTTP/2");
    assert!(json["tokenAge"].is_u64(), "{json}");
    assert!(json["certificateExpiresAt"].is_u64(), "{json}");

    let unknown = SigningKey::from_pem(sandbox.signing_key_pem(), "unknown").unwrap();
    d1.replace_signer(unknown).unwrap();
    sandbox.revoke_tokens();
    let card = d1.card(d1_tests::CARD.parse().unwrap());
    let error = card.operations().await.unwrap_err();
    assert_eq!(error.outcome(), Outcome::NotSent);
    assert_eq!(d1.health().token_failure, Some(ErrorKind::TokenUnavailable));
}
