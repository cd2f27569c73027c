//! The calls that D1 makes to an issuer: *Get Card Credentials*, for a renewal that brings no credentials, and *Notify
//! Card Operations*, after a change.

mod server;

pub use server::IssuerServer;

use crate::crypto::pki::Pki;
use crate::settings::{Builder, Endpoint, IssuerStub, Notifications, StartError};
use crate::wire::spec::Call;
use axum::body::{Body, Bytes, to_bytes};
use http::header::{ACCEPT, CONTENT_TYPE, HOST};
use http::{Method, Request, StatusCode};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls_pki_types::ServerName;
use serde_json::{Value, json};
use std::error::Error;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsConnector;

/// How long the issuer may take.
const TIMEOUT: Duration = Duration::from_secs(5);

/// How much of the issuer's response is read, in bytes.
const MAX_RESPONSE: usize = 64 * 1024;

/// Why a call was of no use.
type Unusable = Box<dyn Error + Send + Sync>;

/// Calls the issuer, as far as it has endpoints.
pub(crate) struct Outbound {
    tls: TlsConnector,
    credentials: Option<Endpoint>,
    notifications: Option<(Endpoint, Notifications)>,
    /// The notifications that are not delivered yet; they end with the sandbox.
    deliveries: Mutex<JoinSet<()>>,
}

impl Outbound {
    /// `pki` is the authority of D1's client certificate, and of the servers that D1 trusts besides the issuer's own.
    pub(crate) fn new(settings: &Builder, pki: &Pki) -> Result<Self, StartError> {
        Ok(Self {
            tls: server::connector(pki, settings.issuer_ca.as_deref())?,
            credentials: match &settings.issuer_stub {
                IssuerStub::Endpoint { url } => Endpoint::read(url),
                IssuerStub::KeepsPan { .. }
                | IssuerStub::Answers { .. }
                | IssuerStub::Unavailable => None,
            },
            notifications: settings.notifications.as_ref().and_then(|notifications| {
                Some((Endpoint::read(&notifications.url)?, notifications.clone()))
            }),
            deliveries: Mutex::default(),
        })
    }

    /// Returns whether the issuer has a *Get Card Credentials*.
    pub(crate) fn asks_issuer(&self) -> bool {
        self.credentials.is_some()
    }

    /// Asks *Get Card Credentials* for those of a card, and returns the JWE in its response.
    pub(crate) async fn credentials(&self, issuer: &str, card: &str) -> Result<String, Unusable> {
        let endpoint = self.credentials.as_ref().ok_or("it has no endpoint")?;
        let path = format!("/cms/api/v1/issuers/{issuer}/cards/{card}/credentials");
        let request = Request::get(path).body(Body::empty())?;
        let (status, body) = call(&self.tls, endpoint, request).await?;
        if !status.is_success() {
            return Err("its answer is not a success".into());
        }
        let body: Value =
            serde_json::from_slice(&body).map_err(|_| "its answer is not JSON".to_owned())?;
        let token = body.get("encryptedData").and_then(Value::as_str);
        Ok(token.ok_or("its answer has no encryptedData")?.to_owned())
    }

    /// Starts to deliver the notification of a change, if the issuer wants any.
    pub(crate) fn notify(&self, call: Call, issuer: &str, card: &str, operation_id: &str) {
        let operation = match call {
            Call::Suspend => "SUSPEND",
            Call::Resume => "RESUME",
            Call::Delete => "DELETE",
            Call::Renew => "RENEW",
            Call::List | Call::Get | Call::Token => return,
        };
        let Some((endpoint, notifications)) = self.notifications.clone() else {
            return;
        };
        let path = format!("/notifications/d1/v1/issuers/{issuer}/cards/{card}/notifications");
        let body =
            json!({ "operationId": operation_id, "operation": operation, "status": "SUCCESSFUL" });
        let delivery = deliver(
            self.tls.clone(),
            endpoint,
            notifications,
            path,
            body.to_string(),
        );
        let mut deliveries = self
            .deliveries
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        while deliveries.try_join_next().is_some() {}
        deliveries.spawn(delivery);
    }
}

/// Sends a notification until the issuer takes it or the attempts are used up.
async fn deliver(
    tls: TlsConnector,
    endpoint: Endpoint,
    notifications: Notifications,
    path: String,
    body: String,
) {
    let mut pause = notifications.first_pause;
    for attempt in 1..=notifications.attempts {
        match post(&tls, &endpoint, &path, body.clone()).await {
            Ok(()) => return,
            Err(error) => tracing::warn!(%error, attempt, "a notification was not taken"),
        }
        if attempt < notifications.attempts {
            sleep(pause).await;
            pause = pause.saturating_mul(2);
        }
    }
    tracing::warn!("a notification is given up");
}

async fn post(
    tls: &TlsConnector,
    endpoint: &Endpoint,
    path: &str,
    body: String,
) -> Result<(), Unusable> {
    let request = Request::builder()
        .method(Method::POST)
        .uri(path)
        .header(CONTENT_TYPE, "application/json")
        .body(Body::from(body))?;
    match call(tls, endpoint, request).await? {
        (status, _) if status.is_success() => Ok(()),
        (status, _) => Err(format!("the issuer answered {}", status.as_u16()).into()),
    }
}

async fn call(
    tls: &TlsConnector,
    endpoint: &Endpoint,
    request: Request<Body>,
) -> Result<(StatusCode, Bytes), Unusable> {
    let called = async {
        let stream = TcpStream::connect(endpoint.authority.as_str()).await?;
        if !endpoint.is_tls {
            return exchange(endpoint, stream, request).await;
        }
        let host = endpoint.authority.host().trim_matches(['[', ']']);
        let name = ServerName::try_from(host.to_owned())?;
        exchange(endpoint, tls.connect(name, stream).await?, request).await
    };
    timeout(TIMEOUT, called)
        .await
        .map_err(|_| "it does not answer in time")?
}

/// Sends one request over a connection of its own.
async fn exchange(
    endpoint: &Endpoint,
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    mut request: Request<Body>,
) -> Result<(StatusCode, Bytes), Unusable> {
    let headers = request.headers_mut();
    headers.insert(HOST, endpoint.authority.as_str().parse()?);
    headers.insert(ACCEPT, "application/json".parse()?);
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let response = sender.send_request(request).await?;
    let status = response.status();
    let body = to_bytes(Body::new(response.into_body()), MAX_RESPONSE).await?;
    Ok((status, body))
}
