//! Faults on demand: matching calls fail as a test asks.

use super::latency::Latency;
use super::spec::Call;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// A failure that the sandbox produces on demand: another response, a slow one, or none.
///
/// By default it applies to the next matching call, once.
///
/// ```
/// use d1_sandbox::Fault;
/// use std::time::Duration;
///
/// let overloaded = Fault::status(503).header("retry-after", "2").operation("suspendCard");
/// let lost_response = Fault::disconnect().after_effect();
/// let flaky = Fault::disconnect().probability(0.1);
/// let slow = Fault::slow(Duration::from_millis(50), Duration::from_millis(500)).times(100);
/// # drop((overloaded, lost_response, flaky, slow));
/// ```
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[must_use = "a fault does nothing until a sandbox has it"]
pub struct Fault {
    pub(crate) kind: FaultKind,
    /// The status of [`FaultKind::Status`], 500 by default.
    pub(crate) status: Option<u16>,
    #[serde(default)]
    pub(crate) headers: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) body: String,
    /// How long the body of [`FaultKind::Oversize`] is, 2 MiB by default.
    pub(crate) bytes: Option<usize>,
    pub(crate) operation: Option<String>,
    pub(crate) card: Option<String>,
    #[serde(default)]
    pub(crate) after_effect: bool,
    /// How many calls it applies to; without this one, or with a probability any number.
    pub(crate) times: Option<u32>,
    pub(crate) probability: Option<f64>,
    /// How long the response takes, in milliseconds.
    #[serde(default)]
    pub(super) delay_ms: Latency,
}

/// What happens to the response.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum FaultKind {
    /// It is another one.
    #[default]
    Status,
    /// The connection is closed without one.
    Disconnect,
    /// It never comes.
    Stall,
    /// It breaks off in the middle of its body.
    Truncate,
    /// Blanks are added to it.
    Oversize,
    /// It has fields and values that the documentation does not know.
    Alter,
    /// It comes later.
    Delay,
}

impl Fault {
    fn new(kind: FaultKind) -> Self {
        Self {
            kind,
            ..Self::default()
        }
    }

    /// Responds with this status and no body. A status outside 200 to 999 becomes 500.
    pub fn status(status: u16) -> Self {
        Self {
            status: Some(status),
            ..Self::new(FaultKind::Status)
        }
    }

    /// Closes the connection without a response.
    pub fn disconnect() -> Self {
        Self::new(FaultKind::Disconnect)
    }

    /// Keeps the connection open and never responds.
    pub fn stall() -> Self {
        Self::new(FaultKind::Stall)
    }

    /// Carries the request out and closes the connection in the middle of the response's body.
    pub fn truncated() -> Self {
        Self::new(FaultKind::Truncate)
    }

    /// Carries the request out and adds this many bytes of blanks to the body.
    pub fn oversize(bytes: usize) -> Self {
        Self {
            bytes: Some(bytes),
            ..Self::new(FaultKind::Oversize)
        }
    }

    /// Carries the request out and responds with fields and enum values that are not documented, as D1
    /// may begin to do at any time.
    pub fn altered() -> Self {
        Self::new(FaultKind::Alter)
    }

    /// Carries the request out and responds after this long, at least and at most.
    pub fn slow(least: Duration, most: Duration) -> Self {
        Self::new(FaultKind::Delay).delay(least, most)
    }

    /// Sets the body of a [`status`](Self::status) and its content type.
    pub fn body(mut self, content_type: &str, body: impl Into<String>) -> Self {
        self.body = body.into();
        self.header("content-type", content_type)
    }

    /// Adds a header; one that HTTP does not allow is left out.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers
            .insert(name.to_ascii_lowercase(), value.to_owned());
        self
    }

    /// Restricts the fault to one operation, by its `operationId` in the OpenAPI document. Without
    /// this every card call matches, but not the token call (`getToken`).
    pub fn operation(mut self, operation_id: &str) -> Self {
        self.operation = Some(operation_id.to_owned());
        self
    }

    /// Restricts the fault to calls for one card.
    pub fn card(mut self, card_id: &str) -> Self {
        self.card = Some(card_id.to_owned());
        self
    }

    /// Carries the request out before the fault: the change takes effect, and the caller gets no success.
    pub fn after_effect(mut self) -> Self {
        self.after_effect = true;
        self
    }

    /// Applies the fault to this many matching calls, instead of one.
    pub fn times(mut self, times: u32) -> Self {
        self.times = Some(times);
        self
    }

    /// Applies the fault to each matching call with this probability, 0 to 1; any number of times, unless
    /// [`times`](Self::times) sets a number.
    pub fn probability(mut self, probability: f64) -> Self {
        self.probability = Some(probability);
        self
    }

    /// Responds this long after the request, at least and at most.
    pub fn delay(self, least: Duration, most: Duration) -> Self {
        self.delay_by_quantiles(&[least, most])
    }

    /// Responds this long after the request: equally spaced quantiles, from the least to the most.
    /// With 20 ms, 25 ms, 40 ms, and 2 s a third of the calls takes more than 40 ms.
    pub fn delay_by_quantiles(mut self, quantiles: &[Duration]) -> Self {
        self.delay_ms = Latency::new(quantiles);
        self
    }

    /// Returns whether the call is carried out although the fault applies to it.
    pub(crate) fn lets_it_happen(&self) -> bool {
        match self.kind {
            FaultKind::Status | FaultKind::Disconnect | FaultKind::Stall => self.after_effect,
            FaultKind::Truncate | FaultKind::Oversize | FaultKind::Alter | FaultKind::Delay => true,
        }
    }

    /// Checks a fault from the control API; the error is the rule that it breaks.
    pub(crate) fn check(&self) -> Result<(), &'static str> {
        const LONGEST_BODY: usize = 256 * 1024 * 1024;
        if self.status.is_some_and(|s| !(200..=999).contains(&s)) {
            return Err("status: 200 to 999");
        }
        if self.probability.is_some_and(|p| !(0.0..=1.0).contains(&p)) {
            return Err("probability: 0 to 1");
        }
        self.delay_ms.check()?;
        if self.bytes.is_some_and(|bytes| bytes > LONGEST_BODY) {
            return Err("bytes: at most 256 MiB");
        }
        let operation = self.operation.as_deref();
        if operation.is_some_and(|id| Call::from_operation_id(id).is_none()) {
            return Err("operation: an operationId of the OpenAPI document");
        }
        Ok(())
    }

    pub(super) fn matches(&self, call: Call, card: Option<&str>) -> bool {
        let operation = match self.operation.as_deref() {
            Some(operation) => operation == call.operation_id(),
            None => call != Call::Token,
        };
        operation && (self.card.is_none() || self.card.as_deref() == card)
    }
}
