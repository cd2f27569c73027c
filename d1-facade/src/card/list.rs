//! The operations of a card: a page, or all of them.
//!
//! This module decides where a list of several pages ends, and which pages cannot be those of a list. Which response
//! is a page is decided in `page`.

use std::collections::HashSet;

use d1_generated::constants::{IntegerBounds, LIST_OPERATIONS_LIMIT, LIST_OPERATIONS_OFFSET};
use futures_util::{Stream, StreamExt as _, TryStreamExt as _, stream};
use serde_json::Value;

use super::{Card, Operation, OperationPage};
use crate::call::{
    ApiCall, CallOptions, CompleteResponse, Dispatched, call_options, dispatched, engine,
};
use crate::clock::Moment;
use crate::error::{Error, ErrorKind, InvalidInput, Outcome, ResponseFault};
use crate::response::Response;
use crate::values::{ApiOperation, CorrelationId};

/// A request for the operations of a card, the most recent first: await it for one page, or
/// [`stream`](Self::stream) them all.
///
/// Operations older than a year are gone. A card without any has an empty page.
///
/// # Errors
/// See [`Error`]; a card that is not known is [`UnknownCard`](crate::ErrorKind::UnknownCard), where
/// D1 says so.
///
/// A page without operations says that there are none, and a service may conclude from it that a change was
/// not made. Where the response does not say that for certain, it is an
/// [`InvalidResponse`](crate::ErrorKind::InvalidResponse): there are older operations
/// (`{"operations": [], "remainingOperations": 3}`), their number cannot be read, the list is missing
/// and so is a number of 0 (`{}`), or the number is missing and a member that is not documented is `true` or a
/// number above 0 (`{"operations": [], "hasMore": true}`).
#[derive(Debug, Clone)]
#[must_use = "nothing is sent until it is awaited"]
pub struct ListOperations {
    card: Card,
    offset: Option<u64>,
    limit: Option<u64>,
    options: CallOptions,
}

impl ListOperations {
    pub(crate) fn new(card: Card) -> Self {
        Self {
            options: card.core().defaults.clone(),
            card,
            offset: None,
            limit: None,
        }
    }

    /// Sets how many of the most recent operations are left out (D1: `offset`); 0 by default.
    ///
    /// ```no_run
    /// # async fn f(card: d1_facade::Card) -> Result<(), Box<dyn std::error::Error>> {
    /// let second_page = card.operations().offset(20).limit(20).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// The call fails with [`InvalidInput`](ErrorKind::InvalidInput) where it is 2^63 or more.
    pub fn offset(mut self, offset: u64) -> Self {
        self.offset = Some(offset);
        self
    }

    /// Sets the most operations of a page (D1: `limit`), 1 to 50; 10 by default.
    ///
    /// # Errors
    /// The call fails with [`InvalidInput`](ErrorKind::InvalidInput) where it is 0 or more than 50.
    pub fn limit(mut self, limit: u64) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Returns a stream of every operation from the offset on, the most recent first, which requests a page at a time.
    ///
    /// An operation that slips from one page into the next, because a newer one came in between, is
    /// returned once. The stream ends with the first error, and without one only where D1 says that there
    /// are no older operations. These are an [`InvalidResponse`](crate::ErrorKind::InvalidResponse):
    ///
    /// - an empty page that cannot be the end, as for a [single page](Self);
    /// - two pages in a row without an operation that was not returned before;
    /// - more than ten pages in a row that leave the number of remaining operations as high as it was;
    /// - an end at which fewer operations were returned than the first page announced.
    ///
    /// All its pages have the same correlation id. The [`timeout`](Self::timeout) is that of each page.
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
        stream::try_unfold(self.pages(), |mut pages| async move {
            let page = pages.next().await?;
            Ok::<_, Error>(page.map(|page| {
                let operations = stream::iter(page.operations.into_iter().map(Ok::<_, Error>));
                (operations, pages)
            }))
        })
        .try_flatten()
        .boxed()
    }

    async fn send(self) -> Result<Response<OperationPage>, Error> {
        engine::run_once(self.card.core(), &self, &self.options).await
    }

    fn bounded_offset(&self) -> Result<Option<i64>, InvalidInput> {
        bounded("offset", self.offset, LIST_OPERATIONS_OFFSET)
    }

    fn bounded_limit(&self) -> Result<Option<i64>, InvalidInput> {
        bounded("limit", self.limit, LIST_OPERATIONS_LIMIT)
    }

    /// Returns the pages from the offset on.
    pub(crate) fn pages(self) -> Pages {
        Pages {
            offset: self.offset.unwrap_or(0),
            request: self,
            seen: HashSet::new(),
            given: 0,
            announced: None,
            remaining: None,
            pages_without_news: 0,
            pages_without_progress: 0,
            done: false,
        }
    }

    /// Returns the request with what a caller has added to a call of another kind that makes this one.
    pub(crate) fn with_options(mut self, options: &CallOptions) -> Self {
        self.options = options.clone();
        self
    }
}

call_options!(ListOperations => Response<OperationPage>);

impl ApiCall for ListOperations {
    type Value = OperationPage;

    fn operation(&self) -> ApiOperation {
        ApiOperation::ListOperations
    }

    fn check(&self) -> Result<(), InvalidInput> {
        self.bounded_offset()?;
        self.bounded_limit().map(drop)
    }

    fn dispatch<'a>(
        &'a self,
        client: &'a d1_generated::Client,
        correlation_id: &'a CorrelationId,
    ) -> Result<Dispatched<'a>, InvalidInput> {
        Ok(dispatched(client.list_operations(
            self.card.issuer().raw(),
            self.card.id().raw(),
            self.bounded_limit()?,
            self.bounded_offset()?,
            Some(correlation_id.raw()),
        )))
    }

    fn read(&self, response: &CompleteResponse<'_>) -> Result<OperationPage, ResponseFault> {
        OperationPage::read(response)
    }
}

/// How many pages in a row may leave the number of remaining operations as high as it was: new operations
/// that come in while a list is read hold it up.
const PAGES_WITHOUT_PROGRESS: u32 = 10;

/// A page of a list, without the operations that an earlier page had.
pub(crate) struct ListedPage {
    pub(crate) operations: Vec<Operation>,
    /// When it was requested; by D1's clock, at the earliest.
    pub(crate) asked_at: Moment,
    /// Whether it may have operations where this version does not look.
    pub(crate) may_hide_operations: bool,
}

/// The pages of a list, one after the other to its end.
pub(crate) struct Pages {
    request: ListOperations,
    offset: u64,
    /// What was given already, by id; an operation without an id, by all of its fields.
    seen: HashSet<String>,
    /// How many operations were given, or left out although they may be others: one with the same fields,
    /// and no id, was given before.
    given: u64,
    /// How many operations there are, by the first count that D1 gave.
    announced: Option<u64>,
    /// The lowest count of remaining operations so far.
    remaining: Option<u64>,
    pages_without_news: u32,
    pages_without_progress: u32,
    done: bool,
}

impl Pages {
    /// Returns the next page; `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<ListedPage>, Error> {
        if self.done {
            return Ok(None);
        }
        let mut asked_at = Moment::now();
        let page = self.request.clone().offset(self.offset).await?;
        let took = asked_at.until(Moment::now()).unwrap_or_default();
        asked_at.d1 = page.server_time().and_then(|time| time.checked_sub(took));
        let length = page.operations().len() as u64;
        let remaining = page.remaining_operations();
        let may_hide_operations = page.may_hide_operations();
        if let Some(remaining) = remaining {
            let total = self.given.saturating_add(length).saturating_add(remaining);
            self.announced.get_or_insert(total);
        }
        self.offset = self.offset.saturating_add(length);
        // Without a count only an empty page is certain to be the last.
        self.done = length == 0 || remaining == Some(0);
        let (correlation_id, attempts) = (page.correlation_id().clone(), page.attempts());
        let fresh = self.take_new(page.into_value().into_operations());
        self.count_progress(fresh.is_empty(), remaining);
        match self.fault() {
            None => Ok(Some(ListedPage {
                operations: fresh,
                asked_at,
                may_hide_operations,
            })),
            Some(fault) => Err(Error::new(
                ApiOperation::ListOperations,
                ErrorKind::InvalidResponse,
                Outcome::Unknown,
            )
            .with_source(fault)
            .with_call(&correlation_id, attempts)),
        }
    }

    /// Returns the operations that no earlier page had.
    fn take_new(&mut self, mut operations: Vec<Operation>) -> Vec<Operation> {
        let mut keys = Vec::new();
        operations.retain(|operation| {
            let id = operation.id();
            let key = match &id {
                Some(id) => id.as_str().to_owned(),
                None => Value::Object(operation.fields()).to_string(),
            };
            let is_new = !self.seen.contains(&key);
            self.given += u64::from(is_new || id.is_none());
            keys.push(key);
            is_new
        });
        self.seen.extend(keys);
        operations
    }

    /// Counts the pages in a row that bring nothing new, and those that leave as many operations as before.
    fn count_progress(&mut self, nothing_new: bool, remaining: Option<u64>) {
        let count = |counter: u32, stands: bool| if stands { counter + 1 } else { 0 };
        self.pages_without_news = count(self.pages_without_news, nothing_new);
        let stands = matches!((self.remaining, remaining), (Some(low), Some(now)) if now >= low);
        self.pages_without_progress = count(self.pages_without_progress, stands);
        self.remaining = match (self.remaining, remaining) {
            (Some(low), Some(now)) => Some(low.min(now)),
            (before, now) => before.or(now),
        };
    }

    /// Returns why the pages so far cannot be those of a list.
    fn fault(&self) -> Option<ResponseFault> {
        let text = if self.done {
            let missing = self.announced.is_some_and(|total| self.given < total);
            missing.then_some("the pages hold fewer operations than D1 said there are")
        } else if self.pages_without_news > 1 {
            Some("D1 returns the same operations whatever the offset")
        } else if self.pages_without_progress > PAGES_WITHOUT_PROGRESS {
            Some("the number of remaining operations does not fall from page to page")
        } else {
            None
        };
        text.map(ResponseFault::new)
    }
}

/// Returns a number as it is sent, where it is within the bounds that the spec gives it.
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
