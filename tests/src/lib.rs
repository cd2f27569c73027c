//! What the workspace tests share: a client before a recording server, and one before the sandbox.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // Only tests call it.

/// Prints a line. A closed pipe (`| head -1`) drops it.
#[macro_export]
macro_rules! say {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stdout(), $($text)*);
    }};
}

pub mod fault_server;
pub mod hostile_server;
pub mod http2_server;
pub mod own_time;
pub mod prism;
pub mod tls_server;
pub mod workspace_copy;

use std::sync::LazyLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use d1_facade::auth::{AccessToken, TokenSource};
use d1_facade::retry::ExponentialBackoff;
use d1_facade::{
    Card, Client, ClientBuilder, EncryptionKey, Environment, Error, ErrorKind, Identity, SigningKey,
};
use d1_sandbox::Sandbox;
use openssl::asn1::Asn1Time;
use openssl::bn::BigNum;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::x509::extension::SubjectAlternativeName;
use openssl::x509::{X509, X509Name};
use tokio::net::TcpSocket;
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, ResponseTemplate};

/// The card of every test.
pub const CARD: &str = "ReplaceMe01";

/// The issuer of every test.
pub const ISSUER: &str = "ISSUER_A-1";

/// A test PAN that passes Luhn.
pub const PAN: &str = "4111111111111111";

/// An expiry to go with it.
pub const EXPIRY: &str = "1230";

/// The point of a P-256 key that was made for these tests.
pub const D1_JWK: &str = r#"{"kty":"EC","crv":"P-256","use":"enc","kid":"d1-key-1",
    "x":"weNJy2HscCSM6AEDTDg04biOvhFhyyWvOHQfeF_PxMQ",
    "y":"e8lnCO-AlStT-NJVX-crhB7QRYhiix03illJOVAOyck"}"#;

/// The variable that gives a seed back.
pub const SEED: &str = "D1_TEST_SEED";

/// The seed of random inputs: a new one, or what [`SEED`] says. It is printed, so that a test that fails
/// shows it.
pub fn seed() -> u64 {
    let given = std::env::var(SEED).ok();
    let seed = given.map_or_else(|| fastrand::u64(..), |text| text.parse().expect(SEED));
    #[allow(clippy::print_stdout)] // The test harness shows it where the test fails.
    {
        println!("{SEED}={seed}");
    }
    seed
}

/// A token without an exchange.
#[derive(Debug, Clone, Copy)]
pub struct FixedToken;

impl TokenSource for FixedToken {
    async fn fetch(&self) -> Result<AccessToken, Error> {
        Ok(AccessToken::new("test-access-token", Duration::from_secs(900)).unwrap())
    }
}

/// Some certificate to trust where no TLS is spoken: reading the system's takes its time.
pub fn any_root() -> &'static [u8] {
    static ROOT: LazyLock<Vec<u8>> =
        LazyLock::new(|| certificate("nobody.example", 1).0.to_pem().unwrap());
    &ROOT
}

/// A self-signed certificate for `name`, and its key. It is valid from a month ago for this number of days
/// from now.
pub fn certificate(name: &str, valid_days: i64) -> (X509, PKey<Private>) {
    certificate_of_days(name, -30, valid_days)
}

/// A self-signed certificate for `name`, and its key, valid between two days counted from now.
pub fn certificate_of_days(name: &str, first: i64, last: i64) -> (X509, PKey<Private>) {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    let key = PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap();
    (certificate_for(&key, name, (first, last)), key)
}

/// The same for a key that is there.
pub fn certificate_for(key: &PKey<Private>, name: &str, (first, last): (i64, i64)) -> X509 {
    let mut subject = X509Name::builder().unwrap();
    subject.append_entry_by_text("CN", name).unwrap();
    let subject = subject.build();
    let mut builder = X509::builder().unwrap();
    builder.set_version(2).unwrap();
    let serial = BigNum::from_u32(1).unwrap().to_asn1_integer().unwrap();
    builder.set_serial_number(&serial).unwrap();
    builder.set_subject_name(&subject).unwrap();
    builder.set_issuer_name(&subject).unwrap();
    builder.set_pubkey(key).unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let now = i64::try_from(now.as_secs()).unwrap();
    let day = |n: i64| Asn1Time::from_unix(now + n * 86_400).unwrap();
    builder.set_not_before(&day(first)).unwrap();
    builder.set_not_after(&day(last)).unwrap();
    let names = SubjectAlternativeName::new()
        .dns(name)
        .build(&builder.x509v3_context(None, None));
    builder.append_extension(names.unwrap()).unwrap();
    builder.sign(key, MessageDigest::sha256()).unwrap();
    builder.build()
}

/// A client certificate that no D1 knows, and its key, as PEM.
pub fn foreign_identity() -> (Vec<u8>, Vec<u8>) {
    let (certificate, key) = certificate("nobody", 1);
    let key = key.private_key_to_pem_pkcs8().unwrap();
    (certificate.to_pem().unwrap(), key)
}

/// A host without an address: no resolver may find one below `.invalid` (RFC 6761, section 6.4). On a machine
/// whose name servers are silent the look-up fails as well, but only after the resolver's own timeouts: a test
/// gives it [`RESOLVER_TIME`].
pub const NO_SUCH_HOST: &str = "d1.invalid";

/// More than a resolver takes to give up: `resolv.conf` has at most 3 name servers, 5 attempts of 30 s at most, and
/// 10 s unless it says otherwise.
pub const RESOLVER_TIME: Duration = Duration::from_secs(600);

/// A port of 127.0.0.1 that refuses connections for as long as the socket lives: it is bound, so that no
/// other program gets the port, and does not listen.
pub fn closed_port() -> (TcpSocket, u16) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let port = socket.local_addr().unwrap().port();
    (socket, port)
}

/// A server that answers everything alike and records what it gets.
pub async fn answering(response: ResponseTemplate) -> MockServer {
    let server = MockServer::start().await;
    Mock::given(any())
        .respond_with(response)
        .mount(&server)
        .await;
    server
}

/// A client for `server`, with a token at hand.
pub fn client_for(server: &MockServer) -> Client {
    builder_for(server).build().unwrap()
}

/// A builder for a client for `server`, with a token at hand.
pub fn builder_for(server: &MockServer) -> ClientBuilder {
    bare_builder_for(&server.uri())
        .root_certificate(any_root())
        .without_system_roots()
}

/// A builder for a client for the server at `url`, with a token at hand and nothing said of TLS.
pub fn bare_builder_for(url: &str) -> ClientBuilder {
    Client::builder(Environment::Custom(url.to_owned()), ISSUER.parse().unwrap())
        .token_source(FixedToken)
        .encryption_key(EncryptionKey::from_jwk(D1_JWK).unwrap())
        .allow_plain_loopback()
        // A test that wants a call repeated says so.
        .retry(ExponentialBackoff::default().max_attempts(1))
}

/// An HTTP client of a service's own, for servers without TLS.
pub fn plain_http_client(
    edit: impl FnOnce(reqwest::ClientBuilder) -> reqwest::ClientBuilder,
) -> reqwest::Client {
    let provider = std::sync::Arc::new(rustls_openssl::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    edit(reqwest::Client::builder().tls_backend_preconfigured(config))
        .build()
        .unwrap()
}

/// An HTTP client of a service's own, for servers that speak HTTP/2 without TLS.
pub fn http2_client() -> reqwest::Client {
    plain_http_client(|b| b.http2_prior_knowledge().retry(reqwest::retry::never()))
}

/// A value that is wrong, and must not come back in the error.
pub const WRONG: &str = "wr0ng!value";

/// Asserts that an input was refused, by name and rule, and that the error repeats nothing of it.
pub fn refused<T>(result: Result<T, d1_facade::InvalidInput>, field: &str, rule: &str) {
    let Err(error) = result else {
        unreachable!("{field} was taken");
    };
    assert_eq!(error.field(), field);
    assert!(error.rule().contains(rule), "{error}");
    let shown = format!("{error} {error:?}");
    for secret in [WRONG, PAN, "4111"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

/// A key of the right kind.
pub fn p256() -> EcKey<Private> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    EcKey::generate(&group).unwrap()
}

/// The test card at `server`.
pub fn card_at(server: &MockServer) -> Card {
    client_for(server).card(CARD.parse().unwrap())
}

/// A client for the sandbox, certificates, assertion, encryption and all.
pub fn sandbox_client(sandbox: &Sandbox) -> Client {
    sandbox_builder(sandbox).build().unwrap()
}

/// A builder for a client for the sandbox.
pub fn sandbox_builder(sandbox: &Sandbox) -> ClientBuilder {
    let key = SigningKey::from_pem(sandbox.signing_key_pem(), sandbox.signing_kid()).unwrap();
    sandbox_builder_without_tokens(sandbox).signer(key)
}

/// A builder for a client for the sandbox that wants a source of tokens.
pub fn sandbox_builder_without_tokens(sandbox: &Sandbox) -> ClientBuilder {
    let builder = match prism::in_front_of(sandbox) {
        // Its forwarder has the certificates.
        Some(url) => Client::builder(
            Environment::Custom(url),
            sandbox.issuer_id().parse().unwrap(),
        )
        .allow_plain_loopback()
        .root_certificate(any_root()),
        None => {
            let url = sandbox.base_url().to_owned();
            Client::builder(
                Environment::Custom(url),
                sandbox.issuer_id().parse().unwrap(),
            )
            .root_certificate(sandbox.ca_pem())
            .client_identity(
                Identity::from_pem(sandbox.client_certificate_pem(), sandbox.client_key_pem())
                    .unwrap(),
            )
        }
    };
    builder
        .without_system_roots()
        .encryption_key(EncryptionKey::from_jwk(sandbox.encryption_jwk()).unwrap())
        .retry(ExponentialBackoff::default().max_attempts(1))
}

/// A sandbox that refuses what D1 may refuse: whatever a test calls, our client gives no cause for a warning.
pub async fn strict_sandbox() -> Sandbox {
    Sandbox::builder().strict().start().await.unwrap()
}

/// A strict sandbox, otherwise as `builder` has it, and the test card in it.
pub async fn with(builder: d1_sandbox::Builder) -> (Sandbox, Card) {
    let sandbox = builder.strict().start().await.unwrap();
    let card = sandbox_client(&sandbox).card(CARD.parse().unwrap());
    (sandbox, card)
}

/// Asserts kind, status and that the error offers the cause.
pub fn assert_error(error: &Error, kind: ErrorKind, status: u16, meaning: &str) {
    assert_eq!(
        (error.kind(), error.status()),
        (kind, Some(status)),
        "{error}"
    );
    let meanings: Vec<&str> = error.causes().iter().map(|c| c.meaning()).collect();
    assert!(
        meanings.iter().any(|m| m.contains(meaning)),
        "{meaning}: {meanings:?}"
    );
    assert!(error.correlation_id().is_some());
}
