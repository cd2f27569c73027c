//! `d1 token`: gets an access token, to see whether and for what D1 gives one.

use clap::Args;
use d1_facade::Client;
use serde_json::json;

use crate::connect;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::session::{Read, Session};
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
    pub(crate) async fn run(self, session: &Session) -> Result<Exit, Failure> {
        let read = Read {
            command: "token",
            card: None,
            dry_run: self.dry_run,
        };
        let request = |client: &Client| {
            let client = client.clone();
            async move { client.access_token().await }
        };
        let output = &session.output;
        let print = |token: d1_facade::auth::AccessToken| {
            let mut result = json!({
                "command": "token",
                "outcome": "done",
                "expiresInSeconds": connect::whole_seconds(token.lifetime()),
                "scope": token.scope().map(printable),
            });
            if self.reveal && output.is_table() && output.is_quiet() {
                output.line(token.expose_secret())?;
            }
            if self.reveal {
                result["token"] = token.expose_secret().into();
            }
            output.record(&result)
        };
        session.read(read, request, print).await
    }
}
