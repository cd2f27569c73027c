//! The network side: a TLS server that demands a client certificate, and turns replies into HTTP.

use crate::Sandbox;
use crate::acceptor::TlsAcceptor;
use crate::app::App;
use crate::auth::access::Access;
use crate::control;
use crate::keys::KeyPair;
use crate::onboarding;
use crate::pki::Pki;
use crate::reply::{Ending, Reply};
use crate::request::MAX_BODY;
use crate::settings::{Builder, StartError};
use crate::spec::Spec;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::response::Response;
use axum_server::Handle;
use axum_server::Server;
use axum_server::accept::NoDelayAcceptor;
use futures_util::stream::{self, Stream, StreamExt as _};
use http::header::{ALLOW, CONTENT_LENGTH, CONTENT_TYPE, DATE, HeaderName, HeaderValue};
use http::{HeaderMap, StatusCode};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, UNIX_EPOCH};
use time::OffsetDateTime;
use tower_service::Service;

/// How much of a body that is too long is still read, so that its sender sees the refusal.
const DRAINED_BODY: usize = 16 * MAX_BODY;

/// Starts a sandbox with settings that were checked.
pub(crate) async fn start(settings: Builder) -> Result<Sandbox, StartError> {
    let spec = match &settings.document {
        Some(text) => Spec::read(text).map(Arc::new),
        None => Spec::shared(),
    }
    .map_err(StartError::Spec)?;
    let pki = Pki::generate()?;
    let (access, caller) = Access::new(&settings.issuer, settings.aggregator.is_some(), &pki)?;
    let mut callers = BTreeMap::from([(settings.subject().to_owned(), caller)]);
    let mut others = Vec::new();
    for issuer in &settings.others {
        let (access, caller) = Access::new(issuer, false, &pki)?;
        callers.insert(issuer.id.clone(), caller);
        others.push(access);
    }
    let mut encryption_keys = Vec::new();
    for (kid, pem) in &settings.encryption_keys {
        encryption_keys.push(onboarding::encryption_key(kid, pem)?);
    }
    let encryption_key = match encryption_keys.first() {
        Some(first) => first.public_jwk("enc", "ECDH-ES"),
        None => {
            let own = KeyPair::generate()?;
            let jwk = own.public_jwk("enc", "ECDH-ES");
            encryption_keys.push(own);
            jwk
        }
    };
    let encryption_kid = encryption_keys
        .first()
        .map(KeyPair::kid)
        .unwrap_or_default();
    let app = Arc::new(App::new(&settings, spec, callers, &encryption_keys)?);

    let mut tls = pki.server_config(settings.bind)?;
    if settings.http1_only {
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    }
    let acceptor = TlsAcceptor::new(tls, settings.read_timeout);
    let (server, address) = listen(settings.bind, settings.port, settings.read_timeout)?;
    let handle: Handle<SocketAddr> = Handle::new();
    let server = server
        .acceptor(acceptor)
        .accept_error_handler(|_, error| tracing::warn!(%error, "a connection was refused"))
        .handle(handle.clone());
    let router = if settings.null {
        Router::new().fallback(answer_nothing)
    } else {
        let state = (Arc::clone(&app), settings.read_timeout);
        Router::new().fallback(handle_request).with_state(state)
    };
    let service = axum::ServiceExt::<Request>::into_make_service(Disconnecting(router));
    let task = tokio::spawn(server.serve(service));
    let base_url = base_url(address);
    let control = match settings.control_port {
        Some(port) => {
            let about = control::About {
                base_url: base_url.clone(),
                issuer: settings.issuer.id.clone(),
                mode: settings.mode,
            };
            Some(control::start(
                Arc::clone(&app),
                about,
                port,
                settings.read_timeout,
            )?)
        }
        None => None,
    };

    Ok(Sandbox {
        base_url,
        control,
        access,
        others,
        aggregator: settings.aggregator,
        encryption_kid: encryption_kid.to_owned(),
        encryption_jwk: encryption_key,
        ca_pem: pki.ca_pem().to_owned(),
        app,
        handle,
        task: Some(task),
    })
}

/// Binds a port. A client that sends nothing, or half the head of a request, is left after
/// `read_timeout`.
pub(crate) fn listen(
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

/// The certificate has `localhost` and, for other addresses than loopback, the address itself.
fn base_url(address: SocketAddr) -> String {
    match address.ip() {
        ip if ip.is_loopback() || ip.is_unspecified() => {
            format!("https://localhost:{}", address.port())
        }
        IpAddr::V4(ip) => format!("https://{ip}:{}", address.port()),
        IpAddr::V6(ip) => format!("https://[{ip}]:{}", address.port()),
    }
}

/// The least that a server can do behind the same TLS.
async fn answer_nothing(request: Request) -> Response {
    let (parts, body) = request.into_parts();
    // An HTTP/2 stream whose body nobody reads is reset, and a connection with many of those is ended.
    let _ = to_bytes(body, DRAINED_BODY).await;
    let mut response = Response::new(Body::empty());
    if parts.uri.path().starts_with("/authz/") {
        let token = r#"{"access_token":"null","token_type":"Bearer","expires_in":900}"#;
        *response.body_mut() = Body::from(token);
        insert(response.headers_mut(), CONTENT_TYPE, "application/json");
    } else {
        *response.status_mut() = StatusCode::NO_CONTENT;
    }
    response
}

async fn handle_request(
    State((app, read_timeout)): State<(Arc<App>, Duration)>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let body = tokio::time::timeout(read_timeout, to_bytes(body, DRAINED_BODY)).await;
    let body = body
        .ok()
        .and_then(Result::ok)
        .filter(|bytes| bytes.len() <= MAX_BODY);
    let reply = app.handle(&parts, body.as_deref()).await;
    if !reply.delay.is_zero() {
        tokio::time::sleep(reply.delay).await;
    }
    if reply.ending == Ending::Stall {
        // Until the client gives up, and this future is dropped with its connection.
        std::future::pending::<()>().await;
    }
    let date = app.clock.now();
    respond(reply, date)
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
        insert(
            response.headers_mut(),
            CONTENT_LENGTH,
            &length.max(1).to_string(),
        );
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
    if reply.ending == Ending::Disconnect {
        response.extensions_mut().insert(Disconnect);
    }
    *response.status_mut() = status_code(reply.status);
    response
}

/// A time as the header `Date` has it. It knows four digits of a year, however far the clock was moved.
fn http_date(time: OffsetDateTime) -> String {
    let seconds = u64::try_from(time.unix_timestamp()).unwrap_or(0);
    httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(seconds.min(LAST_SECOND)))
}

/// 9999-12-31T23:59:59Z.
const LAST_SECOND: u64 = 253_402_300_799;

/// How long what there is of a body that breaks off has to leave before the connection goes.
const BREAK_AFTER: Duration = Duration::from_millis(20);

/// A body that ends with an error after what it has.
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

/// Stands in a response that must not be sent.
#[derive(Clone, Copy)]
struct Disconnect;

/// Closes the connection where a response says so: a router by itself always answers.
#[derive(Clone)]
struct Disconnecting(Router);

impl<B> Service<http::Request<B>> for Disconnecting
where
    Router: Service<http::Request<B>, Response = Response, Error = Infallible>,
    <Router as Service<http::Request<B>>>::Future: Send + 'static,
{
    type Response = Response;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response, io::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), io::Error>> {
        self.0.poll_ready(context).map_err(|never| match never {})
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        let response = self.0.call(request);
        Box::pin(async move {
            let Ok(response) = response.await;
            match response.extensions().get::<Disconnect>() {
                Some(Disconnect) => Err(io::ErrorKind::ConnectionAborted.into()),
                None => Ok(response),
            }
        })
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
