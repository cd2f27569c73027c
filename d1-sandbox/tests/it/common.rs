//! A small client, written for these tests alone, that does what a D1 client must do.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use d1_sandbox::{Builder, Sandbox, StartError};
use josekit::jwe::JweHeader;
use josekit::jwk::Jwk;
use josekit::jws::JwsSigner as _;
use reqwest::{Method, RequestBuilder, Response};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(crate) const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

pub(crate) struct Caller<'s> {
    pub(crate) sandbox: &'s Sandbox,
    pub(crate) http: reqwest::Client,
    pub(crate) token: String,
}

impl<'s> Caller<'s> {
    /// A caller that has a token.
    pub(crate) async fn new(sandbox: &'s Sandbox) -> Self {
        let http = http_client(sandbox, true, rustls::ALL_VERSIONS);
        let mut caller = Self {
            sandbox,
            http,
            token: String::new(),
        };
        let answer = caller
            .exchange(&caller.assertion(sandbox.issuer_id()))
            .await;
        let answer: Value = answer.json().await.unwrap();
        answer["access_token"]
            .as_str()
            .unwrap_or_default()
            .clone_into(&mut caller.token);
        caller
    }

    pub(crate) fn assertion(&self, subject: &str) -> String {
        assertion(self.sandbox, subject)
    }

    pub(crate) async fn exchange(&self, assertion: &str) -> Response {
        let form = format!(
            "grant_type={}&assertion={assertion}",
            JWT_BEARER.replace(':', "%3A")
        );
        self.token_call("application/x-www-form-urlencoded", form)
            .await
    }

    pub(crate) async fn token_call(&self, content_type: &str, body: String) -> Response {
        self.http
            .post(format!("{}/authz/v1/oauth2/token", self.sandbox.base_url()))
            .header("content-type", content_type)
            .header("user-agent", "test")
            .body(body)
            .send()
            .await
            .unwrap()
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let url = format!("{}{path}", self.sandbox.base_url());
        self.http.request(method, url).bearer_auth(&self.token)
    }

    pub(crate) fn card_path(&self, card: &str, suffix: &str) -> String {
        let issuer = self.sandbox.issuer_id();
        format!("/banking/v1/issuers/{issuer}/cards/{card}/operations{suffix}")
    }

    pub(crate) async fn get(&self, card: &str, suffix: &str) -> (u16, Value) {
        let request = self.request(Method::GET, &self.card_path(card, suffix));
        read(request.send().await.unwrap()).await
    }

    pub(crate) async fn post(&self, card: &str, operation: &str, body: Value) -> (u16, Value) {
        let path = self.card_path(card, &format!(":{operation}"));
        read(
            self.request(Method::POST, &path)
                .json(&body)
                .send()
                .await
                .unwrap(),
        )
        .await
    }

    pub(crate) async fn post_raw(
        &self,
        content_type: &str,
        body: impl Into<Vec<u8>>,
    ) -> (u16, Value) {
        let path = self.card_path("ReplaceMe01", ":suspend");
        let request = self
            .request(Method::POST, &path)
            .header("content-type", content_type);
        read(request.body(body.into()).send().await.unwrap()).await
    }

    pub(crate) fn encrypt(&self, plaintext: &str) -> String {
        let jwk = Jwk::from_bytes(self.sandbox.encryption_jwk()).unwrap();
        let encrypter = josekit::jwe::ECDH_ES.encrypter_from_jwk(&jwk).unwrap();
        let mut header = JweHeader::new();
        header.set_content_encryption("A256GCM");
        josekit::jwe::serialize_compact(plaintext.as_bytes(), &header, &encrypter).unwrap()
    }
}

pub(crate) fn assertion(sandbox: &Sandbox, subject: &str) -> String {
    let (key, kid) = (sandbox.signing_key_pem(), sandbox.signing_kid());
    assertion_at(sandbox.now().unix_timestamp(), key, kid, subject)
}

pub(crate) fn assertion_with(key: &str, kid: &str, subject: &str) -> String {
    let now = time::OffsetDateTime::now_utc().unix_timestamp();
    assertion_at(now, key, kid, subject)
}

fn assertion_at(now: i64, key: &str, kid: &str, subject: &str) -> String {
    let signer = josekit::jws::ES256.signer_from_pem(key).unwrap();
    let header = json!({ "alg": "ES256", "kid": kid, "typ": "JWT" });
    let claims = json!({ "iss": subject, "sub": subject, "exp": now + 300, "iat": now - 10 });
    let [header, claims] = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
    let message = format!("{header}.{claims}");
    let signature = signer.sign(message.as_bytes()).unwrap();
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// The status, and the body or null.
pub(crate) async fn read(response: Response) -> (u16, Value) {
    let status = response.status().as_u16();
    assert!(!response.headers().contains_key("x-d1-sandbox-breach"));
    let body = response.bytes().await.unwrap();
    let body = if body.is_empty() {
        Value::Null
    } else {
        serde_json::from_slice(&body).unwrap()
    };
    (status, body)
}

pub(crate) fn http_client(
    sandbox: &Sandbox,
    with_certificate: bool,
    versions: &[&'static SupportedProtocolVersion],
) -> reqwest::Client {
    let own = (sandbox.client_certificate_pem(), sandbox.client_key_pem());
    http_client_with(sandbox, with_certificate.then_some(own), versions)
}

/// With a certificate and its key.
pub(crate) fn http_client_with(
    sandbox: &Sandbox,
    identity: Option<(&str, &str)>,
    versions: &[&'static SupportedProtocolVersion],
) -> reqwest::Client {
    client_builder(sandbox, identity, versions).build().unwrap()
}

pub(crate) fn client_builder(
    sandbox: &Sandbox,
    identity: Option<(&str, &str)>,
    versions: &[&'static SupportedProtocolVersion],
) -> reqwest::ClientBuilder {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(sandbox.ca_pem().as_bytes()).unwrap())
        .unwrap();
    let provider = Arc::new(rustls_openssl::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots);
    let config = if let Some((certificate, key)) = identity {
        let certificate = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
        config
            .with_client_auth_cert(vec![certificate], key)
            .unwrap()
    } else {
        config.with_no_client_auth()
    };
    reqwest::Client::builder()
        .tls_backend_preconfigured(config)
        .no_proxy()
}

/// A new folder of a test.
pub(crate) fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join("shared")
        .join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// Why a sandbox does not start.
pub(crate) async fn refused(builder: Builder) -> String {
    let error = builder.start().await.unwrap_err();
    assert!(matches!(error, StartError::Setting { .. }), "{error}");
    error.to_string()
}
