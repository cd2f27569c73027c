//! Suspends a card and reads its operations back, with what the environment says of D1: the `d1.env` of a
//! sandbox, or a file like it for D1 itself.
//!
//! ```sh
//! cargo run --example quick_start
//! ```

/// Prints a line. A closed pipe (`| head -1`) drops it.
macro_rules! say {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stdout(), $($text)*);
    }};
}

use std::error::Error;
use std::io::Write as _;
use std::process::ExitCode;

use d1_facade::Client;

#[tokio::main]
async fn main() -> ExitCode {
    match suspend().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "{error}");
            ExitCode::FAILURE
        }
    }
}

async fn suspend() -> Result<(), Box<dyn Error>> {
    let d1 = Client::from_env()?; // A service builds one and keeps it.
    let card = d1.card("ReplaceMe01".parse()?);

    let receipt = card.suspend().await?;
    say!("suspended; correlation id {}", receipt.correlation_id());

    let page = card.operations().limit(3).await?;
    for operation in page.operations() {
        let kind = operation.operation().ok_or("D1 does not say what it was")?;
        say!("{kind} at {}", operation.start_time_text().unwrap_or("?"));
    }
    Ok(())
}
