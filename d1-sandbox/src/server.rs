//! The network side: a TLS server that demands a client certificate, and turns replies into HTTP.

use crate::app::{App, Reply};
use crate::auth::Authority;
use crate::config::{Builder, StartError};
use crate::faults::{Fault, FaultQueue};
use crate::jwe::Decrypter;
use crate::keys::KeyPair;
use crate::pki::Pki;
use crate::record::Records;
use crate::request::MAX_BODY;
use crate::spec::Spec;
use crate::state::World;
use crate::{Identity, Sandbox};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::response::Response;
use axum_server::Handle;
use axum_server::tls_rustls::RustlsConfig;
use http::header::{ALLOW, CONTENT_TYPE, HeaderName, HeaderValue};
use http::{HeaderMap, StatusCode};
use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use tower_service::Service;

/// How much of a body that is too long is still read, so that its sender sees the refusal.
const DRAINED_BODY: usize = 16 * MAX_BODY;

/// Marks an answer of ours that differs from the OpenAPI document.
const BREACH: HeaderName = HeaderName::from_static("x-d1-sandbox-breach");

/// Starts a sandbox with settings that were checked.
pub(crate) async fn start(settings: Builder) -> Result<Sandbox, StartError> {
    let spec = Spec::shared().map_err(StartError::Spec)?;
    let pki = Pki::shared().map_err(StartError::Keys)?;
    let signing_key = KeyPair::generate()?;
    let encryption_key = KeyPair::generate()?;
    let subject = settings
        .aggregator
        .clone()
        .unwrap_or_else(|| settings.issuer.clone());
    let app = Arc::new(App {
        spec,
        authority: Authority::new(subject, &signing_key, settings.token_lifetime)
            .map_err(|error| StartError::Keys(error.to_string()))?,
        decrypter: Decrypter::new(&encryption_key)
            .map_err(|error| StartError::Keys(error.to_string()))?,
        faults: FaultQueue::default(),
        records: Records::default(),
        world: Mutex::new(World::new(&settings)),
        success_style: settings.success_style,
        error_bodies: settings.error_bodies,
    });

    let tls = RustlsConfig::from_config(pki.server_config(settings.bind)?);
    let listener = TcpListener::bind((settings.bind, settings.port)).map_err(StartError::Listen)?;
    let address = listener.local_addr().map_err(StartError::Listen)?;
    let handle: Handle<SocketAddr> = Handle::new();
    let server = axum_server::from_tcp_rustls(listener, tls)
        .map_err(StartError::Listen)?
        .handle(handle.clone());
    let router = Router::new()
        .fallback(handle_request)
        .with_state(Arc::clone(&app));
    let service = axum::ServiceExt::<Request>::into_make_service(Disconnecting(router));
    let task = tokio::spawn(server.serve(service));

    Ok(Sandbox {
        base_url: base_url(address),
        identity: Identity {
            issuer: settings.issuer,
            aggregator: settings.aggregator,
            signing_kid: signing_key.kid().to_owned(),
            signing_key_pem: signing_key.private_pem()?,
            encryption_kid: encryption_key.kid().to_owned(),
            encryption_jwk: encryption_key.public_jwk("enc", "ECDH-ES"),
        },
        pki,
        app,
        handle,
        task: Some(task),
    })
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

async fn handle_request(State(app): State<Arc<App>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, DRAINED_BODY)
        .await
        .ok()
        .filter(|bytes| bytes.len() <= MAX_BODY);
    respond(app.handle(&parts, body.as_deref()))
}

fn respond(reply: Reply) -> Response {
    match reply {
        Reply::Fault(fault) => respond_with_fault(fault),
        Reply::Answer {
            status,
            body,
            allow,
            breach,
        } => {
            let mut response = Response::new(Body::empty());
            if let Some(body) = body {
                *response.body_mut() = Body::from(body.to_string());
                insert(response.headers_mut(), CONTENT_TYPE, "application/json");
            }
            if !allow.is_empty() {
                let methods: Vec<&str> = allow.iter().map(http::Method::as_str).collect();
                insert(response.headers_mut(), ALLOW, &methods.join(", "));
            }
            if breach {
                insert(response.headers_mut(), BREACH, "true");
            }
            *response.status_mut() = status_code(status);
            response
        }
    }
}

fn respond_with_fault(fault: Fault) -> Response {
    let mut response = Response::new(Body::from(fault.body));
    match fault.answer {
        Some(status) => *response.status_mut() = status_code(status),
        None => {
            response.extensions_mut().insert(Disconnect);
        }
    }
    for (name, value) in fault.headers {
        if let Ok(name) = HeaderName::from_bytes(name.as_bytes()) {
            insert(response.headers_mut(), name, &value);
        }
    }
    response
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
