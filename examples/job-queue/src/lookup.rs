//! Did D1 carry out a change whose worker died? [`Client::reconcile`] says so, from the row of the request.

use std::time::{Duration, SystemTime};

use d1_facade::{Change, Client, Error, InvalidInput, PendingChange, Reconciliation};

use crate::ledger::Request;

/// Why the operations could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LookupError {
    #[error(transparent)]
    Input(#[from] InvalidInput),
    #[error(transparent)]
    D1(#[from] Error),
}

/// The change that a request asks for.
pub(crate) fn change(d1: &Client, request: &Request) -> Result<Change, InvalidInput> {
    let card = d1.card(request.card.parse()?);
    Ok(card.suspend().reason(request.reason.parse()?))
}

/// Finds the outcome of the calls of a request.
pub(crate) async fn look_up(d1: &Client, request: &Request) -> Result<Reconciliation, LookupError> {
    let recorded = request.first_sent_at.unwrap_or(SystemTime::UNIX_EPOCH);
    let pending = change(d1, request)?.pending().recorded_at(recorded);
    // The database has the clock that all workers share, and says whether D1 had its time.
    let settle = match request.settled {
        true => Duration::ZERO,
        false => Duration::MAX,
    };
    reconcile(d1, &pending.ended_by(recorded), settle).await
}

/// The reason is unique to the request: an operation that has it is the change, whenever it began.
pub(crate) async fn reconcile(
    d1: &Client,
    pending: &PendingChange,
    settle: Duration,
) -> Result<Reconciliation, LookupError> {
    Ok(d1.reconcile(pending).unique_reason().settle(settle).await?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::ledger::State;
    use d1_facade::{Environment, Identity, Inconclusive, SigningKey};
    use d1_sandbox::{Card, Fault, Sandbox};

    async fn start() -> (Sandbox, Client) {
        let sandbox = Sandbox::builder().card(Card::new("ReplaceMe01"));
        let sandbox = sandbox.start().await.unwrap();
        let environment = Environment::Custom(sandbox.base_url().to_owned());
        let key = SigningKey::from_pem(sandbox.signing_key_pem(), sandbox.signing_kid());
        let d1 = Client::builder(environment, sandbox.issuer_id().parse().unwrap())
            .root_certificate(sandbox.ca_pem())
            .without_system_roots()
            .client_identity(
                Identity::from_pem(sandbox.client_certificate_pem(), sandbox.client_key_pem())
                    .unwrap(),
            )
            .signer(key.unwrap())
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
        let found = look_up(&d1, &request).await.unwrap();
        assert!(matches!(found, Reconciliation::NotDone(None)), "{found:?}");
        card.suspend()
            .reason("Bulk one".parse().unwrap())
            .await
            .unwrap();
        // It is not the newest: others came after it.
        card.resume().await.unwrap();
        let found = look_up(&d1, &request).await.unwrap();
        assert!(matches!(found, Reconciliation::Done(_)), "{found:?}");
    }

    #[tokio::test]
    async fn the_clocks_of_the_machines_do_not_matter_and_a_missing_reason_proves_nothing() {
        let (_sandbox, d1) = start().await;
        let card = d1.card("ReplaceMe01".parse().unwrap());
        card.suspend()
            .reason("Bulk one".parse().unwrap())
            .await
            .unwrap();
        let hour = Duration::from_secs(3600);
        for sent_at in [SystemTime::now() - hour, SystemTime::now() + hour] {
            let found = look_up(&d1, &request(sent_at)).await.unwrap();
            assert!(matches!(found, Reconciliation::Done(_)), "{found:?}");
        }

        let (_sandbox, d1) = start().await;
        let card = d1.card("ReplaceMe01".parse().unwrap());
        card.suspend().await.unwrap();
        for sent_at in [SystemTime::now() - hour, SystemTime::now()] {
            let found = look_up(&d1, &request(sent_at)).await.unwrap();
            let why = Reconciliation::Inconclusive(Inconclusive::Ambiguous);
            assert_eq!(format!("{found:?}"), format!("{why:?}"));
        }
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
