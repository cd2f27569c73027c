//! Why a request got no response, and whether it may have been written.

use std::error::Error as StdError;
use std::fmt;
use std::io;

use http::StatusCode;
use rustls::{AlertDescription, OtherError};

use crate::body::Written;
use crate::identity::{KeyFailed, NOT_ASKED};

/// A request that got no response.
///
/// It holds no text and no header that came from the other side, but for what [`Cause::Tls`] says of the server's
/// certificate, such as the names that it is for.
#[derive(Debug, Clone)]
pub struct Failure {
    /// Whether the request's body may have been written.
    pub written: Written,
    /// What went wrong.
    pub cause: Cause,
}

impl Failure {
    /// Returns the failure of a request that something else than [`HttpClient`](crate::HttpClient) sent.
    #[must_use]
    pub fn new(written: Written, cause: Cause) -> Self {
        Self { written, cause }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.cause, f)
    }
}

impl StdError for Failure {}

/// What went wrong with a request.
#[derive(Debug, Clone, PartialEq)]
pub enum Cause {
    /// The host's name does not resolve.
    Dns,
    /// No TCP connection could be made.
    Connect(io::ErrorKind),
    /// The connection could not be made in time.
    ConnectTimedOut,
    /// TLS failed on our side, as with a certificate that is not trusted.
    Tls(rustls::Error),
    /// The server did not ask for the client certificate.
    NotAsked,
    /// The key of the client certificate could not sign.
    KeyFailed,
    /// The server ended the handshake with an alert. It has read no request.
    Alert(AlertDescription),
    /// The proxy could not be reached.
    Proxy(Box<Cause>),
    /// The proxy answered CONNECT with this status.
    ProxyRefused(StatusCode),
    /// The proxy's answer to CONNECT could not be read.
    ProxyUnreadable,
    /// There was no free connection or stream in time.
    NoStream,
    /// The server refused the stream, or closes the connection and has not read the request (RFC 9113, section 8.7).
    Unprocessed,
    /// The connection ended before the response.
    Closed(io::ErrorKind),
    /// The server broke HTTP.
    Protocol,
    /// The request's time ran out.
    TimedOut,
    /// The server was silent for too long.
    Silent,
    /// The request is one that cannot be sent.
    BadRequest,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns => f.write_str("the host name does not resolve"),
            Self::Connect(kind) => write!(f, "no connection: {kind}"),
            Self::ConnectTimedOut => f.write_str("no connection in time"),
            Self::Tls(_) => f.write_str("TLS failed"),
            Self::NotAsked => f.write_str("the server did not ask for the client certificate"),
            Self::KeyFailed => f.write_str("the key of the client certificate could not sign"),
            Self::Alert(alert) => write!(f, "the server refused the TLS handshake: {alert:?}"),
            Self::Proxy(cause) => write!(f, "no connection to the proxy: {cause}"),
            Self::ProxyRefused(status) => {
                write!(f, "the proxy refused the connection: {}", status.as_u16())
            }
            Self::ProxyUnreadable => f.write_str("the proxy's answer cannot be read"),
            Self::NoStream => f.write_str("no connection or stream became free in time"),
            Self::Unprocessed => f.write_str("the server did not process the request"),
            Self::Closed(kind) => write!(f, "the connection ended: {kind}"),
            Self::Protocol => f.write_str("the server broke HTTP"),
            Self::TimedOut => f.write_str("time ran out"),
            Self::Silent => f.write_str("the server was silent"),
            Self::BadRequest => f.write_str("the request cannot be sent"),
        }
    }
}

impl StdError for Cause {}

impl Cause {
    /// Reads the cause out of an error of the HTTP stack and all that is beneath it. Texts are not looked at: a
    /// server may have chosen them.
    #[must_use]
    pub fn of(error: &(dyn StdError + 'static)) -> Self {
        let mut cause = Self::Closed(io::ErrorKind::Other);
        let mut current = Some(error);
        while let Some(e) = current {
            if let Some(known) = e.downcast_ref::<Self>() {
                return known.clone();
            }
            if let Some(h2) = e.downcast_ref::<h2::Error>() {
                if is_unprocessed(h2) {
                    return Self::Unprocessed;
                }
                if h2.is_library() {
                    cause = Self::Protocol;
                }
            }
            if let Some(tls) = e.downcast_ref::<rustls::Error>() {
                return tls_cause(tls);
            }
            if let Some(hyper) = e.downcast_ref::<hyper::Error>()
                && hyper.is_parse()
            {
                cause = Self::Protocol;
            }
            // An I/O error is a wrapper where it has an error inside, which is not its source.
            current = match e.downcast_ref::<io::Error>() {
                Some(io) => {
                    cause = Self::Closed(io.kind());
                    io.get_ref().map(|inner| inner as _)
                }
                None => e.source(),
            };
        }
        cause
    }

    /// Reads the cause as [`of`](Self::of) does, of an error that ended a connection while it was being made.
    #[must_use]
    pub fn of_connecting(error: &(dyn StdError + 'static)) -> Self {
        match Self::of(error) {
            Self::Closed(kind) => Self::Connect(kind),
            cause => cause,
        }
    }
}

/// Returns the cause of an error of TLS.
fn tls_cause(error: &rustls::Error) -> Cause {
    match error {
        rustls::Error::AlertReceived(alert) => Cause::Alert(*alert),
        error if *error == NOT_ASKED => Cause::NotAsked,
        rustls::Error::Other(OtherError(error)) if error.is::<KeyFailed>() => Cause::KeyFailed,
        error => Cause::Tls(error.clone()),
    }
}

/// Returns whether a server says that it has not processed a request: it refused the stream, or named a last stream below
/// this one in its GOAWAY. `h2` gives a stream the error of a GOAWAY in that case alone.
fn is_unprocessed(error: &h2::Error) -> bool {
    let refused = error.reason() == Some(h2::Reason::REFUSED_STREAM);
    error.is_remote() && (error.is_go_away() || (error.is_reset() && refused))
}
