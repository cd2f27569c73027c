//! A change as a bulk takes it.

use std::sync::Arc;

use super::Pace;
use crate::api_operation::ApiOperation;
use crate::card::{Change, Receipt, Renew};
use crate::error::Error;

/// A change for a [`Bulk`](crate::Bulk): a suspend, resume, delete or renew that was not awaited.
#[derive(Debug, Clone)]
#[must_use = "nothing is sent until a bulk runs it"]
pub struct BulkRequest(Kind);

#[derive(Debug, Clone)]
enum Kind {
    Change(Box<Change>),
    Renew(Box<Renew>),
}

impl From<Change> for BulkRequest {
    fn from(change: Change) -> Self {
        Self(Kind::Change(Box::new(change)))
    }
}

impl From<Renew> for BulkRequest {
    fn from(renew: Renew) -> Self {
        Self(Kind::Renew(Box::new(renew)))
    }
}

impl BulkRequest {
    pub(super) fn operation(&self) -> ApiOperation {
        match &self.0 {
            Kind::Change(change) => change.operation(),
            Kind::Renew(_) => ApiOperation::RenewCard,
        }
    }

    pub(super) async fn send(self, pace: Arc<Pace>) -> Result<Receipt, Error> {
        match self.0 {
            Kind::Change(change) => change.send_within(pace).await,
            Kind::Renew(renew) => renew.send_within(pace).await,
        }
    }
}
