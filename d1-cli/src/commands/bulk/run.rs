//! Sends the lines: each is in the journal before its request can leave, and its outcome after. The lines of a
//! card follow each other, see [`order`](super::order).

use std::future::ready;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use d1_bulk::{Bulk, BulkOutcome, BulkStop};
use d1_facade::{Change, Client, CorrelationId, Error, ErrorKind, Receipt, Response};
use futures_util::stream::{self, FuturesUnordered, Stream, StreamExt as _};
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::{MissedTickBehavior, interval};

use super::entry::{Ended, Ending, Entry};
use super::input::{Input, Item};
use super::journal::Journal;
use super::line::{BadLine, Facts, Line};
use super::order::Order;
use super::past::{Past, Standing};
use super::progress::EVERY;
use super::survey::{Permissions, permitted};
use super::tally::Tally;
use super::unsent::Unsent;
use crate::failure::Failure;
use crate::interrupt::Interrupts;

/// How many lines are begun ahead of the one that is sent next: they share a sync of the journal, and are in
/// doubt after a crash.
const AHEAD: usize = 16;

/// How many lines that are not sent are told before the journal has to be on the disk again.
const UNWRITTEN: usize = 256;

/// How the lines are to be sent.
pub(super) struct Plan<'a> {
    pub(super) client: &'a Client,
    pub(super) journal: &'a Journal,
    pub(super) past: &'a Past,
    /// What the input is called.
    pub(super) input: &'a str,
    pub(super) concurrency: usize,
    pub(super) rate: Option<f64>,
    /// Whether lines may delete cards.
    pub(super) may: Permissions,
    /// Whether the others are sent where lines are bad.
    pub(super) skips_bad_lines: bool,
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

/// The lines of the input, as they are read.
type Items = mpsc::Receiver<io::Result<Item>>;

/// What the stream of requests and the loop over outcomes share.
struct Shared<'a> {
    plan: &'a Plan<'a>,
    tally: &'a Mutex<Tally>,
    order: Mutex<Order<Line>>,
    /// Told when a line of the order may have become free.
    freed: Notify,
    /// How many lines were told since the journal was last known to be on the disk.
    unwritten: AtomicUsize,
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
        let mut bulk = Bulk::new().concurrency(self.concurrency);
        if let Some(rate) = self.rate {
            bulk = bulk.rate_limit(rate);
        }
        let shared = Shared {
            plan: self,
            tally,
            order: Mutex::new(Order::new()),
            freed: Notify::new(),
            unwritten: AtomicUsize::new(0),
            failure: Mutex::new(None),
            stopped: watch::Sender::new(false),
            bulk: bulk.stop(),
        };
        let mut requests = Box::pin(shared.requests(input).fuse());
        let outcomes = bulk.run(&mut requests);
        let outcomes = outcomes.map_err(|error| Failure::input("bulk", error))?;
        let unknown = shared.follow(outcomes, interrupts).await;
        // Begun, and then not handed on: an early end came between.
        while let Some((facts, _)) = requests.next().await {
            shared.record(&facts, Ended::stopped(&facts)).await;
        }
        drop(requests);
        if let Err(error) = self.journal.synced().await {
            shared.fail(Failure::Journal(error));
        }
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
    fn requests(&self, input: Input) -> impl Stream<Item = (Facts, Change)> + Send {
        let lines = stream::unfold(Some(input.into_items()), |items| self.next_line(items));
        let mut stopped = self.stopped.subscribe();
        let stop = async move {
            // The sender lives as long as this stream.
            let _ = stopped.wait_for(|stopped| *stopped).await;
        };
        lines
            .take_until(Box::pin(stop))
            .map(|line| self.begin(line))
            .buffered(self.plan.ahead())
            .filter_map(ready)
    }

    /// The next line whose turn it is, and what is left to read.
    async fn next_line(&self, mut items: Option<Items>) -> Option<(Line, Option<Items>)> {
        loop {
            let (line, has_room, is_empty) = {
                let mut order = lock(&self.order);
                (order.next(), order.has_room(), order.is_empty())
            };
            match (line, &mut items) {
                (Some(line), _) => return Some((line, items)),
                (None, Some(more)) if has_room => tokio::select! {
                    item = more.recv() => match item {
                        Some(item) => self.sort(item).await,
                        None => items = None,
                    },
                    () = self.freed.notified() => {}
                },
                (None, None) if is_empty => return None,
                (None, _) => self.freed.notified().await,
            }
        }
    }

    /// Puts the line of an item in its place, if it is to be sent.
    async fn sort(&self, item: io::Result<Item>) {
        let plan = self.plan;
        let refuse = |rule: String| self.fail(Failure::input(plan.input, rule));
        let line = match item.map(|item| permitted(item, plan.may)) {
            Ok(Ok(line)) => line,
            Ok(Err(bad)) if plan.skips_bad_lines => return self.skip(&bad).await,
            // It was good when the input was looked through.
            Ok(Err(bad)) => return refuse(bad.to_string()),
            Err(error) => return refuse(format!("cannot be read: {}", error.kind())),
        };
        if let Err(rule) = plan.past.check(&line.facts) {
            return refuse(rule);
        }
        if let Some(held) = self.place(line) {
            self.leave_out(&held).await;
        }
    }

    /// Leaves out a bad line, and with it the rest of its card.
    async fn skip(&self, bad: &BadLine) {
        {
            let mut order = lock(&self.order);
            for card in &bad.cards {
                order.stop(bad.number, (card.as_str(), None), Ending::Bad);
            }
        }
        self.leave_out(&Ended::bad(bad)).await;
    }

    /// Puts a line behind those of its card; returns its end where it is held back.
    fn place(&self, line: Line) -> Option<Ended> {
        let facts = line.facts.clone();
        let (number, ids) = (facts.number, facts.ids());
        let mut order = lock(&self.order);
        match self.plan.past.standing(number) {
            Standing::ToDo => {
                let by = order.add(number, ids, line).err()?;
                return Some(Ended::held_back(&facts, by.line, by.outcome));
            }
            Standing::Finished(Ending::Done) => {
                order.link(ids);
            }
            Standing::Finished(outcome) => order.stop(number, ids, outcome),
            // Reported when the journal was read.
            Standing::InDoubt => order.stop(number, ids, Ending::Unknown),
        }
        None
    }

    /// Tells of a line that is not sent. Nothing depends on that being on the disk, but it must not be more and
    /// more that is not.
    async fn leave_out(&self, ended: &Ended) {
        let written = self.plan.journal.append(&Entry::Ended(ended.clone()));
        self.tell(ended);
        let before = self.unwritten.fetch_add(1, Ordering::Relaxed);
        if before.is_multiple_of(UNWRITTEN)
            && let Err(error) = written.await
        {
            self.fail(Failure::Journal(error));
        }
    }

    /// Writes down that a request is about to leave.
    async fn begin(&self, line: Line) -> Option<(Facts, Change)> {
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
    ) -> Vec<(Facts, Error)> {
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
                        let end = Ended::of(&facts, &result);
                        let outcome = end.outcome;
                        writing.push(self.record(&facts, end));
                        if outcome == Ending::Unknown && self.plan.keep_unknown
                            && let Err(error) = result
                        {
                            unknown.push((facts, error));
                        }
                    }
                    None => ended = true,
                },
                Some(()) = writing.next() => {}
                () = interrupts.next() => {
                    signals += 1;
                    self.interrupted(signals);
                }
                _ = ticks.tick() => lock(self.tally).tick(),
            }
        }
        unknown
    }

    /// Writes an outcome down, and lets the next line of the card go or holds back the rest of it. Tells so when it
    /// is on the disk.
    fn record(&self, facts: &Facts, ended: Ended) -> impl Future<Output = ()> + use<'_> {
        let append = |ended: &Ended| self.plan.journal.append(&Entry::Ended(ended.clone()));
        let (number, outcome) = (facts.number, ended.outcome);
        let mut written = append(&ended);
        let mut all = vec![ended];
        for held in lock(&self.order).end(number, facts.ids(), outcome) {
            let ended = Ended::held_back(&held.facts, number, outcome);
            written = append(&ended);
            all.push(ended);
        }
        self.freed.notify_one();
        async move {
            // What was appended before the last is on the disk with it.
            if let Err(error) = written.await {
                // It is reported here, since nothing else reports it.
                self.fail(Failure::Journal(error));
            }
            all.iter().for_each(|ended| self.tell(ended));
        }
    }

    fn tell(&self, ended: &Ended) {
        let told = match ended.outcome {
            Ending::Bad => lock(self.tally).bad(ended),
            Ending::Done
            | Ending::Refused
            | Ending::NotSent
            | Ending::Unknown
            | Ending::HeldBack => lock(self.tally).ended(ended, self.plan.past.known(ended.ended)),
        };
        // Without anybody to read the results there is no point in going on; what has happened is told.
        if let Err(error) = told {
            crate::text::say(&format!("cannot be printed: {}", ended.printed()));
            self.fail(Failure::Output(error));
        }
    }

    /// Ends early where going on is of no use.
    fn watch(&self, result: &Result<Response<Receipt>, Error>, unsent: &mut Unsent) {
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
}

/// What the correlation ids of a run begin with: random, and of letters alone, so that it never looks like
/// a number.
pub(super) fn run_id() -> Result<String, Failure> {
    let mut bytes = [0; 12];
    let random = openssl::rand::rand_bytes(&mut bytes);
    random.map_err(|_| Failure::Output(std::io::Error::other("no random numbers")))?;
    let letters = bytes.iter().map(|byte| char::from(b'a' + byte % 26));
    Ok(letters.collect())
}
