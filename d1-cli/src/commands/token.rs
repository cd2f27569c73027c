//! `d1 token`: gets an access token, to see whether and for what D1 gives one.

use clap::Args;
use serde_json::json;

use crate::config::Config;
use crate::connect;
use crate::dry_run::DryRun;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;
use crate::report;
use crate::text::printable;

#[derive(Debug, Args)]
pub(crate) struct Token {
    /// Prints the token itself, with --quiet nothing else: a caller that has it and the client certificate can call
    /// D1 until it expires
    #[arg(long)]
    reveal: bool,
    /// Prints the request with secrets masked; sends nothing
    #[arg(long)]
    dry_run: bool,
}

impl Token {
    pub(crate) async fn run(self, config: &Config, output: &Output) -> Result<Exit, Failure> {
        if self.dry_run {
            let dry_run = DryRun::new(config)?;
            return dry_run.print(output, dry_run.client.access_token().await);
        }
        let token = match connect::client(config)?.access_token().await {
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
            "expiresInSeconds": connect::whole_seconds(token.lifetime()),
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
