//! A local stand-in for the card operations of Thales D1, for tests and for trying things out.
//!
//! It is stateful, it validates every request against the OpenAPI document, it requires a client
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
//!
//! A client of `d1-facade` for it is built as the front page of that crate shows. In other cases:
//!
//! | question | methods |
//! |---|---|
//! | What does a client in another process need? | [`Sandbox::write_files`] |
//! | What does a client of another issuer need? | [`Builder::add_issuer`], [`Sandbox::access`] |
//! | What arrived? | [`Sandbox::requests`], [`Sandbox::assert_requests`], [`Sandbox::card`] |
//! | How does a call fail? | [`Sandbox::fail_next`] with a [`Fault`], [`Sandbox::revoke_tokens`], [`Sandbox::set_clock_offset`] |
//! | How is the client certificate replaced? | [`Sandbox::renew_client_certificate`] |
//!
//! The calls are named as in the document: `suspendCard`, `resumeCard`, `deleteCard`, `renewCard`, `listOperations`,
//! `getOperation`, and `getToken` for the token.

mod app;
mod auth;
mod clock;
mod control;
mod crypto;
mod domain;
#[cfg(any(fuzzing, test))]
#[doc(hidden)]
#[path = "../../tests/fuzz/checks/sandbox.rs"]
pub mod fuzzing;
#[cfg(feature = "options")]
mod health;
mod outbound;
mod pan;
mod private_files;
mod random;
mod sandbox;
mod saving;
mod secret;
#[cfg(feature = "options")]
pub mod serve;
mod server;
mod settings;
mod state;
mod wire;

pub use auth::Access;
pub use crypto::jwe::{JweError, Plaintext};
pub use domain::cards::CardSnapshot;
pub use outbound::IssuerServer;
pub use sandbox::Sandbox;
pub use settings::card::{Card, CardState, ConsumerState};
pub use settings::{
    Builder, ErrorBodies, FixtureError, Issuer, IssuerStub, Mode, Notifications, StartError,
    SuccessStyle,
};
pub use wire::fault::Fault;
pub use wire::handshake::RefusedHandshake;
pub use wire::record::RecordedRequest;
