//! Sends the lines: each is in the journal before its request can leave, and its outcome after.

use std::future::ready;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use d1_facade::{
    BulkOutcome, BulkRequest, BulkStop, Client, CorrelationId, Error, ErrorKind, Receipt,
};
use futures_util::stream::{self, FuturesUnordered, Stream, StreamExt as _};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::entry::{Ended, Ending, Entry};
use super::input::{Input, Item};
use super::journal::Journal;
use super::line::{Facts, Line};
use super::progress::EVERY;
use super::resume::{Past, Standing};
use super::tally::Tally;
use crate::failure::Failure;
use crate::interrupt::Interrupts;

/// How many lines are begun ahead of the one that is sent next: they share a sync of the journal, and are in
/// doubt after a crash.
const AHEAD: usize = 16;

/// After how many lines in a row that could not be sent, and how long, the rest is left alone.
const GIVE_UP_AFTER: (u32, Duration) = (5, Duration::from_secs(30));

/// How the lines are to be sent.
pub(super) struct Plan<'a> {
    pub(super) client: &'a Client,
    pub(super) journal: &'a Journal,
    pub(super) past: &'a Past,
    pub(super) concurrency: usize,
    pub(super) rate: Option<f64>,
    /// Whether lines may delete cards.
    pub(super) deletes: bool,
    /// What the correlation ids of this run begin with.
    pub(super) run_id: &'a str,
    /// Whether the errors of unknown outcome are to be looked up at the end.
    pub(super) keep_unknown: bool,
}

/// What came of sending.
pub(super) struct Ran {
    pub(super) ended_early: bool,
    /// Lines of unknown outcome, where they were to be kept.
    pub(super) unknown: Vec<(Facts, Error)>,
    /// Why it ended early, where that is a failure.
    pub(super) failure: Option<Failure>,
}

/// What the stream of requests and the loop over outcomes share.
struct Shared<'a> {
    plan: &'a Plan<'a>,
    tally: &'a Mutex<Tally>,
    failure: Mutex<Option<Failure>>,
    stopped: watch::Sender<bool>,
    bulk: BulkStop,
}

/// The tally of a mutex: it is whole at any time.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Plan<'_> {
    /// Sends the lines of `input`.
    pub(super) async fn run(
        &self,
        input: Input,
        tally: &Mutex<Tally>,
        interrupts: &mut Interrupts,
    ) -> Result<Ran, Failure> {
        let mut bulk = self.client.bulk().concurrency(self.concurrency);
        if let Some(rate) = self.rate {
            bulk = bulk.rate_limit(rate);
        }
        let shared = Shared {
            plan: self,
            tally,
            failure: Mutex::new(None),
            stopped: watch::Sender::new(false),
            bulk: bulk.stop(),
        };
        let mut requests = Box::pin(shared.requests(input).fuse());
        let outcomes = bulk.run(&mut requests);
        let outcomes = outcomes.map_err(|error| Failure::input("bulk", error))?;
        let unknown = shared.follow(outcomes, interrupts).await?;
        // Begun, and then not handed on: an early end came between.
        while let Some((facts, _)) = requests.next().await {
            let ended = Ended::new(facts.number, Ending::NotSent);
            shared.record(facts, ended, None).await?;
        }
        drop(requests);
        let ended_early = *shared.stopped.borrow();
        Ok(Ran {
            ended_early,
            unknown,
            failure: lock(&shared.failure).take(),
        })
    }

    /// With a rate, the next lines wait for their turn: few are begun ahead then.
    fn ahead(&self) -> usize {
        let by_rate = self.rate.map_or(AHEAD, |rate| (rate / 20.0) as usize);
        by_rate.clamp(1, AHEAD.min(self.concurrency))
    }
}

impl Shared<'_> {
    /// The requests of the lines that are to be sent, each once its beginning is on the disk.
    fn requests(&self, input: Input) -> impl Stream<Item = (Facts, BulkRequest)> + Send {
        let items = stream::unfold(input.into_items(), |mut items| async move {
            let item = items.recv().await?;
            Some((item, items))
        });
        let mut stopped = self.stopped.subscribe();
        let stop = async move {
            // The sender lives as long as this stream.
            let _ = stopped.wait_for(|stopped| *stopped).await;
        };
        items
            .take_until(Box::pin(stop))
            .filter_map(|item| ready(self.sort(item)))
            .map(|line| self.begin(line))
            .buffered(self.plan.ahead())
            .filter_map(ready)
    }

    /// The line of an item, if it is to be sent.
    fn sort(&self, item: io::Result<Item>) -> Option<Line> {
        let line = match item {
            Ok(item) => super::permitted(item, self.plan.deletes),
            Err(error) => {
                self.fail(Failure::input(
                    "FILE",
                    format!("cannot be read: {}", error.kind()),
                ));
                return None;
            }
        };
        let line = match line {
            Ok(line) => line,
            Err(bad) => {
                self.printed(lock(self.tally).bad(&bad));
                return None;
            }
        };
        if let Err(rule) = self.plan.past.check(&line.facts) {
            self.fail(Failure::input("FILE", rule));
            return None;
        }
        match self.plan.past.standing(line.facts.number) {
            Standing::ToDo => Some(line),
            // Reported when the journal was read.
            Standing::InDoubt => None,
            Standing::Finished(_) => {
                lock(self.tally).finished_before();
                None
            }
        }
    }

    /// Writes down that a request is about to leave.
    async fn begin(&self, line: Line) -> Option<(Facts, BulkRequest)> {
        let id = format!("{}-{}", self.plan.run_id, line.facts.number);
        // Where the number makes it look like a card's, the client makes one of its own.
        let id: Option<CorrelationId> = id.parse().ok();
        let request = line.request(self.plan.client, id.as_ref());
        let entry = Entry::begun(&line.facts, id.as_ref());
        match self.plan.journal.append(&entry).await {
            Ok(()) => Some((line.facts, request)),
            Err(error) => {
                self.fail(Failure::Journal(error));
                None
            }
        }
    }

    /// Writes down what became of each request, until there are none.
    async fn follow(
        &self,
        mut outcomes: impl Stream<Item = BulkOutcome<Facts>> + Unpin,
        interrupts: &mut Interrupts,
    ) -> Result<Vec<(Facts, Error)>, Failure> {
        let mut unknown = Vec::new();
        let mut writing = FuturesUnordered::new();
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // The first tick comes at once.
        ticks.tick().await;
        let (mut ended, mut signals, mut unsent) = (false, 0, Unsent::default());
        while !ended || !writing.is_empty() {
            tokio::select! {
                outcome = outcomes.next(), if !ended => match outcome {
                    Some(BulkOutcome { key: facts, result, .. }) => {
                        self.watch(&result, &mut unsent);
                        let end = Ended::of(facts.number, &result);
                        if end.outcome == Ending::Unknown && self.plan.keep_unknown
                            && let Err(error) = &result
                        {
                            unknown.push((facts.clone(), error.clone()));
                        }
                        writing.push(self.record(facts, end, Some(result)));
                    }
                    None => ended = true,
                },
                Some(written) = writing.next() => written?,
                () = interrupts.next() => {
                    signals += 1;
                    self.interrupted(signals);
                }
                _ = ticks.tick() => lock(self.tally).tick(),
            }
        }
        Ok(unknown)
    }

    /// Writes an outcome down, then tells it.
    async fn record(
        &self,
        facts: Facts,
        ended: Ended,
        result: Option<Result<Receipt, Error>>,
    ) -> Result<(), Failure> {
        let entry = Entry::Ended(ended.clone());
        if let Err(error) = self.plan.journal.append(&entry).await {
            // It is told all the same: nobody else will.
            self.fail(Failure::Journal(error));
        }
        let told = lock(self.tally).ended(&facts, &ended, result.as_ref());
        self.printed(told);
        Ok(())
    }

    /// Ends early where going on is of no use.
    fn watch(&self, result: &Result<Receipt, Error>, unsent: &mut Unsent) {
        unsent.count(result);
        let why = match result.as_ref().map_err(Error::kind) {
            Err(ErrorKind::TokenUnavailable) => "D1 gives no token",
            Err(ErrorKind::TokenRejected) => "D1 refuses its own token",
            _ if unsent.is_hopeless() => "D1 cannot be reached",
            _ => return,
        };
        if *self.stopped.borrow() {
            return;
        }
        lock(self.tally).note(&format!("{why}: no further lines are sent"));
        self.stop();
    }

    fn interrupted(&self, signals: u32) {
        let note = |text| lock(self.tally).note(text);
        if signals == 1 {
            note("ending: what is under way is waited for; Ctrl-C again gives it up");
            self.stop();
        } else {
            note("giving up what is under way");
            self.bulk.abandon();
        }
    }

    fn stop(&self) {
        self.bulk.stop();
        self.stopped.send_replace(true);
    }

    /// Ends early because of a failure; the first one is told.
    fn fail(&self, failure: Failure) {
        lock(&self.failure).get_or_insert(failure);
        self.stop();
    }

    /// Without anybody to read the results there is no point in going on.
    fn printed(&self, result: io::Result<()>) {
        if let Err(error) = result {
            self.fail(Failure::Output(error));
        }
    }
}

/// The lines in a row that could not be sent.
#[derive(Debug, Default)]
struct Unsent {
    lines: u32,
    since: Option<Instant>,
}

impl Unsent {
    fn count(&mut self, result: &Result<Receipt, Error>) {
        match result {
            Err(error) if !error.was_sent() => {
                self.lines += 1;
                self.since.get_or_insert_with(Instant::now);
            }
            _ => *self = Self::default(),
        }
    }

    fn is_hopeless(&self) -> bool {
        let (lines, time) = GIVE_UP_AFTER;
        self.lines >= lines && self.since.is_some_and(|since| since.elapsed() >= time)
    }
}
