//! `d1 operations`: reads what was done to a card.

use clap::{Args, Subcommand};
use d1_facade::{CardId, Client, Error, GetOperation, ListOperations, Operation, OperationId};
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

/// What can be read.
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

/// The columns that people get.
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
        if self.call.dry_run {
            let dry_run = DryRun::new(config)?;
            return dry_run.print(output, self.request(&dry_run.client).await);
        }
        let client = connect::client(config)?;
        if output.format == Format::Ndjson && self.all {
            return self.stream(&client, output).await;
        }
        let result = match self.all {
            true => self.collect(&client).await,
            false => self.page(&client).await,
        };
        match result {
            Ok(listed) => {
                self.print(&listed, output)?;
                Ok(Exit::Done)
            }
            Err(error) => self.failed(&error, output),
        }
    }

    async fn page(&self, client: &Client) -> Result<Listed, Error> {
        let page = self.request(client).await?;
        Ok(Listed {
            remaining: page.remaining_operations(),
            correlation_id: Some(page.correlation_id().to_string()),
            operations: page.into_value().into_operations(),
        })
    }

    async fn collect(&self, client: &Client) -> Result<Listed, Error> {
        Ok(Listed {
            operations: self.request(client).stream().try_collect().await?,
            remaining: Some(0),
            correlation_id: None,
        })
    }

    /// Prints each operation as it comes.
    async fn stream(&self, client: &Client, output: &Output) -> Result<Exit, Failure> {
        let mut operations = self.request(client).stream();
        loop {
            match operations.try_next().await {
                Ok(Some(operation)) => output.json(&Value::Object(operation.to_json()))?,
                Ok(None) => return Ok(Exit::Done),
                Err(error) => return self.failed(&error, output),
            }
        }
    }

    fn failed(&self, error: &Error, output: &Output) -> Result<Exit, Failure> {
        let result = report::failed("operations list", Some(&self.card_id), error);
        Ok(report::say_failed(output, &result, error))
    }

    fn print(&self, listed: &Listed, output: &Output) -> Result<(), Failure> {
        let all = || listed.operations.iter().map(Operation::to_json);
        match output.format {
            Format::Table if listed.operations.is_empty() => {
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
                if let Some(remaining @ 1..) = listed.remaining {
                    output.note(&format!(
                        "{remaining} older operations; --all lists them too"
                    ));
                }
                output.origin()?;
            }
            Format::Json => output.json(&json!({
                "command": "operations list",
                "cardId": self.card_id.as_str(),
                "operations": all().collect::<Vec<_>>(),
                "remainingOperations": listed.remaining,
                "correlationId": listed.correlation_id,
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

/// What was read.
struct Listed {
    operations: Vec<Operation>,
    remaining: Option<u64>,
    correlation_id: Option<String>,
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
        if self.call.dry_run {
            let dry_run = DryRun::new(config)?;
            return dry_run.print(output, self.request(&dry_run.client).await);
        }
        let client = connect::client(config)?;
        match self.request(&client).await {
            Ok(operation) => {
                if output.is_table() {
                    // What was asked for is shown, however quiet.
                    for (name, value) in operation.to_json() {
                        output.line(&format!("{:20}  {}", printable(&name), cell(&value)))?;
                    }
                    output.origin()?;
                } else {
                    output.json(&json!({
                        "command": "operations get",
                        "cardId": self.card_id.as_str(),
                        "operation": operation.to_json(),
                        "correlationId": operation.correlation_id().as_str(),
                    }))?;
                }
                Ok(Exit::Done)
            }
            Err(error) => {
                let result = report::failed("operations get", Some(&self.card_id), &error);
                Ok(report::say_failed(output, &result, &error))
            }
        }
    }
}
