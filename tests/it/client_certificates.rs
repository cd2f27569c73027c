//! Client certificates of all kinds, shown to a server that is OpenSSL's.
#![allow(clippy::panic)]

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use d1_facade::retry::ExponentialBackoff;
use d1_facade::{Client, Environment, Identity};
use d1_tests::{CARD, FixedToken, ISSUER, certificate, refused};
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use openssl::ssl::{SslAcceptor, SslMethod, SslVerifyMode};
use openssl::x509::extension::BasicConstraints;
use openssl::x509::{X509, X509Builder, X509Name};
use rustls::crypto::{CryptoProvider, GetRandomFailed, SecureRandom};

/// RSASSA-PSS, 2048 bits, made for this test with `openssl genpkey`.
const RSA_PSS: &str = include_str!("keys/rsa-pss.pem");

/// An authority that may sign certificates: OpenSSL wants it to say so.
fn authority() -> (X509, PKey<Private>) {
    let unsigned = certificate("ca", 1);
    let mut builder = builder(3, &unsigned.1, &unsigned.0);
    builder.set_subject_name(unsigned.0.subject_name()).unwrap();
    let may_sign = BasicConstraints::new().critical().ca().build().unwrap();
    builder.append_extension(may_sign).unwrap();
    builder.sign(&unsigned.1, MessageDigest::sha256()).unwrap();
    (builder.build(), unsigned.1)
}

/// A certificate for `key`, of X.509 version 1 or 3, signed by `ca`.
fn signed(version: i32, key: &PKey<Private>, ca: &(X509, PKey<Private>)) -> X509 {
    let mut builder = builder(version, key, &ca.0);
    builder.sign(&ca.1, MessageDigest::sha256()).unwrap();
    builder.build()
}

fn builder(version: i32, key: &PKey<Private>, issuer: &X509) -> X509Builder {
    let mut name = X509Name::builder().unwrap();
    name.append_entry_by_text("CN", "client").unwrap();
    let mut builder = X509::builder().unwrap();
    builder.set_version(version - 1).unwrap();
    builder.set_subject_name(&name.build()).unwrap();
    builder.set_issuer_name(issuer.subject_name()).unwrap();
    builder.set_pubkey(key).unwrap();
    builder.set_not_before(issuer.not_before()).unwrap();
    builder.set_not_after(issuer.not_after()).unwrap();
    builder
}

/// Serves each connection one answer, to clients whose certificate `ca` signed.
fn serve(server: &(X509, PKey<Private>), ca: &X509) -> String {
    let mut acceptor = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls()).unwrap();
    acceptor.set_private_key(&server.1).unwrap();
    acceptor.set_certificate(&server.0).unwrap();
    acceptor.cert_store_mut().add_cert(ca.clone()).unwrap();
    acceptor.set_verify(SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT);
    let acceptor = acceptor.build();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for connection in listener.incoming() {
            let Ok(mut tls) = acceptor.accept(connection.unwrap()) else {
                continue;
            };
            let mut head = Vec::new();
            let mut buffer = [0; 4096];
            while !head.windows(4).any(|w| w == b"\r\n\r\n") {
                match tls.read(&mut buffer) {
                    Ok(0) | Err(_) => break,
                    Ok(n) => head.extend_from_slice(&buffer[..n]),
                }
            }
            let _ = tls.write_all(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n");
            let _ = tls.shutdown();
        }
    });
    format!("https://localhost:{port}")
}

fn key_on(curve: Nid) -> PKey<Private> {
    let group = EcGroup::from_curve_name(curve).unwrap();
    PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap()
}

fn rsa(bits: u32) -> PKey<Private> {
    PKey::from_rsa(Rsa::generate(bits).unwrap()).unwrap()
}

struct Peer {
    url: String,
    root: Vec<u8>,
}

impl Peer {
    fn client(&self, certificate: &[u8], key: &[u8]) -> Result<Client, d1_facade::InvalidInput> {
        let issuer = ISSUER.parse().unwrap();
        Client::builder(Environment::Custom(self.url.clone()), issuer)
            .token_source(FixedToken)
            .retry(ExponentialBackoff::default().max_attempts(1))
            .root_certificate(&self.root)
            .without_system_roots()
            .client_identity(Identity::from_pem(certificate, key)?)
            .build()
    }
}

#[tokio::test]
async fn a_certificate_that_openssl_takes_is_presented() {
    let (server, ca) = (certificate("localhost", 1), authority());
    let peer = Peer {
        url: serve(&server, &ca.0),
        root: server.0.to_pem().unwrap(),
    };
    let keys = [
        key_on(Nid::X9_62_PRIME256V1),
        key_on(Nid::SECP384R1),
        rsa(2048),
        rsa(4096),
        PKey::generate_ed25519().unwrap(),
    ];
    for key in &keys {
        for version in [1, 3] {
            let leaf = signed(version, key, &ca);
            let kind = format!("version {version}, {:?} of {} bits", key.id(), key.bits());
            // The authority may stand first, and the label may be an older one.
            let leaf_pem = String::from_utf8(leaf.to_pem().unwrap()).unwrap();
            let ca_pem = String::from_utf8(ca.0.to_pem().unwrap()).unwrap();
            let chain = ca_pem + &leaf_pem.replace(" CERTIFICATE", " X509 CERTIFICATE");
            let forms = [
                (
                    leaf.to_pem().unwrap(),
                    key.private_key_to_pem_pkcs8().unwrap(),
                ),
                (leaf.to_der().unwrap(), key.private_key_to_der().unwrap()),
                (chain.into(), key.private_key_to_pem_pkcs8().unwrap()),
            ];
            for (certificate, key) in forms {
                let client = peer.client(&certificate, &key);
                let client = client.unwrap_or_else(|e| panic!("{kind}: {e}"));
                let result = client.card(CARD.parse().unwrap()).suspend().await;
                assert!(result.is_ok(), "{kind}: {result:?}");
            }
        }
    }
}

/// Random bytes that are OpenSSL's, and counted.
#[derive(Debug, Default)]
struct CountedRandom(AtomicUsize);

impl SecureRandom for CountedRandom {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), GetRandomFailed> {
        self.0.fetch_add(1, Ordering::SeqCst);
        openssl::rand::rand_bytes(bytes).map_err(|_| GetRandomFailed)
    }
}

#[tokio::test]
async fn the_crypto_provider_that_is_given_is_used() {
    static RANDOM: CountedRandom = CountedRandom(AtomicUsize::new(0));
    let sandbox = d1_sandbox::Sandbox::start().await.unwrap();
    let builder = || {
        Client::builder(
            Environment::Custom(sandbox.base_url().to_owned()),
            sandbox.issuer_id().parse().unwrap(),
        )
        .token_source(FixedToken)
        .root_certificate(sandbox.ca_pem())
        .without_system_roots()
        .client_identity(
            Identity::from_pem(sandbox.client_certificate_pem(), sandbox.client_key_pem()).unwrap(),
        )
    };
    let with = |edit: fn(&mut CryptoProvider)| {
        let mut provider = rustls_openssl::default_provider();
        edit(&mut provider);
        builder().crypto_provider(provider.into()).build()
    };
    let client = with(|provider| provider.secure_random = &RANDOM).unwrap();
    // The sandbox does not know the token: TLS is through.
    let error = client.card(CARD.parse().unwrap()).suspend().await;
    assert_eq!(error.unwrap_err().status(), Some(401));
    assert!(RANDOM.0.load(Ordering::SeqCst) > 0);

    for edit in [
        (|provider| provider.cipher_suites.clear()) as fn(&mut CryptoProvider),
        |provider| provider.kx_groups.clear(),
    ] {
        refused(
            with(edit),
            "crypto_provider",
            "has no cipher suite or no key exchange",
        );
    }
}

#[test]
fn a_key_that_tls_cannot_use_is_named() {
    let ca = authority();
    let peer = Peer {
        url: "https://localhost:1".into(),
        root: ca.0.to_pem().unwrap(),
    };
    let pss = PKey::private_key_from_pem(RSA_PSS.as_bytes()).unwrap();
    for (key, why) in [
        (key_on(Nid::SECP521R1), "it is EC on P-521"),
        (key_on(Nid::SECP256K1), "it is EC on secp256k1"),
        (rsa(1024), "it is RSA of 1024 bits"),
        (pss, "it is RSA-PSS"),
        (PKey::generate_ed448().unwrap(), "it is Ed448"),
    ] {
        let certificate = signed(3, &key, &ca).to_pem().unwrap();
        let client = peer.client(&certificate, &key.private_key_to_pem_pkcs8().unwrap());
        refused(client, "client_identity_key", why);
    }
    let key = key_on(Nid::X9_62_PRIME256V1);
    let pem = key.private_key_to_pem_pkcs8().unwrap();
    let certificate = signed(3, &key, &ca).to_pem().unwrap();
    let other = signed(3, &rsa(2048), &ca).to_pem().unwrap();
    refused(
        peer.client(&other, &pem),
        "client_identity",
        "not that of its certificate",
    );
    refused(
        peer.client(&pem, &pem),
        "client_identity_certificate",
        "it has a PRIVATE KEY",
    );
    refused(
        peer.client(&certificate, &certificate),
        "client_identity_key",
        "it has a CERTIFICATE",
    );
}
