//! Eight processes of a service before a local D1: first each with a token of its own, then with one
//! token for all of them.
//!
//! ```sh
//! cargo run --example shared_token
//! ```
//!
//! `token_file.rs` beside this file is what a service takes along.

/// Prints a line. A closed pipe (`| head -1`) drops it.
macro_rules! say {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stdout(), $($text)*);
    }};
}

#[path = "../common/mod.rs"]
mod common;
mod token_file;

use std::path::Path;

use common::{Folder, Result};
use d1_sandbox::Sandbox;
use token_file::TokenFile;

const PROCESSES: usize = 8;
const CALLS: usize = 5;

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["worker", how, folder] => worker(how == "shared", Path::new(folder)).await,
        _ => show().await,
    }
}

async fn show() -> Result<()> {
    let sandbox = Sandbox::start().await?;
    let folder = Folder::new("d1-shared-token")?;
    common::write_identity(folder.path(), &sandbox, sandbox.base_url())?;
    for (how, what) in [
        ("alone", "each with a token of its own"),
        ("shared", "with one token in a file"),
        ("shared", "started anew, the file still there"),
    ] {
        round(&sandbox, folder.path(), how, what).await?;
    }
    sandbox.revoke_tokens();
    let what = "after D1 has forgotten all tokens";
    round(&sandbox, folder.path(), "shared", what).await?;
    sandbox.shut_down().await;
    Ok(())
}

/// Lets all processes make their calls at once, and tells what the sandbox saw.
async fn round(sandbox: &Sandbox, folder: &Path, how: &str, what: &str) -> Result<()> {
    let seen = || {
        let requests = sandbox.requests();
        let is_exchange = |r: &&_| is(r, "getToken", 200);
        let is_answered = |r: &&_| is(r, "listOperations", 200);
        (
            requests.iter().filter(is_exchange).count(),
            requests.iter().filter(is_answered).count(),
        )
    };
    let before = seen();
    let processes: Vec<_> = (0..PROCESSES)
        .map(|_| common::start_again(&["worker", how], folder))
        .collect::<Result<_>>()?;
    // Waiting for a process blocks: the sandbox runs on this runtime.
    let failures = tokio::task::spawn_blocking(move || {
        let ended = processes.into_iter().map(|mut process| process.wait());
        let failed = |end: &std::io::Result<std::process::ExitStatus>| {
            !end.as_ref().is_ok_and(std::process::ExitStatus::success)
        };
        ended.filter(failed).count()
    });
    if failures.await? > 0 {
        return Err("a process failed".into());
    }
    let after = seen();
    say!(
        "{PROCESSES} processes {what}: {} token exchange(s) for {} calls",
        after.0 - before.0,
        after.1 - before.1
    );
    Ok(())
}

fn is(request: &d1_sandbox::RecordedRequest, operation: &str, status: u16) -> bool {
    request.operation_id == Some(operation) && request.status == status
}

/// One instance of the service.
async fn worker(shared: bool, folder: &Path) -> Result<()> {
    let mut builder = common::builder(folder)?.without_system_roots();
    if shared {
        let folder = folder.to_owned();
        builder = builder.wrap_token_source(|exchange| TokenFile::new(folder, exchange));
    }
    let card = builder.build()?.card("ReplaceMe01".parse()?);
    for _ in 0..CALLS {
        card.operations().limit(1).await?;
    }
    Ok(())
}
