//! `d1 operations`: reads what was done to a card.

use std::io;

use clap::{Args, Subcommand};
use d1_facade::{
    CardId, Client, CorrelationId, Error, GetOperation, ListOperations, Operation, OperationId,
    OperationPage, Response,
};
use futures_util::TryStreamExt as _;
use serde_json::{Value, json};

use crate::config::Config;
use crate::connect;
use crate::dry_run::DryRun;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::flags::Format;
use crate::flags::{BoundedInt, CallFlags};
use crate::output::{Output, cell};
use crate::report;
use crate::text::printable;

/// The commands that read operations.
#[derive(Debug, Subcommand)]
pub(crate) enum OperationsCommand {
    /// Lists the operations of a card, the most recent first
    List(ListArguments),
    /// Shows one operation of a card
    Get(GetArguments),
}

#[derive(Debug, Args)]
pub(crate) struct ListArguments {
    /// The card
    card_id: CardId,
    /// How many of the most recent operations to leave out
    #[arg(long, value_name = "N")]
    offset: Option<BoundedInt<0, { i64::MAX as u64 }>>,
    /// How many operations to list, or to ask for at a time
    #[arg(long, value_name = "N")]
    limit: Option<BoundedInt<1, 50>>,
    /// Lists all of them, page by page
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    call: CallFlags,
}

#[derive(Debug, Args)]
pub(crate) struct GetArguments {
    /// The card
    card_id: CardId,
    /// The operation
    operation_id: OperationId,
    /// Asks for the details of the digital card as well
    #[arg(long)]
    digital_card: bool,
    #[command(flatten)]
    call: CallFlags,
}

const LIST: &str = "operations list";
const GET: &str = "operations get";

/// The columns of the table.
const COLUMNS: [&str; 7] = [
    "operationId",
    "operation",
    "status",
    "startTime",
    "requestorType",
    "reasonCode",
    "reason",
];

impl OperationsCommand {
    pub(crate) async fn run(self, config: &Config, output: &Output) -> Result<Exit, Failure> {
        match self {
            Self::List(list) => list.run(config, output).await,
            Self::Get(get) => get.run(config, output).await,
        }
    }
}

impl ListArguments {
    fn request(&self, client: &Client) -> ListOperations {
        let mut request = client.card(self.card_id.clone()).operations();
        if let Some(BoundedInt(offset)) = self.offset {
            request = request.offset(offset);
        }
        if let Some(BoundedInt(limit)) = self.limit {
            request = request.limit(limit);
        }
        match &self.call.correlation_id {
            Some(id) => request.correlation_id(id.clone()),
            None => request,
        }
    }

    async fn run(self, config: &Config, output: &Output) -> Result<Exit, Failure> {
        if self.all && !self.call.dry_run {
            return self.run_all(config, output).await;
        }
        let request = |client: &Client| self.request(client);
        let print = |page: Response<OperationPage>| {
            let (remaining, id) = (page.remaining_operations(), page.correlation_id());
            self.print(page.operations(), remaining, Some(id), output)
        };
        read(
            LIST,
            &self.card_id,
            &self.call,
            config,
            output,
            request,
            print,
        )
        .await
    }

    /// Reads page after page. As ndjson, each operation is printed as it is read.
    async fn run_all(&self, config: &Config, output: &Output) -> Result<Exit, Failure> {
        let client = connect::client(config)?;
        let mut stream = self.request(&client).stream();
        let mut operations = Vec::new();
        loop {
            match stream.try_next().await {
                Ok(Some(operation)) if output.format == Format::Ndjson => {
                    output.json(&Value::Object(operation.to_json()))?;
                }
                Ok(Some(operation)) => operations.push(operation),
                Ok(None) => break,
                Err(error) => return Ok(failed(LIST, &self.card_id, &error, output)),
            }
        }
        self.print(&operations, Some(0), None, output)?;
        Ok(Exit::Done)
    }

    fn print(
        &self,
        operations: &[Operation],
        remaining: Option<u64>,
        correlation_id: Option<&CorrelationId>,
        output: &Output,
    ) -> io::Result<()> {
        let all = || operations.iter().map(Operation::to_json);
        match output.format {
            Format::Table if operations.is_empty() => {
                output.note("no operations");
                output.origin()?;
            }
            Format::Table => {
                let row = |operation: &serde_json::Map<String, Value>| {
                    COLUMNS
                        .map(|name| operation.get(name).map(cell).unwrap_or_default())
                        .to_vec()
                };
                output.table(&COLUMNS, all().map(|operation| row(&operation)).collect())?;
                if let Some(remaining @ 1..) = remaining {
                    output.note(&format!(
                        "{remaining} older operations; --all lists them too"
                    ));
                }
                output.origin()?;
            }
            Format::Json => output.json(&json!({
                "command": LIST,
                "cardId": self.card_id.as_str(),
                "operations": all().collect::<Vec<_>>(),
                "remainingOperations": remaining,
                "correlationId": correlation_id.map(CorrelationId::as_str),
            }))?,
            Format::Ndjson => {
                for operation in all() {
                    output.json(&Value::Object(operation))?;
                }
            }
        }
        Ok(())
    }
}

impl GetArguments {
    fn request(&self, client: &Client) -> GetOperation {
        let mut request = client
            .card(self.card_id.clone())
            .operation(&self.operation_id);
        if self.digital_card {
            request = request.with_digital_card();
        }
        match &self.call.correlation_id {
            Some(id) => request.correlation_id(id.clone()),
            None => request,
        }
    }

    async fn run(self, config: &Config, output: &Output) -> Result<Exit, Failure> {
        let request = |client: &Client| self.request(client);
        let print = |operation: Response<Operation>| {
            if !output.is_table() {
                return output.json(&json!({
                    "command": GET,
                    "cardId": self.card_id.as_str(),
                    "operation": operation.to_json(),
                    "correlationId": operation.correlation_id().as_str(),
                }));
            }
            // The result is printed with `--quiet`, too.
            for (name, value) in operation.to_json() {
                output.line(&format!("{:20}  {}", printable(&name), cell(&value)))?;
            }
            output.origin()
        };
        read(
            GET,
            &self.card_id,
            &self.call,
            config,
            output,
            request,
            print,
        )
        .await
    }
}

/// Sends a read and prints its result, or shows the request instead.
async fn read<T, R: IntoFuture<Output = Result<T, Error>>>(
    command: &str,
    card: &CardId,
    call: &CallFlags,
    config: &Config,
    output: &Output,
    request: impl Fn(&Client) -> R,
    print: impl FnOnce(T) -> io::Result<()>,
) -> Result<Exit, Failure> {
    if call.dry_run {
        let dry_run = DryRun::new(config)?;
        return dry_run.print(output, request(&dry_run.client).await);
    }
    match request(&connect::client(config)?).await {
        Ok(value) => {
            print(value)?;
            Ok(Exit::Done)
        }
        Err(error) => Ok(failed(command, card, &error, output)),
    }
}

fn failed(command: &str, card: &CardId, error: &Error, output: &Output) -> Exit {
    let result = report::failed(command, Some(card), error);
    report::say_failed(output, &result, error)
}
