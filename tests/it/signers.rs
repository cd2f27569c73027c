//! Signers of a service's own: how often they are asked, what they may return, and how they may fail.
#![allow(clippy::panic)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use d1_facade::auth::{AccessToken, Signer, TokenSource, Unavailable};
use d1_facade::retry::ExponentialBackoff;
use d1_facade::{Card, ClientBuilder, Error, ErrorKind, Outcome};
use d1_sandbox::Sandbox;
use d1_tests::{CARD, bare_builder_for, refused, sandbox_builder_without_tokens, strict_sandbox};
use futures_util::future::join_all;
use openssl::ec::EcKey;
use openssl::ecdsa::EcdsaSig;
use openssl::pkey::Private;
use openssl::sha::sha256;

/// What a signer does when it is asked.
#[derive(Debug, Clone, Copy)]
enum Act {
    /// It signs, and returns r and s.
    Sign,
    /// It signs, and returns DER.
    SignDer,
    Return(&'static [u8]),
    /// It fails for a reason that passes, and says when.
    Busy(Option<Duration>),
    Fail,
    Hang,
    /// It panics when it is asked.
    Panic,
    /// It panics while it signs.
    PanicLater,
}

/// A signer with the sandbox's key that acts in this order, and in the last way from then on. Its clones are one.
#[derive(Clone)]
struct Remote {
    key: EcKey<Private>,
    kid: String,
    acts: Arc<[Act]>,
    asked: Arc<AtomicUsize>,
}

impl Remote {
    fn new(sandbox: &Sandbox, acts: &[Act]) -> Self {
        Self {
            key: EcKey::private_key_from_pem(sandbox.signing_key_pem().as_bytes()).unwrap(),
            kid: sandbox.signing_kid().to_owned(),
            acts: acts.into(),
            asked: Arc::default(),
        }
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    fn signature(&self, input: &[u8], is_der: bool) -> Vec<u8> {
        let signature = EcdsaSig::sign(&sha256(input), &self.key).unwrap();
        match is_der {
            true => signature.to_der().unwrap(),
            false => [signature.r(), signature.s()]
                .map(|number| number.to_vec_padded(32).unwrap())
                .concat(),
        }
    }
}

impl Signer for Remote {
    fn kid(&self) -> &str {
        &self.kid
    }

    fn sign(&self, input: &[u8]) -> impl Future<Output = Result<Vec<u8>, Unavailable>> + Send {
        let number = self.asked.fetch_add(1, Ordering::SeqCst);
        let act = self.acts[number.min(self.acts.len() - 1)];
        if let Act::Panic = act {
            panic!("when it is asked");
        }
        async move {
            tokio::task::yield_now().await;
            let throttled = || Unavailable::transient(std::io::Error::other("throttled"));
            match act {
                Act::Sign => Ok(self.signature(input, false)),
                Act::SignDer => Ok(self.signature(input, true)),
                Act::Return(bytes) => Ok(bytes.to_owned()),
                Act::Busy(None) => Err(throttled()),
                Act::Busy(Some(pause)) => Err(throttled().retry_after(pause)),
                Act::Fail => Err(std::io::Error::other("no such key"))?,
                Act::Hang => std::future::pending().await,
                Act::Panic | Act::PanicLater => panic!("while it signs"),
            }
        }
    }
}

/// A card of the sandbox, for a client whose signer acts so.
fn card_with(
    sandbox: &Sandbox,
    acts: &[Act],
    edit: fn(ClientBuilder) -> ClientBuilder,
) -> (Remote, Card) {
    let remote = Remote::new(sandbox, acts);
    let builder = sandbox_builder_without_tokens(sandbox).signer(remote.clone());
    let client = edit(builder).build().unwrap();
    (remote, client.card(CARD.parse().unwrap()))
}

fn as_it_is(builder: ClientBuilder) -> ClientBuilder {
    builder
}

/// Lets time pass without waiting for it.
async fn pass(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

/// Calls until the pause is over for which a failure is kept.
async fn read_after_pause(card: &Card) {
    while let Err(error) = card.operations().await {
        pass(error.retry_after().unwrap()).await;
    }
}

#[tokio::test]
async fn one_signature_serves_all_calls_that_wait() {
    for act in [Act::Sign, Act::SignDer] {
        let sandbox = strict_sandbox().await;
        let (remote, card) = card_with(&sandbox, &[act], as_it_is);
        let calls = join_all((0..50).map(|_| async { card.operations().await })).await;
        assert!(calls.iter().all(Result::is_ok), "{act:?}: {calls:?}");
        assert_eq!((remote.asked(), sandbox.token_exchanges()), (1, 1));
    }
}

#[tokio::test]
async fn what_is_no_signature_is_named_and_nothing_is_sent() {
    for bytes in [&[][..], &[1; 63], &[0; 64], &[0x30; 72], &[7; 32]] {
        let sandbox = strict_sandbox().await;
        let (_, card) = card_with(&sandbox, &[Act::Return(bytes)], as_it_is);
        let error = card.suspend().await.unwrap_err();
        assert_eq!(
            (error.kind(), error.outcome()),
            (ErrorKind::Crypto, Outcome::NotSent)
        );
        assert!(!error.is_retryable());
        let line = error.to_string();
        assert!(
            line.contains("the signer returned no ES256 signature"),
            "{line}"
        );
        assert_eq!(
            (sandbox.token_exchanges(), sandbox.requests().len()),
            (0, 0)
        );
    }
}

#[tokio::test]
async fn a_transient_failure_is_tried_again_when_the_signer_says() {
    let sandbox = strict_sandbox().await;
    let pause = Duration::from_millis(150);
    let (remote, card) = card_with(&sandbox, &[Act::Busy(Some(pause)), Act::Sign], |builder| {
        builder.retry(ExponentialBackoff::default())
    });
    card.suspend().await.unwrap();
    assert_eq!((remote.asked(), sandbox.token_exchanges()), (2, 1));
    sandbox.assert_requests("suspendCard", CARD, 1);

    for asked in [None, Some(Duration::from_secs(7))] {
        let (_, card) = card_with(&sandbox, &[Act::Busy(asked)], as_it_is);
        let error = card.suspend().await.unwrap_err();
        assert_eq!(
            (error.kind(), error.outcome()),
            (ErrorKind::Crypto, Outcome::NotSent)
        );
        assert!(error.is_retryable());
        assert!(error.retry_after() >= asked, "{error:?}");
        assert!(
            error.to_string().contains("cannot be signed at the moment"),
            "{error}"
        );
        assert!(!error.to_string().contains("throttled"), "{error}");
        assert!(error.advice().contains("later"), "{}", error.advice());
    }
}

#[tokio::test]
async fn a_token_that_is_asked_for_follows_the_retry_policy() {
    let sandbox = strict_sandbox().await;
    for (acts, attempts, succeeds) in [
        (&[Act::Busy(None), Act::Busy(None), Act::Sign][..], 3, true),
        (&[Act::Busy(None)], 3, false),
        (&[Act::Fail], 1, false),
    ] {
        let remote = Remote::new(&sandbox, acts);
        let builder = sandbox_builder_without_tokens(&sandbox).signer(remote.clone());
        let client = builder
            .retry(ExponentialBackoff::default())
            .build()
            .unwrap();
        let token = client.access_token().await;
        assert_eq!(
            (token.is_ok(), remote.asked()),
            (succeeds, attempts),
            "{acts:?}: {token:?}"
        );
    }
}

#[tokio::test]
async fn a_permanent_failure_is_not_tried_again() {
    let sandbox = strict_sandbox().await;
    let (remote, card) = card_with(&sandbox, &[Act::Fail], |builder| {
        builder.retry(ExponentialBackoff::default())
    });
    let error = card.suspend().await.unwrap_err();
    assert_eq!(
        (error.kind(), error.outcome()),
        (ErrorKind::Crypto, Outcome::NotSent)
    );
    assert!(!error.is_retryable());
    assert!(
        error
            .to_string()
            .contains("the assertion could not be signed"),
        "{error}"
    );
    assert!(!error.to_string().contains("no such key"), "{error}");
    assert_eq!((remote.asked(), sandbox.requests().len()), (1, 0));
}

#[tokio::test]
async fn a_signer_that_hangs_ends_with_the_call_and_is_left() {
    let sandbox = strict_sandbox().await;
    let (remote, card) = card_with(&sandbox, &[Act::Hang, Act::Hang, Act::Sign], |builder| {
        builder.timeout(Duration::from_secs(1))
    });
    // The time of the call is over, then that of the exchange.
    let call = card.suspend().timeout(Duration::from_millis(200));
    let error = call.await.unwrap_err();
    assert_eq!(
        (error.kind(), error.outcome()),
        (ErrorKind::Timeout, Outcome::NotSent)
    );
    let call = card.suspend().timeout(Duration::from_secs(600));
    let error = call.await.unwrap_err();
    assert_eq!(
        (error.kind(), error.outcome()),
        (ErrorKind::Timeout, Outcome::NotSent)
    );
    assert!(
        error.to_string().contains("was not signed in time"),
        "{error}"
    );
    assert_eq!(sandbox.requests().len(), 0);
    read_after_pause(&card).await;
    assert_eq!(remote.asked(), 3);
}

#[tokio::test]
async fn a_signer_that_panics_does_not_end_the_client() {
    for act in [Act::Panic, Act::PanicLater] {
        let sandbox = strict_sandbox().await;
        let (remote, card) = card_with(&sandbox, &[act, Act::Sign], as_it_is);
        let calls = join_all((0..20).map(|_| async { card.operations().await })).await;
        for call in calls {
            let error = call.unwrap_err();
            assert_eq!(
                (error.kind(), error.outcome()),
                (ErrorKind::Crypto, Outcome::NotSent)
            );
            assert!(
                error
                    .to_string()
                    .contains("the signer of the assertion panicked"),
                "{error}"
            );
        }
        assert_eq!(remote.asked(), 1);
        read_after_pause(&card).await;
        assert_eq!(sandbox.token_exchanges(), 1);
    }
}

/// A token source that panics once, and then says that it has no token for now.
struct Panics(AtomicUsize);

impl TokenSource for Panics {
    fn fetch(&self) -> impl Future<Output = Result<AccessToken, Error>> + Send {
        let number = self.0.fetch_add(1, Ordering::SeqCst);
        assert_ne!(number, 0, "when it is asked");
        async move {
            assert_ne!(number, 1, "while it fetches");
            if number == 2 {
                let down = Unavailable::transient(std::io::Error::other("down"));
                return Err(Error::token_unavailable(down));
            }
            let token = AccessToken::new("a-token", Duration::from_secs(900));
            token.map_err(Error::token_unavailable)
        }
    }
}

#[tokio::test]
async fn a_token_source_that_fails_says_whether_that_passes() {
    let sandbox = strict_sandbox().await;
    let builder = sandbox_builder_without_tokens(&sandbox);
    let client = builder
        .token_source(Panics(AtomicUsize::new(0)))
        .build()
        .unwrap();
    let mut seen = Vec::new();
    while let Err(error) = client.access_token().await {
        assert_eq!(
            (error.kind(), error.outcome()),
            (ErrorKind::TokenUnavailable, Outcome::NotSent)
        );
        let line = error.to_string();
        let words = ["the token source panicked", "has no token at the moment"];
        let words = words.into_iter().find(|words| line.contains(words));
        seen.push((
            words.unwrap_or_else(|| panic!("{line}")),
            error.is_retryable(),
        ));
        pass(error.retry_after().unwrap()).await;
    }
    let panicked = ("the token source panicked", false);
    assert_eq!(
        seen,
        [panicked, panicked, ("has no token at the moment", true)]
    );
}

#[test]
fn the_kid_of_a_signer_is_checked() {
    struct Named(&'static str);
    impl Signer for Named {
        fn kid(&self) -> &str {
            self.0
        }

        async fn sign(&self, _: &[u8]) -> Result<Vec<u8>, Unavailable> {
            unreachable!("nothing is signed")
        }
    }
    let builder = || {
        let environment = d1_facade::Environment::Custom("http://127.0.0.1:1".to_owned());
        d1_facade::Client::builder(environment, d1_tests::ISSUER.parse().unwrap())
            .allow_plain_loopback()
            .root_certificate(d1_tests::any_root())
            .without_system_roots()
    };
    let long = "k".repeat(257);
    for kid in [
        "",
        "two words",
        "Schlüssel",
        Box::leak(long.into_boxed_str()),
    ] {
        refused(
            builder().signer(Named(kid)).build(),
            "signing_kid",
            "1 to 256",
        );
    }
    let twice = builder().signer(Named("a")).signer(Named("a"));
    refused(twice.build(), "signer", "twice");
    let chosen = builder()
        .signer(Named("a"))
        .signer(Named("b"))
        .sign_with("b");
    assert!(
        format!("{chosen:?}").contains(r#"["a", "b"]"#),
        "{chosen:?}"
    );
    assert!(chosen.build().is_ok());
    let beside = bare_builder_for("http://127.0.0.1:1").signer(Named("a"));
    refused(beside.build(), "signer", "beside token_source");
}
