//! Whether a change with an unknown outcome was carried out.
//!
//! | question | file |
//! |---|---|
//! | What is recorded of a change? | `pending` |
//! | Which listed operation agrees with the change? | `search` |
//! | What proves *done* and *not done*? | `rule` |
//! | Can any order of events make the answer untrue? | `model_tests` tries them all |
//!
//! This file reads the list of operations and decides which errors end the reading.

mod pending;
mod rule;
mod search;

use std::time::Duration;

pub use pending::PendingChange;
use rule::List;
pub use rule::{Inconclusive, Reconciliation};
use search::Search;

use crate::call::{CallOptions, call_options};
use crate::client::Client;
use crate::error::{Error, ErrorKind};
use crate::values::{CardId, CorrelationId, OperationId};

/// The most pages of a list that are read.
const MOST_PAGES: u32 = 100;

/// The default time in which D1 lists a change.
const SETTLE: Duration = Duration::from_secs(30);

/// A request that compares D1's list of operations with a change: await it.
///
/// # The rule
///
/// It reads the whole list of the card's operations. An operation is the change where its type, requestor,
/// reason and reason code are those that were sent, as far as D1 lists them, and D1 can have begun with it
/// while the change was under way, by D1's own clock (the `Date` of its responses). Without a `Date`, only
/// a [unique reason](Self::unique_reason) shows that an operation is the change.
///
/// The result is *done* where exactly one operation is the change, and D1 lists it as `SUCCESSFUL`. A `Date` has
/// whole seconds: an equal change that another call made within a second before this one is taken for it, unless
/// another operation undid it before this one was sent. A unique reason tells the two apart.
///
/// It is *not done* only where that is proven: the whole list was read, the
/// [settling time](Self::settle) has passed since the call ended, and no operation in the list could be the
/// change, or only one that D1 lists as `FAILED`. Time alone proves nothing: an operation that agrees in
/// everything but its time, however old it is, leaves the question open, since clocks differ and D1 may
/// write a time cut to the minute. Give each change a [reason](crate::Change::reason) of its own, which D1
/// returns. With [`unique_reason`](Self::unique_reason) an operation with this reason is the change, and one
/// with another reason is not.
///
/// Everything else is [`Inconclusive`].
///
/// ```no_run
/// # async fn f(d1: d1_facade::Client, record: &str) -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::SystemTime;
/// use d1_facade::{PendingChange, Reconciliation};
///
/// // The process that made the change is gone: it ended before now.
/// let pending: PendingChange = serde_json::from_str(record)?;
/// let pending = pending.ended_by(SystemTime::now());
/// match d1.reconcile(&pending).unique_reason().await? {
///     Reconciliation::Done(_) => println!("continue as after a response"),
///     Reconciliation::NotDone(_) => println!("make the change again"),
///     _ => println!("reconcile again later"),
/// }
/// # Ok(())
/// # }
/// ```
///
/// # What it assumes
///
/// That D1 lists a change within the settling time, and that nothing of the change is sent after the call
/// [ended](PendingChange::ended_by).
///
/// The settling time is measured by D1's clock. Where the [`PendingChange`] or the list of operations does not have
/// D1's time, it is measured by the clock of this host, which must then agree with that of the host that made the
/// change.
///
/// It makes a call for each page of the list. The [`timeout`](Self::timeout) is that of each call, not of all together.
///
/// # Errors
/// When the operations cannot be read; nothing more is known of the change then.
#[derive(Debug, Clone)]
#[must_use = "nothing is sent until it is awaited"]
pub struct Reconcile {
    client: Client,
    change: PendingChange,
    settle: Duration,
    unique: bool,
    others: Vec<OperationId>,
    options: CallOptions,
}

impl Client {
    /// Returns a request that finds out whether a change with an [unknown](crate::Outcome::Unknown) outcome was carried
    /// out. Nothing is sent until it is awaited.
    ///
    /// ```no_run
    /// # async fn f(d1: d1_facade::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// use d1_facade::Reconciliation;
    ///
    /// let card = d1.card("ReplaceMe01".parse()?);
    /// if let Err(error) = card.suspend().await
    ///     && let Some(pending) = error.pending_change()
    /// {
    ///     match d1.reconcile(pending).await? {
    ///         Reconciliation::Done(_) => println!("it was suspended"),
    ///         Reconciliation::NotDone(_) => println!("it was not; send it again"),
    ///         Reconciliation::Inconclusive(why) => println!("reconcile again later: {why}"),
    ///         _ => {}
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn reconcile(&self, change: &PendingChange) -> Reconcile {
        Reconcile {
            client: self.clone(),
            change: change.clone(),
            settle: SETTLE,
            unique: false,
            others: Vec::new(),
            options: self.core().defaults.clone(),
        }
    }
}

impl Reconcile {
    /// Sets the settling time: how long after the end of the call D1 may take to list the change; 30 seconds by
    /// default. Before that, its absence proves nothing.
    ///
    /// D1 does not document a time. Set one that is longer than what you have seen.
    ///
    /// ```no_run
    /// # async fn f(d1: d1_facade::Client, pending: d1_facade::PendingChange) -> Result<(), d1_facade::Error> {
    /// use std::time::Duration;
    ///
    /// let result = d1.reconcile(&pending).settle(Duration::from_secs(120)).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn settle(mut self, time: Duration) -> Self {
        self.settle = time;
        self
    }

    /// Declares that no other change of the card has the reason of this one, such as an order number.
    ///
    /// An operation of the same type, requestor and reason code with this reason is the change then, at whatever time D1
    /// says that it began. One with another reason is not the change, unless the two differ in case, spaces and
    /// punctuation only, or one is cut short. It has no effect on
    /// a change without a reason.
    ///
    /// ```no_run
    /// # async fn f(d1: d1_facade::Client, card: d1_facade::Card) -> Result<(), Box<dyn std::error::Error>> {
    /// let suspend = card.suspend().reason("order 4711".parse()?);
    /// let pending = suspend.pending();
    /// if suspend.await.is_err() {
    ///     let result = d1.reconcile(&pending).unique_reason().await?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn unique_reason(mut self) -> Self {
        self.unique = self.change.reason.is_some();
        self
    }

    /// Declares that these operations are other changes, and leaves them out of account. The default is none.
    ///
    /// For services that made the same change of the card before and have the [operation
    /// id](crate::Receipt::operation_id) of each. Otherwise the earlier ones may be taken for this one, and leave its
    /// outcome open.
    ///
    /// ```no_run
    /// # async fn f(d1: d1_facade::Client, card: d1_facade::Card) -> Result<(), Box<dyn std::error::Error>> {
    /// let first = card.suspend().await?;
    /// card.resume().await?;
    /// let again = card.suspend();
    /// let pending = again.pending();
    /// if again.await.is_err() {
    ///     let result = d1.reconcile(&pending).except(first.operation_id()).await?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn except(mut self, operations: impl IntoIterator<Item = OperationId>) -> Self {
        self.others.extend(operations);
        self
    }

    async fn send(mut self) -> Result<Reconciliation, Error> {
        // All its requests are one use case.
        self.options
            .correlation_id
            .get_or_insert_with(CorrelationId::random);
        if self.change.base_url != self.client.core().transport.base_url() {
            return Ok(Reconciliation::Inconclusive(Inconclusive::OtherHost));
        }
        let aggregator = self.client.core().aggregator.as_deref();
        let mut search = Search::new(&self.change, aggregator, self.unique, self.settle);
        search.except(&self.others);
        // A renewal moves a card to another id; where D1 then lists it is not documented.
        for card in self.change.new_card.iter().chain([&self.change.card]) {
            self.read(card, &mut search).await?;
        }
        Ok(search.conclude())
    }

    /// Reads the operations of one card, to the end of the list.
    async fn read(&self, card: &CardId, search: &mut Search<'_>) -> Result<(), Error> {
        let is_new = self.change.new_card.as_ref() == Some(card);
        let card = self
            .client
            .card_for_issuer(self.change.issuer.clone(), card.clone());
        let mut pages = card.operations().with_options(&self.options).pages();
        for _ in 0..MOST_PAGES {
            match pages.next().await {
                Ok(Some(page)) => search.read(&page, is_new),
                Ok(None) => return Ok(()),
                Err(error) => {
                    match error.kind() {
                        ErrorKind::UnknownCard => search.card_is_unknown(),
                        ErrorKind::NotFound => {}
                        ErrorKind::InvalidResponse => search.list_is(List::Unreadable),
                        ErrorKind::InvalidInput
                        | ErrorKind::Crypto
                        | ErrorKind::Connect
                        | ErrorKind::Timeout
                        | ErrorKind::Transport
                        | ErrorKind::TokenUnavailable
                        | ErrorKind::TokenRejected
                        | ErrorKind::InvalidRequest
                        | ErrorKind::Forbidden
                        | ErrorKind::UnknownOperation
                        | ErrorKind::RateLimited
                        | ErrorKind::ServerError
                        | ErrorKind::UnexpectedStatus
                        | ErrorKind::ResponseTooLarge
                        | ErrorKind::Cancelled => return Err(error),
                    }
                    return Ok(());
                }
            }
        }
        search.list_is(List::TooLong);
        Ok(())
    }
}

call_options!(Reconcile => Reconciliation);

#[cfg(test)]
#[path = "model_state_tests.rs"]
mod model_state;
#[cfg(test)]
mod model_tests;
