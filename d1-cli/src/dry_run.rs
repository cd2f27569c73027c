//! Shows a request instead of sending it. The facade prepares the request as for sending and hands it out, so that
//! what is shown cannot differ from what is sent.

use std::io;
use std::sync::mpsc;

use d1_facade::{Client, Error, ErrorKind, PreparedRequest};
use serde_json::{Map, Value, json};

use crate::config::Config;
use crate::connect;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;
use crate::text::masked;

const MASK: &str = "[masked]";

/// Fields of a body that are secrets.
const SECRET_FIELDS: [&str; 2] = ["encryptedData", "assertion"];

/// A client that sends nothing, and the requests that it would have sent.
pub(crate) struct DryRun {
    pub(crate) client: Client,
    requests: mpsc::Receiver<PreparedRequest>,
}

impl DryRun {
    /// Makes the client. The settings are checked as for sending.
    pub(crate) fn new(config: &Config) -> Result<Self, Failure> {
        let (sender, requests) = mpsc::channel();
        let builder = connect::builder(config)?.dry_run(move |request| {
            // The receiver lives as long as the client.
            let _ = sender.send(request);
        });
        let client = connect::finish(config, builder)?;
        Ok(Self { client, requests })
    }

    /// Prints the request of a call that has ended with `result`, or says why the call was refused.
    pub(crate) fn print<T>(
        &self,
        output: &Output,
        result: Result<T, Error>,
    ) -> Result<Exit, Failure> {
        match result {
            Err(error) if error.kind() != ErrorKind::Cancelled => {
                let failure = Failure::of_call(&error);
                Err(failure.unwrap_or_else(|| Failure::input("the request", error)))
            }
            // The request of the token comes before that of the call.
            Ok(_) | Err(_) => match self.requests.try_iter().last() {
                Some(request) => {
                    print(output, &request)?;
                    Ok(Exit::Done)
                }
                None => Err(Failure::Output(io::ErrorKind::UnexpectedEof.into())),
            },
        }
    }
}

fn print(output: &Output, request: &PreparedRequest) -> io::Result<()> {
    let (method, url, body) = (request.method(), request.url(), shown_body(request.body()));
    let headers = request.headers().map(|(name, value)| {
        let shown = match name {
            // The facade has checked that a correlation id holds no card number; a random one may look like one.
            "x-correlation-id" => value.to_owned(),
            _ => masked(value),
        };
        (name.to_owned(), Value::from(shown))
    });
    let headers: Map<String, Value> = headers.collect();
    if !output.is_table() {
        let request = json!({ "method": method, "url": url, "headers": headers, "body": body });
        return output.json(&json!({ "dryRun": true, "request": request }));
    }
    output.line(&format!("{method} {url}"))?;
    for (name, value) in headers {
        output.line(&format!("{name}: {}", value.as_str().unwrap_or_default()))?;
    }
    if !body.is_null() {
        output.line(&format!("\n{body:#}"))?;
    }
    output.note(&format!("dry run: nothing was sent to {}", output.target()));
    Ok(())
}

/// Returns a body with its secrets masked; a form as an object.
fn shown_body(body: &[u8]) -> Value {
    if body.is_empty() {
        return Value::Null;
    }
    let mut fields: Map<String, Value> = serde_json::from_slice(body).unwrap_or_else(|_| {
        let pairs = url::form_urlencoded::parse(body);
        pairs
            .map(|(name, value)| (name.into(), Value::from(&*value)))
            .collect()
    });
    for name in SECRET_FIELDS {
        if let Some(field) = fields.get_mut(name) {
            *field = MASK.into();
        }
    }
    fields.into()
}
