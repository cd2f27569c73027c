//! A service under load whose client certificate, signer and encryption key are replaced again and again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use d1_facade::auth::{Signer, Unavailable};
use d1_facade::{CardCredentials, Client, CorrelationId, EncryptionKey, Renewal, SigningKey};
use d1_sandbox::{Card, RecordedRequest, Sandbox};
use d1_tests::{EXPIRY, PAN, p256};
use openssl::pkey::PKey;
use tokio::task::JoinHandle;

use super::{Files, advance, fingerprint, next_check};

const CHANGES: usize = 20;
const WORKERS: usize = 4;

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

    async fn sign(&self, input: &[u8]) -> Result<Vec<u8>, Unavailable> {
        self.0.1.fetch_add(1, Ordering::SeqCst);
        self.0.0.sign(input).await
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
    let d1 = d1_tests::sandbox_builder_without_tokens(&sandbox)
        .signer(keys.signers[0].clone())
        .client_identity(files.identity())
        .build()
        .unwrap();
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
