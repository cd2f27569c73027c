//! Tries the connection to D1 as a call would make it, without a call. For `d1 doctor` only.
//!
//! The doctor tells name, TCP, TLS and client certificate apart and reads D1's clock before it asks for a token. The
//! errors of a call do not have this: their kind is [`Connect`](crate::ErrorKind::Connect) for all four, and the
//! clock is known only where D1 refuses an assertion.

use std::time::Duration;

use d1_transport::{Cause, Claim, Limits};
use tokio::time::Instant;

use crate::client::Client;
use crate::clock::{D1Clock, Moment};
use crate::error::{Fault, is_about_client_certificate, server_time};

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

/// Returns why the client certificate must not be presented now, such as that it has expired; `None` where it is valid.
#[must_use]
pub fn certificate_fault(client: &Client) -> Option<String> {
    let fault = client.core().transport.http().fault()?;
    Some(fault.to_string())
}

/// Sends `HEAD /` as a call would be sent, without a token, and returns by how many seconds this machine's clock is
/// ahead of the server's, where its response says so.
///
/// # Errors
/// Why no response was received.
pub async fn reach(client: &Client, patience: Duration) -> Result<Option<i64>, Obstacle> {
    let transport = &client.core().transport;
    let url = reqwest::Url::parse(transport.base_url());
    let url = url.map_err(|_| Obstacle::of(&Cause::BadRequest))?;
    let request = reqwest::Request::new(http::Method::HEAD, url);
    let limits = Limits {
        deadline: Instant::now() + patience,
        floor: Duration::ZERO,
        read_timeout: None,
        max_response_size: 0,
    };
    let asked = Moment::now();
    let sent = transport.http().send(request, &Claim::new(), limits).await;
    let response = sent.map_err(|failure| Obstacle::of(&failure.cause))?;
    // The client's own clock is that of calls that succeeded.
    let clock = D1Clock::default();
    let date = server_time(&response.http.headers);
    Ok(date.and_then(|date| {
        clock.set(date, asked);
        clock.offset()
    }))
}
