//! For `d1 doctor` alone: what a call would find on its way to D1, and nothing else.

use std::time::{Duration, SystemTime};

use d1_transport::{Cause, Claim, Limits};
use tokio::time::Instant;

use crate::builder::ClientBuilder;
use crate::error::{ConnectionFault, InvalidInput, server_time};

/// Why D1 was not reached.
#[derive(Debug, Clone)]
pub struct Obstacle {
    /// In words of the client, without a server's.
    pub words: String,
    /// Where it is on the way.
    pub place: Place,
}

/// A part of the way to D1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The name of the host, or the proxy.
    Name,
    /// The TCP connection.
    Connection,
    /// TLS, up to the certificate of the server.
    Tls,
    /// The client certificate.
    ClientCertificate,
    /// The connection was made, and no response came over it.
    Response,
}

impl Obstacle {
    fn of(fault: Option<ConnectionFault>, cause: Option<&Cause>) -> Self {
        let words = fault.map(|fault| fault.to_string());
        let words = words.or_else(|| cause.map(ToString::to_string));
        Self {
            words: words.unwrap_or_default(),
            place: place(fault, cause),
        }
    }
}

fn place(fault: Option<ConnectionFault>, cause: Option<&Cause>) -> Place {
    match cause {
        Some(Cause::Dns | Cause::Proxy(_) | Cause::ProxyRefused(_) | Cause::ProxyUnreadable) => {
            Place::Name
        }
        Some(Cause::Connect(_) | Cause::ConnectTimedOut) => Place::Connection,
        Some(Cause::Tls(_) | Cause::BadRequest) => Place::Tls,
        Some(Cause::NotAsked) | None => Place::ClientCertificate,
        Some(Cause::Alert(_)) => match fault {
            Some(ConnectionFault::ClientCertificateRefused(_)) => Place::ClientCertificate,
            _ => Place::Tls,
        },
        Some(
            Cause::NoStream
            | Cause::Unprocessed
            | Cause::Closed(_)
            | Cause::Protocol
            | Cause::TimedOut
            | Cause::Silent,
        ) => Place::Response,
    }
}

/// Sends `HEAD /` as a call would be sent, without a token, and returns the server's time where its response says it.
///
/// # Errors
/// Why no response came.
pub async fn reach(
    builder: ClientBuilder,
    patience: Duration,
) -> Result<Result<Option<SystemTime>, Obstacle>, InvalidInput> {
    let (client, base_url) = builder.http_client_of(patience)?;
    if let Some(fault) = client.fault() {
        return Ok(Err(Obstacle::of(Some(fault), None)));
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
        Err(failure) => {
            let cause = failure.cause();
            Err(Obstacle::of(ConnectionFault::of(cause), Some(cause)))
        }
    })
}

/// Checks what TLS is spoken with: the authorities, and the client certificate where there is one.
///
/// # Errors
/// When one of them cannot be used; the error names it.
pub fn check_tls(builder: ClientBuilder) -> Result<(), InvalidInput> {
    builder.http_client_of(Duration::from_secs(1)).map(drop)
}

/// Returns the client certificate, in DER.
///
/// # Errors
/// When it, or its key, cannot be used; the error names it.
pub fn client_certificate(builder: ClientBuilder) -> Result<Option<Vec<u8>>, InvalidInput> {
    builder.leaf()
}
