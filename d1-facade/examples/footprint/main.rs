//! What an instance costs: the connections that it opens to a local D1, and the memory of a client.
//!
//! ```sh
//! cargo run --example footprint
//! ```
//!
//! The clients run in processes of their own, so that neither the sandbox's memory nor its side of a
//! connection is counted. The memory is the resident set as Linux tells it.

/// Prints a line. A closed pipe (`| head -1`) drops it.
macro_rules! say {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stdout(), $($text)*);
    }};
}

mod client;
#[path = "../common/mod.rs"]
mod common;
mod gate;

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::Child;
use std::time::Duration;

use common::{Folder, Result};
use d1_sandbox::{Fault, Sandbox};
use gate::Gate;

/// How long each call is kept by the sandbox, so that all of them are under way at once.
const UNDER_WAY: Duration = Duration::from_millis(500);

/// How long a client has to close what it does not keep.
const SETTLED: Duration = Duration::from_millis(500);

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["calls", token, at_once, folder] => {
            client::calls(Path::new(folder), token == "given", at_once.parse()?).await
        }
        ["memory", roots, folder] => client::memory(Path::new(folder), roots == "system").await,
        _ => show().await,
    }
}

async fn show() -> Result<()> {
    say!("| protocol | the token | calls at once | connections opened | open afterwards |");
    say!("|---|---|---|---|---|");
    for (protocol, http1_only) in [("HTTP/1.1", true), ("HTTP/2", false)] {
        for (token, name) in [("fetched", "is exchanged first"), ("given", "is at hand")] {
            for at_once in [1, 16, 256] {
                let (opened, open) = connections(http1_only, token, at_once).await?;
                say!("| {protocol} | {name} | {at_once} | {opened} | {open} |");
            }
        }
    }
    say!();
    say!("| certificate authorities | kB a client before its first call | kB after it |");
    say!("|---|---|---|");
    for (roots, name) in [
        ("own", "one of one's own"),
        ("system", "the system's as well"),
    ] {
        let sandbox = Sandbox::start().await?;
        let folder = Folder::new("d1-footprint")?;
        common::write_identity(folder.path(), &sandbox, sandbox.base_url())?;
        let (client, told) = start(&["memory", roots], folder.path()).await?;
        say!("| {name} | {told} |");
        end(client).await?;
        sandbox.shut_down().await;
    }
    Ok(())
}

/// How many connections a fresh client opens that makes a number of calls at once, and how many it keeps.
async fn connections(http1_only: bool, token: &str, at_once: u32) -> Result<(usize, usize)> {
    let builder = Sandbox::builder();
    let builder = if http1_only {
        builder.http1_only()
    } else {
        builder
    };
    let sandbox = builder.start().await?;
    let gate = Gate::before(sandbox.base_url()).await?;
    let folder = Folder::new("d1-footprint")?;
    common::write_identity(folder.path(), &sandbox, gate.url())?;
    let slow = Fault::slow(UNDER_WAY, UNDER_WAY).operation("listOperations");
    sandbox.fail_next(slow.times(at_once));
    let arguments = ["calls", token, &at_once.to_string()];
    let (client, _) = start(&arguments, folder.path()).await?;
    tokio::time::sleep(SETTLED).await;
    // The client that obtained the token had a connection of its own.
    let other = usize::from(token == "given");
    let told = (gate.opened() - other, gate.open());
    end(client).await?;
    sandbox.shut_down().await;
    Ok(told)
}

/// Starts another process of this example, and waits for its word.
async fn start(arguments: &[&str], folder: &Path) -> Result<(Child, String)> {
    let mut client = common::start_again(arguments, folder)?;
    let said = client.stdout.take().ok_or("a process cannot speak")?;
    // It blocks, and the sandbox runs on this runtime.
    let line = tokio::task::spawn_blocking(|| BufReader::new(said).lines().next());
    let line = line.await?.ok_or("a process said nothing")??;
    Ok((client, line))
}

/// Lets a process go.
async fn end(mut client: Child) -> Result<()> {
    let status = tokio::task::spawn_blocking(move || client.wait()).await??;
    match status.success() {
        true => Ok(()),
        false => Err("a process failed".into()),
    }
}
