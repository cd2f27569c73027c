//! `d1 token`: gets an access token, to see whether and for what D1 gives one.

use clap::Args;
use d1_facade::auth::TokenSource as _;
use serde_json::json;

use crate::config::Config;
use crate::connect;
use crate::dry_run::{self, Catcher};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;
use crate::report;
use crate::text::printable;

#[derive(Debug, Args)]
pub(crate) struct Token {
    /// Prints the token itself, with --quiet nothing else: whoever has it and the client certificate can call
    /// D1 until it ends
    #[arg(long)]
    reveal: bool,
    /// Prints the request with secrets masked; sends nothing
    #[arg(long)]
    dry_run: bool,
}

impl Token {
    pub(crate) async fn run(self, config: &Config, output: &Output) -> Result<Exit, Failure> {
        if self.dry_run {
            let mut catcher = Catcher::start(config).await?;
            let result = catcher.exchange().fetch().await;
            dry_run::print(output, &catcher.caught(result)?)?;
            return Ok(Exit::Done);
        }
        let (_client, exchange) = connect::client_and_exchange(config)?;
        let token = match exchange.fetch().await {
            Ok(token) => token,
            Err(error) => {
                let result = report::failed("token", None, &error);
                return Ok(report::say_failed(output, &result, &error));
            }
        };
        let scope = token.scope().map(printable);
        let mut result = report::fields(json!({
            "command": "token",
            "outcome": "done",
            "expiresInSeconds": token.lifetime().as_secs(),
            "scope": scope,
        }));
        if self.reveal && output.is_table() && output.is_quiet() {
            output.line(token.expose_secret())?;
        }
        if self.reveal {
            result.insert("token".to_owned(), token.expose_secret().into());
        }
        output.record(&result)?;
        Ok(Exit::Done)
    }
}
