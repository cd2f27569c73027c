//! Tries the connection to D1 as a call would make it, without a call. For `d1 doctor` only.
//!
//! The doctor tells name, TCP, TLS and client certificate apart and reads D1's clock before it asks for a token. The
//! errors of a call do not have this: their kind is [`Connect`](crate::ErrorKind::Connect) for all four, and the
//! clock is known only where D1 refuses an assertion.

use std::time::{Duration, SystemTime};

use d1_transport::{Cause, Claim, Limits};
use tokio::time::Instant;

use crate::builder::ClientBuilder;
use crate::error::{Fault, InvalidInput, is_about_client_certificate, server_time};

pub use crate::crypto::fips::Cryptography;

/// Why D1 was not reached.
#[derive(Debug, Clone)]
pub struct Obstacle {
    /// What happened, without any text of a server.
    pub words: String,
    /// What failed.
    pub place: Place,
}

/// A stage of a connection to D1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Resolving the name of the host, or the proxy.
    Name,
    /// The TCP connection.
    Connection,
    /// TLS, up to the certificate of the server.
    Tls,
    /// The client certificate.
    ClientCertificate,
    /// The connection was made, but no response was received.
    Response,
}

impl Obstacle {
    fn of(cause: &Cause) -> Self {
        let fault = Fault::of_connection(cause);
        Self {
            words: fault.map_or_else(|| cause.to_string(), |fault| fault.to_string()),
            place: place(cause),
        }
    }
}

/// Returns the stage at which a connection failed.
fn place(cause: &Cause) -> Place {
    match cause {
        Cause::Dns | Cause::Proxy(_) | Cause::ProxyRefused(_) | Cause::ProxyUnreadable => {
            Place::Name
        }
        Cause::Connect(_) | Cause::ConnectTimedOut => Place::Connection,
        Cause::Alert(alert) if is_about_client_certificate(*alert) => Place::ClientCertificate,
        Cause::NotAsked | Cause::KeyFailed => Place::ClientCertificate,
        Cause::Tls(_) | Cause::Alert(_) | Cause::BadRequest => Place::Tls,
        Cause::NoStream
        | Cause::Unprocessed
        | Cause::Closed(_)
        | Cause::Protocol
        | Cause::TimedOut
        | Cause::Silent => Place::Response,
    }
}

/// Sends `HEAD /` as a call would be sent, without a token, and returns the server's time where its response has one.
///
/// # Errors
/// Why no response was received.
pub async fn reach(
    builder: ClientBuilder,
    patience: Duration,
) -> Result<Result<Option<SystemTime>, Obstacle>, InvalidInput> {
    let (client, base_url) = builder.http_client_of(patience)?;
    if let Some(fault) = client.fault() {
        return Ok(Err(Obstacle {
            words: fault.to_string(),
            place: Place::ClientCertificate,
        }));
    }
    let url = reqwest::Url::parse(&base_url)
        .map_err(|_| InvalidInput::new("environment", "must be a URL such as https://host:port"))?;
    let request = reqwest::Request::new(http::Method::HEAD, url);
    let limits = Limits {
        deadline: Instant::now() + patience,
        floor: Duration::ZERO,
        read_timeout: None,
        max_response_size: 0,
    };
    Ok(match client.send(request, &Claim::new(), limits).await {
        Ok(response) => Ok(server_time(&response.http.headers)),
        Err(failure) => Err(Obstacle::of(&failure.cause)),
    })
}

/// Returns what carries out the cryptography of a client; `None` for an HTTP client of the caller's own.
///
/// # Errors
/// When a setting of TLS cannot be used, such as the authorities or the client certificate; the error names it.
pub fn cryptography(builder: ClientBuilder) -> Result<Option<Cryptography>, InvalidInput> {
    let (client, _) = builder.http_client_of(Duration::from_secs(1))?;
    Ok(client.cryptography())
}

/// Returns the client certificate, in DER.
#[must_use]
pub fn client_certificate(builder: &ClientBuilder) -> Option<Vec<u8>> {
    builder.leaf()
}
