//! What is written down: each change before it is sent, and each notification of D1. No card number is in it.
//!
//! All times are the database's, so that the clocks of several instances do not matter. `tables.sql` has the tables.

use std::time::Duration;

use axum::http::StatusCode;
use d1_facade::{CorrelationId, PendingChange};
use deadpool_postgres::tokio_postgres::error::SqlState;
use deadpool_postgres::tokio_postgres::types::ToSql;
use deadpool_postgres::tokio_postgres::{self, NoTls};
use deadpool_postgres::{Manager, Pool, PoolError, Runtime};
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};

use crate::settings::Error;

/// How long a request waits for a connection to the database.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long a statement may take, where the address of the database does not say otherwise.
const STATEMENT_TIMEOUT: &str = "-c statement_timeout=5s";

/// Why the store could not be read or written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    /// There is no connection.
    #[error("no connection to the database: {}", with_sources(.0))]
    Pool(#[from] PoolError),
    /// A statement failed.
    #[error("database: {}", with_sources(.0))]
    Statement(#[from] tokio_postgres::Error),
    /// What is stored is not what this version of the service stores.
    #[error("a stored row cannot be read or written: {0}")]
    Row(#[from] serde_json::Error),
}

/// Where a change stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    /// It is sent, or was, and its outcome is not known yet: it will be reconciled.
    Sending,
    /// D1 has made it.
    Done,
    /// D1 has refused it, and would again.
    Refused,
    /// D1 has not made it; it can be made again with the same request id.
    NotDone,
    /// Its outcome cannot be determined automatically: a person must decide.
    Unknown,
}

impl State {
    /// Returns the name in the table.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Sending => "sending",
            Self::Done => "done",
            Self::Refused => "refused",
            Self::NotDone => "not_done",
            Self::Unknown => "unknown",
        }
    }
}

/// One of the calls of a change.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Sent {
    /// The channel and its id of the change.
    pub(crate) request_id: String,
    /// How many calls there were with this one.
    pub(crate) sends: i32,
}

/// What is known of a change.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Record {
    /// What the channel ordered.
    pub(crate) request: String,
    /// Where it stands.
    pub(crate) state: State,
    /// The status of the response to a repetition.
    status: u16,
    /// The correlation id of the last call.
    pub(crate) correlation_id: String,
}

impl Record {
    pub(crate) fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

/// Whether a change may be sent.
pub(crate) enum Begun {
    /// It may.
    Send(Sent),
    /// It was sent before.
    Before(Record),
    /// The card has another change whose outcome is not known yet.
    CardBusy,
}

/// A change that is to be reconciled.
#[derive(Debug, Deserialize)]
pub(crate) struct Due {
    /// Which of its calls is meant.
    #[serde(flatten)]
    pub(crate) sent: Sent,
    /// The correlation id of that call.
    pub(crate) correlation_id: String,
    /// The change, a `PendingChange` as JSON.
    pub(crate) pending: String,
    /// How long ago it was sent, in seconds.
    pub(crate) age: f64,
}

/// How many changes are in a state.
#[derive(Debug, Deserialize)]
pub(crate) struct Count {
    /// The name of the state.
    pub(crate) state: String,
    /// How many changes are in it.
    pub(crate) changes: u64,
    /// How long ago the oldest of them was sent, in seconds.
    pub(crate) oldest: f64,
}

/// The database. Clones share its connections.
#[derive(Clone)]
pub(crate) struct Store(Pool);

impl Store {
    /// Returns the store at this address. It connects when it is used.
    pub(crate) fn new(url: &str) -> Result<Self, Error> {
        let mut config: tokio_postgres::Config = url.parse()?;
        let options = config.get_options().unwrap_or_default();
        config.options(format!("{STATEMENT_TIMEOUT} {options}"));
        let pool = Pool::builder(Manager::new(config, NoTls))
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(PATIENCE))
            .create_timeout(Some(PATIENCE));
        Ok(Self(pool.build()?))
    }

    /// Makes the tables where they are missing.
    pub(crate) async fn make_tables(&self) -> Result<(), StoreError> {
        let client = self.0.get().await?;
        Ok(client.batch_execute(include_str!("tables.sql")).await?)
    }

    /// Runs a statement. Each row that it returns is read by the names of its columns.
    async fn rows<T: DeserializeOwned>(
        &self,
        sql: &str,
        values: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<T>, StoreError> {
        let sql = format!("WITH r AS ({sql}) SELECT to_json(r)::text FROM r");
        let rows = self.0.get().await?.query(&sql, values).await?;
        let rows = rows.iter();
        rows.map(|row| Ok(serde_json::from_str(row.try_get(0)?)?))
            .collect()
    }

    /// Returns whether the database answers.
    pub(crate) async fn is_ready(&self) -> bool {
        let answer: Result<Vec<IgnoredAny>, _> = self.rows("SELECT 1", &[]).await;
        answer.is_ok()
    }

    // ANCHOR: begin
    /// Writes a change down before its call, which will have ended `ends_within` from now. Of all who call this with the
    /// same request id, on whatever instance, only one may send, until it is known that the change was not made.
    pub(crate) async fn begin(
        &self,
        request_id: &str,
        request: &str,
        change: &PendingChange,
        correlation_id: &CorrelationId,
        ends_within: Duration,
    ) -> Result<Begun, StoreError> {
        let sql = "
            INSERT INTO card_change (request_id, card_id, request, pending, correlation_id, look_at)
            VALUES ($1, $2, $3, $4, $5, now() + make_interval(secs => $6))
            ON CONFLICT (request_id) DO UPDATE
            SET state = 'sending', status = 202, pending = excluded.pending, correlation_id = excluded.correlation_id,
                sends = card_change.sends + 1, sent_at = now(), look_at = excluded.look_at
            WHERE card_change.request = excluded.request AND card_change.state = 'not_done'
            RETURNING request_id, sends";
        let (card, pending) = (change.card().as_str(), serde_json::to_string(change)?);
        let (correlation_id, seconds) = (correlation_id.as_str(), ends_within.as_secs_f64());
        let change: [&(dyn ToSql + Sync); 3] = [&request_id, &card, &request];
        let call: [&(dyn ToSql + Sync); 3] = [&pending, &correlation_id, &seconds];
        match self.rows(sql, &[change, call].concat()).await {
            Ok(sent) => {
                if let Some(sent) = sent.into_iter().next() {
                    return Ok(Begun::Send(sent));
                }
            }
            // The index of open changes: this request made the one of its card, or another did.
            Err(StoreError::Statement(error))
                if error.code() == Some(&SqlState::UNIQUE_VIOLATION) => {}
            Err(error) => return Err(error),
        }
        let before = self.find(request_id).await?;
        let before = before.filter(|it| it.state != State::NotDone || it.request != request);
        Ok(before.map_or(Begun::CardBusy, Begun::Before))
    }
    // ANCHOR_END: begin

    /// Returns what is known of a change.
    pub(crate) async fn find(&self, request_id: &str) -> Result<Option<Record>, StoreError> {
        let sql =
            "SELECT request, state, status, correlation_id FROM card_change WHERE request_id = $1";
        Ok(self.rows(sql, &[&request_id]).await?.into_iter().next())
    }

    /// Writes down where the change stands after one of its calls. Returns false where that call is not open any more.
    pub(crate) async fn end(
        &self,
        sent: &Sent,
        state: State,
        status: StatusCode,
    ) -> Result<bool, StoreError> {
        let sql = "
            UPDATE card_change SET state = $3, status = $4
            WHERE request_id = $1 AND sends = $2 AND state = 'sending' RETURNING request_id";
        let (state, status) = (state.name(), i32::from(status.as_u16()));
        self.change(sql, &[&sent.request_id, &sent.sends, &state, &status])
            .await
    }

    /// Keeps what the error of the call says of the change, which is to be reconciled from now on. Returns false where
    /// that call is not open any more.
    pub(crate) async fn keep_open(
        &self,
        sent: &Sent,
        pending: &PendingChange,
    ) -> Result<bool, StoreError> {
        let sql = "
            UPDATE card_change SET pending = $3, look_at = now()
            WHERE request_id = $1 AND sends = $2 AND state = 'sending' RETURNING request_id";
        let pending = serde_json::to_string(pending)?;
        self.change(sql, &[&sent.request_id, &sent.sends, &pending])
            .await
    }

    /// Runs a statement that changes a row, and returns whether there was one.
    async fn change(&self, sql: &str, values: &[&(dyn ToSql + Sync)]) -> Result<bool, StoreError> {
        let changed: Vec<IgnoredAny> = self.rows(sql, values).await?;
        Ok(!changed.is_empty())
    }

    // ANCHOR: due
    /// Returns changes whose call has certainly ended and whose outcome is not known, and looks at none of them again
    /// before `pause` has passed. So several instances share them.
    pub(crate) async fn due(&self, pause: Duration) -> Result<Vec<Due>, StoreError> {
        let sql = "
            UPDATE card_change SET look_at = now() + make_interval(secs => $1)
            WHERE request_id IN (
                SELECT request_id FROM card_change WHERE state = 'sending' AND look_at <= now()
                ORDER BY look_at LIMIT 20 FOR UPDATE SKIP LOCKED)
            RETURNING request_id, sends, correlation_id, pending, extract(epoch FROM now() - sent_at) AS age";
        self.rows(sql, &[&pause.as_secs_f64()]).await
    }
    // ANCHOR_END: due

    /// Stores a notification of D1 once, however often it arrives. One without an operation id cannot be recognized,
    /// and is stored each time. Returns whether it is new.
    pub(crate) async fn notified(
        &self,
        card: &str,
        operation_id: Option<&str>,
        operation: Option<&str>,
        status: Option<&str>,
    ) -> Result<bool, StoreError> {
        let sql = "
            INSERT INTO d1_notification (card_id, operation_id, operation, status)
            VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING RETURNING card_id";
        self.change(sql, &[&card, &operation_id, &operation, &status])
            .await
    }

    /// Counts the changes in each state.
    pub(crate) async fn count(&self) -> Result<Vec<Count>, StoreError> {
        let sql = "
            SELECT state, count(request_id) AS changes,
                coalesce(extract(epoch FROM now() - min(sent_at)), 0) AS oldest
            FROM unnest(ARRAY['sending', 'done', 'refused', 'not_done', 'unknown']) AS state
            LEFT JOIN card_change USING (state) GROUP BY state";
        self.rows(sql, &[]).await
    }
}

/// Returns what an error says, and its sources: the database's own words are only there.
fn with_sources(error: &(dyn std::error::Error + 'static)) -> String {
    let errors = std::iter::successors(Some(error), |error| error.source());
    let texts: Vec<_> = errors.map(ToString::to_string).collect();
    texts.join(": ")
}
