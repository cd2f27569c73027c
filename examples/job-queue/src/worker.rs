//! A worker process, and what it does with a job.
//!
//! # At most once
//!
//! 1. *About to be sent* is committed, then the call is made, then the outcome is committed.
//! 2. A job whose request is `sending` had a worker that died in between, or saw a call end with an unknown
//!    outcome. It is looked up, never sent blindly:
//!    - D1 lists an operation with its reason: done (or refused, where D1 lists it as failed);
//!    - D1 does not list it, and less than the settling time has passed by the database's clock: the
//!      request may still be on its way; the job is put off;
//!    - the settling time has passed, and no operation in D1's list can be it: not carried out, and sent
//!      again;
//!    - it cannot be told for long: unknown, listed by `report`, never sent again.
//! 3. A job ends only when the outcome is written down. Any other end is an error to the library, which
//!    then runs the job again.
//!
//! # How sure is that?
//!
//! The call ends `--call-timeout` after the moment *before* it was recorded, so a living worker sends
//! nothing later than that. A killed one sends nothing more, but its kernel may still deliver what was in the
//! socket's buffer, and a gateway may hold it: hence a settling time well above the call's timeout, which
//! the program insists on. What remains is a process, or a whole machine, that is frozen between the record
//! and the call for longer than the settling time, and then thaws. No client can rule that out without D1's
//! help (an idempotency key). Suspending twice does no harm. Who changes what must not happen twice, and
//! cannot exclude such freezes, gives `--when-absent unknown`: then nothing is ever sent a second time
//! after a crash, and what D1 does not list goes to a person.

use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use d1_facade::{Client, Reconciliation};
use graphile_worker::{
    IntoTaskHandlerResult, LocalQueueConfig, TaskHandler, WorkerContext, WorkerOptions,
    WorkerRecoveryConfig,
};
use serde::{Deserialize, Serialize};

use crate::d1::D1Settings;
use crate::ledger::{self, Ledger, Outcome, Request, State};
use crate::lookup::{self, LookupError, look_up};

/// How many jobs a worker fetches at once.
const FETCHED_JOBS: usize = 100;

/// How long completed jobs are gathered before the library deletes them together.
const COMPLETION_DELAY: Duration = Duration::from_millis(5);

/// How many heartbeats a worker misses before its jobs are given to others.
const MISSED_HEARTBEATS: u32 = 5;

/// How a worker works.
#[derive(Debug, Clone, Args)]
pub(crate) struct Settings {
    /// How many requests are under way at the same time
    #[arg(long, default_value_t = 8)]
    concurrency: usize,
    /// How long a call may take, in seconds
    #[arg(long, default_value_t = 10, value_name = "SECONDS")]
    call_timeout: u64,
    /// How long after a call's record D1's silence is taken for an answer; at least twice its timeout
    #[arg(long, default_value_t = 180, value_name = "SECONDS")]
    settle: u64,
    /// For how long a request is looked up before it is listed as unknown; more than the settling time
    #[arg(long, default_value_t = 3600, value_name = "SECONDS")]
    give_up: u64,
    /// How often the worker says that it lives
    #[arg(long, default_value_t = 5, value_name = "SECONDS")]
    heartbeat: u64,
    /// What to do with a request that D1 does not list after the settling time
    #[arg(long, value_enum, default_value_t = WhenAbsent::Resend)]
    when_absent: WhenAbsent,
    #[command(flatten)]
    d1: D1Settings,
}

/// What to do with a request that D1 does not list after the settling time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum WhenAbsent {
    /// Send it again
    Resend,
    /// List it as unknown
    Unknown,
}

/// Why no worker started, or one ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("--settle must be at least twice --call-timeout, and --give-up more than --settle")]
    Times,
    #[error(transparent)]
    D1(#[from] crate::d1::Error),
    #[error("database: {0}")]
    Connection(#[from] graphile_worker::DbError),
    #[error(transparent)]
    Build(#[from] graphile_worker::WorkerBuildError),
    #[error(transparent)]
    Run(#[from] graphile_worker::runner::WorkerRuntimeError),
}

/// Works until the process is asked to terminate.
pub(crate) async fn run(database: &str, settings: Settings) -> Result<(), Error> {
    if settings.settle < 2 * settings.call_timeout || settings.give_up <= settings.settle {
        return Err(Error::Times);
    }
    let database = ledger::connect(database, settings.concurrency + 4)?;
    let heartbeat = Duration::from_secs(settings.heartbeat);
    // A job of a dead worker comes back when D1's list can be trusted, so that one look is enough.
    let recovery = WorkerRecoveryConfig::default()
        .heartbeat_interval(heartbeat)
        .sweep_interval(heartbeat)
        .sweep_threshold(heartbeat * MISSED_HEARTBEATS)
        .recovery_delay(Duration::from_secs(settings.settle));
    WorkerOptions::default()
        .concurrency(settings.concurrency)
        .local_queue(LocalQueueConfig::builder().size(FETCHED_JOBS).build())
        .complete_job_batch_delay(COMPLETION_DELAY)
        .worker_recovery(recovery)
        .shutdown_grace_period(Duration::from_secs(settings.call_timeout * 2))
        .define_job::<SuspendCard>()
        .add_extension(Worker {
            ledger: Ledger::new(&database),
            d1: settings.d1.client()?,
            settings: Arc::new(settings),
        })
        .database(database)
        .init()
        .await?
        .run()
        .await?;
    Ok(())
}

/// The job: what the library keeps of a request.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct SuspendCard {
    /// The id of the request in the ledger.
    pub(crate) request: i64,
}

impl TaskHandler for SuspendCard {
    const IDENTIFIER: &'static str = "suspend_card";

    async fn run(self, context: WorkerContext) -> impl IntoTaskHandlerResult {
        let job = context.job();
        let last = job.attempts() >= job.max_attempts();
        match context.get_ext::<Worker>() {
            Some(worker) => worker.work_off(self.request, last).await,
            None => Err(NotYet::Unrecorded),
        }
    }
}

/// Why a job does not end yet: the library runs it again, later each time.
#[derive(Debug, thiserror::Error)]
enum NotYet {
    #[error("there is no record of this request")]
    Unrecorded,
    #[error("another worker has this request")]
    TakenOver,
    #[error("D1's list proves nothing; to be looked up again ({0:?})")]
    LookAgain(Reconciliation),
    #[error(transparent)]
    Lookup(#[from] LookupError),
    #[error(transparent)]
    Call(#[from] d1_facade::Error),
    #[error(transparent)]
    Ledger(#[from] ledger::Error),
}

/// What a worker needs for a job.
#[derive(Clone)]
struct Worker {
    ledger: Ledger,
    d1: Client,
    settings: Arc<Settings>,
}

impl std::fmt::Debug for Worker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Worker").finish_non_exhaustive()
    }
}

impl Worker {
    async fn work_off(&self, id: i64, last: bool) -> Result<(), NotYet> {
        let settle = Duration::from_secs(self.settings.settle);
        let give_up = Duration::from_secs(self.settings.give_up);
        let request = self.ledger.read(id, settle, give_up).await?;
        let request = request.ok_or(NotYet::Unrecorded)?;
        match &request.state {
            State::Queued => self.send(&request, None, last).await,
            State::Sending { correlation_id } => self.resolve(&request, correlation_id, last).await,
            // The former worker died after it had written the outcome down.
            State::Finished => Ok(()),
        }
    }

    /// Finds out what became of a call that was about to be sent.
    async fn resolve(&self, request: &Request, call: &str, last: bool) -> Result<(), NotYet> {
        self.ledger.count_lookup(request.id).await?;
        // `settled` was read before: what was under way then is in the list by now.
        match look_up(&self.d1, request).await {
            Ok(Reconciliation::Done(_)) => {
                self.finish(request, call, Outcome::Done, "listed by D1")
                    .await
            }
            Ok(Reconciliation::NotDone(Some(_))) => {
                let detail = "listed by D1 as FAILED";
                self.finish(request, call, Outcome::Refused, detail).await
            }
            Ok(Reconciliation::NotDone(None)) => match self.settings.when_absent {
                WhenAbsent::Resend => self.send(request, Some(call), last).await,
                WhenAbsent::Unknown => {
                    let detail = "not listed by D1";
                    self.finish(request, call, Outcome::Unknown, detail).await
                }
            },
            undecided => {
                let why = match undecided {
                    Ok(found) => NotYet::LookAgain(found),
                    Err(error) => error.into(),
                };
                if !request.given_up && !last {
                    return Err(why);
                }
                let detail = why.to_string();
                self.finish(request, call, Outcome::Unknown, &detail).await
            }
        }
    }

    /// Makes the call, `after` one that came to nothing where there was one.
    async fn send(&self, request: &Request, after: Option<&str>, last: bool) -> Result<(), NotYet> {
        let started = Instant::now();
        // Unique to this call, and short enough; the reason is unique to the request.
        let key = request.reason.trim_start_matches("Bulk ");
        let call = format!("{key}-{}", request.sends + 1);
        if !self.ledger.about_to_send(request.id, after, &call).await? {
            return Err(NotYet::TakenOver);
        }
        let timeout = Duration::from_secs(self.settings.call_timeout);
        let change = match lookup::change(&self.d1, request) {
            Ok(change) => change,
            Err(error) => {
                let detail = error.to_string();
                return self.finish(request, &call, Outcome::NotSent, &detail).await;
            }
        };
        let change = match call.parse() {
            Ok(correlation_id) => change.correlation_id(correlation_id),
            Err(_) => change,
        };
        // The time that the record took is the call's as well: see "How sure is that?".
        let answer = change
            .timeout(timeout.saturating_sub(started.elapsed()))
            .await;
        let error = match answer {
            Ok(_) => return self.finish(request, &call, Outcome::Done, "answered").await,
            Err(error) => error,
        };
        let outcome = match error.outcome() {
            d1_facade::Outcome::NotSent => Outcome::NotSent,
            d1_facade::Outcome::Refused => Outcome::Refused,
            _ => return self.reconcile(request, &call, error).await,
        };
        if error.is_retryable() && !last {
            return self.put_back(request, &call, error).await;
        }
        let detail = error.to_string();
        self.finish(request, &call, outcome, &detail).await
    }

    /// The process that made a call of unknown outcome can ask the facade. Where that cannot tell yet, the
    /// request stays `sending`, and the job is looked up when it comes back.
    async fn reconcile(
        &self,
        request: &Request,
        call: &str,
        error: d1_facade::Error,
    ) -> Result<(), NotYet> {
        self.ledger.count_lookup(request.id).await?;
        let Some(pending) = error.pending_change() else {
            return Err(error.into());
        };
        let settle = Duration::from_secs(self.settings.settle);
        match lookup::reconcile(&self.d1, pending, settle).await {
            Ok(Reconciliation::Done(_)) => {
                self.finish(request, call, Outcome::Done, "listed by D1")
                    .await
            }
            Ok(Reconciliation::NotDone(_)) => self.put_back(request, call, error).await,
            _ => Err(error.into()),
        }
    }

    async fn put_back(
        &self,
        request: &Request,
        call: &str,
        error: d1_facade::Error,
    ) -> Result<(), NotYet> {
        match self.ledger.put_back(request.id, call).await? {
            true => Err(error.into()),
            false => Err(NotYet::TakenOver),
        }
    }

    async fn finish(
        &self,
        request: &Request,
        call: &str,
        outcome: Outcome,
        detail: &str,
    ) -> Result<(), NotYet> {
        let written = self.ledger.finish(request.id, call, outcome, detail);
        // Where it was not, the job must not end: it is all that keeps the request from being forgotten.
        written.await?.then_some(()).ok_or(NotYet::TakenOver)
    }
}
