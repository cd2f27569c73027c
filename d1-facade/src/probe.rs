//! For `d1 doctor` alone, which makes a connection of its own: the client's TLS, and its words for what goes
//! wrong. So it finds fault with what a call would find fault with, and with nothing else.

use std::io;

use rustls::ClientConfig;

use crate::builder::ClientBuilder;
use crate::error::{ConnectionFault, InvalidInput};

/// Why a connection was not made, or broke.
#[derive(Debug, Clone)]
pub struct ConnectionCause {
    /// In words of the client, without a server's.
    pub words: String,
    /// Whether the server refuses the client certificate.
    pub is_client_certificate: bool,
}

impl ConnectionCause {
    /// Reads an error; `None` where it names no cause.
    #[must_use]
    pub fn of(error: &io::Error) -> Option<Self> {
        let fault = ConnectionFault::beneath(error)?;
        Some(Self {
            words: fault.to_string(),
            is_client_certificate: matches!(fault, ConnectionFault::ClientCertificateRefused(_)),
        })
    }
}

/// Returns how the client speaks TLS: with the certificate and the authorities that it was given.
///
/// # Errors
/// When one of them is wrong; the error names it. A certificate that is missing is none.
pub fn tls(builder: ClientBuilder) -> Result<ClientConfig, InvalidInput> {
    builder.tls()
}
