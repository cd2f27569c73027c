//! The operations of a card: a page, or all of them.

use std::collections::HashSet;
use std::fmt;
use std::future::IntoFuture;
use std::time::SystemTime;

use d1_generated::facts::{IntegerBounds, LIST_OPERATIONS_LIMIT, LIST_OPERATIONS_OFFSET};
use d1_generated::types;
use futures_util::future::BoxFuture;
use futures_util::{Stream, StreamExt as _, TryStreamExt as _, stream};
use serde_json::{Map, Value, json};

use super::{Card, Operation};
use crate::api_operation::ApiOperation;
use crate::call::{self, CallInfo};
use crate::error::{
    Error, ErrorBuilder, ErrorKind, InvalidInput, Outcome, RequestFacts, server_time,
};
use crate::json;
use crate::options::{CallOptions, call_options};
use crate::redact::{Redactor, mask};
use crate::text::CorrelationId;
use crate::transport::{ApiCall, unusable};

/// A request for the operations of a card, the most recent first: await it for one page, or
/// [`stream`](Self::stream) them all.
///
/// Operations older than a year are gone. A card without any has an empty page.
///
/// # Errors
/// See [`Error`]; a card that is not known is [`UnknownCard`](crate::ErrorKind::UnknownCard), where
/// D1 says so.
#[derive(Debug, Clone)]
#[must_use = "nothing is sent until it is awaited"]
pub struct ListOperations {
    card: Card,
    offset: Option<u64>,
    limit: Option<u64>,
    options: CallOptions,
}

/// A page of operations, the most recent first.
#[derive(Clone)]
pub struct OperationPage {
    operations: Vec<Operation>,
    remaining: Option<i64>,
    unknown_fields: Map<String, Value>,
    /// Whether the answer has a list of operations, be it empty.
    has_list: bool,
    server_time: Option<SystemTime>,
    call: CallInfo,
}

impl fmt::Debug for OperationPage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.unknown_fields.keys().map(|n| mask(n)).collect();
        f.debug_struct("OperationPage")
            .field("operations", &self.operations)
            .field("remaining", &self.remaining)
            .field("unknown_fields", &names)
            .field("call", &self.call)
            .finish()
    }
}

impl OperationPage {
    /// The operations.
    #[must_use]
    pub fn operations(&self) -> &[Operation] {
        &self.operations
    }

    /// The operations, for good.
    #[must_use]
    pub fn into_operations(self) -> Vec<Operation> {
        self.operations
    }

    /// How many older operations there are, where D1 says so (D1: `remainingOperations`).
    #[must_use]
    pub fn remaining_operations(&self) -> Option<u64> {
        self.remaining.and_then(|n| u64::try_from(n).ok())
    }

    /// Whether that there are no operations in it may mean that they are elsewhere.
    pub(crate) fn says_nothing(&self) -> bool {
        let elsewhere = !self.has_list || !self.unknown_fields.is_empty();
        self.operations.is_empty() && (elsewhere || self.remaining.is_some_and(|n| n > 0))
    }

    /// When D1 gave the answer, by its own clock.
    pub(crate) fn server_time(&self) -> Option<SystemTime> {
        self.server_time
    }

    /// The fields of the answer that this version has no method for.
    #[must_use]
    pub fn unknown_fields(&self) -> &Map<String, Value> {
        &self.unknown_fields
    }

    /// The correlation id that was sent.
    #[must_use]
    pub fn correlation_id(&self) -> &CorrelationId {
        self.call.correlation_id()
    }

    /// How the call went.
    #[must_use]
    pub fn call(&self) -> &CallInfo {
        &self.call
    }
}

impl ListOperations {
    pub(crate) fn new(card: Card) -> Self {
        Self {
            card,
            offset: None,
            limit: None,
            options: CallOptions::default(),
        }
    }

    /// How many of the most recent operations to leave out; none unless said otherwise.
    pub fn offset(mut self, offset: u64) -> Self {
        self.offset = Some(offset);
        self
    }

    /// How many operations a page has at most, 1 to 50; 10 unless said otherwise.
    pub fn limit(mut self, limit: u64) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Every operation from the offset on, the most recent first, a page at a time.
    ///
    /// An operation that slips from one page into the next, because a newer one came in meanwhile, is
    /// given once. The stream ends with the first error; it never goes on for ever: pages that bring
    /// nothing new twice in a row are an [`InvalidResponse`](crate::ErrorKind::InvalidResponse).
    ///
    /// All its pages have the same correlation id, and each of them has the whole
    /// [`timeout`](Self::timeout) for itself.
    ///
    /// ```no_run
    /// use futures_util::TryStreamExt as _;
    ///
    /// # async fn f(card: d1_facade::Card) -> Result<(), d1_facade::Error> {
    /// let mut operations = card.operations().stream();
    /// while let Some(operation) = operations.try_next().await? {
    ///     println!("{:?} {:?}", operation.start_time_text(), operation.operation());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn stream(
        mut self,
    ) -> impl Stream<Item = Result<Operation, Error>> + Send + Unpin + 'static {
        self.options
            .correlation_id
            .get_or_insert_with(CorrelationId::random);
        let cursor = Cursor {
            offset: self.offset.unwrap_or(0),
            request: self,
            seen: HashSet::new(),
            idle_pages: 0,
            done: false,
        };
        stream::try_unfold(cursor, |mut cursor| async move {
            let operations = cursor.next_page().await?;
            Ok::<_, Error>(operations.map(|page| {
                let page = stream::iter(page.into_iter().map(Ok::<_, Error>));
                (page, cursor)
            }))
        })
        .try_flatten()
        .boxed()
    }

    async fn send(self) -> Result<OperationPage, Error> {
        let operation = ApiOperation::ListOperations;
        let invalid = |e| Error::invalid_input_of(operation, e);
        let call = Call {
            card: &self.card,
            offset: bounded("offset", self.offset, LIST_OPERATIONS_OFFSET).map_err(invalid)?,
            limit: bounded("limit", self.limit, LIST_OPERATIONS_LIMIT).map_err(invalid)?,
        };
        let (delivered, info) = call::make(self.card.client(), &call, &self.options).await?;
        let Some(page) = delivered.json_object().and_then(Page::read) else {
            let error = unusable(operation, delivered);
            return Err(error.with_call(info.correlation_id(), info.attempts()));
        };
        Ok(OperationPage {
            operations: page.operations,
            remaining: page.remaining,
            unknown_fields: page.unknown_fields,
            has_list: page.has_list,
            server_time: server_time(&delivered.headers),
            call: info,
        })
    }

    /// With what a caller adds to a call of another kind that makes this one.
    pub(crate) fn with_options(mut self, options: &CallOptions) -> Self {
        self.options = options.clone();
        self
    }
}

/// What a body says of a page.
struct Page {
    operations: Vec<Operation>,
    remaining: Option<i64>,
    unknown_fields: Map<String, Value>,
    has_list: bool,
}

impl Page {
    /// Reads a page; `None` where the member that should have the operations has no list.
    fn read(mut body: Map<String, Value>) -> Option<Self> {
        // The name of that member is not documented: it is the one that the generated type knows.
        let is_list = |name: &String| {
            let one = json!([{}]);
            json::fits::<types::CardOperationPage>(name, &one)
                && !json::fits::<types::CardOperationPage>(name, &Value::Bool(true))
        };
        let name = body.keys().find(|name| is_list(name)).cloned();
        let items = match name.and_then(|name| body.remove(&name)) {
            Some(Value::Array(items)) => Some(items),
            Some(Value::Null) | None => None,
            Some(_) => return None,
        };
        let has_list = items.is_some();
        let operation = |item| match item {
            Value::Object(fields) => Operation::from_fields(fields),
            other => Operation::from_fields(Map::from_iter([(String::new(), other)])),
        };
        let operations = items.into_iter().flatten().map(operation);
        let (page, misfits) = json::read::<types::CardOperationPage>(body)?;
        let mut unknown_fields = page.extra;
        unknown_fields.extend(misfits);
        Some(Self {
            operations: operations.collect::<Option<_>>()?,
            remaining: page.remaining_operations,
            unknown_fields,
            has_list,
        })
    }
}

call_options!(ListOperations);

impl IntoFuture for ListOperations {
    type Output = Result<OperationPage, Error>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}

/// Where a stream stands.
struct Cursor {
    request: ListOperations,
    offset: u64,
    /// What was given already, by id; an operation without an id, by all of its fields.
    seen: HashSet<String>,
    idle_pages: u32,
    done: bool,
}

impl Cursor {
    /// The next operations that were not given before; `None` at the end.
    async fn next_page(&mut self) -> Result<Option<Vec<Operation>>, Error> {
        if self.done {
            return Ok(None);
        }
        let page = self.request.clone().offset(self.offset).await?;
        let length = page.operations.len() as u64;
        self.offset = self.offset.saturating_add(length);
        // Without a count only an empty page is certain to be the last.
        self.done = length == 0 || page.remaining == Some(0);
        let info = page.call;
        let mut fresh = page.operations;
        fresh.retain(|operation| {
            let key = match operation.id() {
                Some(id) => id.to_string(),
                None => Value::Object(operation.to_json()).to_string(),
            };
            self.seen.insert(key)
        });
        self.idle_pages = if fresh.is_empty() {
            self.idle_pages + 1
        } else {
            0
        };
        if self.idle_pages > 1 && !self.done {
            return Err(ErrorBuilder::new(
                ApiOperation::ListOperations,
                ErrorKind::InvalidResponse,
                Outcome::Unknown,
            )
            .source(PagingStandsStill)
            .correlation_id(info.correlation_id())
            .attempts(info.attempts())
            .build());
        }
        Ok(Some(fresh))
    }
}

#[derive(Debug)]
struct PagingStandsStill;

impl std::fmt::Display for PagingStandsStill {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("D1 returns the same operations whatever the offset")
    }
}

impl std::error::Error for PagingStandsStill {}

fn bounded(
    field: &'static str,
    value: Option<u64>,
    bounds: IntegerBounds,
) -> Result<Option<i64>, InvalidInput> {
    let Some(value) = value else { return Ok(None) };
    let inside = i64::try_from(value).ok().filter(|v| {
        bounds.minimum.is_none_or(|min| *v >= min) && bounds.maximum.is_none_or(|max| *v <= max)
    });
    match inside {
        Some(value) => Ok(Some(value)),
        None => Err(InvalidInput::new(field, bounds_rule(bounds))),
    }
}

fn bounds_rule(bounds: IntegerBounds) -> String {
    match (bounds.minimum, bounds.maximum) {
        (Some(min), Some(max)) => format!("must be {min} to {max}"),
        (Some(min), None) => format!("must be at least {min}, and less than 2^63"),
        (None, Some(max)) => format!("must be at most {max}"),
        (None, None) => "must be less than 2^63".to_owned(),
    }
}

struct Call<'a> {
    card: &'a Card,
    offset: Option<i64>,
    limit: Option<i64>,
}

impl ApiCall for Call<'_> {
    fn operation(&self) -> ApiOperation {
        ApiOperation::ListOperations
    }

    fn facts(&self) -> RequestFacts {
        RequestFacts::default()
    }

    fn secrets(&self) -> Redactor {
        Redactor::default()
    }

    async fn send(
        &self,
        client: &d1_generated::Client,
        correlation_id: &CorrelationId,
    ) -> Result<(), d1_generated::Error<types::ErrorBody>> {
        client
            .list_operations(
                self.card.issuer().raw(),
                self.card.id().raw(),
                self.limit,
                self.offset,
                Some(correlation_id.raw()),
            )
            .await
            .map(drop)
    }
}

/// A body as [`ListOperations`] reads it: the operations, and how many more there are.
#[cfg(any(fuzzing, test))]
pub(crate) fn decode_page(body: &[u8]) -> Option<(Vec<Operation>, Option<i64>)> {
    let page = Page::read(json::object(body)?)?;
    Some((page.operations, page.remaining))
}
