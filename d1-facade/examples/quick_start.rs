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

use std::env::{VarError, var};
use std::error::Error;
use std::fs::read;
use std::io::Write as _;
use std::process::ExitCode;

use d1_facade::{Client, EncryptionKey, Environment, Identity, SigningKey};

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
    let d1 = client()?;
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

/// A client: a service makes one and keeps it.
fn client() -> Result<Client, Box<dyn Error>> {
    let environment = Environment::Custom(needed("D1_BASE_URL")?);
    let signing_key =
        SigningKey::from_pem(read(needed("D1_SIGNING_KEY")?)?, &needed("D1_SIGNING_KID")?)?;
    let encryption_jwk = String::from_utf8(read(needed("D1_ENCRYPTION_JWK")?)?)?;
    let mut builder = Client::builder(environment, needed("D1_ISSUER_ID")?.parse()?)
        .signer(signing_key)
        .encryption_key(EncryptionKey::from_jwk(&encryption_jwk)?)
        .client_identity(Identity::from_pem(
            read(needed("D1_CLIENT_CERT")?)?,
            read(needed("D1_CLIENT_KEY")?)?,
        )?);
    // A sandbox has a certificate authority of its own; D1's is one that the system trusts.
    if let Ok(path) = var("D1_CA") {
        builder = builder.root_certificate(read(path)?);
    }
    Ok(builder.build()?)
}

fn needed(name: &str) -> Result<String, String> {
    var(name).map_err(|problem| match problem {
        VarError::NotPresent => format!("{name} is not set"),
        VarError::NotUnicode(_) => format!("{name} is not text"),
    })
}
