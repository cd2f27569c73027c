//! The transport against servers that misbehave.
#![allow(clippy::unwrap_used)]

mod http1;
mod http2;
mod rotation;
mod server;
mod tls;
