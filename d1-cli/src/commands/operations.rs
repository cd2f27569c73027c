//! `d1 operations`: reads what was done to a card.

use std::io;

use clap::{Args, Subcommand};
use d1_facade::{
    CardId, Client, CorrelationId, GetOperation, ListOperations, Operation, OperationId,
    OperationPage, Response,
};
use futures_util::TryStreamExt as _;
use serde_json::{Value, json};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::flags::{BoundedInt, CallFlags, Format};
use crate::output::{Output, cell};
use crate::session::{Read, Session};
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
    pub(crate) async fn run(self, session: &Session) -> Result<Exit, Failure> {
        match self {
            Self::List(list) => list.run(session).await,
            Self::Get(get) => get.run(session).await,
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

    async fn run(self, session: &Session) -> Result<Exit, Failure> {
        let read = Read {
            command: "operations list",
            card: Some(&self.card_id),
            dry_run: self.call.dry_run,
        };
        if self.all && !read.dry_run {
            return self.run_all(&read, session).await;
        }
        let print = |page: Response<OperationPage>| {
            let (remaining, id) = (page.remaining_operations(), page.correlation_id());
            self.print(page.operations(), remaining, Some(id), &session.output)
        };
        session
            .read(read, |client| self.request(client), print)
            .await
    }

    /// Reads page after page. As ndjson, each operation is printed as it is read.
    async fn run_all(&self, read: &Read<'_>, session: &Session) -> Result<Exit, Failure> {
        let output = &session.output;
        let mut stream = self.request(&session.client()?).stream();
        let mut operations = Vec::new();
        loop {
            match stream.try_next().await {
                Ok(Some(operation)) if output.format == Format::Ndjson => {
                    output.json(&Value::Object(operation.to_json()))?;
                }
                Ok(Some(operation)) => operations.push(operation),
                Ok(None) => break,
                Err(error) => return Ok(session.failed(read, &error)),
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
        let all = json!({
            "command": "operations list",
            "cardId": self.card_id.as_str(),
            "operations": null,
            "remainingOperations": remaining,
            "correlationId": correlation_id.map(CorrelationId::as_str),
        });
        let operations = operations
            .iter()
            .map(|operation| operation.to_json().into());
        output.documents(all, "operations", operations.collect(), |operations| {
            if operations.is_empty() {
                output.note("no operations");
            } else {
                output.table(&COLUMNS, operations)?;
            }
            if let Some(remaining @ 1..) = remaining {
                output.note(&format!(
                    "{remaining} older operations; --all lists them too"
                ));
            }
            output.origin()
        })
    }
}

impl GetArguments {
    fn request(&self, client: &Client) -> GetOperation {
        let card = client.card(self.card_id.clone());
        let mut request = card.operation(&self.operation_id);
        if self.digital_card {
            request = request.with_digital_card();
        }
        match &self.call.correlation_id {
            Some(id) => request.correlation_id(id.clone()),
            None => request,
        }
    }

    async fn run(self, session: &Session) -> Result<Exit, Failure> {
        let output = &session.output;
        let read = Read {
            command: "operations get",
            card: Some(&self.card_id),
            dry_run: self.call.dry_run,
        };
        let print = |operation: Response<Operation>| {
            if !output.is_table() {
                return output.json(&json!({
                    "command": "operations get",
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
        session
            .read(read, |client| self.request(client), print)
            .await
    }
}
