//! What goes over the wire: requests as the OpenAPI document has them, replies, and the faults among them.

pub(crate) mod fault;
pub(crate) mod fault_queue;
pub(crate) mod handshake;
mod latency;
pub(crate) mod record;
pub(crate) mod refusal;
pub(crate) mod reply;
pub(crate) mod request;
pub(crate) mod shape;
pub(crate) mod spec;
pub(crate) mod strict_json;
pub(crate) mod warnings;
