//! The values that callers send and D1 returns, as types: invalid ones cannot be built.
//!
//! | question | file |
//! |---|---|
//! | Which values does D1 know, and which operations has it? | `generated`, made from the spec |
//! | Does an operation change a card? | `operation`, decided by a person: the spec cannot say it |
//! | Which methods has a raw call? | `method` |
//! | What may an id, a reason or a correlation id be? | `text` |
//! | Which reason code is sent? | `reason_code` |
//! | What does a refused value say? | `input` |
//!
//! Values that D1 sends are never refused: D1 may add some, and one that a version does not know must not make a
//! response unreadable. Values that a caller gives are checked when they are given.

#[macro_use]
mod macros;

#[rustfmt::skip]
mod generated;
mod input;
mod method;
#[warn(clippy::wildcard_enum_match_arm)] // A new operation must be decided about.
mod operation;
mod reason_code;
mod text;

pub use generated::{
    ApiOperation, CardState, OperationStatus, OperationType, ReasonCode, RequestorType,
};
pub use input::InvalidInput;
pub(crate) use input::refuse_beside;
pub use method::Method;
pub use reason_code::ReasonCodeFallback;
pub use text::{CardId, CorrelationId, EncryptedData, IssuerId, OperationId, Reason};
