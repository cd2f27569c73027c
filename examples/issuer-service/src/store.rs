//! What is written down: each change before it is sent, and each notification of D1. No card number is in it.
//!
//! All times are the database's, so that the clocks of several instances do not matter.

use std::time::Duration;

use axum::http::StatusCode;
use d1_facade::{CorrelationId, PendingChange};
use deadpool_postgres::tokio_postgres::error::SqlState;
use deadpool_postgres::tokio_postgres::{self, NoTls, Row};
use deadpool_postgres::{BuildError, Manager, Object, Pool, PoolError, Runtime};
use serde::Serialize;

/// How long a request waits for a connection to the database.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long a statement may take, where the address of the database does not say otherwise.
const STATEMENT_TIMEOUT: &str = "-c statement_timeout=5s";

/// A change is `sending` from the moment before its call until its outcome is known, and `unknown` where only a person
/// can find it out. A card has one such change at most. The lock lets instances that start at the same time make the
/// tables one after the other.
const TABLES: &str = "
    BEGIN;
    SELECT pg_advisory_xact_lock(20261126);
    CREATE TABLE IF NOT EXISTS card_change (
        request_id text PRIMARY KEY,
        card_id text NOT NULL,
        request text NOT NULL,
        state text NOT NULL DEFAULT 'sending'
            CHECK (state IN ('sending', 'done', 'refused', 'not_done', 'unknown')),
        status int NOT NULL DEFAULT 202,
        pending text NOT NULL,
        correlation_id text NOT NULL,
        sends int NOT NULL DEFAULT 1,
        sent_at timestamptz NOT NULL DEFAULT now(),
        look_at timestamptz NOT NULL
    );
    CREATE UNIQUE INDEX IF NOT EXISTS card_change_open ON card_change (card_id)
        WHERE state IN ('sending', 'unknown');
    CREATE TABLE IF NOT EXISTS d1_notification (
        card_id text NOT NULL,
        operation_id text,
        operation text,
        status text,
        received_at timestamptz NOT NULL DEFAULT now()
    );
    CREATE UNIQUE INDEX IF NOT EXISTS d1_notification_once
        ON d1_notification (operation_id, coalesce(status, ''));
    COMMIT;";

/// Why the store could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no connection.
    #[error("no connection to the database: {}", with_sources(.0))]
    Pool(#[from] PoolError),
    /// There is no pool of connections.
    #[error("no connections to the database: {0}")]
    Build(#[from] BuildError),
    /// A query failed.
    #[error("database: {}", with_sources(.0))]
    Query(#[from] tokio_postgres::Error),
    /// What was stored cannot be read.
    #[error("the stored change cannot be read")]
    Unreadable,
}

/// Where a change stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
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
    const ALL: [Self; 5] = [
        Self::Sending,
        Self::Done,
        Self::Refused,
        Self::NotDone,
        Self::Unknown,
    ];

    /// Returns the name in the table.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sending => "sending",
            Self::Done => "done",
            Self::Refused => "refused",
            Self::NotDone => "not_done",
            Self::Unknown => "unknown",
        }
    }
}

/// A change that is about to be sent.
pub struct NewChange<'c> {
    /// The id that the channel gave it.
    pub request_id: &'c str,
    /// What the channel asked for, to compare a repetition with.
    pub request: String,
    /// What is needed to reconcile it.
    pub pending: PendingChange,
    /// The correlation id of the call.
    pub correlation_id: &'c CorrelationId,
    /// When its call has certainly ended, from now.
    pub ends_within: Duration,
}

/// What is known of a request id.
#[derive(Debug, Clone)]
pub struct Record {
    /// What the channel asked for.
    pub request: String,
    /// Where it stands.
    pub state: State,
    /// The status of the response to a repetition.
    pub status: StatusCode,
    /// The correlation id of the last call.
    pub correlation_id: String,
}

/// Whether a change may be sent.
pub enum Begun {
    /// It may, with the number of the attempt.
    Send(i32),
    /// It was sent before.
    Before(Record),
    /// The card has another change whose outcome is not known yet.
    CardBusy,
}

/// A change that is to be reconciled.
pub struct Due {
    /// The id that the channel gave it.
    pub request_id: String,
    /// Which of its calls is meant.
    pub sends: i32,
    /// The correlation id of that call.
    pub correlation_id: String,
    /// The change; `None` where what is stored cannot be read.
    pub pending: Option<PendingChange>,
    /// How long ago it was sent, in seconds.
    pub age: f64,
}

/// The database.
#[derive(Clone)]
pub struct Store(Pool);

impl Store {
    /// Connects, and makes the tables where they are missing.
    ///
    /// # Errors
    /// If the address is not valid, or the database does not answer.
    pub async fn connect(url: &str) -> Result<Self, StoreError> {
        let mut config: tokio_postgres::Config = url.parse()?;
        let options = config.get_options().unwrap_or_default();
        config.options(format!("{STATEMENT_TIMEOUT} {options}"));
        let manager = Manager::new(config, NoTls);
        let pool = Pool::builder(manager)
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(PATIENCE))
            .create_timeout(Some(PATIENCE));
        let store = Self(pool.build()?);
        store.client().await?.batch_execute(TABLES).await?;
        Ok(store)
    }

    async fn client(&self) -> Result<Object, StoreError> {
        Ok(self.0.get().await?)
    }

    /// Returns whether the database answers.
    pub async fn is_ready(&self) -> bool {
        match self.client().await {
            Ok(client) => client.simple_query("SELECT 1").await.is_ok(),
            Err(_) => false,
        }
    }

    // ANCHOR: begin
    /// Writes a change down before it is sent. Of all who call this with the same request id, on whatever instance,
    /// only one may send, until it is known that the change was not made.
    ///
    /// # Errors
    /// If it cannot be written down: then it must not be sent.
    pub async fn begin(&self, new: &NewChange<'_>) -> Result<Begun, StoreError> {
        const INSERT: &str = "
            INSERT INTO card_change (request_id, card_id, request, pending, correlation_id, look_at)
            VALUES ($1, $2, $3, $4, $5, now() + make_interval(secs => $6))
            ON CONFLICT DO NOTHING";
        const AGAIN: &str = "
            UPDATE card_change SET state = 'sending', status = 202, pending = $4, correlation_id = $5,
                sends = sends + 1, sent_at = now(), look_at = now() + make_interval(secs => $6)
            WHERE request_id = $1 AND card_id = $2 AND request = $3 AND state = 'not_done'
            RETURNING sends";
        let client = self.client().await?;
        let pending = written(&new.pending)?;
        let (card, ends) = (new.pending.card().as_str(), new.ends_within.as_secs_f64());
        let correlation_id = new.correlation_id.as_str();
        let values: [&(dyn tokio_postgres::types::ToSql + Sync); 6] = [
            &new.request_id,
            &card,
            &new.request,
            &pending,
            &correlation_id,
            &ends,
        ];
        if client.execute(INSERT, &values).await? == 1 {
            return Ok(Begun::Send(1));
        }
        match client.query_opt(AGAIN, &values).await {
            Ok(Some(row)) => return Ok(Begun::Send(row.try_get(0)?)),
            Ok(None) => {}
            Err(error) if error.code() == Some(&SqlState::UNIQUE_VIOLATION) => {
                return Ok(Begun::CardBusy);
            }
            Err(error) => return Err(error.into()),
        }
        let before = find(&client, new.request_id).await?;
        Ok(before.map_or(Begun::CardBusy, Begun::Before))
    }
    // ANCHOR_END: begin

    /// Returns what is known of a request id.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn find(&self, request_id: &str) -> Result<Option<Record>, StoreError> {
        find(&self.client().await?, request_id).await
    }

    /// Writes down where the change stands after one of its calls. Nothing happens where that is known already.
    ///
    /// # Errors
    /// If it cannot be written down: the change will be reconciled then.
    pub async fn end(
        &self,
        (request_id, sends): (&str, i32),
        state: State,
        status: StatusCode,
    ) -> Result<(), StoreError> {
        let sql = "
            UPDATE card_change SET state = $3, status = $4
            WHERE request_id = $1 AND sends = $2 AND state = 'sending'";
        let (state, status) = (state.name(), i32::from(status.as_u16()));
        let client = self.client().await?;
        client
            .execute(sql, &[&request_id, &sends, &state, &status])
            .await?;
        Ok(())
    }

    /// Keeps what the error of the call says of the change, which is to be reconciled from now on.
    ///
    /// # Errors
    /// If it cannot be written down: what was written down before the call does as well.
    pub async fn is_in_doubt(
        &self,
        (request_id, sends): (&str, i32),
        pending: &PendingChange,
    ) -> Result<(), StoreError> {
        let sql = "
            UPDATE card_change SET pending = $3, look_at = now()
            WHERE request_id = $1 AND sends = $2 AND state = 'sending'";
        let client = self.client().await?;
        client
            .execute(sql, &[&request_id, &sends, &written(pending)?])
            .await?;
        Ok(())
    }

    // ANCHOR: due
    /// Returns changes whose call has certainly ended and whose outcome is not known, and looks at none of them again
    /// before `pause` has passed. So several instances share them.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn due(&self, pause: Duration) -> Result<Vec<Due>, StoreError> {
        let sql = "
            UPDATE card_change SET look_at = now() + make_interval(secs => $1)
            WHERE request_id IN (
                SELECT request_id FROM card_change WHERE state = 'sending' AND look_at <= now()
                ORDER BY look_at LIMIT 20 FOR UPDATE SKIP LOCKED)
            RETURNING request_id, sends, correlation_id, pending, extract(epoch FROM now() - sent_at)::float8";
        let client = self.client().await?;
        let rows = client.query(sql, &[&pause.as_secs_f64()]).await?;
        rows.iter().map(due).collect()
    }
    // ANCHOR_END: due

    /// Stores a notification of D1 once, however often it arrives. One without an operation id cannot be recognized,
    /// and is stored each time. Returns whether it is new.
    ///
    /// # Errors
    /// If it cannot be stored: D1 must send it again.
    pub async fn notified(
        &self,
        card: &str,
        operation_id: Option<&str>,
        operation: Option<&str>,
        status: Option<&str>,
    ) -> Result<bool, StoreError> {
        let sql = "
            INSERT INTO d1_notification (card_id, operation_id, operation, status)
            VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING";
        let client = self.client().await?;
        let stored = client
            .execute(sql, &[&card, &operation_id, &operation, &status])
            .await?;
        Ok(stored == 1)
    }

    /// Counts the changes in each state, and says for how many seconds the oldest open one has been open.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn count(&self) -> Result<(Vec<(State, i64)>, f64), StoreError> {
        let sql = "
            SELECT state, count(*), coalesce(extract(epoch FROM now() - min(sent_at)), 0)::float8
            FROM card_change GROUP BY state";
        let rows = self.client().await?.query(sql, &[]).await?;
        let (mut counts, mut oldest) = (State::ALL.map(|state| (state, 0)), 0.0);
        for row in rows {
            let state = state(row.try_get(0)?)?;
            for (found, count) in &mut counts {
                if *found == state {
                    *count = row.try_get(1)?;
                }
            }
            if state == State::Sending {
                oldest = row.try_get(2)?;
            }
        }
        Ok((counts.to_vec(), oldest))
    }
}

async fn find(client: &Object, request_id: &str) -> Result<Option<Record>, StoreError> {
    let sql =
        "SELECT request, state, status, correlation_id FROM card_change WHERE request_id = $1";
    let row = client.query_opt(sql, &[&request_id]).await?;
    row.map(|row| record(&row)).transpose()
}

fn record(row: &Row) -> Result<Record, StoreError> {
    let status: i32 = row.try_get(2)?;
    let status = u16::try_from(status).ok().map(StatusCode::from_u16);
    Ok(Record {
        request: row.try_get(0)?,
        state: state(row.try_get(1)?)?,
        status: status.and_then(Result::ok).ok_or(StoreError::Unreadable)?,
        correlation_id: row.try_get(3)?,
    })
}

fn due(row: &Row) -> Result<Due, StoreError> {
    let pending: &str = row.try_get(3)?;
    Ok(Due {
        request_id: row.try_get(0)?,
        sends: row.try_get(1)?,
        correlation_id: row.try_get(2)?,
        pending: serde_json::from_str(pending).ok(),
        age: row.try_get(4)?,
    })
}

fn state(name: &str) -> Result<State, StoreError> {
    let state = State::ALL.into_iter().find(|state| state.name() == name);
    state.ok_or(StoreError::Unreadable)
}

fn written(pending: &PendingChange) -> Result<String, StoreError> {
    serde_json::to_string(pending).map_err(|_| StoreError::Unreadable)
}

/// Returns what an error says, and its sources: the database's own words are only there.
fn with_sources(error: &(dyn std::error::Error + 'static)) -> String {
    let errors = std::iter::successors(Some(error), |error| error.source());
    let texts: Vec<_> = errors.map(ToString::to_string).collect();
    texts.join(": ")
}
