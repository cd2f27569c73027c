//! One operation of a card, by its id.

use std::future::IntoFuture;

use d1_generated::types;
use futures_util::future::BoxFuture;

use super::{Card, Operation};
use crate::call::{
    ApiCall, CallOptions, CompleteResponse, Dispatched, Progress, call_options, dispatched, engine,
};
use crate::error::{Error, RequestContext, ResponseFault};
use crate::redact::Redactor;
use crate::response::Response;
use crate::values::{ApiOperation, CorrelationId, OperationId};

/// A request for one operation: await it.
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
            card,
            id,
            digital_card: false,
            options: CallOptions::default(),
        }
    }

    /// Requests the details of the digital card as well, which D1 has for `DIGITIZE` operations.
    pub fn with_digital_card(mut self) -> Self {
        self.digital_card = true;
        self
    }

    async fn send(self) -> Result<Response<Operation>, Error> {
        let operation = ApiOperation::GetOperation;
        let id = self.id.to_raw();
        let call = Call {
            card: &self.card,
            id: id.map_err(|e| Error::invalid_input_of(operation, e))?,
            digital_card: self.digital_card.then_some(true),
        };
        let core = self.card.core();
        let mut progress = Progress::begin(core, &self.options);
        engine::run(core, &call, &self.options, &mut progress).await
    }
}

call_options!(GetOperation);

impl IntoFuture for GetOperation {
    type Output = Result<Response<Operation>, Error>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}

struct Call<'a> {
    card: &'a Card,
    id: types::OperationId,
    digital_card: Option<bool>,
}

impl ApiCall for Call<'_> {
    type Value = Operation;

    fn operation(&self) -> ApiOperation {
        ApiOperation::GetOperation
    }

    fn request_context(&self) -> RequestContext {
        RequestContext::default()
    }

    fn secrets(&self) -> Redactor {
        Redactor::default()
    }

    fn dispatch<'a>(
        &'a self,
        client: &'a d1_generated::Client,
        correlation_id: &'a CorrelationId,
    ) -> Dispatched<'a> {
        dispatched(client.get_operation(
            self.card.issuer().raw(),
            self.card.id().raw(),
            &self.id,
            self.digital_card,
            Some(correlation_id.raw()),
        ))
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
