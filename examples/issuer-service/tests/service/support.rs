//! A sandbox, a database of its own, and the service between them.

use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser as _;
use d1_sandbox::{Card, IssuerStub, Notifications, Sandbox};
use deadpool_postgres::tokio_postgres::{Client, NoTls, connect};
use issuer_service::api::REQUEST_ID;
use issuer_service::changes::unique;
use issuer_service::server;
use issuer_service::settings::Settings;
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

pub(crate) struct World {
    pub(crate) sandbox: Sandbox,
    pub(crate) settings: Settings,
    pub(crate) http: reqwest::Client,
    pub(crate) base_url: String,
    pub(crate) inbound_url: String,
    /// Removed with the world.
    _folder: TempDir,
    end: Option<oneshot::Sender<()>>,
    service: JoinHandle<()>,
}

impl World {
    pub(crate) async fn start() -> Self {
        Self::with(|_| ()).await
    }

    /// Starts a service in this process, at a sandbox that knows where it is.
    pub(crate) async fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let (channels, d1) = (bound(), bound());
        let base_url = format!("http://{}", channels.local_addr().unwrap());
        let inbound_url = format!("https://localhost:{}", d1.local_addr().unwrap().port());
        let notifications = Notifications::to(&inbound_url);
        let builder = Sandbox::builder()
            .card(Card::new("ReplaceMe01"))
            .card(Card::new("ReplaceMe02").consumer("CONSUMER-2"))
            .card(Card::new("Amex01").pan(AMEX.0))
            .get_card_credentials(IssuerStub::Endpoint {
                url: inbound_url.clone(),
            })
            .notify_card_operations(
                notifications
                    .attempts(50)
                    .first_pause(Duration::from_millis(1)),
            );
        let sandbox = builder.start().await.unwrap();
        let folder = TempDir::new().unwrap();
        let mut settings = settings(&sandbox, &folder, &database().await);
        change(&mut settings);
        let (end, ended) = oneshot::channel();
        let own = settings.clone();
        let service = tokio::spawn(async move {
            let end = async { drop(ended.await) };
            server::run_on(&own, channels, d1, end).await.unwrap();
        });
        let world = Self {
            sandbox,
            settings,
            http: client(None, None),
            base_url,
            inbound_url,
            _folder: folder,
            end: Some(end),
            service,
        };
        // It is answered when the tables are there.
        assert_eq!(world.get("/health/ready").await.0, 204);
        world
    }

    /// Ends the service as SIGTERM does, and waits until it has.
    pub(crate) async fn end(&mut self) {
        drop(self.end.take());
        (&mut self.service).await.unwrap();
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http
            .request(method, format!("{}{path}", self.base_url))
    }

    /// Orders a change.
    pub(crate) fn order(&self, card: &str, verb: &str, request_id: &str) -> RequestBuilder {
        let request = self.request(Method::POST, &format!("/cards/{card}/{verb}"));
        request.header(REQUEST_ID, request_id)
    }

    pub(crate) async fn ordered(&self, card: &str, verb: &str, request_id: &str) -> (u16, Value) {
        read(self.order(card, verb, request_id).send().await.unwrap()).await
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
        let client = connection(&self.settings.database_url).await;
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

pub(crate) async fn connection(url: &str) -> Client {
    let (client, connection) = connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// Makes a schema of its own in the database, and returns the address that leads into it.
pub(crate) async fn database() -> String {
    let url = std::env::var("DATABASE_URL")
        .expect("DATABASE_URL is missing: run examples/issuer-service/run.sh test");
    let schema = unique();
    let client = connection(&url).await;
    client
        .batch_execute(&format!("CREATE SCHEMA {schema}"))
        .await
        .unwrap();
    format!("{url} options='-c search_path={schema}'")
}

/// The settings of a service at the sandbox, in which all goes quickly.
pub(crate) fn settings(sandbox: &Sandbox, folder: &TempDir, database: &str) -> Settings {
    sandbox.write_files(folder.path()).unwrap();
    let vault = folder.path().join("vault.json");
    let card = |(pan, exp): (&str, &str)| json!({ "pan": pan, "exp": exp });
    let cards =
        json!({ "ReplaceMe01": card(VISA), "ReplaceMe02": card(VISA), "Amex01": card(AMEX) });
    std::fs::write(&vault, cards.to_string()).unwrap();
    let file = |name: &str| -> PathBuf { folder.path().join(name) };
    let mut arguments: Vec<String> = vec!["issuer-service".to_owned()];
    let mut add = |option: &str, value: String| arguments.push(format!("--{option}={value}"));
    add("database-url", database.to_owned());
    add("base-url", sandbox.base_url().to_owned());
    add("issuer", sandbox.issuer_id().to_owned());
    add("signing-kid", sandbox.signing_kid().to_owned());
    for (option, name) in [
        ("vault", "vault.json"),
        ("signing-key", "signing.key"),
        ("encryption-jwk", "encryption.jwk.json"),
        ("client-certificate", "client.pem"),
        ("client-key", "client.key"),
        ("ca", "ca.pem"),
        ("inbound-certificate", "issuer-server.pem"),
        ("inbound-key", "issuer-server.key"),
        ("inbound-client-ca", "issuer-client-ca.pem"),
    ] {
        add(option, file(name).display().to_string());
    }
    for (option, value) in [
        ("listen", "127.0.0.1:0"),
        ("inbound-listen", "127.0.0.1:0"),
        ("call-timeout", "5"),
        ("settling-time", "0.001"),
        ("reconcile-every", "0.05"),
    ] {
        add(option, value.to_owned());
    }
    Settings::try_parse_from(arguments).unwrap()
}
