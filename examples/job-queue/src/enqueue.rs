//! How requests get in: record and job in one transaction, so that neither is there without the other.

use graphile_worker::errors::GraphileWorkerError;
use graphile_worker::tokio_postgres::TokioPostgresDatabase;
use graphile_worker::{JobSpec, Schema, WorkerUtils};

use crate::ledger::{self, Ledger};
use crate::worker::SuspendCard;

/// How many requests a transaction takes.
const BATCH: u32 = 1000;

/// Why requests could not be taken in.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Ledger(#[from] ledger::Error),
    #[error("database: {0}")]
    Query(#[from] deadpool_postgres::tokio_postgres::Error),
    #[error("the job library: {0}")]
    Library(#[from] GraphileWorkerError),
    #[error("the job library: {0}")]
    Tables(Box<dyn std::error::Error + Send + Sync>),
}

/// Asks for the suspension of the cards `Bulk000001` to `requests`.
pub(crate) async fn enqueue(database: &TokioPostgresDatabase, requests: u32) -> Result<(), Error> {
    let utils = WorkerUtils::new(database.clone(), Schema::default());
    utils
        .migrate()
        .await
        .map_err(|e| Error::Tables(Box::new(e)))?;
    Ledger::new(database).prepare().await?;
    let mut connection = database.pool().get().await.map_err(ledger::Error::from)?;
    for first in (1..=requests).step_by(BATCH as usize) {
        let last = requests.min(first + BATCH - 1);
        let transaction = connection.transaction().await?;
        let sql = "INSERT INTO card_request (card_id)
            SELECT 'Bulk' || lpad(n::text, 6, '0') FROM generate_series($1::int, $2::int) AS n
            RETURNING id";
        // Postgres knows no unsigned numbers; cards are counted with six digits.
        let bounds = (first.cast_signed(), last.cast_signed());
        let rows = transaction.query(sql, &[&bounds.0, &bounds.1]).await?;
        let jobs = rows
            .iter()
            .map(|row| {
                let job = SuspendCard {
                    request: row.try_get("id")?,
                };
                Ok((job, JobSpec::default()))
            })
            .collect::<Result<Vec<_>, Error>>()?;
        let jobs: Vec<_> = jobs.iter().map(|(job, spec)| (job.clone(), spec)).collect();
        let mut inside = utils.clone().with_executor(&*transaction);
        inside.add_jobs(&jobs).await?;
        transaction.commit().await?;
    }
    Ok(())
}
