//! What is written down about each request: a table of our own beside the library's jobs.
//!
//! `sending` is committed before the call goes out, with a correlation id that nobody else uses, and every
//! later step names that id. So of two workers who hold the same job only one gets to send, and one that
//! was taken for dead cannot overwrite what its successor wrote. All times are the database's: the clocks
//! of the workers' machines do not matter.

use std::time::{Duration, SystemTime};

use deadpool_postgres::tokio_postgres::types::ToSql;
use deadpool_postgres::tokio_postgres::{self, Row};
use deadpool_postgres::{Pool, PoolError};
use graphile_worker::DbError;
use graphile_worker::tokio_postgres::TokioPostgresDatabase;

/// `reason` goes to D1 with the change and comes back in the list of operations: unique, and of letters
/// alone, so that it never looks like a card number. Pages are left room, for each row changes three times.
const TABLE: &str = "
    CREATE TABLE IF NOT EXISTS card_request (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        card_id text NOT NULL,
        reason text NOT NULL UNIQUE
            DEFAULT 'Bulk ' || translate(gen_random_uuid()::text, '0123456789-', 'ghijklmnopq'),
        state text NOT NULL DEFAULT 'queued'
            CHECK (state IN ('queued', 'sending', 'done', 'refused', 'not_sent', 'unknown')),
        correlation_id text,
        sends int NOT NULL DEFAULT 0,
        lookups int NOT NULL DEFAULT 0,
        first_sent_at timestamptz,
        last_sent_at timestamptz,
        finished_at timestamptz,
        detail text
    ) WITH (fillfactor = 60)";

/// Why the record could not be read or written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("no connection to the database: {0}")]
    Pool(#[from] PoolError),
    #[error("database: {0}")]
    Query(#[from] tokio_postgres::Error),
}

/// Connections to the database, which the job library shares.
pub(crate) fn connect(url: &str, connections: usize) -> Result<TokioPostgresDatabase, DbError> {
    TokioPostgresDatabase::from_url(url, connections)
}

/// The record of all requests.
#[derive(Clone)]
pub(crate) struct Ledger {
    pool: Pool,
}

/// Where a request stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum State {
    /// Nothing was sent, or D1 is known to have done nothing.
    Queued,
    /// A worker was about to send the call with this correlation id; whether it did is not known.
    Sending { correlation_id: String },
    /// The outcome is written down.
    Finished,
}

/// What became of a request: the facade's outcomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Done,
    Refused,
    NotSent,
    Unknown,
}

impl Outcome {
    fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Refused => "refused",
            Self::NotSent => "not_sent",
            Self::Unknown => "unknown",
        }
    }
}

/// A request as it is written down.
pub(crate) struct Request {
    pub(crate) id: i64,
    pub(crate) card: String,
    pub(crate) reason: String,
    pub(crate) state: State,
    pub(crate) sends: i32,
    pub(crate) first_sent_at: Option<SystemTime>,
    /// Since the last call was recorded more than the settling time has passed.
    pub(crate) settled: bool,
    /// Since the first call was recorded more time has passed than is spent on looking it up.
    pub(crate) given_up: bool,
}

/// How many requests are in a state.
pub(crate) struct Count {
    pub(crate) state: String,
    pub(crate) requests: i64,
}

/// A request whose outcome is unknown, for a person.
pub(crate) struct UnknownRequest {
    pub(crate) card: String,
    pub(crate) reason: String,
    pub(crate) correlation_id: String,
    pub(crate) detail: String,
}

impl Ledger {
    pub(crate) fn new(database: &TokioPostgresDatabase) -> Self {
        Self {
            pool: database.pool().clone(),
        }
    }

    /// Makes the table.
    pub(crate) async fn prepare(&self) -> Result<(), Error> {
        self.pool.get().await?.batch_execute(TABLE).await?;
        Ok(())
    }

    /// The request as it stands now.
    pub(crate) async fn read(
        &self,
        id: i64,
        settle: Duration,
        give_up: Duration,
    ) -> Result<Option<Request>, Error> {
        let sql = "
            SELECT id, card_id, reason, state, correlation_id, sends, first_sent_at,
                coalesce(last_sent_at + $2 * interval '1 s' < clock_timestamp(), false) AS settled,
                coalesce(first_sent_at + $3 * interval '1 s' < clock_timestamp(), false) AS given_up
            FROM card_request WHERE id = $1";
        let times = (settle.as_secs_f64(), give_up.as_secs_f64());
        let rows = self.query(sql, &[&id, &times.0, &times.1]).await?;
        rows.first().map(Request::from_row).transpose()
    }

    /// Writes down, before anything is sent, that a call is about to be. `after` is the call that is known
    /// to have come to nothing, where there was one.
    ///
    /// False when somebody else was faster; then nothing may be sent.
    pub(crate) async fn about_to_send(
        &self,
        id: i64,
        after: Option<&str>,
        correlation_id: &str,
    ) -> Result<bool, Error> {
        let sql = "
            UPDATE card_request
            SET state = 'sending', correlation_id = $3, sends = sends + 1,
                last_sent_at = clock_timestamp(),
                first_sent_at = coalesce(first_sent_at, clock_timestamp())
            WHERE id = $1 AND CASE WHEN $2::text IS NULL THEN state = 'queued'
                ELSE state = 'sending' AND correlation_id = $2 END";
        self.change_one(sql, &[&id, &after, &correlation_id]).await
    }

    /// Writes down that this call came to nothing, and that another one may be made.
    pub(crate) async fn put_back(&self, id: i64, correlation_id: &str) -> Result<bool, Error> {
        let sql = "
            UPDATE card_request SET state = 'queued'
            WHERE id = $1 AND state = 'sending' AND correlation_id = $2";
        self.change_one(sql, &[&id, &correlation_id]).await
    }

    /// Writes down what became of this call. False when another one took its place.
    pub(crate) async fn finish(
        &self,
        id: i64,
        correlation_id: &str,
        outcome: Outcome,
        detail: &str,
    ) -> Result<bool, Error> {
        let sql = "
            UPDATE card_request SET state = $3, detail = $4, finished_at = clock_timestamp()
            WHERE id = $1 AND state = 'sending' AND correlation_id = $2";
        let outcome = outcome.name();
        self.change_one(sql, &[&id, &correlation_id, &outcome, &detail])
            .await
    }

    /// Counts a look at the card's operations.
    pub(crate) async fn count_lookup(&self, id: i64) -> Result<bool, Error> {
        let sql = "UPDATE card_request SET lookups = lookups + 1 WHERE id = $1";
        self.change_one(sql, &[&id]).await
    }

    /// How many requests are in which state.
    pub(crate) async fn counts(&self) -> Result<Vec<Count>, Error> {
        let sql =
            "SELECT state, count(*) AS requests FROM card_request GROUP BY state ORDER BY 2 DESC";
        let rows = self.query(sql, &[]).await?;
        let count = |row: &Row| {
            Ok(Count {
                state: row.try_get("state")?,
                requests: row.try_get("requests")?,
            })
        };
        rows.iter().map(count).collect()
    }

    /// The requests that somebody must look into.
    pub(crate) async fn unknown(&self) -> Result<Vec<UnknownRequest>, Error> {
        let sql = "
            SELECT card_id, reason, correlation_id, coalesce(detail, '') AS detail
            FROM card_request WHERE state = 'unknown' ORDER BY id";
        let rows = self.query(sql, &[]).await?;
        let request = |row: &Row| {
            Ok(UnknownRequest {
                card: row.try_get("card_id")?,
                reason: row.try_get("reason")?,
                correlation_id: row.try_get("correlation_id")?,
                detail: row.try_get("detail")?,
            })
        };
        rows.iter().map(request).collect()
    }

    /// Whatever else is asked of the record.
    pub(crate) async fn query(
        &self,
        sql: &str,
        values: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, Error> {
        let connection = self.pool.get().await?;
        let statement = connection.prepare_cached(sql).await?;
        Ok(connection.query(&statement, values).await?)
    }

    async fn change_one(&self, sql: &str, values: &[&(dyn ToSql + Sync)]) -> Result<bool, Error> {
        let connection = self.pool.get().await?;
        let statement = connection.prepare_cached(sql).await?;
        Ok(connection.execute(&statement, values).await? == 1)
    }
}

impl Request {
    fn from_row(row: &Row) -> Result<Self, Error> {
        let state: &str = row.try_get("state")?;
        Ok(Self {
            id: row.try_get("id")?,
            card: row.try_get("card_id")?,
            reason: row.try_get("reason")?,
            state: match state {
                "queued" => State::Queued,
                "sending" => State::Sending {
                    correlation_id: row.try_get("correlation_id")?,
                },
                _ => State::Finished,
            },
            sends: row.try_get("sends")?,
            first_sent_at: row.try_get("first_sent_at")?,
            settled: row.try_get("settled")?,
            given_up: row.try_get("given_up")?,
        })
    }
}
