//! Sends a request once.
//!
//! hyper's client has the pool and HTTP; this module decides what the end of a request proves. It waits for a stream
//! before the request is handed to hyper, withdraws the body when a time runs out, and asks the connection what the
//! server has shown: an error of hyper alone cannot say whether a request was written.

use std::error::Error as _;
use std::io;
use std::pin::pin;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body::Body;
use http_body_util::BodyExt as _;
use hyper_util::client::legacy::Error as HyperError;
use hyper_util::client::legacy::connect::{CaptureConnection, Connected, capture_connection};
use rustls::ClientConfig;
use tokio::time::error::Elapsed;
use tokio::time::{Instant, timeout, timeout_at};
use zeroize::Zeroizing;

use crate::body::{Claim, RequestBody, Written};
use crate::connection::{ConnectionCount, ConnectionState, OpenConnections};
use crate::failure::{Cause, Failure};
use crate::pool::{ClientOptions, Pool};
use crate::tls::{TlsOptions, TlsSetupError};

/// How long one request may take, and how much it may bring.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The end of the whole request, its response included.
    pub deadline: Instant,
    /// How much time must be left when the request gets a stream. With less it is not sent, since it would most
    /// likely time out with an unknown outcome.
    pub floor: Duration,
    /// How long the server may be silent.
    pub read_timeout: Option<Duration>,
    /// How many bytes the response's body may have.
    pub max_response_size: usize,
}

/// A response whose head has arrived.
pub struct HttpResponse {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, or why it did not arrive whole. Its memory is zeroized with its last clone.
    pub body: Result<Bytes, BodyError>,
}

debug_fields!(HttpResponse, status);

/// Why a response's body could not be read.
#[derive(Debug, Clone, PartialEq)]
pub enum BodyError {
    /// It has more bytes than [`Limits::max_response_size`].
    TooLarge,
    /// The connection failed, or time ran out.
    Broken(Cause),
}

/// An HTTP client for one server. It sends each request once; nothing repeats a request that may have been written.
#[derive(Clone)]
pub struct HttpClient(Arc<Shared>);

struct Shared {
    options: ClientOptions,
    /// For the server, and for a proxy.
    tls: Option<(ClientConfig, ClientConfig)>,
    open: Arc<ConnectionCount>,
    pool: RwLock<Arc<Pool>>,
}

debug_fields!(HttpClient);

impl HttpClient {
    /// Returns a client. Nothing is connected yet.
    ///
    /// # Errors
    /// When TLS cannot be set up with these options.
    pub fn new(options: ClientOptions) -> Result<Self, TlsSetupError> {
        let tls = options.tls.as_ref().map(TlsOptions::build).transpose()?;
        let open = Arc::default();
        let pool = Pool::new(&options, tls.clone(), Arc::clone(&open));
        Ok(Self(Arc::new(Shared {
            options,
            tls,
            open,
            pool: RwLock::new(Arc::new(pool)),
        })))
    }

    /// Sends no further request over the present connections, and resumes none of their TLS sessions. To be called
    /// when the client certificate has changed: a connection keeps the one that it was made with, and so does a
    /// resumed session.
    ///
    /// Requests that are on their way end as they would have. A connection is closed with its last request, and thus
    /// at the latest [`Limits::deadline`] of those that it has.
    pub fn replace_connections(&self) {
        let Shared {
            options, tls, open, ..
        } = &*self.0;
        let pool = Arc::new(Pool::new(options, tls.clone(), open.clone()));
        let mut current = self.0.pool.write().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *current, pool).slots.retire();
    }

    /// Returns how many connections are open.
    #[must_use]
    pub fn open_connections(&self) -> OpenConnections {
        self.0.open.now()
    }

    fn pool(&self) -> Arc<Pool> {
        let pool = self.0.pool.read();
        pool.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns the TLS configuration of connections to the server; `None` where the client has none.
    #[must_use]
    pub fn tls(&self) -> Option<&ClientConfig> {
        self.0.tls.as_ref().map(|(server, _)| server)
    }

    /// Sends a request once and reads its response.
    ///
    /// `claim` is the claim to the body: a caller that keeps a clone can tell the state of the request when the
    /// future of this call is dropped.
    ///
    /// # Errors
    /// When no response came; the error says whether the request may have been written.
    pub async fn send(
        &self,
        request: Request<Bytes>,
        claim: &Claim,
        limits: &Limits,
    ) -> Result<HttpResponse, Failure> {
        let last_start = limits.deadline.checked_sub(limits.floor);
        let last_start = last_start.unwrap_or(limits.deadline);
        loop {
            let pool = self.pool();
            let slot = match pool.slots.take_free() {
                Some(slot) => Ok(Some(slot)),
                None => timeout_at(last_start, pool.slots.acquire()).await,
            };
            match slot {
                Ok(Some(_slot)) => return pool.send(request, claim, limits).await,
                // The connections were replaced while it waited.
                Ok(None) => {}
                Err(_) => {
                    claim.withdraw();
                    return Err(Failure::new(Written::No, Cause::NoStream));
                }
            }
        }
    }
}

impl Pool {
    /// Sends a request that has a slot.
    async fn send(
        &self,
        request: Request<Bytes>,
        claim: &Claim,
        limits: &Limits,
    ) -> Result<HttpResponse, Failure> {
        let (parts, body) = request.into_parts();
        if body.is_empty() {
            claim.waive();
        }
        let body = RequestBody::new(body, claim.clone());
        let mut request = Request::from_parts(parts, body);
        let began_at = std::time::Instant::now();
        let connection = capture_connection(&mut request);
        let _waiting = Waiting {
            pool: self,
            connection: &connection,
            claim,
            began_at,
        };
        let sending = silent_at_most(limits.read_timeout, self.http.request(request));
        let failed = match timeout_at(limits.deadline, sending).await {
            Ok(Ok(Ok(response))) => {
                let (head, body) = response.into_parts();
                return Ok(HttpResponse {
                    status: head.status,
                    headers: head.headers,
                    body: read_body(body, limits).await,
                });
            }
            Ok(Ok(Err(error))) => Failed::Http(error),
            Ok(Err(_)) => Failed::Late(Cause::Silent),
            Err(_) => Failed::Late(Cause::TimedOut),
        };
        let withdrawn = claim.withdraw() == Written::No;
        let (cause, not_sent) = match failed {
            Failed::Http(error) => self.ended(&error, &connection),
            Failed::Late(cause) => {
                self.leave_if_silent(&connection, claim.read_at().unwrap_or(began_at));
                // Without a connection there was none to write to.
                (cause, state_of(&connection).is_none())
            }
        };
        let written = match withdrawn || not_sent {
            true => Written::No,
            false => Written::Maybe,
        };
        Err(Failure::new(written, cause))
    }

    /// Returns why a request ended in an error, and whether that alone proves that it was not processed.
    fn ended(&self, error: &HyperError, connection: &CaptureConnection) -> (Cause, bool) {
        // The newest connection is the one that failed only where one was made.
        let newest = || (!error.is_connect()).then(|| self.connector.newest());
        let state = state_of(connection).or_else(|| newest().flatten());
        if let Some(alert) = state.and_then(|state| state.refusal()) {
            return (Cause::Alert(alert), true);
        }
        let cause = match Cause::of(error) {
            // It is not about the handshake: the server may have read the request.
            Cause::Alert(_) if !error.is_connect() => {
                Cause::Closed(io::ErrorKind::ConnectionAborted)
            }
            cause => cause,
        };
        let source = error.source().and_then(|e| e.downcast_ref());
        let was_handed_back = source.is_some_and(hyper::Error::is_canceled);
        let not_sent = error.is_connect() || was_handed_back || cause == Cause::Unprocessed;
        (cause, not_sent)
    }

    /// Leaves an HTTP/2 connection whose server has shown no sign of reading since a request was written: the next
    /// request opens another one.
    fn leave_if_silent(&self, connection: &CaptureConnection, written_at: std::time::Instant) {
        let state = state_of(connection);
        let left = state.filter(|state| state.is_http2 && state.is_silent_since(written_at));
        if let Some(state) = left
            && let Some(connected) = connection.connection_metadata().as_ref()
        {
            connected.poison();
            state.leave(&self.slots);
        }
    }
}

/// How long a server must have been silent for its connection to be left when a caller stops waiting.
const LEAST_SILENCE: Duration = Duration::from_secs(1);

/// A request that waits for its response. Where its future is dropped, as by a caller whose own time ran out, a
/// connection that has been silent for long is left all the same.
struct Waiting<'a> {
    pool: &'a Pool,
    connection: &'a CaptureConnection,
    claim: &'a Claim,
    began_at: std::time::Instant,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let written_at = self.claim.read_at().unwrap_or(self.began_at);
        if written_at.elapsed() >= LEAST_SILENCE {
            self.pool.leave_if_silent(self.connection, written_at);
        }
    }
}

/// How a request got no response.
enum Failed {
    Http(HyperError),
    Late(Cause),
}

/// Returns the state of the connection that the HTTP client has chosen; `None` where it has none yet.
fn state_of(connection: &CaptureConnection) -> Option<Arc<ConnectionState>> {
    let connected = connection.connection_metadata();
    let mut extras = http::Extensions::new();
    let connected: &Connected = connected.as_ref()?;
    connected.get_extras(&mut extras);
    extras.remove()
}

/// Waits for `future`, but for no longer than `silence`.
async fn silent_at_most<F: Future>(
    silence: Option<Duration>,
    future: F,
) -> Result<F::Output, Elapsed> {
    match silence {
        Some(silence) => timeout(silence, future).await,
        None => Ok(future.await),
    }
}

/// How much memory is taken on a server's word alone.
const LARGEST_AT_ONCE: usize = 1024 * 1024;

/// Reads the body of a response within the limits.
///
/// # Errors
/// When it is too long, or does not arrive whole.
pub async fn read_body<B>(body: B, limits: &Limits) -> Result<Bytes, BodyError>
where
    B: Body<Data = Bytes>,
    B::Error: std::error::Error + 'static,
{
    let mut body = pin!(body);
    let limit = limits.max_response_size;
    let claimed = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if claimed > limit {
        return Err(BodyError::TooLarge);
    }
    // A vector that outgrows its memory leaves a copy behind, so it starts at its full size where the server says
    // what that is, and old copies are wiped where it does not.
    let mut read = Zeroizing::new(Vec::with_capacity(claimed.min(LARGEST_AT_ONCE)));
    loop {
        let next = silent_at_most(limits.read_timeout, body.frame());
        let frame = match timeout_at(limits.deadline, next).await {
            Ok(Ok(Some(Ok(frame)))) => frame,
            Ok(Ok(Some(Err(error)))) => return Err(BodyError::Broken(Cause::of(&error))),
            Ok(Ok(None)) => break,
            Ok(Err(_)) => return Err(BodyError::Broken(Cause::Silent)),
            Err(_) => return Err(BodyError::Broken(Cause::TimedOut)),
        };
        // Trailers are not read.
        let Ok(chunk) = frame.into_data() else {
            continue;
        };
        let length = read.len() + chunk.len();
        if length > limit {
            return Err(BodyError::TooLarge);
        }
        if length > read.capacity() {
            let mut larger = Zeroizing::new(Vec::with_capacity((length * 2).min(limit)));
            larger.extend_from_slice(&read);
            read = larger;
        }
        read.extend_from_slice(&chunk);
    }
    Ok(match read.is_empty() {
        true => Bytes::new(),
        false => Bytes::from_owner(read),
    })
}
