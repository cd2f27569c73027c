//! Shows a request instead of sending it.
//!
//! What is shown is what the facade writes, not what this program believes that it would: the facade calls
//! a listener on loopback within this very process, which keeps the request and answers 204. So what is
//! shown cannot differ from what is sent.

use std::io;
use std::time::Duration;

use d1_facade::auth::{AccessToken, TokenFuture, TokenSource};
use d1_facade::retry::NoRetry;
use d1_facade::{Client, ClientBuilder, Environment, Error, Outcome};
use serde_json::{Map, Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::config::Config;
use crate::connect;
use crate::failure::Failure;
use crate::output::Output;
use crate::text::masked;

const MASK: &str = "[masked]";

/// Fields of a body that are secrets.
const SECRET_FIELDS: [&str; 2] = ["encryptedData", "assertion"];

/// Catches requests.
pub(crate) struct Catcher {
    client: Client,
    exchange: connect::SharedExchange,
    requests: mpsc::Receiver<Value>,
    listener: JoinHandle<()>,
}

impl Drop for Catcher {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

impl Catcher {
    /// Catches what a client with these settings sends. The settings are checked as for sending.
    pub(crate) async fn start(config: &Config) -> Result<Self, Failure> {
        connect::client(config)?;
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let url = format!("http://{}", listener.local_addr()?);
        let (sender, requests) = mpsc::channel(16);
        let host = connect::base_url(config)?.trim_end_matches('/').to_owned();
        let client = Self::builder(config, &url)?;
        let client = connect::finish(config, client.token_source(NoToken))?;
        let builder = connect::with_keys(config, Self::builder(config, &url)?)?;
        let (builder, slot) = connect::share_exchange(builder);
        connect::finish(config, builder)?;
        Ok(Self {
            client,
            exchange: connect::taken(&slot)?,
            requests,
            listener: tokio::spawn(listen(listener, host, sender)),
        })
    }

    fn builder(config: &Config, url: &str) -> Result<ClientBuilder, Failure> {
        let environment = Environment::Custom(url.to_owned());
        let builder = Client::builder(environment, connect::issuer(config)?);
        Ok(connect::common(config, builder)?
            .allow_plain_loopback()
            .retry(NoRetry))
    }

    /// The client whose requests are caught.
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// The exchange whose request is caught.
    pub(crate) fn exchange(&self) -> &connect::SharedExchange {
        &self.exchange
    }

    /// The request of a call that has ended: it was caught, or refused before it was made.
    pub(crate) fn caught<T>(&mut self, result: Result<T, Error>) -> Result<Value, Failure> {
        match (self.requests.try_recv(), result) {
            (Ok(request), _) => Ok(request),
            (Err(_), Err(error)) if error.outcome() == Outcome::NotSent => {
                match error.invalid_input() {
                    Some(input) => Err(Failure::input(input.field(), input.rule())),
                    None => Err(Failure::input("the request", error)),
                }
            }
            (Err(_), _) => Err(Failure::Output(io::ErrorKind::UnexpectedEof.into())),
        }
    }
}

/// Prints a request that was caught.
pub(crate) fn print(output: &Output, request: &Value) -> io::Result<()> {
    if !output.is_table() {
        return output.json(&json!({ "dryRun": true, "request": request }));
    }
    let text = |name: &str| request[name].as_str().unwrap_or_default();
    output.line(&format!("{} {}", text("method"), text("url")))?;
    for (name, value) in request["headers"].as_object().into_iter().flatten() {
        output.line(&format!("{name}: {}", value.as_str().unwrap_or_default()))?;
    }
    if !request["body"].is_null() {
        output.line("")?;
        output.line(&format!("{:#}", request["body"]))?;
    }
    output.note(&format!("dry run: nothing was sent to {}", output.target()));
    Ok(())
}

/// No token is needed for what is not sent.
struct NoToken;

impl TokenSource for NoToken {
    fn fetch(&self) -> TokenFuture<'_> {
        let token = AccessToken::new("none", Duration::from_secs(900));
        Box::pin(async { token.map_err(Error::token_unavailable) })
    }
}

async fn listen(listener: TcpListener, host: String, sender: mpsc::Sender<Value>) {
    while let Ok((connection, _)) = listener.accept().await {
        tokio::spawn(serve(connection, host.clone(), sender.clone()));
    }
}

/// Keeps the requests of a connection, and answers them.
async fn serve(connection: TcpStream, host: String, sender: mpsc::Sender<Value>) {
    const ANSWER: &[u8] = b"HTTP/1.1 204 No Content\r\n\r\n";
    let mut connection = BufReader::new(connection);
    while let Ok(Some(request)) = read(&mut connection, &host).await {
        // Whoever asked has gone.
        let _ = sender.send(request).await;
        if connection.write_all(ANSWER).await.is_err() {
            return;
        }
    }
}

async fn read(connection: &mut BufReader<TcpStream>, host: &str) -> io::Result<Option<Value>> {
    let mut line = String::new();
    if connection.read_line(&mut line).await? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace();
    let method = words.next().unwrap_or_default().to_owned();
    let url = format!("{host}{}", words.next().unwrap_or_default());
    let mut headers = Map::new();
    let mut length = 0;
    loop {
        let mut line = String::new();
        connection.read_line(&mut line).await?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        let (name, value) = (name.to_ascii_lowercase(), value.trim());
        let shown = match name.as_str() {
            "host" => host
                .split_once("://")
                .map_or(host, |(_, host)| host)
                .to_owned(),
            "authorization" => format!("Bearer {MASK}"),
            _ => masked_unless_id(&name, value),
        };
        if name == "content-length" {
            length = value.parse().unwrap_or(0);
        }
        headers.insert(name, shown.into());
    }
    let mut body = vec![0; length];
    connection.read_exact(&mut body).await?;
    let body = shown_body(&body);
    Ok(Some(
        json!({ "method": method, "url": url, "headers": headers, "body": body }),
    ))
}

/// The facade has checked that a correlation id holds no card number; a random one may look like one.
fn masked_unless_id(name: &str, value: &str) -> String {
    match name {
        "x-correlation-id" => value.to_owned(),
        _ => masked(value),
    }
}

/// A body with its secrets masked: JSON as it is, a form as an object.
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
