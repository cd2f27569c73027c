//! The values that callers send and D1 returns, as types: invalid ones cannot be built.
//!
//! The open lists of values and the operations are generated from the spec; what a person must decide of each
//! operation is in `operation`.

#[rustfmt::skip]
mod generated;
mod input;
#[warn(clippy::wildcard_enum_match_arm)] // A new operation must be decided about.
mod operation;
mod reason_code;
mod text;

pub use generated::{
    ApiOperation, CardState, OperationStatus, OperationType, ReasonCode, RequestorType,
};
pub use input::InvalidInput;
pub(crate) use input::refuse_beside;
pub use reason_code::ReasonCodeFallback;
pub use text::{CardId, CorrelationId, EncryptedData, IssuerId, OperationId, Reason};
