//! `d1 api`: calls a path of D1 that has no command of its own.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use clap::Args;
use d1_facade::{Client, InvalidInput, Json, Method, RawCall, Response};
use serde_json::{Value, json};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::flags::{CallFlags, Known};
use crate::interrupt::Interrupts;
use crate::prompt;
use crate::report;
use crate::secret_input;
use crate::session::{Read, Session};
use crate::text::{masked, say};

#[derive(Debug, Args)]
pub(crate) struct Api {
    /// The HTTP method, in upper or lower case
    #[arg(value_parser = Known::new(method, ["GET", "POST", "PUT", "PATCH", "DELETE"]))]
    method: Method,
    /// The path with its query, percent-encoded; {issuerId} stands for the issuer
    path: String,
    /// Adds a text to the JSON object that is sent; it can be given several times
    #[arg(long, short, value_name = "NAME=VALUE", value_parser = pair)]
    field: Vec<(String, String)>,
    /// Sends the JSON of a file, or of standard input (-)
    #[arg(long, value_name = "FILE", conflicts_with = "field")]
    input: Option<PathBuf>,
    /// Adds a header; it can be given several times
    #[arg(long, short = 'H', value_name = "NAME=VALUE", value_parser = pair)]
    header: Vec<(String, String)>,
    /// Shows the response as received, without masking what looks like a card number or a token
    #[arg(long)]
    reveal: bool,
    /// Calls without asking; a GET never asks
    #[arg(long, short)]
    yes: bool,
    #[command(flatten)]
    call: CallFlags,
}

impl Api {
    pub(crate) async fn run(self, session: &Session) -> Result<Exit, Failure> {
        let body = self.body()?;
        if self.method != Method::Get && !self.call.dry_run {
            let target = session.output.target();
            let question = format!(
                "Send this {} to {target}? It may not be undone.",
                self.method
            );
            prompt::confirm(self.yes, &question)?;
        }
        let read = Read {
            command: "api",
            card: None,
            dry_run: self.call.dry_run,
        };
        let request = |client: &Client| self.request(client, body);
        let print = |response| self.print(&response, session);
        let mut interrupts = Interrupts::listen()?;
        tokio::select! {
            exit = session.read(read, request, print) => exit,
            () = interrupts.next() => {
                say(report::INTERRUPTED);
                Ok(Exit::Unknown)
            }
        }
    }

    fn request(&self, client: &Client, body: Option<Value>) -> RawCall {
        let path = self.path.replace("{issuerId}", client.issuer().as_str());
        let mut call = client.request(self.method, path);
        if let Some(body) = body {
            call = call.body(body);
        }
        for (name, value) in &self.header {
            call = call.header(name, value);
        }
        match &self.call.correlation_id {
            Some(id) => call.correlation_id(id.clone()),
            None => call,
        }
    }

    /// Returns what is sent.
    fn body(&self) -> Result<Option<Value>, Failure> {
        if let Some(path) = &self.input {
            return input(path).map(Some);
        }
        let fields = self.field.iter().cloned();
        let fields: serde_json::Map<_, _> =
            fields.map(|(name, text)| (name, text.into())).collect();
        Ok((!fields.is_empty()).then(|| fields.into()))
    }

    fn print(&self, response: &Response<Json>, session: &Session) -> io::Result<()> {
        let body = match self.reveal {
            true => response.value().0.clone(),
            false => response.masked(),
        };
        if session.output.is_table() {
            return session.output.line(&format!("{body:#}"));
        }
        session.output.json(&json!({
            "command": "api",
            "httpStatus": response.http_status(),
            "correlationId": response.correlation_id().as_str(),
            "attempts": response.attempts(),
            "body": body,
        }))
    }
}

/// Reads JSON from a file or standard input.
fn input(path: &Path) -> Result<Value, Failure> {
    let place = format!("--input {}", masked(&path.display().to_string()));
    let mut bytes = zeroize::Zeroizing::new(Vec::new());
    let read = match path.to_str() {
        Some("-") => secret_input::open().and_then(|mut input| input.read_to_end(&mut bytes)),
        _ => fs::File::open(path).and_then(|mut file| file.read_to_end(&mut bytes)),
    };
    read.map_err(|error| Failure::unreadable(&place, &error))?;
    serde_json::from_slice(&bytes).map_err(|error| {
        // serde's own words may quote what it read.
        let (line, column) = (error.line(), error.column());
        Failure::input(
            format!("{place}, line {line} column {column}"),
            "must be JSON",
        )
    })
}

fn method(text: &str) -> Result<Method, InvalidInput> {
    text.to_ascii_uppercase().parse()
}

/// Reads a name and its value.
fn pair(text: &str) -> Result<(String, String), &'static str> {
    let pair = text.split_once('=').filter(|(name, _)| !name.is_empty());
    let (name, value) = pair.ok_or("must be NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}
