//! What can be done to a card.

mod answer;
#[warn(clippy::wildcard_enum_match_arm)] // A new operation or kind must be decided about.
mod change;
mod change_call;
mod get;
mod list;
mod operation;
mod page;
mod receipt;
mod renewal;
mod spawned;

pub use change::Change;
pub use get::GetOperation;
#[cfg(any(fuzzing, test))]
pub(crate) use get::read_operation;
pub use list::ListOperations;
pub(crate) use list::ListedPage;
pub use operation::{Operation, OperationStatus, OperationType, RequestorType};
pub use page::OperationPage;
pub use receipt::Receipt;
pub use renewal::{CardScheme, CardState, Renewal};
pub use spawned::SpawnedChange;

use std::fmt;
use std::sync::Arc;

use change::Kind;

use crate::core::Core;
use crate::text::{CardId, IssuerId, OperationId};

/// A card, by its id. It holds no state: nothing is sent until one of its requests is awaited.
///
/// ```no_run
/// # async fn f(d1: d1_facade::Client) -> Result<(), Box<dyn std::error::Error>> {
/// use d1_facade::ReasonCode;
///
/// let card = d1.card("ReplaceMe01".parse()?);
/// card.suspend().reason_code(ReasonCode::CardLost).await?;
/// card.resume().reason_code(ReasonCode::CardFound).reason("customer called back".parse()?).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Card(Arc<Inner>);

/// Shared, since every request of the card holds it.
struct Inner {
    core: Arc<Core>,
    issuer: IssuerId,
    id: CardId,
}

impl fmt::Debug for Card {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Card")
            .field("client", &self.0.core)
            .field("issuer", &self.0.issuer)
            .field("id", &self.0.id)
            .finish()
    }
}

impl Card {
    pub(crate) fn new(core: Arc<Core>, issuer: IssuerId, id: CardId) -> Self {
        Self(Arc::new(Inner { core, issuer, id }))
    }

    /// The id of the card.
    #[must_use]
    pub fn id(&self) -> &CardId {
        &self.0.id
    }

    /// The issuer of the card.
    #[must_use]
    pub fn issuer(&self) -> &IssuerId {
        &self.0.issuer
    }

    pub(crate) fn core(&self) -> &Core {
        &self.0.core
    }

    /// Puts the card on hold (D1: *suspend*). Digital cards made from it are left as they are.
    #[must_use = "nothing is sent until it is awaited"]
    pub fn suspend(&self) -> Change {
        Change::new(self.clone(), Kind::Suspend)
    }

    /// Makes a suspended card usable again (D1: *resume*). It cannot be the first activation of a
    /// physical card, and its end user must be ACTIVE.
    #[must_use = "nothing is sent until it is awaited"]
    pub fn resume(&self) -> Change {
        Change::new(self.clone(), Kind::Resume)
    }

    /// Ends the life of the card in D1 and removes the digital cards made from it (D1: *delete*). Its
    /// id may be given to another card afterwards.
    #[must_use = "nothing is sent until it is awaited"]
    pub fn delete(&self) -> Change {
        Change::new(self.clone(), Kind::Delete)
    }

    /// Gives the card a new expiry, or replaces it by a new one (D1: *renew*).
    #[must_use = "nothing is sent until it is awaited"]
    pub fn renew(&self, renewal: Renewal) -> Change {
        Change::new(self.clone(), Kind::Renew(Box::new(renewal)))
    }

    /// The operations of the card, the most recent first: await it for a page, or
    /// [stream](ListOperations::stream) them all.
    #[must_use = "nothing is sent until it is awaited"]
    pub fn operations(&self) -> ListOperations {
        ListOperations::new(self.clone())
    }

    /// One operation of the card.
    #[must_use = "nothing is sent until it is awaited"]
    pub fn operation(&self, id: &OperationId) -> GetOperation {
        GetOperation::new(self.clone(), id.clone())
    }
}
