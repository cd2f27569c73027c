//! After an unknown outcome: was the card changed or not?

mod pending;
mod rule;
mod search;

use std::future::IntoFuture;
use std::time::Duration;

use futures_util::future::BoxFuture;

pub use pending::PendingChange;
use rule::Verdict;
use search::Search;

use crate::api_operation::ApiOperation;
use crate::card::Operation;
use crate::client::Client;
use crate::error::{Error, ErrorKind};
use crate::options::{CallOptions, call_options};
use crate::text::{CardId, CorrelationId};

/// How many pages of a list are read at most.
const MOST_PAGES: u32 = 100;

/// How long D1 is given to list a change, unless said otherwise.
const SETTLE: Duration = Duration::from_secs(30);

/// Whether a change was carried out, as far as D1's list of operations says.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Reconciliation {
    /// D1 carried it out. It has the operation where D1 lists it: for a deleted card it does not, once D1
    /// says that it knows no such card.
    Done(Option<Box<Operation>>),
    /// D1 did not carry it out; sending it again does nothing twice. It has the operation where D1 lists it
    /// as `FAILED`.
    NotDone(Option<Box<Operation>>),
    /// The list proves neither, for this reason.
    Inconclusive(Inconclusive),
}

/// Why D1's list of operations does not say whether a change was carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Inconclusive {
    /// D1 does not list it yet, and may not have finished: reconcile again later.
    TooEarly,
    /// D1 lists it as `PENDING`, or with a status that this version does not know: reconcile again later.
    StillPending,
    /// Several operations match: another call made the same change at about the same time.
    SeveralMatch,
    /// An operation may be the change, but does not agree with it in everything: in its time, its requestor,
    /// its reason or its reason code, or it is of a type (`REPLACE` for a renewal) that is not documented
    /// for it.
    Ambiguous,
    /// The list cannot be read, or may have operations where this version does not look.
    Unreadable,
    /// D1 answers 404 and does not say why, or does not know the card.
    UnknownCard,
    /// The list is longer than is read.
    TooManyOperations,
    /// The change was sent to another host than the one that this client calls.
    OtherHost,
}

/// A look at D1's list of operations for a change: await it.
///
/// # The rule
///
/// It reads the whole list of the card's operations. An operation is the change where its type, requestor,
/// reason and reason code are those that were sent, as far as D1 lists them, and D1 can have begun with it
/// while the change was under way, by D1's own clock (the `Date` of its answers).
///
/// *Done* is said where exactly one operation is the change, and D1 lists it as `SUCCESSFUL`.
///
/// *Not done* is said only where it is proven: the whole list was read, the
/// [settling time](Self::settle) has passed since the call ended, and no operation in the list could be the
/// change, or only one that D1 lists as `FAILED`. Time alone proves nothing: an operation that agrees in
/// everything but its time, however old it is, leaves the question open, since clocks differ and D1 may
/// write a time cut to the minute. Give each change a [reason](crate::Change::reason) of its own, which D1
/// returns. With [`unique_reason`](Self::unique_reason) an operation with this reason is the change, and one
/// with another reason is not.
///
/// Everything else is [`Inconclusive`].
///
/// # What it assumes
///
/// That D1 lists a change within the settling time, and that nothing of the change is sent after the call
/// [ended](PendingChange::ended_by).
///
/// It makes a request for each page that it reads, and each of them has the whole
/// [`timeout`](Self::timeout) for itself.
///
/// # Errors
/// When the operations cannot be read; the change is as unknown as before.
#[derive(Debug, Clone)]
#[must_use = "nothing is sent until it is awaited"]
pub struct Reconcile {
    client: Client,
    change: PendingChange,
    settle: Duration,
    unique: bool,
    options: CallOptions,
}

impl Client {
    /// Finds out whether a change was carried out whose outcome is [unknown](crate::Outcome::Unknown).
    /// Nothing is sent until it is awaited.
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
    ///         Reconciliation::Inconclusive(why) => println!("reconcile again later: {why:?}"),
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
            options: CallOptions::default(),
        }
    }
}

impl Reconcile {
    /// Sets how long after the end of the call D1 may take to list the change; 30 seconds unless set. Before
    /// that, its absence proves nothing.
    pub fn settle(mut self, time: Duration) -> Self {
        self.settle = time;
        self
    }

    /// Says that the reason of the change is its own: no other change of the card has it. An operation with
    /// this reason is the change then, whenever D1 says that it began, and one with another reason is not,
    /// unless the two are equal but for case and blanks or one is cut short.
    pub fn unique_reason(mut self) -> Self {
        self.unique = self.change.reason.is_some();
        self
    }

    async fn look(mut self) -> Result<Reconciliation, Error> {
        // All its requests are one use case.
        self.options
            .correlation_id
            .get_or_insert_with(CorrelationId::random);
        if self.change.base_url != self.client.core().transport.base_url() {
            return Ok(Reconciliation::Inconclusive(Inconclusive::OtherHost));
        }
        // What is read from now on can only be older than that.
        let settled = self.change.has_settled(self.settle);
        let aggregator = self.client.core().aggregator.as_deref();
        let mut search = Search::new(&self.change, aggregator, self.unique, settled);
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
                Err(error) => match error.kind() {
                    ErrorKind::UnknownCard => {
                        let is_deletion = self.change.operation == ApiOperation::DeleteCard;
                        search.knows_no_card(is_deletion);
                        return Ok(());
                    }
                    ErrorKind::NotFound => return Ok(()),
                    ErrorKind::InvalidResponse => {
                        search.cannot_read();
                        return Ok(());
                    }
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
                },
            }
        }
        search.is_too_long();
        Ok(())
    }
}

impl IntoFuture for Reconcile {
    type Output = Result<Reconciliation, Error>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.look())
    }
}

call_options!(Reconcile);

impl Verdict {
    fn with(self, operation: Option<Box<Operation>>) -> Reconciliation {
        let why = match self {
            Self::Done => return Reconciliation::Done(operation),
            Self::NotDone => return Reconciliation::NotDone(operation),
            Self::TooEarly => Inconclusive::TooEarly,
            Self::StillPending => Inconclusive::StillPending,
            Self::SeveralMatch => Inconclusive::SeveralMatch,
            Self::Ambiguous => Inconclusive::Ambiguous,
            Self::ListTooLong => Inconclusive::TooManyOperations,
            Self::Unreadable => Inconclusive::Unreadable,
            Self::UnknownCard => Inconclusive::UnknownCard,
        };
        Reconciliation::Inconclusive(why)
    }
}
