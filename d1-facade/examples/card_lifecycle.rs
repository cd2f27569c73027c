//! Drives one card through its life against an embedded D1: real TLS with client certificates, a real
//! token exchange, real JWE. Nothing else is needed.
//!
//! ```sh
//! cargo run --example card_lifecycle
//! ```

/// Prints a line. A closed pipe (`| head -1`) drops it.
macro_rules! say {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stdout(), $($text)*);
    }};
}

use std::error::Error as StdError;
use std::future::IntoFuture;
use std::time::Instant;

use d1_facade::{
    Card, CardCredentials, CardId, CardState, Client, EncryptionKey, Environment, Error, Identity,
    Operation, OperationType, ReasonCode, Receipt, Renewal, Response, SigningKey,
};
use d1_sandbox::Sandbox;

#[tokio::main]
async fn main() -> Result<(), Box<dyn StdError>> {
    // RUST_LOG=trace shows everything that the stack has to say; no card data is in it.
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .init();

    let sandbox = Sandbox::start().await?;
    say!("a local D1 listens on {}\n", sandbox.base_url());
    let d1 = client(&sandbox)?;

    let new_card = suspend_resume_renew(&d1, &sandbox).await?;
    list_and_get(&new_card).await?;

    step("delete");
    let (receipt, took) = timed(new_card.delete()).await?;
    show_receipt(&receipt, &took);

    step("suspend the deleted card: refused, and explained");
    match new_card.suspend().await {
        Ok(_) => return Err("a deleted card was suspended".into()),
        Err(error) => show_error(&error),
    }

    say!(
        "\n{} token exchange(s) for all of it",
        sandbox.token_exchanges()
    );
    sandbox.shut_down().await;
    Ok(())
}

/// Suspends, resumes and renews a card, and returns the new one.
async fn suspend_resume_renew(d1: &Client, sandbox: &Sandbox) -> Result<Card, Box<dyn StdError>> {
    let card = d1.card("ReplaceMe01".parse()?);
    step("suspend");
    let (receipt, took) = timed(card.suspend().reason_code(ReasonCode::CardLost)).await?;
    show_receipt(&receipt, &took);

    step("resume");
    let resume = card
        .resume()
        .reason_code(ReasonCode::CardFound)
        .reason("customer called back".parse()?);
    let (receipt, took) = timed(resume).await?;
    show_receipt(&receipt, &took);

    step("renew");
    let new_id: CardId = "ReplaceMe02".parse()?;
    let credentials = CardCredentials::new("5555555555554444", "1230")?;
    say!(
        "  PAN              **** **** **** {} (encrypted to D1's key {})",
        credentials.pan().last_four(),
        short(sandbox.encryption_kid()),
    );
    let renewal = Renewal::to(new_id.clone())
        .credentials(credentials)
        .state(CardState::Active);
    let (receipt, took) = timed(card.renew(renewal)).await?;
    show_receipt(&receipt, &took);

    Ok(d1.card(new_id))
}

/// Lists the operations of a card, and gets one of them.
async fn list_and_get(card: &Card) -> Result<(), Box<dyn StdError>> {
    step("list operations, two at a time");
    for offset in [0, 2] {
        let (page, took) = timed(card.operations().offset(offset).limit(2)).await?;
        let remaining = page.remaining_operations();
        say!(
            "  page from {offset} ({took}, {} more)",
            remaining.unwrap_or(0)
        );
        page.operations().iter().for_each(show_operation);
    }

    step("get one operation, with the digital card");
    let digitized = find_digitization(card).await?;
    let (details, took) = timed(card.operation(&digitized).with_digital_card()).await?;
    show_operation(&details);
    if let Some(digital_card) = details.digital_card_details() {
        say!("  digital card     {digital_card} ({took})");
    }
    Ok(())
}

/// A client for the sandbox; for D1 itself only the values differ.
fn client(sandbox: &Sandbox) -> Result<Client, Box<dyn StdError>> {
    let signing_key = SigningKey::from_pem(sandbox.signing_key_pem(), sandbox.signing_kid())?;
    let client = Client::builder(
        Environment::Custom(sandbox.base_url().to_owned()),
        sandbox.issuer_id().parse()?,
    )
    .signer(signing_key)
    .encryption_key(EncryptionKey::from_jwk(sandbox.encryption_jwk())?)
    .client_identity(Identity::from_pem(
        sandbox.client_certificate_pem(),
        sandbox.client_key_pem(),
    )?)
    .root_certificate(sandbox.ca_pem())
    .without_system_roots()
    .build()?;
    Ok(client)
}

/// The operation that made a digital card.
async fn find_digitization(card: &Card) -> Result<d1_facade::OperationId, Box<dyn StdError>> {
    use futures_util::TryStreamExt as _;
    let all: Vec<Operation> = card.operations().stream().try_collect().await?;
    all.iter()
        .find(|o| o.operation() == Some(OperationType::Digitize))
        .and_then(Operation::id)
        .ok_or_else(|| "the card was never digitized".into())
}

/// Awaits a request and tells how long it took.
async fn timed<T>(
    request: impl IntoFuture<Output = Result<T, Error>>,
) -> Result<(T, String), Error> {
    let start = Instant::now();
    let answer = request.await?;
    let milliseconds = start.elapsed().as_secs_f64() * 1000.0;
    Ok((answer, format!("{milliseconds:.1} ms")))
}

fn step(name: &str) {
    say!("{name}");
}

fn show_receipt(receipt: &Response<Receipt>, took: &str) {
    say!(
        "  accepted         HTTP {} in {took}",
        receipt.http_status()
    );
    say!("  reason code      {}", receipt.reason_code());
    say!("  correlation id   {}", receipt.correlation_id());
    if let Some(id) = receipt.operation_id() {
        say!("  operation        {id}");
    }
}

fn show_operation(operation: &Operation) {
    let text = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
    say!(
        "    {:<10} {:<10} {:<26} {:<16} {}",
        text(operation.operation().map(|o| o.to_string())),
        text(operation.status().map(|s| s.to_string())),
        operation.start_time_text().unwrap_or("-"),
        text(operation.reason_code().map(|c| c.to_string())),
        operation.reason().unwrap_or(""),
    );
}

fn show_error(error: &Error) {
    say!("  {error}");
    say!("  what happened    {}", error.outcome());
    for cause in error.causes() {
        say!("  meaning          {}", cause.meaning());
        say!("  advice           {}", cause.advice());
    }
}

fn short(text: &str) -> String {
    text.chars().take(8).chain("...".chars()).collect()
}
