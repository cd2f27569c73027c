//! After a crash: was the change of a line carried out or not? D1's list of operations tells.
//!
//! `Client::confirm` answers that in the process that made the call. Here that process is gone, and what is
//! left of it is the journal: the line, and when its request was about to leave. It is concluded from the
//! list as cautiously as `confirm` does, but with this machine's clock for the time of the request.

use std::collections::HashSet;
use std::time::Duration;

use d1_facade::{
    CardId, Client, Error, ErrorKind, Operation, OperationStatus, OperationType, RequestorType,
};
use futures_util::{StreamExt as _, stream};
use time::OffsetDateTime;

use super::line::{Facts, Kind};

/// How many cards are looked at at once.
const AT_ONCE: usize = 8;

/// How far D1's clock may be behind this machine's for an operation still to be ours beyond doubt.
const CLOCK_MARGIN: Duration = Duration::from_secs(5);

/// How far it may be behind for an operation to be ours at all. The client gets its tokens with whatever
/// clock, and a time zone that is set wrongly is hours: too short would send a line twice.
const CLOCK_DOUBT: Duration = Duration::from_secs(24 * 60 * 60);

/// How many operations are read at most: ours is near the beginning.
const MOST_OPERATIONS: usize = 1000;

/// A line whose request may have been carried out.
#[derive(Debug, Clone)]
pub(super) struct InDoubt {
    pub(super) facts: Facts,
    pub(super) begun_at: OffsetDateTime,
    /// Whether another line of the input asks for the same of the same card.
    pub(super) has_twin: bool,
}

/// What D1's list says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    Done(Option<String>),
    /// It is not listed. That it never will be can be said only once D1 had time for it.
    Absent,
    /// For this reason it cannot be told.
    CannotTell(String),
}

/// Whom D1 says that our changes are made by.
#[derive(Debug, Clone)]
pub(super) struct Ourselves {
    pub(super) issuer: String,
    pub(super) aggregator: Option<String>,
}

/// Looks at the lists of operations of many lines.
pub(super) async fn look_back(
    client: &Client,
    ourselves: &Ourselves,
    lines: Vec<InDoubt>,
) -> Vec<(InDoubt, Verdict)> {
    let looks = stream::iter(lines).map(|line| async move {
        let verdict = look(client, ourselves, &line).await;
        (line, verdict)
    });
    looks.buffer_unordered(AT_ONCE).collect().await
}

async fn look(client: &Client, ourselves: &Ourselves, line: &InDoubt) -> Verdict {
    if line.has_twin {
        let why = "another line asks for the same of the same card";
        return Verdict::CannotTell(why.to_owned());
    }
    let facts = &line.facts;
    let mut search = Search::new(line, ourselves);
    let mut known = false;
    // A renewal moves a card to another id; where D1 then lists it is not documented.
    let other = facts.new_card.as_ref().filter(|id| **id != facts.card);
    for card in other.into_iter().chain([&facts.card]) {
        match search.read(client, card).await {
            Ok(()) => {
                known = true;
                if other == Some(card) {
                    // It may have been there before, or be the very renewal.
                    search.doubt.get_or_insert("the new card is there");
                }
            }
            Err(error) if error.kind() == ErrorKind::UnknownCard => {
                if facts.kind == Kind::Delete {
                    return Verdict::Done(None);
                }
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Verdict::CannotTell(error.to_string()),
        }
    }
    if !known {
        let why = "D1 does not know the card, or does not say";
        return Verdict::CannotTell(why.to_owned());
    }
    search.verdict()
}

struct Search<'a> {
    line: &'a InDoubt,
    ourselves: &'a Ourselves,
    matches: Vec<Operation>,
    seen: HashSet<String>,
    doubt: Option<&'static str>,
}

enum Likeness {
    Same,
    Other,
    Older,
    Perhaps(&'static str),
}

impl<'a> Search<'a> {
    fn new(line: &'a InDoubt, ourselves: &'a Ourselves) -> Self {
        Self {
            line,
            ourselves,
            matches: Vec::new(),
            seen: HashSet::new(),
            doubt: None,
        }
    }

    /// Reads a card's operations, the most recent first, until they are older than the request.
    async fn read(&mut self, client: &Client, card: &CardId) -> Result<(), Error> {
        let mut operations = client.card(card.clone()).operations().limit(50).stream();
        let mut read = 0;
        while let Some(operation) = operations.next().await {
            let operation = operation?;
            match self.compare(&operation) {
                Likeness::Older => return Ok(()),
                Likeness::Same if self.is_new(&operation) => self.matches.push(operation),
                Likeness::Perhaps(doubt) => self.doubt = Some(doubt),
                Likeness::Same | Likeness::Other => {}
            }
            read += 1;
            if read == MOST_OPERATIONS {
                self.doubt = Some("there are too many operations since");
                return Ok(());
            }
        }
        Ok(())
    }

    fn compare(&self, operation: &Operation) -> Likeness {
        let wanted = self.line.facts.kind.listed_as();
        let kind = operation.operation();
        let start = operation.start_time();
        match (&kind, start) {
            (_, Some(start)) if start < self.line.begun_at - CLOCK_DOUBT => Likeness::Older,
            (Some(kind), _) if !may_stand_for(kind, &wanted) => Likeness::Other,
            (None, _) | (_, None) => Likeness::Perhaps("an operation lacks its time or its type"),
            (Some(kind), Some(start))
                if *kind == wanted
                    && start >= self.line.begun_at - CLOCK_MARGIN
                    && self.agrees(operation) =>
            {
                Likeness::Same
            }
            _ => Likeness::Perhaps("an operation resembles it, but not in everything"),
        }
    }

    /// Whether requestor, reason and reason code are those that were sent, as far as D1 says.
    fn agrees(&self, operation: &Operation) -> bool {
        let facts = &self.line.facts;
        let code = operation.reason_code();
        let by_us = |requestor: &str| {
            requestor == self.ourselves.issuer
                || Some(requestor) == self.ourselves.aggregator.as_deref()
        };
        let requestor = operation.requestor_type();
        requestor.is_none_or(|requestor| requestor == RequestorType::Issuer)
            && operation.requestor_id().is_none_or(by_us)
            // It is documented that the reason comes back.
            && operation.reason() == facts.reason.as_ref().map(|reason| reason.as_str())
            && code.is_none_or(|code| code == facts.reason_code)
    }

    fn is_new(&mut self, operation: &Operation) -> bool {
        operation
            .id()
            .is_none_or(|id| self.seen.insert(id.to_string()))
    }

    fn verdict(self) -> Verdict {
        let cannot_tell = |why: &str| Verdict::CannotTell(why.to_owned());
        match (self.matches.as_slice(), self.doubt) {
            ([], Some(doubt)) => cannot_tell(doubt),
            ([], None) => Verdict::Absent,
            ([only], doubt) => match (only.status(), doubt) {
                (Some(OperationStatus::Successful), _) => {
                    Verdict::Done(only.id().map(|id| id.to_string()))
                }
                (Some(OperationStatus::Failed), None) => Verdict::Absent,
                (Some(OperationStatus::Failed), Some(doubt)) => cannot_tell(doubt),
                _ => cannot_tell("D1 is still at it"),
            },
            _ => cannot_tell("several operations match"),
        }
    }
}

fn may_stand_for(listed: &OperationType, wanted: &OperationType) -> bool {
    match listed {
        // V2 calls a renewal that changes the card's id a replacement.
        OperationType::Replace => *wanted == OperationType::Renew,
        OperationType::Unknown(_) => true,
        known => known == wanted,
    }
}
