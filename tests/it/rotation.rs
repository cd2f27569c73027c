//! A service under load whose client certificate, signer and encryption key are replaced.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use d1_facade::auth::{SignFuture, Signer};
use d1_facade::{
    CardCredentials, Client, CorrelationId, EncryptionKey, ErrorKind, Identity, Outcome, Renewal,
    SigningKey,
};
use d1_sandbox::{Card, RecordedRequest, Sandbox};
use d1_tests::{EXPIRY, FixedToken, PAN, certificate_of_days, p256, refused, sandbox_builder};
use openssl::hash::MessageDigest;
use openssl::pkey::PKey;
use openssl::x509::X509;
use tokio::task::JoinHandle;

const CHANGES: usize = 20;
const WORKERS: usize = 4;

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

/// A signer that counts.
#[derive(Clone)]
struct Counting(Arc<(SigningKey, AtomicUsize)>);

impl Counting {
    fn new(key: SigningKey) -> Self {
        Self(Arc::new((key, AtomicUsize::new(0))))
    }

    fn count(&self) -> usize {
        self.0.1.load(Ordering::SeqCst)
    }
}

impl Signer for Counting {
    fn kid(&self) -> &str {
        self.0.0.kid()
    }

    fn sign<'a>(&'a self, input: &'a [u8]) -> SignFuture<'a> {
        self.0.1.fetch_add(1, Ordering::SeqCst);
        self.0.0.sign(input)
    }
}

/// The keys of all rounds.
struct Keys {
    signers: Vec<Counting>,
    encryption: Vec<EncryptionKey>,
}

impl Keys {
    /// Makes the keys and registers them.
    fn register(mut sandbox: d1_sandbox::Builder) -> (d1_sandbox::Builder, Self) {
        let (mut signers, mut encryption) = (Vec::new(), Vec::new());
        for n in 0..=CHANGES {
            let key = PKey::from_ec_key(p256()).unwrap();
            let private = String::from_utf8(key.private_key_to_pem_pkcs8().unwrap()).unwrap();
            let public = String::from_utf8(key.public_key_to_pem().unwrap()).unwrap();
            let kid = format!("key-{n}");
            signers.push(Counting::new(SigningKey::from_pem(&private, &kid).unwrap()));
            encryption.push(EncryptionKey::from_pem(&public, &kid).unwrap());
            sandbox = sandbox.signing_key(&kid, public);
            sandbox = sandbox.encryption_key(&kid, private);
        }
        let keys = Self {
            signers,
            encryption,
        };
        (sandbox, keys)
    }
}

/// The round in which a call began, by its correlation id; `None` for a token exchange.
fn round_of(request: &RecordedRequest) -> Option<usize> {
    let id = request.correlation_id.as_deref()?;
    id.strip_prefix("round-")?.split('-').next()?.parse().ok()
}

/// The `kid` of the credentials of a renewal.
fn encrypted_to(request: &RecordedRequest) -> Option<String> {
    let token = request.body.as_ref()?["encryptedData"].as_str()?;
    let header = URL_SAFE_NO_PAD.decode(token.split('.').next()?).ok()?;
    let header: serde_json::Value = serde_json::from_slice(&header).ok()?;
    Some(header["kid"].as_str()?.to_owned())
}

/// Calls until it is stopped. Returns how many calls succeeded; none may fail.
async fn work(d1: Client, worker: usize, round: Arc<AtomicUsize>, stop: Arc<AtomicBool>) -> usize {
    let card = d1.card(format!("ReplaceMe0{worker}").parse().unwrap());
    let mut calls = 0;
    while !stop.load(Ordering::SeqCst) {
        let id = || -> CorrelationId {
            let round = round.load(Ordering::SeqCst);
            format!("round-{round}-worker-{worker}-{calls}")
                .parse()
                .unwrap()
        };
        match calls % 3 {
            0 => drop(card.suspend().correlation_id(id()).await.unwrap()),
            1 => drop(card.resume().correlation_id(id()).await.unwrap()),
            _ => {
                let credentials = CardCredentials::new(PAN, EXPIRY).unwrap();
                let renewal = Renewal::same_card().credentials(credentials);
                card.renew(renewal).correlation_id(id()).await.unwrap();
            }
        }
        calls += 1;
    }
    calls
}

/// Waits until each worker has begun and ended a call in this round.
async fn served(sandbox: &Sandbox, round: usize, workers: &[JoinHandle<usize>]) {
    // A worker whose call failed has ended: awaiting it shows why.
    while !workers.iter().any(JoinHandle::is_finished) {
        let requests = sandbox.requests();
        let has_two = |worker: usize| {
            let prefix = format!("round-{round}-worker-{worker}-");
            let of_worker = |r: &&RecordedRequest| {
                r.status == 200
                    && r.correlation_id
                        .as_ref()
                        .is_some_and(|id| id.starts_with(&prefix))
            };
            requests.iter().filter(of_worker).count() >= 3
        };
        if (0..WORKERS).all(has_two) {
            return;
        }
        tokio::task::yield_now().await;
    }
}

/// Waits until each worker can have made a call.
async fn progressed(sandbox: &Sandbox, workers: &[JoinHandle<usize>]) {
    let before = sandbox.requests().len();
    while !workers.iter().any(JoinHandle::is_finished)
        && sandbox.requests().len() < before + 2 * WORKERS
    {
        tokio::task::yield_now().await;
    }
}

async fn under_load(test: &str, sandbox: d1_sandbox::Builder) -> Sandbox {
    let (mut sandbox, keys) = Keys::register(sandbox.strict());
    for worker in 0..WORKERS {
        sandbox = sandbox.card(Card::new(format!("ReplaceMe0{worker}")).pan(PAN));
    }
    let sandbox = sandbox.start().await.unwrap();
    let files = Files::new(test);
    files.swap(sandbox.client_certificate_pem(), sandbox.client_key_pem());
    let mut certificates = vec![fingerprint(sandbox.client_certificate_pem())];
    let d1 = sandbox_builder_of(&sandbox, &keys).client_identity(files.identity());
    let d1 = d1.build().unwrap();
    let (round, stop) = (
        Arc::new(AtomicUsize::new(0)),
        Arc::new(AtomicBool::new(false)),
    );
    let workers: Vec<_> = (0..WORKERS)
        .map(|worker| tokio::spawn(work(d1.clone(), worker, round.clone(), stop.clone())))
        .collect();
    served(&sandbox, 0, &workers).await;
    for n in 1..=CHANGES {
        let (certificate, key) = sandbox.renew_client_certificate().unwrap();
        if n % 2 == 0 {
            // For a while, the halves do not belong together.
            files.write("tls.key", &key);
            next_check().await;
            files.write("tls.crt", &certificate);
        } else {
            files.swap(&certificate, &key);
        }
        certificates.push(fingerprint(&certificate));
        d1.replace_signer(keys.signers[n].clone()).unwrap();
        d1.replace_encryption_keys([keys.encryption[n].clone()])
            .unwrap();
        // A token that is refused within 10 seconds after another one is not replaced. The steps are shorter than the
        // time in which a connection must answer.
        for _ in 0..4 {
            advance(Duration::from_secs(3)).await;
            progressed(&sandbox, &workers).await;
        }
        round.store(n, Ordering::SeqCst);
        sandbox.revoke_tokens();
        served(&sandbox, n, &workers).await;
    }
    stop.store(true, Ordering::SeqCst);
    let mut calls = 0;
    for worker in workers {
        calls += worker.await.unwrap();
    }
    assert!(calls >= (CHANGES + 1) * WORKERS * 3);
    check(&sandbox, &certificates, &keys);
    sandbox
}

fn sandbox_builder_of(sandbox: &Sandbox, keys: &Keys) -> d1_facade::ClientBuilder {
    d1_tests::sandbox_builder_without_tokens(sandbox).signer(keys.signers[0].clone())
}

/// Counts at the sandbox what was used after its bound.
fn check(sandbox: &Sandbox, certificates: &[String], keys: &Keys) {
    for request in sandbox.requests() {
        let used = request.client_certificate.as_ref().unwrap();
        let used = certificates.iter().position(|c| c == used).unwrap();
        let Some(round) = round_of(&request) else {
            continue;
        };
        assert!(
            used >= round,
            "certificate {used} in a call of round {round}"
        );
        if let Some(kid) = encrypted_to(&request) {
            let key: usize = kid.strip_prefix("key-").unwrap().parse().unwrap();
            assert!(key >= round, "key {key} in a call of round {round}");
        }
    }
    for (n, signer) in keys.signers.iter().enumerate() {
        // One for the round, and one that was under way as the next signer came.
        assert!((1..=2).contains(&signer.count()), "{n}: {}", signer.count());
    }
}

#[tokio::test]
async fn under_load_over_http2_nothing_fails_and_nothing_old_is_used() {
    under_load("rotation-http2", Sandbox::builder()).await;
}

#[tokio::test]
async fn under_load_over_http1_nothing_fails_and_nothing_old_is_used() {
    under_load("rotation-http1", Sandbox::builder().http1_only()).await;
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
async fn health_shows_certificate_token_connections_and_clock() {
    let sandbox = Sandbox::builder().strict().start().await.unwrap();
    let d1 = sandbox_builder(&sandbox).build().unwrap();
    let before = d1.health();
    assert_eq!((before.token_age(), before.token_failure()), (None, None));
    assert_eq!(
        (before.open_connections(), before.protocol()),
        (Some(0), None)
    );
    assert_eq!(before.clock_offset(), None);
    // The sandbox issues certificates for 90 days.
    let days = before.certificate_days_left();
    assert!(
        days.is_some_and(|days| (89..=90).contains(&days)),
        "{days:?}"
    );

    d1.card(d1_tests::CARD.parse().unwrap())
        .operations()
        .await
        .unwrap();
    let after = d1.health();
    assert_eq!(
        (after.open_connections(), after.protocol()),
        (Some(1), Some("HTTP/2"))
    );
    assert!(
        after
            .token_expires_in()
            .is_some_and(|left| left > Duration::ZERO)
    );
    assert!(
        after
            .clock_offset()
            .is_some_and(|seconds| seconds.abs() <= 60)
    );
    let json = serde_json::to_value(&after).unwrap();
    assert_eq!(json["protocol"], "HTTP/2");

    let unknown = SigningKey::from_pem(sandbox.signing_key_pem(), "unknown").unwrap();
    d1.replace_signer(unknown).unwrap();
    sandbox.revoke_tokens();
    let card = d1.card(d1_tests::CARD.parse().unwrap());
    let error = card.operations().await.unwrap_err();
    assert_eq!(error.outcome(), Outcome::NotSent);
    assert_eq!(
        d1.health().token_failure(),
        Some(ErrorKind::TokenUnavailable)
    );
}
