//! The network side: a TLS server that demands a client certificate, and turns replies into HTTP.

mod acceptor;
mod files;

use crate::app::App;
use crate::auth::{Access, Caller};
use crate::control::{About, Control};
use crate::crypto::keys::KeyPair;
use crate::crypto::onboarding;
use crate::crypto::pki::Pki;
use crate::sandbox::Sandbox;
use crate::settings::card::Card;
use crate::settings::{Builder, StartError};
use crate::wire::reply::{Ending, Reply};
use crate::wire::request::MAX_BODY;
use crate::wire::spec::Spec;
use acceptor::TlsAcceptor;
use axum::body::{Body, to_bytes};
use axum::response::Response;
use axum_server::accept::NoDelayAcceptor;
use axum_server::{Handle, Server};
use futures_util::stream::{self, Stream, StreamExt as _};
use http::header::{ALLOW, CONTENT_LENGTH, CONTENT_TYPE, DATE, HeaderName, HeaderValue};
use http::{HeaderMap, Request, StatusCode};
use hyper::body::Incoming;
use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};
use time::OffsetDateTime;
use tokio::task::JoinHandle;
use tower::make::Shared;
use tower::service_fn;

/// How much of a body that is too long is still read, so that its sender sees the refusal.
const DRAINED_BODY: usize = 16 * MAX_BODY;

impl Sandbox {
    /// Starts a sandbox with default settings on a free port of 127.0.0.1.
    ///
    /// It must be called within a tokio runtime, which the sandbox then runs on.
    ///
    /// # Errors
    ///
    /// If no port can be bound, or keys cannot be made.
    pub async fn start() -> Result<Self, StartError> {
        Builder::default().start().await
    }
}

impl Builder {
    /// Starts the sandbox.
    ///
    /// # Errors
    ///
    /// If a setting is not valid, or the port cannot be bound.
    pub async fn start(mut self) -> Result<Sandbox, StartError> {
        if self.issuer.cards.is_empty() {
            self.issuer.cards.push(Card::new("ReplaceMe01"));
        }
        self.check()?;
        start(self).await
    }
}

async fn start(settings: Builder) -> Result<Sandbox, StartError> {
    let spec = match &settings.document {
        Some(text) => Spec::read(text).map(Arc::new),
        None => Spec::shared(),
    }
    .map_err(StartError::Spec)?;
    let pki = Pki::generate()?;
    let (mut accesses, callers) = accesses(&settings, &pki)?;
    let encryption_keys = encryption_keys(&settings)?;
    let first = encryption_keys.first();
    let encryption_kid = first.map(|key| key.kid().to_owned());
    let encryption_jwk = first.map(|key| key.encryption_jwk());
    let app = Arc::new(App::new(&settings, spec, callers, &encryption_keys)?);

    let handle: Handle<SocketAddr> = Handle::new();
    let (address, task) = open(&settings, &pki, &app, handle.clone())?;
    let base_url = base_url(address);
    let control = open_control(&settings, &app, &base_url)?;
    Ok(Sandbox {
        base_url,
        control,
        access: accesses.remove(0),
        others: accesses,
        aggregator: settings.options.aggregator,
        encryption_kid: encryption_kid.unwrap_or_default(),
        encryption_jwk: encryption_jwk.unwrap_or_default(),
        ca_pem: pki.ca_pem().to_owned(),
        app,
        handle,
        task: Some(task),
    })
}

/// Makes what each issuer calls with, that of the builder first; and the callers by the ids in their assertions.
fn accesses(
    settings: &Builder,
    pki: &Pki,
) -> Result<(Vec<Access>, BTreeMap<String, Caller>), StartError> {
    let (mut accesses, mut callers) = (Vec::new(), BTreeMap::new());
    let mut aggregator = settings.options.aggregator.as_ref();
    for issuer in settings.issuers() {
        let aggregator = aggregator.take();
        let (access, caller) = Access::new(issuer, aggregator.is_some(), pki)?;
        callers.insert(aggregator.unwrap_or(&issuer.id).clone(), caller);
        accesses.push(access);
    }
    Ok((accesses, callers))
}

/// Reads the keys of D1, or makes one.
fn encryption_keys(settings: &Builder) -> Result<Vec<KeyPair>, StartError> {
    let mut keys = Vec::new();
    for (kid, pem) in &settings.encryption_keys {
        keys.push(onboarding::encryption_key(kid, pem)?);
    }
    if keys.is_empty() {
        keys.push(KeyPair::generate()?);
    }
    Ok(keys)
}

/// Opens the port for clients.
fn open(
    settings: &Builder,
    pki: &Pki,
    app: &Arc<App>,
    handle: Handle<SocketAddr>,
) -> Result<(SocketAddr, JoinHandle<io::Result<()>>), StartError> {
    let (options, read_timeout) = (&settings.options, settings.read_timeout);
    if !options.bind.is_loopback() {
        tracing::warn!("other machines can reach this sandbox: use test data only");
    }
    let mut tls = pki.server_config(options.bind)?;
    if options.http1_only {
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    }
    let (server, address) = listen(options.bind, options.port, read_timeout)?;
    let server = server
        .acceptor(TlsAcceptor::new(tls, read_timeout))
        .accept_error_handler(|_, error| tracing::warn!(%error, "a connection was refused"))
        .handle(handle);
    let (app, null) = (Arc::clone(app), options.null);
    let service = service_fn(move |request| serve(Arc::clone(&app), request, read_timeout, null));
    Ok((address, tokio::spawn(server.serve(Shared::new(service)))))
}

/// Opens the control port, if there is to be one.
fn open_control(
    settings: &Builder,
    app: &Arc<App>,
    base_url: &str,
) -> Result<Option<Control>, StartError> {
    let Some(port) = settings.options.control_port else {
        return Ok(None);
    };
    let (server, address) = listen(Ipv4Addr::LOCALHOST.into(), port, settings.read_timeout)?;
    let about = About {
        base_url: base_url.to_owned(),
        issuer: settings.issuer.id.clone(),
        mode: settings.options.mode,
    };
    Ok(Some(Control::open(server, address, Arc::clone(app), about)))
}

/// Binds a port. A client that sends nothing, or half the head of a request, is disconnected after
/// `read_timeout`.
fn listen(
    address: IpAddr,
    port: u16,
    read_timeout: Duration,
) -> Result<(Server<SocketAddr, NoDelayAcceptor>, SocketAddr), StartError> {
    let listener = TcpListener::bind((address, port)).map_err(StartError::Listen)?;
    let address = listener.local_addr().map_err(StartError::Listen)?;
    let mut server = axum_server::from_tcp(listener)
        .map_err(StartError::Listen)?
        .acceptor(NoDelayAcceptor::new())
        .first_request_timeout(read_timeout);
    let mut http1 = server.http_builder().http1();
    http1.header_read_timeout(read_timeout);
    Ok((server, address))
}

/// Returns the address as clients use it. The certificate has `localhost` and, for other addresses than
/// loopback, the address itself.
fn base_url(address: SocketAddr) -> String {
    match address.ip() {
        ip if ip.is_loopback() || ip.is_unspecified() => {
            format!("https://localhost:{}", address.port())
        }
        IpAddr::V4(ip) => format!("https://{ip}:{}", address.port()),
        IpAddr::V6(ip) => format!("https://[{ip}]:{}", address.port()),
    }
}

/// Serves one request. An error closes the connection without a response.
async fn serve(
    app: Arc<App>,
    request: Request<Incoming>,
    read_timeout: Duration,
    null: bool,
) -> io::Result<Response> {
    let (parts, body) = request.into_parts();
    // An HTTP/2 stream whose body is not read is reset, and a connection with many of those is ended.
    let body = to_bytes(Body::new(body), DRAINED_BODY);
    let body = tokio::time::timeout(read_timeout, body).await;
    if null {
        return Ok(null_response(parts.uri.path()));
    }
    let body = body
        .ok()
        .and_then(Result::ok)
        .filter(|bytes| bytes.len() <= MAX_BODY);
    let reply = app.handle(&parts, body.as_deref()).await;
    if !reply.delay.is_zero() {
        tokio::time::sleep(reply.delay).await;
    }
    match reply.ending {
        // Until the client gives up, and this future is dropped with its connection.
        Ending::Stall => std::future::pending().await,
        Ending::Disconnect => Err(io::ErrorKind::ConnectionAborted.into()),
        Ending::Whole | Ending::Truncated | Ending::Padded(_) => {
            Ok(respond(reply, app.clock.now()))
        }
    }
}

/// Returns the least that a server can answer behind the same TLS.
fn null_response(path: &str) -> Response {
    let mut response = Response::new(Body::empty());
    if path.starts_with("/authz/") {
        let token = r#"{"access_token":"null","token_type":"Bearer","expires_in":900}"#;
        *response.body_mut() = Body::from(token);
        insert(response.headers_mut(), CONTENT_TYPE, "application/json");
    } else {
        *response.status_mut() = StatusCode::NO_CONTENT;
    }
    response
}

fn respond(reply: Reply, date: OffsetDateTime) -> Response {
    let is_json = reply.body.is_some();
    let mut body = match (reply.body, reply.text) {
        (Some(json), _) => serde_json::to_vec(&json).unwrap_or_default(),
        (None, text) => text.unwrap_or_default(),
    };
    if let Ending::Padded(blanks) = reply.ending {
        body.resize(body.len().saturating_add(blanks), b' ');
    }
    let length = body.len();
    let mut response = if reply.ending == Ending::Truncated {
        body.truncate(length / 2);
        let mut response = Response::new(Body::from_stream(breaking_off(body)));
        let announced = length.max(1).to_string();
        insert(response.headers_mut(), CONTENT_LENGTH, &announced);
        response
    } else {
        Response::new(Body::from(body))
    };
    let headers = response.headers_mut();
    if is_json {
        insert(headers, CONTENT_TYPE, "application/json");
    }
    if !reply.allow.is_empty() {
        let methods: Vec<&str> = reply.allow.iter().map(http::Method::as_str).collect();
        insert(headers, ALLOW, &methods.join(", "));
    }
    for (name, value) in reply.headers {
        if let Ok(name) = HeaderName::from_bytes(name.as_bytes()) {
            insert(headers, name, &value);
        }
    }
    // The clock of the sandbox, not the machine's: operations have their times by it.
    if !headers.contains_key(DATE) {
        insert(headers, DATE, &http_date(date));
    }
    *response.status_mut() = status_code(reply.status);
    response
}

/// Writes a time as the header `Date` has it. It knows four digits of a year, however far the clock was moved.
fn http_date(time: OffsetDateTime) -> String {
    let seconds = u64::try_from(time.unix_timestamp()).unwrap_or(0);
    httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(seconds.min(LAST_SECOND)))
}

/// 9999-12-31T23:59:59Z.
const LAST_SECOND: u64 = 253_402_300_799;

/// How long what there is of a body that breaks off has to leave before the connection goes.
const BREAK_AFTER: Duration = Duration::from_millis(20);

/// Returns a body that ends with an error after what it has.
fn breaking_off(body: Vec<u8>) -> impl Stream<Item = Result<Vec<u8>, io::Error>> {
    let sent = stream::once(async { Ok(body) });
    sent.chain(stream::once(async {
        tokio::time::sleep(BREAK_AFTER).await;
        Err(io::ErrorKind::ConnectionReset.into())
    }))
}

fn status_code(status: u16) -> StatusCode {
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

fn insert(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.append(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_date_survives_any_clock() {
        let at = |seconds| OffsetDateTime::from_unix_timestamp(seconds);
        for (time, expected) in [
            (at(784_111_777), "Sun, 06 Nov 1994 08:49:37 GMT"),
            (at(-1), "Thu, 01 Jan 1970 00:00:00 GMT"),
            (
                Ok(OffsetDateTime::UNIX_EPOCH.saturating_add(time::Duration::MAX)),
                "Fri, 31 Dec 9999 23:59:59 GMT",
            ),
            (
                Ok(OffsetDateTime::UNIX_EPOCH.saturating_add(time::Duration::MIN)),
                "Thu, 01 Jan 1970 00:00:00 GMT",
            ),
        ] {
            assert_eq!(time.map(http_date), Ok(expected.to_owned()));
        }
    }
}
