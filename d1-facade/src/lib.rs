//! The card operations of Thales D1 for a bank's backend.
//!
//! Suspends, resumes, deletes and renews cards, and reads their operations. The client signs the assertion, exchanges
//! it for an access token and keeps the token, presents the client certificate, encrypts card numbers, sends a reason
//! code that D1 accepts, and says what an error means.
//!
//! # Quick start
//!
//! ```no_run
//! use d1_facade::{
//!     CardCredentials, Client, EncryptionKey, Environment, Identity, ReasonCode, Renewal, SigningKey,
//! };
//!
//! # async fn quick_start() -> Result<(), Box<dyn std::error::Error>> {
//! use std::fs::read;
//!
//! let d1 = Client::builder(Environment::Staging, "ISSUER_A-1".parse()?)
//!     .signer(SigningKey::from_pem(read("signing.key")?, "my-kid")?)
//!     .encryption_key(EncryptionKey::from_bytes(read("d1-key.jwk")?, None)?)
//!     .client_identity(Identity::from_pem(read("client.pem")?, read("client.key")?)?)
//!     .build()?;
//!
//! let card = d1.card("ReplaceMe01".parse()?);
//! let receipt = card.suspend().reason_code(ReasonCode::CardLost).await?;
//! println!("suspended, correlation id {}", receipt.correlation_id());
//!
//! let credentials = CardCredentials::new("4111111111111111", "1230")?;
//! card.renew(Renewal::to("ReplaceMe02".parse()?).credentials(credentials)).await?;
//!
//! let page = d1.card("ReplaceMe02".parse()?).operations().limit(20).await?;
//! for operation in page.operations() {
//!     println!("{:?}: {:?}", operation.operation(), operation.status());
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Make one [`Client`] and keep it: it holds the connections and the token, and its clones share them. It starts no
//! task of its own, except for [`Change::spawn`], and needs a tokio runtime with the time and network drivers.
//!
//! # Errors
//!
//! Input is checked when it is given: an [`InvalidInput`] names the field and the rule. A call that fails returns an
//! [`Error`], which says whether the call was sent, whether D1 refused it, whether it can be made again, and what the
//! documentation advises:
//!
//! ```no_run
//! # async fn errors(card: d1_facade::Card) -> Result<(), Box<dyn std::error::Error>> {
//! use d1_facade::Outcome;
//!
//! match card.resume().await {
//!     Ok(receipt) => println!("resumed, {}", receipt.http_status()),
//!     Err(error) => {
//!         eprintln!("{error}");
//!         for cause in error.causes() {
//!             eprintln!("  possibly: {} {}", cause.meaning(), cause.advice());
//!         }
//!         match error.outcome() {
//!             Outcome::NotSent => eprintln!("nothing left this machine"),
//!             Outcome::Refused => eprintln!("nothing was changed"),
//!             _ => eprintln!("reconcile it before it is made again"),
//!         }
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! A 403 carries no code. [`Error::causes`] lists the documented causes that can apply to the very
//! request that was sent, the most specific first; none of several is certain.
//!
//! # Retries
//!
//! A read is sent again, after a pause, when the connection fails or D1 answers 429, 500, 502, 503 or
//! 504. A call that changes a card is sent again only when D1 cannot have carried it out: it was not
//! sent, or was refused with 429, or D1 refused its token (401), or, where the caller
//! [opted in](ReasonCodeFallback), its reason code. [`retry`] has the policy.
//!
//! Where the [outcome](Error::outcome) of a change is unknown, [`Client::reconcile`] finds it out.
//!
//! # Testing
//!
//! The crate `d1-sandbox` is a D1 on loopback: real TLS with client certificates, real assertions,
//! real JWE, cards that keep their state. See the example `card_lifecycle`, and:
//!
//! ```
//! use d1_facade::{Client, EncryptionKey, Environment, Identity, SigningKey};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let sandbox = d1_sandbox::Sandbox::start().await?;
//! let d1 = Client::builder(
//!         Environment::Custom(sandbox.base_url().to_owned()),
//!         sandbox.issuer_id().parse()?,
//!     )
//!     .root_certificate(sandbox.ca_pem())
//!     .without_system_roots()
//!     .client_identity(Identity::from_pem(
//!         sandbox.client_certificate_pem(),
//!         sandbox.client_key_pem(),
//!     )?)
//!     .signer(SigningKey::from_pem(sandbox.signing_key_pem(), sandbox.signing_kid())?)
//!     .encryption_key(EncryptionKey::from_jwk(sandbox.encryption_jwk())?)
//!     .build()?;
//!
//! d1.card("ReplaceMe01".parse()?).suspend().await?;
//! # Ok(())
//! # }
//! ```
//!
//! A unit test needs neither sockets nor cards: with the feature `test-util`, a closure responds in place of D1, and
//! errors and receipts can be made.
//!
//! # Card data
//!
//! A [`Pan`], an [`Expiry`], [`CardCredentials`], keys and tokens are never in `Debug`, in an error or
//! in a log, and their memory is wiped when they are dropped. This crate cannot wipe what OpenSSL and the HTTP stack
//! copy. Nor can it filter what the crate `h2` logs at the level DEBUG: the text that a server puts into an HTTP/2
//! GOAWAY frame.
//!
//! # Telemetry
//!
//! Each call is a `tracing` span named `d1.call` with OpenTelemetry's names for HTTP clients
//! (`http.request.method`, `url.template`, `http.response.status_code`, `server.address`,
//! `error.type`) and `d1.operation` and `d1.correlation_id`. It never holds a URL, a header or a body. With the feature `metrics`,
//! `ClientBuilder::meter` records durations, requests under way, retries and the age of the token.
//!
//! # Which module answers which question
//!
//! | question | module |
//! |---|---|
//! | How do I build a client? | [`Client::from_env`], or [`Client::builder`] and [`ClientBuilder`]; [`Aggregator`] for many issuers |
//! | How does the client identify itself? | [`auth`] with [`Signer`](auth::Signer), [`SigningKey`], [`Identity`] |
//! | How are keys and certificates replaced at run time? | [`Identity::watch`], [`Client::replace_signer`], [`Client::replace_encryption_keys`] |
//! | How is the client? | [`Client::health`] |
//! | What can I do to a card? | [`Card`] and what its methods return |
//! | What does a call return? | [`Response`] of a [`Receipt`], an [`Operation`] or an [`OperationPage`] |
//! | How do I call what has no method? | [`Client::request`] |
//! | What may I send? | [`CardId`], [`Reason`], [`CorrelationId`], [`CardCredentials`] |
//! | Which reason code is sent? | [`ReasonCode`], [`ReasonCodeFallback`] |
//! | What went wrong, and what can I do? | [`Error`], [`InvalidInput`] |
//! | What does D1 document about an error? | [`Cause::all`] |
//! | May it be sent again? | [`retry`] |
//! | How many requests at once, how many per second? | [`limiter`], and the crate `d1-bulk` for many changes |
//! | Was a change carried out? | [`Client::reconcile`], and [`Change::pending`] before it is sent |
//! | How does a change outlive its caller? | [`Change::spawn`] |
//! | How do I test my service? | the crate `d1-sandbox`; `test_util` without sockets; [`ClientBuilder::dry_run`] without any response |
//!
//! # Features
//!
//! | feature | effect |
//! |---|---|
//! | `metrics` | metrics of the requests, with a meter of OpenTelemetry |
//! | `schemars` | JSON schemas of what can be serialized, for a service's OpenAPI file |
//! | `test-util` | the module `test_util`: a client without sockets, errors and receipts for unit tests |
//! | `vendored` | OpenSSL is built from source, for hosts without its headers |
//!
//! # TLS and cryptography
//!
//! TLS is rustls with OpenSSL as its provider. No provider is installed for the process, and no feature of rustls
//! chooses one, so other users of rustls are not affected; [`ClientBuilder::crypto_provider`] takes another. A server
//! that does not ask for the client certificate is refused before anything is sent: D1 asks on every connection, so
//! it is not D1 that responds. JOSE is josekit, which links OpenSSL: 3.0 or later is needed. Where OpenSSL is configured
//! for a FIPS module, [`ClientBuilder::require_fips`] refuses everything else.

/// The readme's example compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}

#[macro_use]
mod macros;

mod aggregator;
pub mod auth;
mod builder;
mod call;
mod card;
mod client;
mod clock;
mod config;
mod crypto;
mod dry_run;
mod error;
#[cfg(any(fuzzing, test))]
#[doc(hidden)]
#[path = "../../tests/fuzz/checks/facade.rs"]
pub mod fuzzing;
mod health;
mod http_client;
mod json;
mod own_http_client;
#[doc(hidden)]
pub mod probe;
mod raw_call;
mod reconcile;
mod redact;
mod response;
#[cfg(feature = "test-util")]
pub mod test_util;
mod tls;
mod values;

pub use aggregator::Aggregator;
pub use auth::assertion::SigningKey;
pub use builder::ClientBuilder;
pub use call::{CallOptions, limiter, retry};
pub use card::{
    Card, Change, GetOperation, ListOperations, Operation, OperationPage, Receipt, Renewal,
};
pub use client::Client;
pub use config::Environment;
pub use crypto::fips::Cryptography;
pub use crypto::{AuxiliaryPan, CardCredentials, EncryptionKey, Expiry, Identity, Pan};
pub use dry_run::PreparedRequest;
pub use error::{Cause, Error, ErrorKind, Outcome};
pub use health::Health;
pub use raw_call::{Json, RawCall};
pub use reconcile::{Inconclusive, PendingChange, Reconcile, Reconciliation};
pub use response::Response;
pub use values::{
    ApiOperation, CardId, CardState, CorrelationId, EncryptedData, InvalidInput, IssuerId, Method,
    OperationId, OperationStatus, OperationType, Reason, ReasonCode, ReasonCodeFallback,
    RequestorType,
};
