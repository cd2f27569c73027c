//! What a test does to a running sandbox, and what it asks of it.

use crate::card::{CardSnapshot, ConsumerState};
use crate::faults::Fault;
use crate::record::RecordedRequest;
use crate::{Sandbox, pan, spec};

impl Sandbox {
    /// Lets the next matching call fail, or as many as the fault says. Faults queue up.
    ///
    /// A card call meets its fault once its access token is accepted, and before anything else.
    pub fn fail_next(&self, fault: Fault) {
        if let Some(operation) = &fault.operation
            && !spec::Call::ALL
                .iter()
                .any(|call| call.operation_id() == operation)
        {
            let operation = pan::masked_text(operation);
            tracing::warn!(operation, "no call will ever meet this fault");
        }
        self.app.faults.push(fault);
    }

    /// How many faults are still waiting for a call.
    #[must_use]
    pub fn pending_faults(&self) -> usize {
        self.app.faults.len()
    }

    /// Takes all faults back that are still waiting.
    pub fn clear_faults(&self) {
        self.app.faults.remove(None);
    }

    /// Makes all access tokens invalid, as if D1 had forgotten them.
    pub fn revoke_tokens(&self) {
        self.app.authority.revoke_all();
    }

    /// Lets the sandbox's clock be so many seconds ahead of this machine's, behind if negative:
    /// tokens end, assertions are judged and operations are dated by it.
    pub fn set_clock_offset(&self, seconds: i64) {
        self.app.clock.set_offset(seconds);
    }

    /// How many access tokens were handed out.
    #[must_use]
    pub fn token_exchanges(&self) -> usize {
        self.app.authority.exchanges()
    }

    /// The requests so far, oldest first, without card data and tokens; the last 10,000 of them.
    #[must_use]
    pub fn requests(&self) -> Vec<RecordedRequest> {
        self.app.records.all()
    }

    /// The requests for one operation of one card, by the `operationId` in the OpenAPI document.
    #[must_use]
    pub fn requests_for(&self, operation_id: &str, card_id: &str) -> Vec<RecordedRequest> {
        let mut requests = self.requests();
        requests.retain(|request| {
            request.operation_id == Some(operation_id)
                && request.card_id.as_deref() == Some(card_id)
        });
        requests
    }

    /// Asserts that there were so many requests for one operation of one card, whatever became of
    /// them.
    ///
    /// ```
    /// # async fn example() -> Result<(), d1_sandbox::StartError> {
    /// let sandbox = d1_sandbox::Sandbox::start().await?;
    /// sandbox.assert_requests("renewCard", "ReplaceMe01", 0);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// If there were more or fewer; the message lists what there was.
    #[track_caller]
    pub fn assert_requests(&self, operation_id: &str, card_id: &str, times: usize) {
        let found = self.requests_for(operation_id, card_id).len();
        let all: Vec<String> = self
            .requests()
            .iter()
            .map(|r| format!("{} {} -> {}", r.method, r.path, r.status))
            .collect();
        assert_eq!(
            found,
            times,
            "requests for {operation_id} of {card_id}; all requests were:\n{}",
            all.join("\n")
        );
    }

    /// The warnings so far: what was accepted although D1 may refuse it, each with the request that it is
    /// about.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let requests = self.requests();
        let each = requests.iter().flat_map(|request| {
            let named = |warning| format!("{} {}: {warning}", request.method, request.path);
            request.warnings.iter().map(named)
        });
        each.collect()
    }

    /// A card as it stands.
    #[must_use]
    pub fn card(&self, card_id: &str) -> Option<CardSnapshot> {
        self.card_of(self.issuer_id(), card_id)
    }

    /// A card of one of the issuers as it stands.
    #[must_use]
    pub fn card_of(&self, issuer_id: &str, card_id: &str) -> Option<CardSnapshot> {
        self.app.world(issuer_id)?.snapshot(card_id)
    }

    /// Sets the state of the end user who holds the card. False means that there is no such card.
    pub fn set_consumer_state(&self, card_id: &str, state: ConsumerState) -> bool {
        let world = self.app.world(self.issuer_id());
        world.is_some_and(|mut world| world.set_consumer_state(card_id, state))
    }

    /// Where the control API and its page are, as `http://127.0.0.1:PORT`, if the builder asked for
    /// them.
    #[must_use]
    pub fn control_url(&self) -> Option<&str> {
        self.control.as_ref().map(|control| control.url.as_str())
    }
}
