//! Did D1 carry out a change that nobody saw the end of? Its list of operations tells, by the reason.
//!
//! [`Client::confirm`] answers that in the process that made the call. Here that process is gone, and what
//! is left is the record: the card, the reason, and when the first call was about to be sent. The reason is
//! unique to the request, so an operation that bears it is the change; no time need be compared for that.

use std::time::{Duration, SystemTime};

use d1_facade::{Client, Error, InvalidInput, Operation, OperationStatus, OperationType};
use futures_util::TryStreamExt as _;

use crate::ledger::Request;

/// How far D1's clock and the database's may be apart.
const CLOCK_MARGIN: Duration = Duration::from_secs(600);

/// What the card's operations say about a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// D1 carried it out.
    Done,
    /// D1 began with it, and it failed.
    Failed,
    /// D1 is still at it, or lists it with a status that is not known.
    Pending,
    /// A suspension of that time has no reason in the list: it may be this one.
    Resembles,
    /// D1 does not list it. That it never will can be said only once a request that was under way must
    /// have arrived.
    Absent,
}

/// Why the operations could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LookupError {
    #[error(transparent)]
    Input(#[from] InvalidInput),
    #[error(transparent)]
    D1(#[from] Error),
}

/// Reads all operations of the card: that of the request is near the beginning, but only the whole list
/// shows that it is not there.
pub(crate) async fn look_up(d1: &Client, request: &Request) -> Result<Found, LookupError> {
    let card = d1.card(request.card.parse()?);
    let mut operations = card.operations().limit(50).stream();
    let mut found = Found::Absent;
    while let Some(operation) = operations.try_next().await? {
        match compare(&operation, request) {
            Found::Absent => {}
            Found::Resembles => found = Found::Resembles,
            certain => return Ok(certain),
        }
    }
    Ok(found)
}

fn compare(operation: &Operation, request: &Request) -> Found {
    match operation.reason() {
        Some(reason) if reason == request.reason => match operation.status() {
            Some(OperationStatus::Successful) => Found::Done,
            Some(OperationStatus::Failed) => Found::Failed,
            _ => Found::Pending,
        },
        Some(_) => Found::Absent,
        None if may_be_suspension(operation) && !is_older(operation, request) => Found::Resembles,
        None => Found::Absent,
    }
}

fn may_be_suspension(operation: &Operation) -> bool {
    matches!(
        operation.operation(),
        None | Some(OperationType::Suspend | OperationType::Unknown(_))
    )
}

/// Whether it began before anything was sent for the request.
fn is_older(operation: &Operation, request: &Request) -> bool {
    let start = operation.start_time().map(SystemTime::from);
    let earliest = request
        .first_sent_at
        .and_then(|time| time.checked_sub(CLOCK_MARGIN));
    matches!((start, earliest), (Some(start), Some(earliest)) if start < earliest)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::ledger::State;
    use d1_facade::{Environment, SigningKey};
    use d1_sandbox::{Card, Fault, Sandbox};

    async fn start() -> (Sandbox, Client) {
        let sandbox = Sandbox::builder().card(Card::new("ReplaceMe01"));
        let sandbox = sandbox.start().await.unwrap();
        let environment = Environment::Custom(sandbox.base_url().to_owned());
        let key = SigningKey::from_pem(sandbox.signing_key_pem(), sandbox.signing_kid());
        let d1 = Client::builder(environment, sandbox.issuer_id().parse().unwrap())
            .root_certificate(sandbox.ca_pem())
            .without_system_roots()
            .client_identity(sandbox.client_certificate_pem(), sandbox.client_key_pem())
            .signing_key(key.unwrap())
            .build()
            .unwrap();
        (sandbox, d1)
    }

    fn request(first_sent_at: SystemTime) -> Request {
        Request {
            id: 1,
            card: "ReplaceMe01".to_owned(),
            reason: "Bulk one".to_owned(),
            state: State::Finished,
            sends: 1,
            first_sent_at: Some(first_sent_at),
            settled: true,
            given_up: false,
        }
    }

    #[tokio::test]
    async fn the_reason_tells_the_change_of_this_request_from_others() {
        let (_sandbox, d1) = start().await;
        let card = d1.card("ReplaceMe01".parse().unwrap());
        let request = request(SystemTime::now());
        card.suspend()
            .reason("Bulk other".parse().unwrap())
            .await
            .unwrap();
        assert_eq!(look_up(&d1, &request).await.unwrap(), Found::Absent);
        card.suspend()
            .reason("Bulk one".parse().unwrap())
            .await
            .unwrap();
        // It is not the newest: others came after it.
        card.resume().await.unwrap();
        assert_eq!(look_up(&d1, &request).await.unwrap(), Found::Done);
    }

    #[tokio::test]
    async fn a_suspension_without_a_reason_is_doubt_unless_it_is_older() {
        let (_sandbox, d1) = start().await;
        let card = d1.card("ReplaceMe01".parse().unwrap());
        card.suspend().await.unwrap();
        let now = SystemTime::now();
        let found = look_up(&d1, &request(now)).await.unwrap();
        assert_eq!(found, Found::Resembles);
        let later = now + 2 * CLOCK_MARGIN;
        let found = look_up(&d1, &request(later)).await.unwrap();
        assert_eq!(found, Found::Absent);
    }

    #[tokio::test]
    async fn a_list_that_cannot_be_read_is_no_answer() {
        let (sandbox, d1) = start().await;
        let fault = Fault::status(500).operation("listOperations");
        sandbox.fail_next(fault.times(100));
        let found = look_up(&d1, &request(SystemTime::now())).await;
        assert!(matches!(found, Err(LookupError::D1(_))), "{found:?}");
    }
}
