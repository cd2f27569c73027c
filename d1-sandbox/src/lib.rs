//! A local stand-in for the card operations of Thales D1, for tests and for trying things out.
//!
//! It is stateful, it validates every request against the OpenAPI document, it demands a client
//! certificate, a signed assertion and well-formed encrypted card data as D1 does, and it fails on
//! demand. It is written from the documentation alone and shares no code with the client, so that
//! the two can disagree.
//!
//! ```
//! # async fn example() -> Result<(), d1_sandbox::StartError> {
//! use d1_sandbox::{Card, Fault, Sandbox};
//!
//! let sandbox = Sandbox::builder().card(Card::new("ReplaceMe01")).start().await?;
//! sandbox.fail_next(Fault::status(503).operation("suspendCard"));
//! // ... let a client call sandbox.base_url() ...
//! for request in sandbox.requests() {
//!     println!("{} {} -> {}", request.method, request.path, request.status);
//! }
//! sandbox.shut_down().await;
//! # Ok(())
//! # }
//! ```

mod acceptor;
mod app;
mod auth;
mod card;
mod clock;
mod control;
mod faults;
mod files;
mod fixtures;
#[cfg(any(fuzzing, test))]
#[doc(hidden)]
pub mod fuzzing;
mod inspect;
mod issuer;
mod jwe;
mod keys;
mod latency;
mod names;
mod onboarding;
mod operations;
mod pan;
mod pki;
mod record;
mod refusal;
mod renewal;
mod reply;
mod request;
mod rules;
mod server;
mod settings;
mod shape;
mod spec;
mod state;
mod strict_json;
mod warnings;

pub use auth::access::Access;
pub use card::{Card, CardSnapshot, CardState, ConsumerState};
pub use faults::Fault;
pub use fixtures::FixtureError;
pub use jwe::{JweError, Plaintext};
pub use record::RecordedRequest;
pub use settings::{Builder, ErrorBodies, Issuer, IssuerStub, Mode, StartError, SuccessStyle};

use app::App;
use axum_server::Handle;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;

/// How long calls under way may take once the sandbox is shut down.
const SHUT_DOWN_TIME: Duration = Duration::from_secs(2);

/// A running sandbox. It stops when dropped; `Debug` shows no keys.
pub struct Sandbox {
    base_url: String,
    control: Option<control::Control>,
    access: Access,
    others: Vec<Access>,
    aggregator: Option<String>,
    encryption_kid: String,
    encryption_jwk: String,
    ca_pem: String,
    app: Arc<App>,
    handle: Handle<SocketAddr>,
    task: Option<JoinHandle<std::io::Result<()>>>,
}

impl Sandbox {
    /// Starts a sandbox with default settings on a free port of 127.0.0.1.
    ///
    /// It must be called within a tokio runtime, which the sandbox then runs on.
    ///
    /// # Errors
    ///
    /// If no port can be bound, or keys cannot be made.
    pub async fn start() -> Result<Self, StartError> {
        Self::builder().start().await
    }

    /// Begins with the default settings.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Where the sandbox listens, as `https://localhost:PORT`.
    #[must_use]
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// The id of the issuer that the cards of the builder belong to.
    #[must_use]
    pub fn issuer_id(&self) -> &str {
        self.access.issuer_id()
    }

    /// What a client needs to call for one of the issuers.
    #[must_use]
    pub fn access(&self, issuer_id: &str) -> Option<&Access> {
        std::iter::once(&self.access)
            .chain(&self.others)
            .find(|access| access.issuer_id() == issuer_id)
    }

    /// The time by the sandbox's clock. Assertions must be made by it where a seed or an offset moves it.
    #[must_use]
    pub fn now(&self) -> time::OffsetDateTime {
        self.app.clock.now()
    }

    /// The id of the aggregator, if one calls for the issuer.
    #[must_use]
    pub fn aggregator_id(&self) -> Option<&str> {
        self.aggregator.as_deref()
    }

    /// The certificate authority that the certificates of the server and of its clients come from. Each
    /// sandbox has its own: it refuses the client certificates of every other one.
    #[must_use]
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// A client certificate that the sandbox accepts: the one that
    /// [`client_certificate_request`](Builder::client_certificate_request) asked for, if any.
    #[must_use]
    pub fn client_certificate_pem(&self) -> &str {
        self.access.client_certificate_pem()
    }

    /// The private key of the client certificate, PKCS#8, on P-256; empty where the certificate was
    /// asked for: whoever did so has its key.
    #[must_use]
    pub fn client_key_pem(&self) -> &str {
        self.access.client_key_pem()
    }

    /// The private key for ES256 assertions, PKCS#8; empty where its owner
    /// [registered](Builder::signing_key) the public part.
    #[must_use]
    pub fn signing_key_pem(&self) -> &str {
        self.access.signing_key_pem()
    }

    /// The id of the signing key.
    #[must_use]
    pub fn signing_kid(&self) -> &str {
        self.access.signing_kid()
    }

    /// The public key that card data is encrypted to, as a JSON Web Key.
    #[must_use]
    pub fn encryption_jwk(&self) -> &str {
        &self.encryption_jwk
    }

    /// The id of the encryption key, its RFC 7638 thumbprint.
    #[must_use]
    pub fn encryption_kid(&self) -> &str {
        &self.encryption_kid
    }

    /// Decrypts a JWE as the sandbox does with `encryptedData`.
    ///
    /// # Errors
    ///
    /// The rule that the token breaks.
    pub fn decrypt(&self, token: &str) -> Result<Plaintext, JweError> {
        self.app.decrypter.decrypt(token)
    }

    /// Stops the sandbox, after the calls that are under way.
    pub async fn shut_down(mut self) {
        self.handle.graceful_shutdown(Some(SHUT_DOWN_TIME));
        if let Some(task) = self.task.take()
            && let Err(error) = task.await
        {
            tracing::warn!(%error, "the server did not stop cleanly");
        }
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.handle.shutdown();
    }
}

impl fmt::Debug for Sandbox {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Sandbox")
            .field("base_url", &self.base_url)
            .field("issuer", &self.access.issuer_id())
            .finish_non_exhaustive()
    }
}
