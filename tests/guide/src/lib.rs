//! The guide in `docs/` under test: its chapters are doctests of this crate, and its tests run the rest.
//!
//! | question | module |
//! |---|---|
//! | Which chapters are there? | [`book`] |
//! | What is in a chapter? | [`markdown`] |
//! | How are its shell commands run? | [`shell`] |
//! | Which programs do they need? | [`programs`] |
//! | How is a terminal session recorded? | [`session`] |
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // Only tests call it.

pub mod book;
pub mod chapters;
pub mod markdown;
#[cfg(unix)]
mod process;
pub mod programs;
#[cfg(unix)]
pub mod session;
#[cfg(unix)]
pub mod shell;

use d1_facade::{Client, ClientBuilder, EncryptionKey, Environment, Identity, SigningKey};
use d1_sandbox::Sandbox;

/// What the examples of the chapters return.
pub type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

/// A sandbox, and a client for it: what most examples begin with.
///
/// # Errors
/// When either cannot be had.
pub async fn start() -> Result<(Sandbox, Client)> {
    start_with(Sandbox::builder()).await
}

/// A sandbox as `builder` has it, and a client for it.
///
/// # Errors
/// When either cannot be had.
pub async fn start_with(builder: d1_sandbox::Builder) -> Result<(Sandbox, Client)> {
    let sandbox = builder.start().await?;
    let d1 = client_builder(&sandbox)?.build()?;
    Ok((sandbox, d1))
}

/// A builder for a client of the sandbox.
///
/// # Errors
/// When the sandbox has something that a client does not take.
pub fn client_builder(sandbox: &Sandbox) -> Result<ClientBuilder> {
    let key = SigningKey::from_pem(sandbox.signing_key_pem(), sandbox.signing_kid())?;
    let environment = Environment::Custom(sandbox.base_url().to_owned());
    Ok(Client::builder(environment, sandbox.issuer_id().parse()?)
        .signer(key)
        .encryption_key(EncryptionKey::from_jwk(sandbox.encryption_jwk())?)
        .client_identity(Identity::from_pem(
            sandbox.client_certificate_pem(),
            sandbox.client_key_pem(),
        )?)
        .root_certificate(sandbox.ca_pem())
        .without_system_roots())
}
