//! The transport against servers that misbehave.
#![allow(clippy::unwrap_used)]

mod http1;
mod http2;
mod server;
mod tls;
