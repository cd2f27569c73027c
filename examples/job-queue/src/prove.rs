//! The proof and the measurement: workers that are killed while they work, and how fast several are.

use std::error::Error as StdError;
use std::time::Duration;

use clap::Args;
use fastrand::Rng;
use graphile_worker::DbError;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::enqueue::{self, enqueue};
use crate::fleet::Fleet;
use crate::ledger::{self, Ledger};
use crate::sandbox::Sandbox;

/// How often the progress is looked at: far oftener than workers are killed.
const LOOK: Duration = Duration::from_millis(20);

/// How long nothing may happen before the run is taken for hung.
const LONGEST_STANDSTILL: Duration = Duration::from_secs(120);

/// Kills workers while they work, then compares the record with a sandbox.
#[derive(Debug, Args)]
#[command(args_override_self = true)]
pub(crate) struct Proof {
    /// How many cards are to be suspended
    #[arg(long, default_value_t = 2000)]
    requests: u32,
    /// How many worker processes run
    #[arg(long, default_value_t = 4)]
    workers: usize,
    /// How many requests a worker has under way
    #[arg(long, default_value_t = 8)]
    concurrency: usize,
    /// How many requests are finished, about, before a worker is killed
    #[arg(long, default_value_t = 200, value_name = "REQUESTS")]
    kill_every: u32,
    /// Decides when which worker is killed
    #[arg(long, default_value_t = 1)]
    seed: u64,
    #[command(flatten)]
    sandbox: Sandbox,
}

/// Compares how fast several numbers of workers are.
#[derive(Debug, Args)]
#[command(args_override_self = true)]
pub(crate) struct Measurement {
    /// How many cards are suspended each time
    #[arg(long, default_value_t = 4000)]
    requests: u32,
    /// How many workers, in turns
    #[arg(long, value_delimiter = ',', default_value = "1,2,4")]
    workers: Vec<usize>,
    /// How many requests a worker has under way
    #[arg(long, default_value_t = 8)]
    concurrency: usize,
    /// How many turns
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// How late the sandbox answers, in milliseconds, as a D1 that is far away
    #[arg(long, default_value_t = 0, value_name = "MILLISECONDS")]
    latency: u32,
    #[command(flatten)]
    sandbox: Sandbox,
}

/// Why there is no result, or a bad one.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("the database holds requests of an earlier run")]
    NotEmpty,
    #[error("nothing was finished for {} s", LONGEST_STANDSTILL.as_secs())]
    StandsStill,
    #[error("a worker ended by itself: {0}")]
    WorkerEnded(std::process::ExitStatus),
    #[error("no worker was killed with a request under way: this proves nothing")]
    NothingHit,
    #[error("something was doubled, lost or unexplained")]
    NotClean,
    #[error("a worker process: {0}")]
    Process(#[from] std::io::Error),
    #[error("the sandbox: {0}")]
    Sandbox(#[from] reqwest::Error),
    #[error("database: {0}")]
    Connection(#[from] DbError),
    #[error(transparent)]
    Ledger(#[from] ledger::Error),
    #[error(transparent)]
    Enqueue(#[from] enqueue::Error),
}

impl From<deadpool_postgres::tokio_postgres::Error> for Error {
    fn from(error: deadpool_postgres::tokio_postgres::Error) -> Self {
        ledger::Error::from(error).into()
    }
}

impl Proof {
    /// Runs it, and prints what came out.
    pub(crate) async fn run(&self, database: &str) -> Result<(), Box<dyn StdError>> {
        let connections = ledger::connect(database, 2)?;
        let ledger = Ledger::new(&connections);
        ledger.prepare().await?;
        if !ledger.counts().await?.is_empty() {
            return Err(Error::NotEmpty.into());
        }
        Sandbox::choose_cryptography();
        let before = self.sandbox.operations().await?;
        self.sandbox.misbehave().await?;
        enqueue(&connections, self.requests).await?;
        let began = Instant::now();
        let mut fleet = Fleet::start(database, self.workers, self.concurrency)?;
        let kills = self.kill_until_finished(&ledger, &mut fleet).await?;
        fleet.stop().await?;
        let after = self.sandbox.operations().await?;
        let audit = crate::audit::audit(&ledger, &before, &after).await?;
        say!(
            "{} workers, {kills} of them killed (seed {}), {:.0} s",
            self.workers,
            self.seed,
            began.elapsed().as_secs_f64()
        );
        audit.print();
        if !audit.is_clean() {
            return Err(Error::NotClean.into());
        }
        if kills == 0 || audit.looked_up() == 0 {
            return Err(Error::NothingHit.into());
        }
        Ok(())
    }

    /// Kills a worker at each of a series of random points of the work; how many it were. Ends as well
    /// when nothing moves any more: what is not finished then is lost.
    async fn kill_until_finished(&self, ledger: &Ledger, fleet: &mut Fleet) -> Result<u32, Error> {
        let mut random = Rng::with_seed(self.seed);
        let every = i64::from(self.kill_every.max(2));
        let mut kills = 0;
        let mut next = random.i64(1..every);
        let mut watch = Watch::new(ledger, 0);
        loop {
            let progress = watch.look(fleet).await?;
            if progress.unfinished == 0 || progress.stands_still {
                return Ok(kills);
            }
            if progress.finished >= next {
                fleet.kill_one(random.usize(0..self.workers)).await?;
                kills += 1;
                next = progress.finished + random.i64(every / 2..every * 3 / 2);
            }
        }
    }
}

impl Measurement {
    /// Runs it, and prints requests per second of each turn, and the medians.
    pub(crate) async fn run(&self, database: &str) -> Result<(), Box<dyn StdError>> {
        Sandbox::choose_cryptography();
        if self.latency > 0 {
            self.sandbox.answer_late(self.latency).await?;
        }
        let mut rates = vec![Vec::new(); self.workers.len()];
        for round in 1..=self.rounds {
            for (workers, rates) in self.workers.iter().zip(&mut rates) {
                let rate = self.rate(database, *workers).await?;
                say!("round {round}: {workers} worker(s) {rate:.0} requests/s");
                rates.push(rate);
            }
        }
        let medians = rates.iter_mut().map(|rates| median(rates));
        let medians: Vec<f64> = medians.collect();
        for (workers, median) in self.workers.iter().zip(&medians) {
            let first = medians.first().copied().unwrap_or(f64::NAN);
            let ratio = median / first;
            say!("median: {workers} worker(s) {median:.0} requests/s, ratio {ratio:.2}");
        }
        Ok(())
    }

    /// Requests per second, by the database's clock, from the first call to the last outcome.
    async fn rate(&self, database: &str, workers: usize) -> Result<f64, Error> {
        let connections = ledger::connect(database, 2)?;
        let ledger = Ledger::new(&connections);
        ledger.prepare().await?;
        let sql = "SELECT coalesce(max(id), 0) AS last FROM card_request";
        let mut last = 0i64;
        for row in ledger.query(sql, &[]).await? {
            last = row.try_get("last")?;
        }
        enqueue(&connections, self.requests).await?;
        let mut fleet = Fleet::start(database, workers, self.concurrency)?;
        let mut watch = Watch::new(&ledger, last);
        loop {
            let progress = watch.look(&mut fleet).await?;
            if progress.stands_still {
                return Err(Error::StandsStill);
            }
            if progress.unfinished == 0 {
                break;
            }
        }
        fleet.stop().await?;
        let sql = "
            SELECT (count(*) / extract(epoch FROM max(finished_at) - min(first_sent_at)))::float8 AS rate
            FROM card_request WHERE id > $1";
        let mut rate = f64::NAN;
        for row in ledger.query(sql, &[&last]).await? {
            rate = row.try_get("rate")?;
        }
        Ok(rate)
    }
}

fn median(rates: &mut [f64]) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates.get(rates.len() / 2).copied().unwrap_or(f64::NAN)
}

/// How far the requests after a certain one are.
struct Progress {
    finished: i64,
    unfinished: i64,
    /// Nothing was finished for long.
    stands_still: bool,
}

/// Looks at the progress again and again.
struct Watch<'a> {
    ledger: &'a Ledger,
    after: i64,
    ticks: tokio::time::Interval,
    finished: i64,
    moved_at: Instant,
}

impl<'a> Watch<'a> {
    fn new(ledger: &'a Ledger, after: i64) -> Self {
        let mut ticks = interval(LOOK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            ledger,
            after,
            ticks,
            finished: 0,
            moved_at: Instant::now(),
        }
    }

    /// Waits a little and looks.
    async fn look(&mut self, fleet: &mut Fleet) -> Result<Progress, Error> {
        self.ticks.tick().await;
        if let Some(status) = fleet.ended()? {
            return Err(Error::WorkerEnded(status));
        }
        let sql = "SELECT count(finished_at) AS finished, count(*) AS requests
            FROM card_request WHERE id > $1";
        let (mut finished, mut requests) = (0i64, 0i64);
        for row in self.ledger.query(sql, &[&self.after]).await? {
            (finished, requests) = (row.try_get("finished")?, row.try_get("requests")?);
        }
        if finished > self.finished {
            (self.finished, self.moved_at) = (finished, Instant::now());
        }
        Ok(Progress {
            finished,
            unfinished: requests - finished,
            stands_still: self.moved_at.elapsed() > LONGEST_STANDSTILL,
        })
    }
}
