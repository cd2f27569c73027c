//! Client certificates from a resolver, which may change, be missing, or have a key that fails.
#![allow(clippy::panic)]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use d1_facade::retry::ExponentialBackoff;
use d1_facade::{ClientBuilder, ErrorKind, Identity, Outcome};
use d1_sandbox::Sandbox;
use d1_tests::tls_server::TlsServer;
use d1_tests::{
    CARD, FixedToken, ISSUER, certificate, certificate_of_days, foreign_identity, sandbox_builder,
    strict_sandbox,
};
use rustls::SignatureScheme;
use rustls::client::ResolvesClientCert;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, Signer, SigningKey};

/// A resolver whose certificate a test changes. Its clones are one.
#[derive(Debug, Clone, Default)]
struct Changing(Arc<Mutex<Option<Arc<CertifiedKey>>>>);

impl Changing {
    fn with(certified: CertifiedKey) -> Self {
        let changing = Self::default();
        changing.set(Some(certified));
        changing
    }

    fn set(&self, certified: Option<CertifiedKey>) {
        *self.0.lock().unwrap() = certified.map(Arc::new);
    }

    fn identity(&self) -> Identity {
        Identity::from_resolver(Arc::new(self.clone()))
    }
}

impl ResolvesClientCert for Changing {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.0.lock().unwrap().clone()
    }

    fn has_certs(&self) -> bool {
        true
    }
}

fn certified(certificate: impl AsRef<[u8]>, key: impl AsRef<[u8]>) -> CertifiedKey {
    let chain = CertificateDer::pem_slice_iter(certificate.as_ref());
    let key = PrivateKeyDer::from_pem_slice(key.as_ref()).unwrap();
    let provider = rustls_openssl::default_provider();
    let key = provider.key_provider.load_private_key(key).unwrap();
    CertifiedKey::new(chain.map(Result::unwrap).collect(), key)
}

/// The certificate that the sandbox has issued.
fn own(sandbox: &Sandbox) -> CertifiedKey {
    certified(sandbox.client_certificate_pem(), sandbox.client_key_pem())
}

/// A certificate valid between two days counted from now.
fn dated(first: i64, last: i64) -> CertifiedKey {
    let (certificate, key) = certificate_of_days("client", first, last);
    certified(
        certificate.to_pem().unwrap(),
        key.private_key_to_pem_pkcs8().unwrap(),
    )
}

/// The line of a change that is not sent.
async fn not_sent(builder: ClientBuilder) -> String {
    let card = builder.build().unwrap().card(CARD.parse().unwrap());
    let error = card.suspend().await.unwrap_err();
    let (kind, outcome) = (error.kind(), error.outcome());
    assert_eq!(
        (kind, outcome),
        (ErrorKind::Connect, Outcome::NotSent),
        "{error}"
    );
    error.to_string()
}

#[tokio::test]
async fn a_certificate_from_a_resolver_is_presented_and_may_change() {
    let sandbox = strict_sandbox().await;
    let changing = Changing::with(own(&sandbox));
    let client = sandbox_builder(&sandbox)
        .client_identity(changing.identity())
        .build();
    let card = client.unwrap().card(CARD.parse().unwrap());
    card.operations().await.unwrap();
    // Connections are open: nothing is sent over them with a certificate that is not valid.
    for (certified, words) in [
        (
            Some(dated(-30, -1)),
            "the client certificate has expired: it was valid until ",
        ),
        (
            Some(dated(1, 30)),
            "the client certificate is not valid yet: it is valid from ",
        ),
        (
            None,
            "there is no client certificate: the resolver of the client identity has none",
        ),
    ] {
        changing.set(certified);
        let before = sandbox.requests().len();
        let error = card.suspend().await.unwrap_err();
        assert_eq!(
            (error.kind(), error.outcome()),
            (ErrorKind::Connect, Outcome::NotSent)
        );
        assert!(error.to_string().contains(words), "{error}");
        assert_eq!(sandbox.requests().len(), before);
    }
    changing.set(Some(own(&sandbox)));
    card.suspend().await.unwrap();
}

#[tokio::test]
async fn a_server_that_does_not_ask_for_it_is_refused() {
    let server = TlsServer::with(certificate("localhost", 1));
    let (certificate, key) = foreign_identity();
    let url = format!("https://localhost:{}", server.port);
    let environment = d1_facade::Environment::Custom(url);
    let builder = d1_facade::Client::builder(environment, ISSUER.parse().unwrap())
        .client_identity(Changing::with(certified(certificate, key)).identity())
        .root_certificate(&server.certificate)
        .without_system_roots()
        .token_source(FixedToken)
        .retry(ExponentialBackoff::default().max_attempts(1));
    let line = not_sent(builder).await;
    assert!(
        line.contains("did not ask for the client certificate"),
        "{line}"
    );
}

#[tokio::test]
async fn the_alert_of_a_server_that_refuses_it_is_named() {
    let server = TlsServer::that_refuses_certificates();
    let (certificate, key) = foreign_identity();
    let url = format!("https://localhost:{}", server.port);
    let environment = d1_facade::Environment::Custom(url);
    let builder = d1_facade::Client::builder(environment, ISSUER.parse().unwrap())
        .client_identity(Changing::with(certified(certificate, key)).identity())
        .root_certificate(&server.certificate)
        .without_system_roots()
        .token_source(FixedToken)
        .retry(ExponentialBackoff::default().max_attempts(1));
    let line = not_sent(builder).await;
    assert!(
        line.contains("the server refuses the client certificate: "),
        "{line}"
    );
}

/// A key that fails, panics, and then signs.
#[derive(Debug)]
struct Failing {
    key: Arc<dyn SigningKey>,
    asked: Arc<AtomicUsize>,
}

impl SigningKey for Failing {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        let signer = self.key.choose_scheme(offered)?;
        Some(Box::new(FailingSigner(signer, self.asked.clone())))
    }

    fn algorithm(&self) -> rustls::SignatureAlgorithm {
        self.key.algorithm()
    }
}

#[derive(Debug)]
struct FailingSigner(Box<dyn Signer>, Arc<AtomicUsize>);

impl Signer for FailingSigner {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rustls::Error> {
        match self.1.fetch_add(1, Ordering::SeqCst) {
            0 => Err(rustls::Error::General("the PIN is wr0ng!value".into())),
            1 => panic!("in the library of the HSM"),
            _ => self.0.sign(message),
        }
    }

    fn scheme(&self) -> SignatureScheme {
        self.0.scheme()
    }
}

#[tokio::test]
async fn a_key_that_cannot_sign_is_named_and_may_sign_later() {
    let sandbox = strict_sandbox().await;
    let asked = Arc::new(AtomicUsize::new(0));
    let mut certified = own(&sandbox);
    certified.key = Arc::new(Failing {
        key: certified.key,
        asked: asked.clone(),
    });
    let builder = || {
        let identity = Changing::with(certified.clone()).identity();
        sandbox_builder(&sandbox).client_identity(identity)
    };
    for expected in [1, 2] {
        let line = not_sent(builder()).await;
        let words = "the key of the client certificate could not sign";
        assert!(line.contains(words) && !line.contains("PIN"), "{line}");
        assert_eq!(asked.load(Ordering::SeqCst), expected);
    }
    let client = builder().build().unwrap();
    client.card(CARD.parse().unwrap()).suspend().await.unwrap();
    sandbox.assert_requests("suspendCard", CARD, 1);
}
