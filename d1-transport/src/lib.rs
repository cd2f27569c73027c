//! An HTTP client that knows which requests were written.
//!
//! It sends a request once. Where no response comes, it says whether a byte of the request's body may have been
//! written ([`Written`]) and why ([`Cause`]), by what was seen on the connection and not by guessing from an error:
//!
//! | what happened | what it says |
//! |---|---|
//! | name, TCP, tunnel or TLS failed | [`Written::No`] |
//! | the server refused the client certificate, also after the client's part of a TLS 1.3 handshake | [`Written::No`], [`Cause::Alert`] |
//! | no connection or stream became free in time | [`Written::No`], [`Cause::NoStream`] |
//! | a connection of the pool had closed before anything was written | sent over another one |
//! | REFUSED_STREAM, or a GOAWAY that does not include the request (RFC 9113, section 8.7) | [`Written::No`], [`Cause::Unprocessed`] |
//! | time ran out, or the connection broke, before the HTTP stack read the body | [`Written::No`] |
//! | the same, after that | [`Written::Maybe`] |
//!
//! A request without a body has nothing that could be withdrawn: where nothing else proves that it was not sent, it
//! counts as written.
//!
//! An alert counts as a refusal of the certificate until something shows that the server has accepted the client: a
//! session ticket of TLS 1.3, or anything that it sends after the handshake. An HTTP/1.1 server that sends no tickets,
//! processes a request and then ends the connection with such an alert could not be told from one that refuses.
//!
//! An HTTP/2 connection that goes silent is left: it is pinged, and one over which a request timed out takes no further
//! requests if, since that was written, no response, no frame of a stream and no answer to a ping has come.
//!
//! A connection keeps the client certificate that it was made with. Where that changes,
//! [`HttpClient::replace_connections`] lets the requests that follow have connections of their own.

/// Implements `Debug` by these fields alone: one that the type gets later is not shown.
macro_rules! debug_fields {
    ($type:ident $(, $field:ident)*) => {
        impl std::fmt::Debug for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($type))
                    $(.field(stringify!($field), &self.$field))*
                    .finish_non_exhaustive()
            }
        }
    };
}

mod body;
mod client;
mod connection;
mod connector;
mod failure;
mod frames;
mod identity;
mod pool;
mod proxy;
mod streams;
mod tls;

pub use body::{Claim, Written};
pub use client::{BodyError, HttpClient, HttpResponse, Limits, read_body};
pub use connection::OpenConnections;
pub use failure::{Cause, Failure};
pub use pool::ClientOptions;
pub use proxy::Proxy;
pub use tls::{TlsOptions, TlsSetupError};
