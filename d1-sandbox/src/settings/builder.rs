//! Sets what a sandbox starts with.

use super::card::Card;
use super::fixtures::{self, FixtureError};
use super::issuer::Issuer;
use super::options::Options;
use super::outbound::Notifications;
use super::{ErrorBodies, IssuerStub, Mode, SuccessStyle};
use crate::secret::Secret;
use std::iter;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

/// The settings of a sandbox before it starts.
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until it is started"]
pub struct Builder {
    pub(crate) options: Options,
    pub(crate) document: Option<String>,
    pub(crate) issuer: Issuer,
    pub(crate) others: Vec<Issuer>,
    /// D1's private keys, each with its kid.
    pub(crate) encryption_keys: Vec<(String, Secret)>,
    pub(crate) issuer_stub: IssuerStub,
    pub(crate) notifications: Option<Notifications>,
    pub(crate) issuer_ca: Option<String>,
    pub(crate) read_timeout: Duration,
    /// Where keys and certificates are taken from.
    pub(crate) key_directory: Option<PathBuf>,
    pub(crate) state_file: Option<PathBuf>,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            options: Options::default(),
            document: None,
            issuer: Issuer::new("ISSUER_A-1"),
            others: Vec::new(),
            encryption_keys: Vec::new(),
            issuer_stub: IssuerStub::KeepsPan {
                exp: "1233".to_owned(),
            },
            notifications: None,
            issuer_ca: None,
            read_timeout: Duration::from_secs(30),
            key_directory: None,
            state_file: None,
        }
    }
}

impl Builder {
    /// Sets whether the tenant is a V1 tenant (the default) or a migrated one.
    ///
    /// ```
    /// use d1_sandbox::{Mode, Sandbox};
    ///
    /// let builder = Sandbox::builder().mode(Mode::Migrated);
    /// ```
    pub fn mode(mut self, mode: Mode) -> Self {
        self.options.mode = mode;
        self
    }

    /// Serves an edited OpenAPI document (YAML or JSON) in place of the built-in one, to test what D1 may do
    /// where it is not documented. It must have the operations of the built-in one.
    pub fn document(mut self, text: impl Into<String>) -> Self {
        self.document = Some(text.into());
        self
    }

    /// Sets the issuer id, exactly 10 characters.
    pub fn issuer(mut self, id: impl Into<String>) -> Self {
        self.issuer.id = id.into();
        self
    }

    /// Adds another issuer, with keys, a client certificate and cards of its own.
    ///
    /// ```
    /// use d1_sandbox::{Card, Issuer, Sandbox};
    ///
    /// let other = Issuer::new("ISSUER_B-2").card(Card::new("ReplaceMe01"));
    /// let builder = Sandbox::builder().add_issuer(other);
    /// ```
    pub fn add_issuer(mut self, issuer: Issuer) -> Self {
        self.others.push(issuer);
        self
    }

    /// Sets an aggregator that calls for the issuers: its assertions carry this id, and the keys and the client
    /// certificate of the builder are the aggregator's.
    pub fn aggregator(mut self, id: impl Into<String>) -> Self {
        self.options.aggregator = Some(id.into());
        self
    }

    /// Signs the client certificate that this request (PEM) asks for, as Thales does in onboarding:
    /// [`client_certificate_pem`](crate::Sandbox::client_certificate_pem) is that certificate then.
    pub fn client_certificate_request(mut self, pem: impl Into<String>) -> Self {
        self.issuer = self.issuer.client_certificate_request(pem);
        self
    }

    /// Registers the public part (PEM) of a signing key, instead of making one. Several keys,
    /// each with another `kid`, are valid side by side, as while keys are rotated.
    pub fn signing_key(mut self, kid: impl Into<String>, public_pem: impl Into<String>) -> Self {
        self.issuer = self.issuer.signing_key(kid, public_pem);
        self
    }

    /// Sets D1's private key (PEM, EC P-256) that card data is encrypted to, instead of making one, so that
    /// recorded requests can be replayed. Of several keys all decrypt, and the first one is given to clients.
    pub fn encryption_key(
        mut self,
        kid: impl Into<String>,
        private_pem: impl Into<String>,
    ) -> Self {
        self.encryption_keys
            .push((kid.into(), Secret::new(private_pem)));
        self
    }

    /// Refuses with 400 what is otherwise accepted with a warning, because D1 may refuse it.
    pub fn strict(mut self) -> Self {
        self.options.strict = true;
        self
    }

    /// Adds a card. Without any, one active card `ReplaceMe01` exists.
    pub fn card(mut self, card: Card) -> Self {
        self.issuer = self.issuer.card(card);
        self
    }

    /// Adds the cards of a file of fixtures, YAML or JSON: `cards`, each with an `id` and what else a
    /// [`Card`] can have (`state`, `suspendedBy`, `consumer`, `product`, `pan`, `exp`, `digitalCards`,
    /// `pastOperations`, `damaged`), `consumers`, each with an `id` and a `state`, and `issuers`, each with an
    /// `id`, `cards` and `consumers` of its own, as [`add_issuer`](Self::add_issuer) adds them.
    ///
    /// ```
    /// # fn example() -> Result<(), d1_sandbox::FixtureError> {
    /// let fixtures = "cards: [{id: ReplaceMe01, state: INACTIVE, suspendedBy: CARD_LOST}]";
    /// let sandbox = d1_sandbox::Sandbox::builder().fixtures(fixtures)?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// If the text is not such a file; the error says what is wrong with it.
    pub fn fixtures(mut self, text: &str) -> Result<Self, FixtureError> {
        let (cards, issuers) = fixtures::read(text)?;
        self.issuer.cards.extend(cards);
        self.others.extend(issuers);
        Ok(self)
    }

    /// Sets the response to a successful change.
    pub fn success_style(mut self, style: SuccessStyle) -> Self {
        self.options.success_style = style;
        self
    }

    /// Sets the body of an error.
    pub fn error_bodies(mut self, bodies: ErrorBodies) -> Self {
        self.options.error_bodies = bodies;
        self
    }

    /// Sets whether lists carry `remainingOperations`, true by default.
    pub fn list_count(mut self, included: bool) -> Self {
        self.options.without_count = !included;
        self
    }

    /// Sets the response of the issuer when a renewal brings no credentials.
    ///
    /// ```
    /// use d1_sandbox::{IssuerStub, Sandbox};
    ///
    /// let builder = Sandbox::builder().get_card_credentials(IssuerStub::Unavailable);
    /// ```
    pub fn get_card_credentials(mut self, issuer: IssuerStub) -> Self {
        self.issuer_stub = issuer;
        self
    }

    /// Calls the issuer's *Notify Card Operations* after each change; without it nothing is called.
    ///
    /// ```
    /// use d1_sandbox::{Notifications, Sandbox};
    ///
    /// let notifications = Notifications::to("https://localhost:8443").attempts(3);
    /// let builder = Sandbox::builder().notify_card_operations(notifications);
    /// ```
    pub fn notify_card_operations(mut self, notifications: Notifications) -> Self {
        self.notifications = Some(notifications);
        self
    }

    /// Trusts servers of the issuer whose certificates these authorities (PEM) have signed, besides
    /// [`issuer_server`](crate::Sandbox::issuer_server): the issuer's own server can be called with its own certificate.
    pub fn issuer_ca(mut self, pem: impl Into<String>) -> Self {
        self.issuer_ca = Some(pem.into());
        self
    }

    /// Sets the lifetime of access tokens, 900 seconds by default. With zero each token has expired when it
    /// is issued.
    pub fn token_lifetime(mut self, lifetime: Duration) -> Self {
        self.options.token_lifetime = lifetime;
        self
    }

    /// Sets the port; 0, the default, takes a free one.
    pub fn port(mut self, port: u16) -> Self {
        self.options.port = port;
        self
    }

    /// Sets the address to listen on, 127.0.0.1 by default.
    pub fn bind(mut self, address: IpAddr) -> Self {
        self.options.bind = address;
        self
    }

    /// Adds a name that clients call the sandbox by, a DNS name or an IP address: it stands in the server's
    /// certificate beside `localhost`, and the first one in [`base_url`](crate::Sandbox::base_url).
    ///
    /// ```
    /// use d1_sandbox::Sandbox;
    ///
    /// let builder = Sandbox::builder().bind([0, 0, 0, 0].into()).server_name("sandbox.test");
    /// ```
    pub fn server_name(mut self, name: impl Into<String>) -> Self {
        self.options.server_names.push(name.into());
        self
    }

    /// Opens the control API and its page on this port; 0 takes a free one. Without this there is none.
    pub fn control_port(mut self, port: u16) -> Self {
        self.options.control_port = Some(port);
        self
    }

    /// Sets the address of the control port, 127.0.0.1 by default. On one that other machines can reach, each request
    /// needs the [`control_token`](crate::Sandbox::control_token).
    pub fn control_bind(mut self, address: IpAddr) -> Self {
        self.options.control_bind = address;
        self
    }

    /// Takes the certificate authority, the keys and the client certificates that an earlier sandbox has
    /// [written](crate::Sandbox::write_files) into this directory. What is not there is made.
    ///
    /// ```
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// let sandbox = d1_sandbox::Sandbox::builder().keys_from("target/sandbox").start().await?;
    /// sandbox.write_files("target/sandbox".as_ref())?; // the next one is called with the same keys
    /// # Ok(())
    /// # }
    /// ```
    pub fn keys_from(mut self, directory: impl Into<PathBuf>) -> Self {
        self.key_directory = Some(directory.into());
        self
    }

    /// Keeps cards, their operations and the offset of the clock in this file. If it exists, its cards take the place
    /// of those of the builder. A response is sent when the file has what it says. Access tokens are not kept.
    ///
    /// The file holds card numbers in clear, and only its owner can read it: use test numbers only. One that cannot
    /// be read, or that another version of the sandbox has written, is an error at the start.
    pub fn state_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.state_file = Some(path.into());
        self
    }

    /// Makes the ids and times of operations, and what chance decides, the same in every run. The times
    /// begin at 2026-01-01T00:00:00Z and are a second apart; tokens and keys stay random.
    pub fn seed(mut self, seed: u64) -> Self {
        self.options.seed = Some(seed);
        self
    }

    /// Offers HTTP/1.1 alone. By default HTTP/2 is offered as well.
    pub fn http1_only(mut self) -> Self {
        self.options.http1_only = true;
        self
    }

    /// Sets how long a client may take for its TLS handshake, for the head of a request and for its body,
    /// 30 seconds by default. A connection that takes longer is closed; so is an HTTP/1 connection that is
    /// idle for as long.
    pub fn read_timeout(mut self, timeout: Duration) -> Self {
        self.read_timeout = timeout;
        self
    }

    /// Returns the issuer of the builder itself, and the others.
    pub(crate) fn issuers(&self) -> impl Iterator<Item = &Issuer> {
        iter::once(&self.issuer).chain(&self.others)
    }
}
