//! The network side: a TLS server that demands a client certificate, and turns replies into HTTP.

mod acceptor;
mod files;

use crate::app::App;
use crate::auth::Access;
use crate::control::{self, Guard};
use crate::crypto::jwe::Decrypter;
use crate::crypto::key_folder::{self, KeyFolder, OwnKeys};
use crate::crypto::keys::random_token;
use crate::crypto::pki::Pki;
use crate::outbound::{IssuerServer, Outbound};
use crate::sandbox::{ControlPort, Sandbox};
use crate::secret::Secret;
use crate::settings::card::Card;
use crate::settings::{Builder, StartError};
use crate::wire::fault::FaultKind;
use crate::wire::handshake::RefusedHandshake;
use crate::wire::reply::Reply;
use crate::wire::request::MAX_BODY;
use acceptor::TlsAcceptor;
use axum::body::{Body, to_bytes};
use axum::response::Response;
use axum_server::accept::NoDelayAcceptor;
use axum_server::{Handle, Server};
use futures_util::stream::{self, Stream, StreamExt as _};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, DATE, HeaderName, HeaderValue};
use http::{HeaderMap, Request, StatusCode};
use hyper::body::Incoming;
use rustls::ServerConfig;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};
use time::OffsetDateTime;
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
        let (bind, read_timeout) = (self.options.bind, self.read_timeout);
        if !bind.is_loopback() {
            tracing::warn!("other machines can reach this sandbox: use test data only");
        }
        let folder = KeyFolder::new(self.key_directory.as_deref());
        let pki = Pki::new(&folder, key_folder::CA, key_folder::CA_KEY)?;
        let tls = self.tls(&pki)?;
        let (server, address) = listen(bind, self.options.port, read_timeout)?;
        // An authority of its own, so that the issuer's client certificate is not that of D1.
        let (ca, ca_key) = (
            key_folder::ISSUER_CLIENT_CA,
            key_folder::ISSUER_CLIENT_CA_KEY,
        );
        let outbound_pki = Pki::new(&folder, ca, ca_key)?;
        let outbound = Outbound::new(&self, &outbound_pki)?;
        let (mut others, callers) = Access::of_issuers(&self, &pki, &folder)?;
        let access = Arc::new(others.remove(0));
        let (decrypter, encryption) = Decrypter::of(&self, &folder)?;
        let own_keys = OwnKeys {
            ca: pki.ca_key_pem()?,
            issuer_client_ca: outbound_pki.ca_key_pem()?,
            encryption,
        };
        let base_url = format!("https://{}:{}", self.host(address), address.port());
        let app = Arc::new(App::new(
            &self,
            Arc::clone(&access),
            callers,
            decrypter,
            outbound,
            base_url,
        )?);
        app.save_now().await?;
        let (handle, refusing) = (Handle::new(), Arc::clone(&app));
        let acceptor = TlsAcceptor::new(tls, read_timeout, move |client, error| {
            let refused = RefusedHandshake::new(refusing.clock.now(), client, error);
            refusing.records.push_handshake(refused);
        });
        let server = server.acceptor(acceptor).handle(handle.clone());
        let (control, served) = (self.open_control(&app)?, Arc::clone(&app));
        let service = service_fn(move |request| serve(Arc::clone(&served), request, read_timeout));
        Ok(Sandbox {
            control,
            access,
            others,
            pki,
            own_keys,
            issuer_server: IssuerServer::new(&outbound_pki, &folder)?,
            app,
            handle,
            task: Some(tokio::spawn(server.serve(Shared::new(service)))),
        })
    }

    fn tls(&self, pki: &Pki) -> Result<ServerConfig, StartError> {
        let mut tls = pki.server_config(self.options.bind, &self.options.server_names)?;
        if self.options.http1_only {
            tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        }
        Ok(tls)
    }

    /// Opens the control port, if there is to be one.
    fn open_control(&self, app: &Arc<App>) -> Result<Option<ControlPort>, StartError> {
        let Some(port) = self.options.control_port else {
            return Ok(None);
        };
        let bind = self.options.control_bind;
        let (server, address) = listen(bind, port, self.read_timeout)?;
        let token = (!bind.is_loopback())
            .then(|| random_token(32))
            .transpose()?;
        let token = token.map(Secret::new);
        let guard = Guard {
            token: token.clone(),
            names: self.options.server_names.clone(),
        };
        let handle = Handle::new();
        let server = server.handle(handle.clone());
        let service = control::router(Arc::clone(app), guard).into_make_service();
        tokio::spawn(async move {
            if let Err(error) = server.serve(service).await {
                tracing::warn!(%error, "the control port has closed");
            }
        });
        let url = match bind.is_loopback() {
            true => format!("http://{address}"),
            false => format!("http://{}:{}", self.host(address), address.port()),
        };
        Ok(Some(ControlPort { url, token, handle }))
    }

    /// Returns the host of an address as clients call it: the first name that was given, otherwise `localhost` or the
    /// address itself.
    fn host(&self, address: SocketAddr) -> String {
        match (self.options.server_names.first(), address.ip()) {
            (Some(name), _) if name.contains(':') => format!("[{name}]"),
            (Some(name), _) => name.clone(),
            (None, ip) if ip.is_unspecified() || ip.is_loopback() => "localhost".to_owned(),
            (None, IpAddr::V4(ip)) => ip.to_string(),
            (None, IpAddr::V6(ip)) => format!("[{ip}]"),
        }
    }
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

/// Serves one request. An error closes the connection without a response.
async fn serve(
    app: Arc<App>,
    request: Request<Incoming>,
    read_timeout: Duration,
) -> io::Result<Response> {
    let (parts, body) = request.into_parts();
    // An HTTP/2 stream whose body is not read is reset, and a connection with many of those is ended.
    let body = to_bytes(Body::new(body), DRAINED_BODY);
    let body = tokio::time::timeout(read_timeout, body).await;
    let body = body
        .ok()
        .and_then(Result::ok)
        .filter(|bytes| bytes.len() <= MAX_BODY);
    let reply = app.handle(&parts, body.as_deref()).await;
    Arc::clone(&app).save().await;
    if !reply.delay.is_zero() {
        tokio::time::sleep(reply.delay).await;
    }
    if reply.fault == Some(FaultKind::Stall) {
        // Until the client gives up, and this future is dropped with its connection.
        return std::future::pending().await;
    }
    if reply.fault == Some(FaultKind::Disconnect) {
        return Err(io::ErrorKind::ConnectionAborted.into());
    }
    Ok(respond(reply, app.clock.now()))
}

fn respond(reply: Reply, date: OffsetDateTime) -> Response {
    let is_json = reply.body.is_some();
    let mut body = match reply.body {
        Some(json) => serde_json::to_vec(&json).unwrap_or_default(),
        None => reply.text,
    };
    body.resize(body.len().saturating_add(reply.blanks), b' ');
    let length = body.len();
    let mut response = if reply.fault == Some(FaultKind::Truncate) {
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
