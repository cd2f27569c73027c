//! The documented meanings of error statuses, and which of them can apply to a request.
//!
//! D1 documents several meanings of one status and sends no code with a 403. What the client knows of its request
//! ([`RequestContext`]) rules some of them out and makes others likelier; what it cannot know, such as the old
//! PAN of a card, rules out none.

use d1_generated::error_table::{Condition, ErrorRow};
use http::StatusCode;

use crate::values::ApiOperation;

/// A documented meaning of an error status of D1, with the documentation's advice.
///
/// [`Error::causes`](crate::Error::causes) returns those that can apply to a failed call. [`Cause::all`] returns
/// everything that is documented, for a tool that has a status or a code but no error:
///
/// ```
/// use d1_facade::{ApiOperation, Cause};
///
/// let not_found = Cause::all()
///     .filter(|cause| cause.operation() == ApiOperation::ListOperations && cause.status() == 404);
/// for cause in not_found {
///     println!("{:?}: {} {}", cause.code(), cause.meaning(), cause.advice());
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cause {
    operation: ApiOperation,
    row: &'static ErrorRow,
}

impl Cause {
    /// Returns every error that D1 documents, endpoint by endpoint, in the order of the documentation.
    pub fn all() -> impl Iterator<Item = Self> {
        let of = |operation: &'static ApiOperation| {
            let rows = operation.errors().iter();
            rows.map(|row| Self {
                operation: *operation,
                row,
            })
        };
        ApiOperation::ALL.iter().flat_map(of)
    }

    /// Returns the endpoint whose error it is.
    #[must_use]
    pub fn operation(&self) -> ApiOperation {
        self.operation
    }

    /// Returns the HTTP status.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.row.status
    }

    /// Returns D1's `errorCode`, where the meaning depends on one.
    #[must_use]
    pub fn code(&self) -> Option<&'static str> {
        self.row.code
    }

    /// Returns what is wrong, in one sentence.
    #[must_use]
    pub fn meaning(&self) -> &'static str {
        self.row.meaning
    }

    /// Returns what the documentation advises, in one sentence or more.
    #[must_use]
    pub fn advice(&self) -> &'static str {
        self.row.advice
    }

    /// Returns whether the same call can succeed later; `None` where that is not documented.
    ///
    /// [`Error::is_retryable`](crate::Error::is_retryable) decides with it, and with the outcome of the call.
    #[must_use]
    pub fn retryable(&self) -> Option<bool> {
        self.row.retryable
    }

    /// Returns whether only tenants that Thales has migrated from V1 to V2 see it.
    #[must_use]
    pub fn after_migration(&self) -> bool {
        self.row.migrated
    }

    /// Returns what must be true of a request for this meaning to apply, in words; empty where it applies to
    /// every request.
    ///
    /// ```
    /// use d1_facade::Cause;
    ///
    /// for cause in Cause::all().filter(Cause::after_migration) {
    ///     let conditions: Vec<_> = cause.conditions().collect();
    ///     println!("{}: {} ({})", cause.operation(), cause.meaning(), conditions.join(", "));
    /// }
    /// ```
    pub fn conditions(&self) -> impl Iterator<Item = &'static str> + use<> {
        self.row.when.iter().map(|condition| match condition {
            Condition::NewCardIdDiffers => "newCardId is another id than the card's",
            Condition::NewCardIdSame => "newCardId is the card's own id",
            Condition::PanChanged => "the renewed card has another PAN",
            Condition::PanSame => "the renewed card has the same PAN",
            Condition::ReasonCodeOtherThanDefault => {
                "the reason code is another one than ISSUER_DECISION"
            }
            Condition::StateInactive => "the renewed card is to be INACTIVE",
        })
    }

    /// Returns whether it is that D1 does not allow the reason code.
    pub(crate) fn is_about_reason_code(&self) -> bool {
        let conditions = self.row.when;
        conditions.contains(&Condition::ReasonCodeOtherThanDefault)
    }
}

/// What the client knows of a request, and the conditions of the error table depend on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct RequestContext {
    /// Whether `newCardId` is another id than the card's; `None` where it was not sent.
    pub(crate) new_card_id_differs: Option<bool>,
    /// Whether the card is to be INACTIVE; `None` where no state was sent.
    pub(crate) inactive: Option<bool>,
    /// Whether another reason code than the default was sent.
    pub(crate) other_reason_code: bool,
}

impl RequestContext {
    /// Returns whether the request meets a condition; `None` where the client cannot know.
    fn meets(self, condition: Condition) -> Option<bool> {
        match condition {
            Condition::NewCardIdDiffers => self.new_card_id_differs,
            Condition::NewCardIdSame => self.new_card_id_differs.map(|differs| !differs),
            Condition::StateInactive => self.inactive,
            // D1 knows the old PAN, the client does not.
            Condition::PanChanged | Condition::PanSame => None,
            // The default one can be refused as well, but the others are likelier to be.
            Condition::ReasonCodeOtherThanDefault => self.other_reason_code.then_some(true),
        }
    }

    /// Returns how many conditions of a row are certainly met; `None` where one is certainly not.
    fn specificity(self, row: &ErrorRow) -> Option<usize> {
        let mut certain = 0;
        for condition in row.when {
            match self.meets(*condition) {
                Some(true) => certain += 1,
                Some(false) => return None,
                None => {}
            }
        }
        Some(certain)
    }
}

/// Returns the documented meanings that can apply to a request, the most specific first.
pub(super) fn applicable(
    operation: ApiOperation,
    status: StatusCode,
    code: Option<&str>,
    context: RequestContext,
) -> Vec<Cause> {
    let of = |wanted: &dyn Fn(&Cause) -> bool| -> Vec<Cause> {
        let mut ranked: Vec<(usize, Cause)> = Cause::all()
            .filter(|cause| cause.row.status == status.as_u16() && wanted(cause))
            .filter_map(|cause| Some((context.specificity(cause.row)?, cause)))
            .collect();
        // Stable: rows of the same rank keep the order of the documentation.
        ranked.sort_by_key(|(certain, _)| std::cmp::Reverse(*certain));
        ranked.into_iter().map(|(_, cause)| cause).collect()
    };
    let is_own = |cause: &Cause| cause.operation == operation;
    let exact = of(&|cause| is_own(cause) && cause.row.code == code);
    match code {
        // Where every row has a code and the response has none, each of them may be meant.
        None if exact.is_empty() => of(&is_own),
        // A code means the same for every operation. One that is documented for none selects no row.
        Some(_) if exact.is_empty() => {
            let mut same = of(&|cause| cause.row.code == code);
            same.dedup_by_key(|cause| cause.meaning());
            same
        }
        None | Some(_) => exact,
    }
}
