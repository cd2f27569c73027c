//! After an unknown outcome: was the card changed or not?

use std::collections::HashSet;
use std::future::IntoFuture;
use std::time::{Duration, SystemTime};

use futures_util::future::BoxFuture;

use crate::api_operation::ApiOperation;
use crate::card::{Operation, OperationPage, OperationStatus, OperationType, RequestorType};
use crate::client::Client;
use crate::error::{Error, ErrorKind, Outcome, Unresolved};
use crate::options::{CallOptions, call_options};
use crate::text::{CardId, CorrelationId};

/// How far the times that D1 writes may be from the `Date` of its answers.
const CLOCK_MARGIN: Duration = Duration::from_secs(5);

/// How far this host's clock is trusted where D1's answers have no `Date`.
const OWN_CLOCK_MARGIN: Duration = Duration::from_secs(120);

/// How long after the call had failed D1 may still have begun with it.
const LONGEST_DELAY: Duration = Duration::from_secs(60);

/// How many pages are read at most: what happened moments ago is on the first.
const MOST_PAGES: u32 = 20;

/// What became of a change whose outcome was unknown.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Confirmation {
    /// D1 carried it out. The operation is there where D1 still lists it: for a deleted card it is not,
    /// once D1 says that it knows no such card.
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
    /// An operation of that time may be the change, but D1 lists it for another requestor, reason or
    /// reason code, or in a form (`REPLACE` for a renewal) that is not documented for it.
    Resembles,
    /// An operation that could be the one lacks its time or its type.
    Unreadable,
    /// D1 answers 404 and does not say why, or does not know the card.
    UnknownCard,
    /// The operations of that time are further back than is looked.
    TooManyOperations,
    /// The change was sent to another host than the one that this client calls.
    OtherHost,
}

/// A look at what became of a change: await it.
///
/// It reads the card's operations and looks for one of the type of the change, begun within the time
/// in which it was made, by D1's own clock (the `Date` of its answers), so that this host's clock does
/// not matter. Where requestor, reason and reason code are what was sent, that is the change.
///
/// # When it cannot tell
///
/// - right after the failure: D1 may list the operation only once it is done, so that neither its
///   absence nor that of a further attempt says anything before a [settling time](Self::settle) has
///   passed (30 seconds unless said otherwise);
/// - when the same change was made twice at about the same time: give each a
///   [reason](crate::Change::reason) of its own, which D1 returns, and they can be told apart;
/// - when an operation of that type differs in requestor, reason or reason code, or lacks the reason that
///   was sent, or began a few seconds before: how D1 lists these is not documented well enough to
///   conclude that it is another one;
/// - when D1's list leaves out what is needed, or the card is not known.
///
/// It makes a request for each page that it reads, and each of them has the whole
/// [`timeout`](Self::timeout) for itself.
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
    options: CallOptions,
}

impl Confirm {
    pub(crate) fn new(client: Client, error: &Error) -> Self {
        Self {
            client,
            outcome: error.outcome(),
            change: error.unresolved().cloned(),
            settle: Duration::from_secs(30),
            options: CallOptions::default(),
        }
    }

    /// How long after the failure the absence of the operation is taken for an answer.
    pub fn settle(mut self, time: Duration) -> Self {
        self.settle = time;
        self
    }

    async fn look(mut self) -> Result<Confirmation, Error> {
        // All its requests are one use case.
        self.options
            .correlation_id
            .get_or_insert_with(CorrelationId::random);
        let Some(change) = &self.change else {
            // Not a change whose outcome is unknown: nothing was done.
            return Ok(match self.outcome {
                Outcome::Unknown => Confirmation::CannotTell(Doubt::Unreadable),
                _ => Confirmation::NotDone,
            });
        };
        if change.base_url != self.client.inner().transport.base_url() {
            return Ok(Confirmation::CannotTell(Doubt::OtherHost));
        }
        // What is read from now on can only be older than that.
        let settled = change.failed_at.elapsed() >= self.settle;
        let mut search = Search::new(change, self.client.inner().aggregator.as_deref());
        let mut known = false;
        // A renewal moves a card to another id; where D1 then lists it is not documented.
        for card in change.new_card.iter().chain([&change.card]) {
            match self.search(card, &mut search).await? {
                Found::Card if change.new_card.as_ref() == Some(card) => {
                    // It may have been there before, or be the very renewal.
                    search.doubt.get_or_insert(Doubt::Resembles);
                    known = true;
                }
                Found::Card => known = true,
                Found::NoCard if change.operation == ApiOperation::DeleteCard => {
                    return Ok(Confirmation::Done(None));
                }
                Found::NoCard | Found::Nothing => {}
            }
        }
        if !known {
            return Ok(Confirmation::CannotTell(Doubt::UnknownCard));
        }
        Ok(search.verdict(settled))
    }

    /// Reads the operations of one card, back to before the change.
    async fn search(&self, card: &CardId, search: &mut Search<'_>) -> Result<Found, Error> {
        let card = self
            .client
            .card_of(search.change.issuer.clone(), card.clone());
        let mut offset = 0;
        for _ in 0..MOST_PAGES {
            let request = card.operations().with_options(&self.options);
            let page = match request.offset(offset).await {
                Ok(page) => page,
                Err(e) => {
                    return match e.kind() {
                        ErrorKind::UnknownCard => Ok(Found::NoCard),
                        ErrorKind::NotFound => Ok(Found::Nothing),
                        ErrorKind::InvalidResponse => {
                            search.doubt = Some(Doubt::Unreadable);
                            Ok(Found::Card)
                        }
                        _ => Err(e),
                    };
                }
            };
            offset += page.operations().len() as u64;
            if search.read(&page) {
                return Ok(Found::Card);
            }
        }
        search.doubt = Some(Doubt::TooManyOperations);
        Ok(Found::Card)
    }
}

impl IntoFuture for Confirm {
    type Output = Result<Confirmation, Error>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.look())
    }
}

call_options!(Confirm);

/// What D1 says of a card.
enum Found {
    /// It lists its operations.
    Card,
    /// It knows no such card, and says so.
    NoCard,
    /// It answers 404 without saying of what.
    Nothing,
}

/// What was found so far.
struct Search<'a> {
    change: &'a Unresolved,
    aggregator: Option<&'a str>,
    matches: Vec<Operation>,
    seen: HashSet<String>,
    doubt: Option<Doubt>,
}

/// When D1 can have begun the change, by its own clock.
struct Window {
    /// Nothing before it is the change, as far as clocks may differ.
    earliest: SystemTime,
    /// When it was sent; what began before may be another one.
    sent: SystemTime,
    latest: SystemTime,
}

/// How an operation compares with the change.
enum Likeness {
    Same,
    Other,
    Perhaps(Doubt),
}

impl<'a> Search<'a> {
    fn new(change: &'a Unresolved, aggregator: Option<&'a str>) -> Self {
        Self {
            change,
            aggregator,
            matches: Vec::new(),
            seen: HashSet::new(),
            doubt: None,
        }
    }

    /// Takes in a page; true when no further one is needed.
    fn read(&mut self, page: &OperationPage) -> bool {
        let window = self.window(page.server_time());
        if page.may_hide_operations() {
            self.doubt = Some(Doubt::Unreadable);
        }
        let mut older = false;
        for operation in page.operations() {
            match self.compare(operation, &window) {
                Likeness::Same if self.is_new(operation) => self.matches.push(operation.clone()),
                Likeness::Perhaps(doubt) => self.doubt = Some(doubt),
                Likeness::Same | Likeness::Other => {}
            }
            older = operation
                .start_time()
                .is_some_and(|t| SystemTime::from(t) < window.earliest);
        }
        older || page.operations().is_empty() || page.remaining_operations() == Some(0)
    }

    /// From when to when, by D1's clock, D1 can have begun the change.
    fn window(&self, server_time: Option<SystemTime>) -> Window {
        let (now, margin) = match server_time {
            Some(time) => (time, CLOCK_MARGIN),
            None => (SystemTime::now(), OWN_CLOCK_MARGIN),
        };
        let before = |ago: Duration| now.checked_sub(ago).unwrap_or(SystemTime::UNIX_EPOCH);
        let sent_ago = self.change.sent_at.elapsed();
        let late = LONGEST_DELAY + margin;
        let latest = match self.change.failed_at.elapsed().checked_sub(late) {
            Some(ago) => before(ago),
            None => now.checked_add(late).unwrap_or(now),
        };
        Window {
            earliest: before(sent_ago.saturating_add(margin)),
            // The `Date` of an answer is cut to seconds and read late: this is never too late.
            sent: before(sent_ago),
            latest,
        }
    }

    fn compare(&self, operation: &Operation, window: &Window) -> Likeness {
        let named = &self.change.operation_id;
        if named.is_some() && operation.id() == *named {
            return Likeness::Same;
        }
        let start = operation.start_time().map(SystemTime::from);
        let wanted = kind_of(self.change.operation);
        let kind = operation.operation();
        match (&kind, start) {
            (_, Some(start)) if start < window.earliest => return Likeness::Other,
            (Some(kind), _) if !may_stand_for(kind, &wanted) => return Likeness::Other,
            (None, _) | (_, None) => return Likeness::Perhaps(Doubt::Unreadable),
            (Some(_), Some(_)) => {}
        }
        let in_time = start.is_some_and(|start| (window.sent..=window.latest).contains(&start));
        if in_time && kind == Some(wanted) && self.agrees(operation) {
            Likeness::Same
        } else {
            Likeness::Perhaps(Doubt::Resembles)
        }
    }

    /// Whether nothing that D1 tells of an operation is other than what was sent.
    fn agrees(&self, operation: &Operation) -> bool {
        let change = self.change;
        let agrees =
            |given: Option<&str>, sent: Option<&str>| given.is_none_or(|g| Some(g) == sent);
        let requestor = operation.requestor_id();
        let code = operation.reason_code();
        operation
            .requestor_type()
            .is_none_or(|r| r == RequestorType::Issuer)
            && (agrees(requestor, Some(change.issuer.as_str()))
                || agrees(requestor, self.aggregator))
            // It is documented that the reason comes back.
            && operation.reason() == change.reason.as_ref().map(|r| r.as_str())
            && agrees(
                code.as_ref().map(|c| c.as_str()),
                Some(change.reason_code.as_str()),
            )
    }

    fn is_new(&mut self, operation: &Operation) -> bool {
        operation
            .id()
            .is_none_or(|id| self.seen.insert(id.to_string()))
    }

    fn verdict(self, settled: bool) -> Confirmation {
        match (self.matches.as_slice(), self.doubt) {
            ([], Some(doubt)) => Confirmation::CannotTell(doubt),
            ([], None) if settled => Confirmation::NotDone,
            ([], None) => Confirmation::CannotTell(Doubt::TooEarly),
            ([only], doubt) => match (only.status(), doubt) {
                (Some(OperationStatus::Successful), _) => {
                    Confirmation::Done(Some(Box::new(only.clone())))
                }
                // Another attempt of the same change may not be listed yet.
                (Some(OperationStatus::Failed), None) if settled => Confirmation::NotDone,
                (Some(OperationStatus::Failed), None) => Confirmation::CannotTell(Doubt::TooEarly),
                (Some(OperationStatus::Failed), Some(doubt)) => Confirmation::CannotTell(doubt),
                _ => Confirmation::CannotTell(Doubt::StillPending),
            },
            _ => Confirmation::CannotTell(Doubt::SeveralMatch),
        }
    }
}

/// Whether an operation that D1 lists as `listed` may be one that was asked for as `wanted`.
fn may_stand_for(listed: &OperationType, wanted: &OperationType) -> bool {
    match listed {
        // V2 calls a renewal that changes the card's id a replacement.
        OperationType::Replace => *wanted == OperationType::Renew,
        OperationType::Unknown(_) => true,
        known => known == wanted,
    }
}

fn kind_of(operation: ApiOperation) -> OperationType {
    match operation {
        ApiOperation::ResumeCard => OperationType::Resume,
        ApiOperation::DeleteCard => OperationType::Delete,
        ApiOperation::RenewCard => OperationType::Renew,
        ApiOperation::SuspendCard
        | ApiOperation::ListOperations
        | ApiOperation::GetOperation
        | ApiOperation::GetToken => OperationType::Suspend,
    }
}
