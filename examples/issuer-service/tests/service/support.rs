//! A sandbox, a database of its own, and the service between them.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser as _;
use d1_facade::{
    Client, ClientBuilder, CorrelationId, EncryptionKey, Environment, Identity, SigningKey,
};
use d1_sandbox::{Card, IssuerStub, Notifications, Sandbox};
use deadpool_postgres::tokio_postgres::{self, NoTls};
use issuer_service::settings::Settings;
use issuer_service::{CHANNEL, REQUEST_ID, server};
use reqwest::{Method, RequestBuilder, Response};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// The cards in the vault: that of a scheme whose credentials D1 asks for, and one that must bring them.
pub(crate) const VISA: (&str, &str) = ("4012888888881881", "0133");
pub(crate) const AMEX: (&str, &str) = ("378282246310005", "0234");

pub(crate) struct TestService {
    pub(crate) sandbox: Sandbox,
    pub(crate) database_url: String,
    pub(crate) http: reqwest::Client,
    pub(crate) base_url: String,
    pub(crate) inbound_url: String,
    /// Removed with it.
    _folder: TempDir,
    end: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl TestService {
    pub(crate) async fn start() -> Self {
        Self::with(|_| ()).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let service = Self::at(|_| (), change).await;
        service.is_ready().await;
        service
    }

    /// Starts a service in this process, at a sandbox that knows where it is.
    pub(crate) async fn at(
        prepare: impl FnOnce(&Sandbox),
        change: impl FnOnce(&mut Settings),
    ) -> Self {
        let (channels, inbound) = (bound(), bound());
        let base_url = format!("http://{}", channels.local_addr().unwrap());
        let inbound_url = format!("https://localhost:{}", inbound.local_addr().unwrap().port());
        let notifications = Notifications::to(&inbound_url);
        let notifications = notifications.attempts(50);
        let sandbox = Sandbox::builder()
            .card(Card::new("ReplaceMe01"))
            .card(Card::new("ReplaceMe02").consumer("CONSUMER-2"))
            .card(Card::new("Amex01").pan(AMEX.0))
            .get_card_credentials(IssuerStub::Endpoint {
                url: inbound_url.clone(),
            })
            .notify_card_operations(notifications.first_pause(Duration::from_millis(1)))
            .start()
            .await
            .unwrap();
        prepare(&sandbox);
        let folder = TempDir::new().unwrap();
        let mut settings = settings(&sandbox, &folder, &database().await);
        change(&mut settings);
        let (d1, database_url) = (builder(&sandbox), settings.database_url.clone());
        let (end, ended) = oneshot::channel();
        let task = tokio::spawn(async move {
            let end = async { drop(ended.await) };
            server::run_on(&settings, d1, channels, inbound, end)
                .await
                .unwrap();
        });
        Self {
            sandbox,
            database_url,
            http: client(None, None),
            base_url,
            inbound_url,
            _folder: folder,
            end: Some(end),
            task,
        }
    }

    /// Waits until it takes orders.
    pub(crate) async fn is_ready(&self) {
        while self.get("/health/ready").await.0 != 204 {}
    }

    /// Ends the service as SIGTERM does, and waits until it has.
    pub(crate) async fn end(&mut self) {
        drop(self.end.take());
        (&mut self.task).await.unwrap();
    }

    /// A request of the channel `web`.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self
            .http
            .request(method, format!("{}{path}", self.base_url));
        request.header(CHANNEL, "web")
    }

    /// Orders a change.
    pub(crate) fn order(&self, card: &str, verb: &str, request_id: &str) -> RequestBuilder {
        let request = self.request(Method::POST, &format!("/cards/{card}/{verb}"));
        request.header(REQUEST_ID, request_id)
    }

    pub(crate) async fn ordered(&self, card: &str, verb: &str, request_id: &str) -> (u16, Value) {
        read(self.order(card, verb, request_id).send().await.unwrap()).await
    }

    /// Orders a change, and leaves when its call has reached D1.
    pub(crate) async fn leave_after(&self, card: &str, verb: &str, request_id: &str) {
        tokio::select! {
            response = self.ordered(card, verb, request_id) => panic!("{response:?}"),
            () = until(|| self.has_reached_d1(card, verb)) => {}
        }
    }

    pub(crate) fn has_reached_d1(&self, card: &str, verb: &str) -> bool {
        let requests = self.sandbox.requests_for(&format!("{verb}Card"), card);
        !requests.is_empty()
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, Value) {
        read(self.request(Method::GET, path).send().await.unwrap()).await
    }

    /// Waits until a change is not open any more, and returns its state.
    pub(crate) async fn settled(&self, request_id: &str) -> String {
        loop {
            let (_, body) = self.get(&format!("/changes/{request_id}")).await;
            let state = body["state"].as_str().unwrap_or("none").to_owned();
            if !["sending", "none"].contains(&state.as_str()) {
                return state;
            }
        }
    }

    /// How many operations the card has in the sandbox's own books.
    pub(crate) fn operations(&self, card: &str) -> usize {
        self.sandbox.card(card).unwrap().operations
    }

    pub(crate) async fn sql(&self, sql: &str) -> i64 {
        let client = connection(&self.database_url).await;
        let row = client.query_opt(sql, &[]).await.unwrap();
        row.map_or(0, |row| row.get(0))
    }
}

pub(crate) async fn read(response: Response) -> (u16, Value) {
    let status = response.status().as_u16();
    (status, response.json().await.unwrap_or_default())
}

/// Waits until something has happened elsewhere.
pub(crate) async fn until(happened: impl Fn() -> bool) {
    while !happened() {
        tokio::task::yield_now().await;
    }
}

/// An HTTP client that trusts the certificates in `ca` alone, with a certificate and its key where given.
pub(crate) fn client(ca: Option<&str>, identity: Option<(&str, &str)>) -> reqwest::Client {
    let mut roots = RootCertStore::empty();
    for ca in ca
        .iter()
        .flat_map(|ca| CertificateDer::pem_slice_iter(ca.as_bytes()))
    {
        roots.add(ca.unwrap()).unwrap();
    }
    let provider = Arc::new(rustls_openssl::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(rustls::ALL_VERSIONS)
        .unwrap()
        .with_root_certificates(roots);
    let config = match identity {
        Some((certificate, key)) => {
            let certificate = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
            let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
            config
                .with_client_auth_cert(vec![certificate], key)
                .unwrap()
        }
        None => config.with_no_client_auth(),
    };
    let builder = reqwest::Client::builder().tls_backend_preconfigured(config);
    builder.no_proxy().build().unwrap()
}

pub(crate) fn bound() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").unwrap()
}

pub(crate) async fn connection(url: &str) -> tokio_postgres::Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// Makes a schema of its own in the database, and returns the address that leads into it.
pub(crate) async fn database() -> String {
    let url = std::env::var("DATABASE_URL")
        .expect("DATABASE_URL is missing: run examples/issuer-service/run.sh test");
    let schema = format!("t{}", CorrelationId::random().as_str().replace('-', ""));
    let client = connection(&url).await;
    client
        .batch_execute(&format!("CREATE SCHEMA {schema}"))
        .await
        .unwrap();
    format!("{url} options='-c search_path={schema}'")
}

/// The client of the service.
fn builder(sandbox: &Sandbox) -> ClientBuilder {
    let signer = SigningKey::from_pem(sandbox.signing_key_pem(), sandbox.signing_kid());
    let identity = (sandbox.client_certificate_pem(), sandbox.client_key_pem());
    let environment = Environment::Custom(sandbox.base_url().to_owned());
    Client::builder(environment, sandbox.issuer_id().parse().unwrap())
        .signer(signer.unwrap())
        .encryption_key(EncryptionKey::from_jwk(sandbox.encryption_jwk()).unwrap())
        .client_identity(Identity::from_pem(identity.0, identity.1).unwrap())
        .root_certificate(sandbox.ca_pem())
        .without_system_roots()
}

/// The settings of a service at the sandbox, in which all goes quickly.
pub(crate) fn settings(sandbox: &Sandbox, folder: &TempDir, database: &str) -> Settings {
    sandbox.write_files(folder.path()).unwrap();
    let card = |(pan, exp): (&str, &str)| json!({ "pan": pan, "exp": exp });
    let cards =
        json!({ "ReplaceMe01": card(VISA), "ReplaceMe02": card(VISA), "Amex01": card(AMEX) });
    std::fs::write(folder.path().join("vault.json"), cards.to_string()).unwrap();
    let file =
        |option: &str, name: &str| format!("--{option}={}", folder.path().join(name).display());
    Settings::try_parse_from([
        "issuer-service",
        &format!("--database-url={database}"),
        &file("vault", "vault.json"),
        &file("inbound-certificate", "issuer-server.pem"),
        &file("inbound-key", "issuer-server.key"),
        &file("inbound-client-ca", "issuer-client-ca.pem"),
        "--listen=127.0.0.1:0",
        "--inbound-listen=127.0.0.1:0",
        "--call-timeout=5",
        "--settling-time=0.001",
        "--reconcile-every=0.05",
    ])
    .unwrap()
}
