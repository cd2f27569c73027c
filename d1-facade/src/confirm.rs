//! After an unknown outcome: was the card changed or not?

use std::collections::HashSet;
use std::future::IntoFuture;
use std::time::{Duration, SystemTime};

use futures_util::future::BoxFuture;
use tokio::time::Instant;

use crate::api_operation::ApiOperation;
use crate::card::{Operation, OperationPage, OperationStatus, OperationType, RequestorType};
use crate::client::Client;
use crate::error::{Error, ErrorKind, Outcome, Unresolved};
use crate::text::CardId;

/// How far the times that D1 writes may be from the `Date` of its answers.
const CLOCK_MARGIN: Duration = Duration::from_secs(5);

/// How far this host's clock is trusted where D1's answers have no `Date`.
const OWN_CLOCK_MARGIN: Duration = Duration::from_secs(120);

/// How many pages are read at most: what happened moments ago is on the first.
const MOST_PAGES: u32 = 20;

/// What became of a change whose outcome was unknown.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Confirmation {
    /// D1 carried it out. The operation is there where D1 still lists it: not for a deleted card.
    Done(Option<Box<Operation>>),
    /// D1 did not carry it out; asking again does nothing twice.
    NotDone,
    /// It cannot be told, for this reason.
    CannotTell(Doubt),
}

/// Why it cannot be told what became of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Doubt {
    /// D1 lists no such operation yet, and may still be at it: look again later.
    TooEarly,
    /// D1 lists it as `PENDING`, or in a state that this version does not know: look again later.
    StillPending,
    /// Several operations match: another call did the same at the same time.
    SeveralMatch,
    /// An operation that could be the one lacks its time or its type.
    Unreadable,
    /// D1 does not know the card.
    UnknownCard,
    /// The operations of that time are further back than is looked.
    TooManyOperations,
}

/// A look at what became of a change: await it.
///
/// It reads the card's operations and looks for one that has the type, the requestor, the reason and
/// the reason code of the change, and a time within which it was made, by D1's own clock (the `Date` of
/// its answers), so that this host's clock does not matter.
///
/// # When it cannot tell
///
/// - right after the failure: D1 may list the operation only once it is done, so that its absence says
///   nothing before a [settling time](Self::settle) has passed (30 seconds unless said otherwise);
/// - when the same change was made twice at about the same time: give each a
///   [reason](crate::Change::reason) of its own, which D1 returns, and they can be told apart;
/// - when D1's list leaves out what is needed, or the card is not known.
///
/// # Errors
/// When the operations cannot be read; the change is as unknown as before.
#[derive(Debug, Clone)]
#[must_use = "nothing is sent until it is awaited"]
pub struct Confirm {
    client: Client,
    outcome: Outcome,
    change: Option<Unresolved>,
    settle: Duration,
}

impl Confirm {
    pub(crate) fn new(client: Client, error: &Error) -> Self {
        Self {
            client,
            outcome: error.outcome(),
            change: error.unresolved().cloned(),
            settle: Duration::from_secs(30),
        }
    }

    /// How long after the failure the absence of the operation is taken for an answer.
    pub fn settle(mut self, time: Duration) -> Self {
        self.settle = time;
        self
    }

    async fn look(self) -> Result<Confirmation, Error> {
        let Some(change) = &self.change else {
            // Not a change whose outcome is unknown: nothing was done.
            return Ok(match self.outcome {
                Outcome::Unknown => Confirmation::CannotTell(Doubt::Unreadable),
                _ => Confirmation::NotDone,
            });
        };
        let mut search = Search::new(change);
        let mut known = false;
        // A renewal moves a card to another id; where D1 then lists it is not documented.
        for card in change.new_card.iter().chain([&change.card]) {
            known |= self.search(card, &mut search).await?;
        }
        Ok(match (known, change.operation) {
            (true, _) => search.verdict(self.settle),
            (false, ApiOperation::DeleteCard) => Confirmation::Done(None),
            (false, _) => Confirmation::CannotTell(Doubt::UnknownCard),
        })
    }

    /// Reads the operations of one card, back to before the change. False where the card is unknown.
    async fn search(&self, card: &CardId, search: &mut Search<'_>) -> Result<bool, Error> {
        let card = self
            .client
            .card_of(search.change.issuer.clone(), card.clone());
        let mut offset = 0;
        for _ in 0..MOST_PAGES {
            let page = match card.operations().offset(offset).await {
                Ok(page) => page,
                Err(e) if is_unknown_card(&e) => return Ok(false),
                Err(e) => return Err(e),
            };
            offset += page.operations().len() as u64;
            if search.read(&page) {
                return Ok(true);
            }
        }
        search.doubt.get_or_insert(Doubt::TooManyOperations);
        Ok(true)
    }
}

impl IntoFuture for Confirm {
    type Output = Result<Confirmation, Error>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.look())
    }
}

fn is_unknown_card(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::UnknownCard | ErrorKind::NotFound)
}

/// What was found so far.
struct Search<'a> {
    change: &'a Unresolved,
    matches: Vec<Operation>,
    seen: HashSet<String>,
    doubt: Option<Doubt>,
}

impl<'a> Search<'a> {
    fn new(change: &'a Unresolved) -> Self {
        Self {
            change,
            matches: Vec::new(),
            seen: HashSet::new(),
            doubt: None,
        }
    }

    /// Takes in a page; true when no further one is needed.
    fn read(&mut self, page: &OperationPage) -> bool {
        let began = self.began(page.server_time());
        let mut older = false;
        for operation in page.operations() {
            match self.compare(operation, began) {
                Some(true) if self.is_new(operation) => self.matches.push(operation.clone()),
                Some(_) => {}
                None => self.doubt = Some(Doubt::Unreadable),
            }
            older = operation
                .start_time()
                .is_some_and(|t| SystemTime::from(t) < began);
        }
        older || page.operations().is_empty() || page.remaining_operations() == Some(0)
    }

    /// The earliest time, by D1's clock, at which D1 can have begun the change.
    fn began(&self, server_time: Option<SystemTime>) -> SystemTime {
        let ago = Instant::now().saturating_duration_since(self.change.sent_at);
        let (now, margin) = match server_time {
            Some(time) => (time, CLOCK_MARGIN),
            None => (SystemTime::now(), OWN_CLOCK_MARGIN),
        };
        now.checked_sub(ago.saturating_add(margin))
            .unwrap_or(SystemTime::UNIX_EPOCH)
    }

    /// Whether an operation is the change; `None` where that cannot be told.
    fn compare(&self, operation: &Operation, began: SystemTime) -> Option<bool> {
        let change = self.change;
        let differs =
            |given: Option<&str>, sent: Option<&str>| given.is_some_and(|g| Some(g) != sent);
        let requestor = operation.requestor_type();
        let code = operation.reason_code();
        let other = requestor.is_some_and(|r| r != RequestorType::Issuer)
            || differs(operation.requestor_id(), Some(change.issuer.as_str()))
            || differs(
                operation.reason(),
                change.reason.as_ref().map(|r| r.as_str()),
            )
            || differs(
                code.as_ref().map(|c| c.as_str()),
                Some(change.reason_code.as_str()),
            )
            || operation
                .operation()
                .is_some_and(|o| o != kind_of(change.operation));
        if other {
            return Some(false);
        }
        let start = operation.start_time().map(SystemTime::from);
        match (operation.operation(), start) {
            (_, Some(start)) if start < began => Some(false),
            (Some(_), Some(_)) => Some(true),
            _ => None,
        }
    }

    fn is_new(&mut self, operation: &Operation) -> bool {
        operation
            .id()
            .is_none_or(|id| self.seen.insert(id.to_string()))
    }

    fn verdict(self, settle: Duration) -> Confirmation {
        let settled = Instant::now().saturating_duration_since(self.change.failed_at) >= settle;
        match (self.matches.as_slice(), self.doubt) {
            ([], Some(doubt)) => Confirmation::CannotTell(doubt),
            ([], None) if settled => Confirmation::NotDone,
            ([], None) => Confirmation::CannotTell(Doubt::TooEarly),
            ([only], _) => match only.status() {
                Some(OperationStatus::Successful) => {
                    Confirmation::Done(Some(Box::new(only.clone())))
                }
                Some(OperationStatus::Failed) => Confirmation::NotDone,
                _ => Confirmation::CannotTell(Doubt::StillPending),
            },
            _ => Confirmation::CannotTell(Doubt::SeveralMatch),
        }
    }
}

fn kind_of(operation: ApiOperation) -> OperationType {
    match operation {
        ApiOperation::ResumeCard => OperationType::Resume,
        ApiOperation::DeleteCard => OperationType::Delete,
        ApiOperation::RenewCard => OperationType::Renew,
        _ => OperationType::Suspend,
    }
}
