//! The processes that are measured: they say one line when they are done, and stay until told to go.

use std::fs;
use std::io::Read as _;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use d1_facade::auth::{AccessToken, TokenExchange, TokenSource};
use d1_facade::{Card, Client, ClientBuilder, Error};
use futures_util::future::try_join_all;

use crate::common::{self, Result};

/// How many clients share the memory that is measured.
pub(crate) const CLIENTS: u64 = 100;

/// Makes a number of calls at once with a fresh client, which has a token already or not.
pub(crate) async fn calls(folder: &Path, token_at_hand: bool, at_once: usize) -> Result<()> {
    let mut builder = common::builder(folder)?.without_system_roots();
    if token_at_hand {
        let secret = obtain(common::builder(folder)?.without_system_roots()).await?;
        builder = builder.wrap_token_source(|_| Given(secret));
    }
    let client = builder.build()?;
    let card = card_of(&client)?;
    try_join_all((0..at_once).map(|_| card.operations().limit(1).into_future())).await?;
    done("answered");
    Ok(())
}

/// Tells the memory of a client before its first call, and after it.
pub(crate) async fn memory(folder: &Path, with_system_roots: bool) -> Result<()> {
    let build = || -> Result<Client> {
        let builder = common::builder(folder)?;
        let builder = match with_system_roots {
            true => builder,
            false => builder.without_system_roots(),
        };
        Ok(builder.build()?)
    };
    // What the first one loads for all is not the second one's.
    let first = build()?;
    card_of(&first)?.operations().limit(1).await?;
    let before = resident()?;
    let clients: Vec<Client> = (0..CLIENTS).map(|_| build()).collect::<Result<_>>()?;
    let built = resident()?;
    for client in &clients {
        card_of(client)?.operations().limit(1).await?;
    }
    let called = resident()?;
    let each = |now: u64| now.saturating_sub(before) / CLIENTS;
    done(&format!("{} | {}", each(built), each(called)));
    Ok(())
}

fn card_of(client: &Client) -> Result<Card> {
    Ok(client.card("ReplaceMe01".parse()?))
}

/// Says a line, and waits for the other side to leave.
fn done(line: &str) {
    say!("{line}");
    let _ = std::io::stdin().read(&mut [0]);
}

/// The resident set in kB.
fn resident() -> Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"));
    let words = line.ok_or("no VmRSS")?.trim().trim_end_matches(" kB");
    Ok(words.parse()?)
}

/// A token, from a client that is gone afterwards.
async fn obtain(builder: ClientBuilder) -> Result<String> {
    let noted = Arc::new(Mutex::new(String::new()));
    let note = noted.clone();
    let client = builder
        .wrap_token_source(|inner| Noting { inner, note })
        .build()?;
    card_of(&client)?.suspend().await?;
    let secret = noted.lock().unwrap_or_else(PoisonError::into_inner).clone();
    Ok(secret)
}

struct Noting {
    inner: TokenExchange,
    note: Arc<Mutex<String>>,
}

impl TokenSource for Noting {
    async fn fetch(&self) -> std::result::Result<AccessToken, Error> {
        let token = self.inner.fetch().await?;
        let mut note = self.note.lock().unwrap_or_else(PoisonError::into_inner);
        token.expose_secret().clone_into(&mut note);
        Ok(token)
    }
}

struct Given(String);

impl TokenSource for Given {
    async fn fetch(&self) -> std::result::Result<AccessToken, Error> {
        let lifetime = std::time::Duration::from_secs(900);
        AccessToken::new(self.0.clone(), lifetime).map_err(Error::token_unavailable)
    }
}
