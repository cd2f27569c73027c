//! Suspends many cards at D1 from several worker processes, and none of them twice.
//!
//! The requests stand in PostgreSQL. The job library `graphile_worker` hands them to the workers, and hands
//! them on when a worker dies; what it must not do is make a worker send a change again that D1 may have
//! carried out. So this program keeps a record of its own beside each job, see [`ledger`], and looks at the
//! card's operations where that record says that a former worker was about to send, see [`worker`].
//!
//! | question | module |
//! |---|---|
//! | What is written down, and when? | [`ledger`] |
//! | What is done with a job? | [`worker`] |
//! | Did D1 carry out a change that nobody saw the end of? | [`lookup`] |
//! | How is D1 reached? | [`d1`] |
//! | How do jobs get in? | [`enqueue`] |
//! | Does it hold when workers are killed? | [`prove`], [`fleet`], [`sandbox`], [`audit`] |

/// Prints a line. A closed pipe (`| head -1`) drops it.
macro_rules! say {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stdout(), $($text)*);
    }};
}

mod audit;
mod d1;
mod enqueue;
mod fleet;
mod ledger;
mod lookup;
mod prove;
mod sandbox;
mod worker;

use std::error::Error;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::ledger::Ledger;

/// Suspends many cards, each at most once, with workers that may be killed at any moment.
#[derive(Debug, Parser)]
struct Arguments {
    /// Where PostgreSQL is: a URL, or `host=/run/postgresql user=...`
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    database: String,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Asks for the suspension of the cards Bulk000001 and so on
    Enqueue {
        /// How many
        requests: u32,
    },
    /// Works requests off until a signal ends it
    Work(worker::Settings),
    /// Counts the requests by outcome, and lists those whose outcome is unknown
    Report,
    /// Kills workers while they work, then compares the record with a sandbox
    Prove(prove::Proof),
    /// Compares how fast several numbers of workers are
    Measure(prove::Measurement),
}

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_default_env()
                .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn")),
        )
        .with_writer(std::io::stderr)
        .init();
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<(), Box<dyn Error>> {
    let Arguments { database, command } = arguments;
    match command {
        Command::Enqueue { requests } => {
            enqueue::enqueue(&ledger::connect(&database, 2)?, requests).await?;
        }
        Command::Work(settings) => worker::run(&database, settings).await?,
        Command::Report => report(&Ledger::new(&ledger::connect(&database, 1)?)).await?,
        Command::Prove(proof) => proof.run(&database).await?,
        Command::Measure(measurement) => measurement.run(&database).await?,
    }
    Ok(())
}

/// Prints what became of the requests.
async fn report(ledger: &Ledger) -> Result<(), ledger::Error> {
    for count in ledger.counts().await? {
        say!("{:>8}  {}", count.requests, count.state);
    }
    let unknown = ledger.unknown().await?;
    if !unknown.is_empty() {
        say!("unknown, to be looked into by somebody:");
    }
    for request in unknown {
        say!(
            "  {} (reason \"{}\", correlation id {}): {}",
            request.card,
            request.reason,
            request.correlation_id,
            request.detail
        );
    }
    Ok(())
}
