//! One operation of a card, by its id.
//!
//! This module decides which response is an operation.

use super::{Card, Operation};
use crate::call::{
    ApiCall, CallOptions, CompleteResponse, Dispatched, call_options, dispatched, engine,
};
use crate::error::{Error, InvalidInput, ResponseFault};
use crate::response::Response;
use crate::values::{ApiOperation, CorrelationId, OperationId};

/// A request for one operation: await it.
///
/// It is returned by [`Card::operation`]. Awaiting it returns the [`Operation`], in the [`Response`] that carried it.
///
/// ```no_run
/// # async fn f(card: d1_facade::Card) -> Result<(), Box<dyn std::error::Error>> {
/// use d1_facade::OperationStatus;
///
/// let operation = card.operation(&"op-0001".parse()?).await?;
/// if operation.status() == Some(OperationStatus::Pending) {
///     println!("D1 has not finished it");
/// }
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// See [`Error`]; an id that is not known is
/// [`UnknownOperation`](crate::ErrorKind::UnknownOperation), where D1 says so.
#[derive(Debug, Clone)]
#[must_use = "nothing is sent until it is awaited"]
pub struct GetOperation {
    card: Card,
    id: OperationId,
    digital_card: bool,
    options: CallOptions,
}

impl GetOperation {
    pub(crate) fn new(card: Card, id: OperationId) -> Self {
        Self {
            options: card.core().defaults.clone(),
            card,
            id,
            digital_card: false,
        }
    }

    /// Requests the details of the digital card as well, which D1 has for `DIGITIZE` operations.
    pub fn with_digital_card(mut self) -> Self {
        self.digital_card = true;
        self
    }

    async fn send(self) -> Result<Response<Operation>, Error> {
        engine::run_once(self.card.core(), &self, &self.options).await
    }
}

call_options!(GetOperation => Response<Operation>);

impl ApiCall for GetOperation {
    type Value = Operation;

    fn operation(&self) -> ApiOperation {
        ApiOperation::GetOperation
    }

    fn check(&self) -> Result<(), InvalidInput> {
        self.id.to_raw().map(drop)
    }

    fn dispatch<'a>(
        &'a self,
        client: &'a d1_generated::Client,
        correlation_id: &'a CorrelationId,
    ) -> Result<Dispatched<'a>, InvalidInput> {
        let (issuer, card) = (self.card.issuer().raw(), self.card.id().raw());
        let (id, digital_card) = (self.id.to_raw()?, self.digital_card.then_some(true));
        let correlation_id = Some(correlation_id.raw());
        Ok(dispatched(async move {
            let call = client.get_operation(issuer, card, &id, digital_card, correlation_id);
            call.await
        }))
    }

    fn read(&self, response: &CompleteResponse<'_>) -> Result<Operation, ResponseFault> {
        read_operation(response)
    }
}

/// Reads a response as an operation.
pub(crate) fn read_operation(response: &CompleteResponse<'_>) -> Result<Operation, ResponseFault> {
    let operation = Operation::from_fields(response.json_object()?);
    operation
        .filter(Operation::is_documented)
        .ok_or_else(|| ResponseFault::new("the response has no member of an operation"))
}
