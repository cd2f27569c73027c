//! What can be done to a card.
//!
//! | question | file |
//! |---|---|
//! | What can a caller say about a change? | `change`, `renewal` |
//! | What is sent of a change, and when a second time? | `change_call` |
//! | Was a change carried out, by its response? | `answer` |
//! | Which operations are listed, and where does the list end? | `list`, `page` |
//! | What does D1 say about one operation? | `get`, `operation` |

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

pub use change::Change;
pub use get::GetOperation;
#[cfg(any(fuzzing, test))]
pub(crate) use get::read_operation;
pub use list::ListOperations;
pub(crate) use list::ListedPage;
pub use operation::Operation;
pub use page::OperationPage;
pub use receipt::Receipt;
pub use renewal::Renewal;

use std::sync::Arc;

use change::Kind;

use crate::call::Core;
use crate::values::{CardId, IssuerId, OperationId};

/// A handle of a card, by its id. It holds no state of the card, and clones are cheap.
///
/// Its methods return requests. Nothing is sent until a request is awaited.
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
#[derive(Debug, Clone)]
pub struct Card(Arc<Inner>);

/// Shared, since every request of the card holds it.
#[derive(Debug)]
struct Inner {
    core: Arc<Core>,
    issuer: IssuerId,
    id: CardId,
}

impl Card {
    pub(crate) fn new(core: Arc<Core>, issuer: IssuerId, id: CardId) -> Self {
        Self(Arc::new(Inner { core, issuer, id }))
    }

    /// Returns the id of the card (D1: `cardId`).
    #[must_use]
    pub fn id(&self) -> &CardId {
        &self.0.id
    }

    /// Returns the issuer of the card (D1: `issuerId`).
    #[must_use]
    pub fn issuer(&self) -> &IssuerId {
        &self.0.issuer
    }

    pub(crate) fn core(&self) -> &Core {
        &self.0.core
    }

    /// Suspends the card: it cannot be used until it is resumed (D1: *suspend*). Digital cards that were made from it
    /// do not change.
    ///
    /// ```no_run
    /// # async fn f(card: d1_facade::Card) -> Result<(), d1_facade::Error> {
    /// let response = card.suspend().reason_code(d1_facade::ReasonCode::Fraud).await?;
    /// println!("suspended, correlation id {}", response.correlation_id());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use = "nothing is sent until it is awaited"]
    pub fn suspend(&self) -> Change {
        Change::new(self.clone(), Kind::Suspend)
    }

    /// Resumes a suspended card (D1: *resume*). It cannot be the first activation of a physical card, and the end user
    /// of the card must be ACTIVE.
    ///
    /// Which reason code resumes a card depends on the one with which it was suspended: see
    /// [`ReasonCode`](crate::ReasonCode).
    ///
    /// ```no_run
    /// # async fn f(card: d1_facade::Card) -> Result<(), Box<dyn std::error::Error>> {
    /// card.resume().reason_code(d1_facade::ReasonCode::CardFound).await?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use = "nothing is sent until it is awaited"]
    pub fn resume(&self) -> Change {
        Change::new(self.clone(), Kind::Resume)
    }

    /// Deletes the card in D1 and the digital cards that were made from it (D1: *delete*). It cannot be undone; the id
    /// may be given to another card afterwards.
    ///
    /// ```no_run
    /// # async fn f(card: d1_facade::Card) -> Result<(), Box<dyn std::error::Error>> {
    /// card.delete().reason("account closed".parse()?).await?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use = "nothing is sent until it is awaited"]
    pub fn delete(&self) -> Change {
        Change::new(self.clone(), Kind::Delete)
    }

    /// Renews the card: gives it a new expiry, or replaces it by a new card (D1: *renew*).
    ///
    /// ```no_run
    /// # async fn f(card: d1_facade::Card) -> Result<(), Box<dyn std::error::Error>> {
    /// use d1_facade::{CardCredentials, Renewal};
    ///
    /// let credentials = CardCredentials::new("4111111111111111", "1230")?;
    /// card.renew(Renewal::to("ReplaceMe02".parse()?).credentials(credentials)).await?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use = "nothing is sent until it is awaited"]
    pub fn renew(&self, renewal: Renewal) -> Change {
        Change::new(self.clone(), Kind::Renew(Box::new(renewal)))
    }

    /// Returns a request for the operations of the card, the most recent first: await it for one page, or
    /// [stream](ListOperations::stream) all of them.
    ///
    /// ```no_run
    /// # async fn f(card: d1_facade::Card) -> Result<(), d1_facade::Error> {
    /// let page = card.operations().limit(20).await?;
    /// for operation in page.operations() {
    ///     println!("{:?} {:?}", operation.operation(), operation.status());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[must_use = "nothing is sent until it is awaited"]
    pub fn operations(&self) -> ListOperations {
        ListOperations::new(self.clone())
    }

    /// Returns a request for one operation of the card.
    ///
    /// ```no_run
    /// # async fn f(card: d1_facade::Card) -> Result<(), Box<dyn std::error::Error>> {
    /// let operation = card.operation(&"op-0001".parse()?).with_digital_card().await?;
    /// println!("{:?}", operation.end_time());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use = "nothing is sent until it is awaited"]
    pub fn operation(&self, id: &OperationId) -> GetOperation {
        GetOperation::new(self.clone(), id.clone())
    }
}
