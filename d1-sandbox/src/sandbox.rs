//! A running sandbox: what a test gets from it, does to it and asks of it.

use crate::app::App;
use crate::auth::Access;
use crate::crypto::jwe::{JweError, Plaintext};
use crate::crypto::key_folder::{KeyFolder, OwnKeys};
use crate::crypto::pki::Pki;
use crate::domain::cards::CardSnapshot;
use crate::outbound::IssuerServer;
use crate::pan;
use crate::secret::Secret;
use crate::settings::card::ConsumerState;
use crate::settings::{Builder, StartError};
use crate::wire::fault::Fault;
use crate::wire::handshake::RefusedHandshake;
use crate::wire::record::RecordedRequest;
use crate::wire::spec::Call;
use axum_server::Handle;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;

/// How long calls under way may take once the sandbox is shut down.
const SHUT_DOWN_TIME: Duration = Duration::from_secs(2);

/// The open control port.
pub(crate) struct ControlPort {
    pub(crate) url: String,
    pub(crate) token: Option<Secret>,
    /// What closes it.
    pub(crate) handle: Handle<SocketAddr>,
}

/// A running sandbox. It stops when dropped; `Debug` shows no keys.
pub struct Sandbox {
    pub(crate) control: Option<ControlPort>,
    pub(crate) access: Arc<Access>,
    pub(crate) others: Vec<Access>,
    pub(crate) pki: Pki,
    pub(crate) own_keys: OwnKeys,
    pub(crate) issuer_server: IssuerServer,
    pub(crate) app: Arc<App>,
    pub(crate) handle: Handle<SocketAddr>,
    pub(crate) task: Option<JoinHandle<std::io::Result<()>>>,
}

impl Sandbox {
    /// Returns the default settings.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Returns the address of the sandbox, as `https://localhost:PORT`.
    #[must_use]
    pub fn base_url(&self) -> &str {
        &self.app.base_url
    }

    /// Returns the id of the issuer that the cards of the builder belong to.
    #[must_use]
    pub fn issuer_id(&self) -> &str {
        self.access.issuer_id()
    }

    /// Returns what a client needs to call for one of the issuers.
    ///
    /// ```
    /// # async fn example() -> Result<(), d1_sandbox::StartError> {
    /// use d1_sandbox::{Issuer, Sandbox};
    ///
    /// let builder = Sandbox::builder().add_issuer(Issuer::new("ISSUER_B-2"));
    /// let sandbox = builder.start().await?;
    /// let kid = sandbox.access("ISSUER_B-2").map(|access| access.signing_kid());
    /// # drop(kid);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn access(&self, issuer_id: &str) -> Option<&Access> {
        std::iter::once(&*self.access)
            .chain(&self.others)
            .find(|access| access.issuer_id() == issuer_id)
    }

    /// Returns the time by the sandbox's clock. Assertions must be made by it where a seed or an offset moves it.
    #[must_use]
    pub fn now(&self) -> time::OffsetDateTime {
        self.app.clock.now()
    }

    /// Returns the id of the aggregator, if one calls for the issuer.
    #[must_use]
    pub fn aggregator_id(&self) -> Option<&str> {
        self.app.options.aggregator.as_deref()
    }

    /// Returns the certificate authority (PEM) that the certificates of the server and of its clients come from. Each
    /// sandbox has its own: it refuses the client certificates of every other one.
    #[must_use]
    pub fn ca_pem(&self) -> &str {
        self.pki.ca_pem()
    }

    /// Returns what a server of the issuer needs that the sandbox calls as D1 does, with a client certificate:
    /// [`IssuerStub::Endpoint`](crate::IssuerStub::Endpoint), [`Notifications`](crate::Notifications).
    ///
    /// ```
    /// # async fn example() -> Result<(), d1_sandbox::StartError> {
    /// let sandbox = d1_sandbox::Sandbox::start().await?;
    /// let (certificate, key) = (sandbox.issuer_server().certificate_pem(), sandbox.issuer_server().key_pem());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn issuer_server(&self) -> &IssuerServer {
        &self.issuer_server
    }

    /// Returns a client certificate (PEM) that the sandbox accepts: the one that
    /// [`client_certificate_request`](Builder::client_certificate_request) asked for, if any.
    #[must_use]
    pub fn client_certificate_pem(&self) -> &str {
        self.access.client_certificate_pem()
    }

    /// Returns the private key of the client certificate, PKCS#8, on P-256; empty where the certificate was
    /// asked for.
    #[must_use]
    pub fn client_key_pem(&self) -> &str {
        self.access.client_key_pem()
    }

    /// Issues another client certificate for the issuer of the builder, and returns it with its private key (PEM). The
    /// sandbox accepts it beside those before, as D1 does while a certificate is replaced.
    ///
    /// # Errors
    /// If the key cannot be made.
    pub fn renew_client_certificate(&self) -> Result<(String, String), StartError> {
        let client = self.pki.client(&KeyFolder::new(None), None)?;
        self.app.authority.accept(self.issuer_id(), &client.der);
        Ok((client.pem, client.key_pem.to_string()))
    }

    /// Returns the private key for ES256 assertions, PKCS#8; empty where its owner
    /// [registered](Builder::signing_key) the public part.
    #[must_use]
    pub fn signing_key_pem(&self) -> &str {
        self.access.signing_key_pem()
    }

    /// Returns the id of the signing key.
    #[must_use]
    pub fn signing_kid(&self) -> &str {
        self.access.signing_kid()
    }

    /// Returns the public key that card data is encrypted to, as a JSON Web Key.
    #[must_use]
    pub fn encryption_jwk(&self) -> &str {
        &self.app.decrypter.first_jwk
    }

    /// Returns the id of the encryption key: the first one that was
    /// [given](Builder::encryption_key), or the RFC 7638 thumbprint of a new one.
    #[must_use]
    pub fn encryption_kid(&self) -> &str {
        &self.app.decrypter.first_kid
    }

    /// Decrypts a JWE as the sandbox does with `encryptedData`.
    ///
    /// # Errors
    ///
    /// The rule that the token breaks.
    pub fn decrypt(&self, token: &str) -> Result<Plaintext, JweError> {
        self.app.decrypter.decrypt(token)
    }

    /// Lets the next matching call fail, or as many as the fault says. Faults queue up.
    ///
    /// A fault applies to a card call after its access token is accepted, and before anything else.
    ///
    /// ```
    /// # async fn example() -> Result<(), d1_sandbox::StartError> {
    /// use d1_sandbox::{Fault, Sandbox};
    ///
    /// let sandbox = Sandbox::start().await?;
    /// // The card is suspended, and the caller does not get to know it.
    /// sandbox.fail_next(Fault::disconnect().after_effect().operation("suspendCard"));
    /// assert_eq!(sandbox.pending_faults(), 1);
    /// # Ok(())
    /// # }
    /// ```
    pub fn fail_next(&self, fault: Fault) {
        if let Some(operation) = &fault.operation
            && Call::from_operation_id(operation).is_none()
        {
            let operation = pan::masked_text(operation);
            tracing::warn!(operation, "this fault applies to no call");
        }
        self.app.faults.push(fault);
    }

    /// Returns how many faults wait for a call.
    #[must_use]
    pub fn pending_faults(&self) -> usize {
        self.app.faults.len()
    }

    /// Removes all faults that wait for a call.
    pub fn clear_faults(&self) {
        self.app.faults.remove(None);
    }

    /// Makes all access tokens invalid, as if D1 had forgotten them.
    pub fn revoke_tokens(&self) {
        self.app.authority.revoke_all();
    }

    /// Sets how many seconds the sandbox's clock is ahead of this machine's, behind if negative. Tokens
    /// expire, assertions are judged and operations are dated by it.
    ///
    /// ```
    /// # async fn example() -> Result<(), d1_sandbox::StartError> {
    /// let sandbox = d1_sandbox::Sandbox::start().await?;
    /// sandbox.set_clock_offset(3600); // all tokens that were issued so far have expired
    /// # Ok(())
    /// # }
    /// ```
    pub fn set_clock_offset(&self, seconds: i64) {
        self.app.clock.set_offset(seconds);
        self.app.changed();
    }

    /// Returns how many access tokens were issued.
    #[must_use]
    pub fn token_exchanges(&self) -> usize {
        self.app.authority.exchanges()
    }

    /// Returns the last 10,000 requests, oldest first, without card data and tokens.
    ///
    /// ```
    /// # async fn example() -> Result<(), d1_sandbox::StartError> {
    /// let sandbox = d1_sandbox::Sandbox::start().await?;
    /// for request in sandbox.requests() {
    ///     let refusal = request.refusal.unwrap_or_default();
    ///     println!("{} -> {} {refusal}", request.path, request.status);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn requests(&self) -> Vec<RecordedRequest> {
        self.app.records.all()
    }

    /// Returns the last 10,000 TLS handshakes that failed, oldest first, each with the reason and the fix.
    #[must_use]
    pub fn refused_handshakes(&self) -> Vec<RefusedHandshake> {
        self.app.records.handshakes()
    }

    /// Returns the requests for one operation of one card, by the `operationId` in the OpenAPI document.
    #[must_use]
    pub fn requests_for(&self, operation_id: &str, card_id: &str) -> Vec<RecordedRequest> {
        let mut requests = self.requests();
        requests.retain(|request| {
            request.operation_id == Some(operation_id)
                && request.card_id.as_deref() == Some(card_id)
        });
        requests
    }

    /// Asserts the number of requests for one operation of one card, whatever their results.
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

    /// Returns the warnings so far: what was accepted although D1 may refuse it, each with the request that
    /// it is about.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let requests = self.requests();
        let each = requests.iter().flat_map(|request| {
            let named = |warning| format!("{} {}: {warning}", request.method, request.path);
            request.warnings.iter().map(named)
        });
        each.collect()
    }

    /// Returns the current state of a card.
    ///
    /// ```
    /// # async fn example() -> Result<(), d1_sandbox::StartError> {
    /// use d1_sandbox::CardState;
    ///
    /// let sandbox = d1_sandbox::Sandbox::start().await?;
    /// let state = sandbox.card("ReplaceMe01").map(|card| card.state);
    /// assert_eq!(state, Some(CardState::Active));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn card(&self, card_id: &str) -> Option<CardSnapshot> {
        self.card_for_issuer(self.issuer_id(), card_id)
    }

    /// Returns the current state of a card of one of the issuers.
    #[must_use]
    pub fn card_for_issuer(&self, issuer_id: &str, card_id: &str) -> Option<CardSnapshot> {
        self.app.cards(issuer_id)?.snapshot(card_id)
    }

    /// Sets the state of the end user who holds the card. Returns false if there is no such card.
    pub fn set_consumer_state(&self, card_id: &str, state: ConsumerState) -> bool {
        let cards = self.app.cards(self.issuer_id());
        let is_known = cards.is_some_and(|mut cards| cards.set_states(card_id, None, Some(state)));
        self.app.changed();
        is_known
    }

    /// Returns the address of the control API and its page, as `http://127.0.0.1:PORT`, if the builder asked
    /// for them.
    #[must_use]
    pub fn control_url(&self) -> Option<&str> {
        self.control.as_ref().map(|control| control.url.as_str())
    }

    /// Returns the bearer token that requests to the control API need, if other machines can reach it. A browser gets
    /// the page at `/?token=TOKEN`.
    #[must_use]
    pub fn control_token(&self) -> Option<&str> {
        self.control.as_ref()?.token.as_deref()
    }

    /// Stops the sandbox, after the calls that are under way.
    pub async fn shut_down(mut self) {
        self.handle.graceful_shutdown(Some(SHUT_DOWN_TIME));
        if let Some(task) = self.task.take()
            && let Err(error) = task.await
        {
            tracing::warn!(%error, "the server did not stop cleanly");
        }
        Arc::clone(&self.app).save().await;
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.handle.shutdown();
        if let Some(state) = &self.app.state {
            state.close();
        }
        if let Some(control) = &self.control {
            control.handle.shutdown();
        }
    }
}

impl fmt::Debug for Sandbox {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Sandbox")
            .field("base_url", &self.app.base_url)
            .field("issuer", &self.access.issuer_id())
            .finish_non_exhaustive()
    }
}
