//! Sends the lines: each is in the journal before its request can leave, and its result after. The lines of a card
//! follow each other.

use std::future::ready;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use d1_bulk::{Bulk, BulkOutcome, BulkStop, CardOrder};
use d1_facade::{Change, Client, CorrelationId, Error, ErrorKind, Receipt, Response};
use futures_util::stream::{self, FuturesUnordered, Stream, StreamExt as _};
use tokio::sync::{Notify, mpsc};
use tokio::time::{MissedTickBehavior, interval};

use super::entry::{Begun, Blocker, Entry, LineResult, Outcome};
use super::equal_lines::EqualLines;
use super::input::{Input, Item};
use super::journal::Journal;
use super::line::{BadLine, Line, LineSummary};
use super::preflight::{Permissions, permitted};
use super::previous_run::{LineState, PreviousRun};
use super::progress::EVERY;
use super::summary::Summary;
use super::unsent::Unsent;
use super::{RunFlags, lock};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::interrupt::Interrupts;

/// How many lines are begun ahead of the one that is sent next: they share a sync of the journal, and are in
/// doubt after a crash.
const AHEAD: usize = 16;

/// How many lines that are not sent are reported before the journal has to be on the disk again.
const UNWRITTEN: usize = 256;

/// The lines of the input, as they are read.
type Items = mpsc::Receiver<io::Result<Item>>;

/// One run over an input.
pub(super) struct Run<'a> {
    pub(super) flags: &'a RunFlags,
    pub(super) client: &'a Client,
    pub(super) journal: Journal,
    pub(super) previous: PreviousRun,
    pub(super) summary: Mutex<Summary>,
    may: Permissions,
    /// What the input is called.
    input: String,
    /// What the correlation ids of this run begin with.
    id: String,
    order: Mutex<CardOrder<Line, Blocker>>,
    /// Notified when a line of the order may have become free.
    freed: Notify,
    /// How many lines were reported since the journal was last known to be on the disk.
    unwritten: AtomicUsize,
    failure: Mutex<Option<Failure>>,
    bulk: Bulk,
    stop: BulkStop,
}

impl<'a> Run<'a> {
    pub(super) fn new(
        flags: &'a RunFlags,
        client: &'a Client,
        input: &str,
        (journal, previous, summary): (Journal, PreviousRun, Summary),
    ) -> Result<Self, Failure> {
        let mut bulk = Bulk::new().concurrency(flags.concurrency());
        if let Some(rate) = flags.rate {
            bulk = bulk.rate_limit(rate);
        }
        Ok(Self {
            flags,
            client,
            journal,
            previous,
            summary: Mutex::new(summary),
            may: flags.permissions(),
            input: input.to_owned(),
            id: random_id()?,
            order: Mutex::new(CardOrder::new()),
            freed: Notify::new(),
            unwritten: AtomicUsize::new(0),
            failure: Mutex::new(None),
            stop: bulk.stop(),
            bulk,
        })
    }

    /// Resolves what earlier runs left in doubt, sends the lines of `input`, and prints the totals.
    pub(super) async fn carry_out(
        mut self,
        input: Input,
        equal_lines: &EqualLines,
        journal: Option<&Path>,
    ) -> Result<Exit, Failure> {
        // Only from here on: before, an interrupted run leaves nothing to clean up.
        let mut interrupts = Interrupts::listen()?;
        if self
            .reconcile_in_doubt(equal_lines, &mut interrupts)
            .await?
        {
            return Ok(self.into_summary().finish(true));
        }
        let unknown = self.send(input, &mut interrupts).await?;
        tokio::select! {
            verified = self.verify_unknown(unknown, journal) => verified?,
            // The outcomes stay unknown.
            () = interrupts.next() => {}
        }
        let ended_early = self.stop.is_stopped();
        let failure = lock(&self.failure).take();
        let exit = self.into_summary().finish(ended_early);
        match failure {
            // What happened was reported on standard error, and decides.
            Some(Failure::Output(_)) | None => Ok(exit),
            Some(failure) => Err(failure),
        }
    }

    /// Sends the lines of `input`. Returns those of unknown outcome, where they are to be verified.
    async fn send(&self, input: Input, interrupts: &mut Interrupts) -> Result<Vec<Begun>, Failure> {
        let mut requests = Box::pin(self.requests(input).fuse());
        let outcomes = self.bulk.clone().run(&mut requests);
        let outcomes = outcomes.map_err(|error| Failure::input("bulk", error))?;
        let unknown = self.follow(outcomes, interrupts).await;
        // Begun, and then not handed on: an early end came between.
        while let Some((line, _)) = requests.next().await {
            let result = LineResult::new(&line, Outcome::NotSent);
            let result = result.because("not sent: the bulk was stopped before");
            self.record(&line, result).await;
        }
        drop(requests);
        if let Err(error) = self.journal.append(&[]).await {
            self.fail(Failure::Journal(error));
        }
        Ok(unknown)
    }

    fn into_summary(self) -> Summary {
        let summary = self.summary.into_inner();
        summary.unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns how many lines are begun ahead. With a rate limit they would wait, so there are fewer.
    fn ahead(&self) -> usize {
        let by_rate = self.flags.rate.map_or(AHEAD, |rate| (rate / 20.0) as usize);
        by_rate.clamp(1, AHEAD.min(self.flags.concurrency()))
    }
    /// Returns the requests of the lines to send, each when its `begun` entry is on the disk.
    fn requests(&self, input: Input) -> impl Stream<Item = (LineSummary, Change)> + Send {
        let lines = stream::unfold(Some(input.into_items()), |items| self.next_line(items));
        lines
            .take_until(Box::pin(self.stop.stopped()))
            .map(|line| self.begin(line))
            .buffered(self.ahead())
            .filter_map(ready)
    }

    /// Returns the next line to send, and what is left to read.
    async fn next_line(&self, mut items: Option<Items>) -> Option<(Line, Option<Items>)> {
        loop {
            let (line, has_room, is_empty) = {
                let mut order = lock(&self.order);
                (order.next_ready(), order.has_room(), order.is_empty())
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

    /// Puts a line that is to be sent into the order.
    async fn sort(&self, item: io::Result<Item>) {
        let refuse = |rule: String| self.fail(Failure::input(&self.input, rule));
        let left_out = match item.map(|item| permitted(item, self.may)) {
            Ok(Ok(line)) => match self.previous.check(&line.summary) {
                Ok(()) => self.place(line),
                Err(rule) => return refuse(rule),
            },
            Ok(Err(bad)) if self.flags.skip_bad_lines => Some(self.skip(&bad)),
            // It was good when the input was checked.
            Ok(Err(bad)) => return refuse(bad.to_string()),
            Err(error) => return refuse(format!("cannot be read: {}", error.kind())),
        };
        if let Some(result) = left_out {
            self.leave_out(&result).await;
        }
    }

    /// Leaves out a bad line, and with it the rest of its card.
    fn skip(&self, bad: &BadLine) -> LineResult {
        let (line, outcome) = (bad.number, Outcome::Bad);
        for card in &bad.cards {
            lock(&self.order).fail(line, [card.as_str()], Blocker { line, outcome });
        }
        LineResult::bad(bad)
    }

    /// Puts a line behind the earlier lines of its card. Returns its result when it is held back.
    fn place(&self, line: Line) -> Option<LineResult> {
        let summary = line.summary.clone();
        let number = summary.number;
        let mut order = lock(&self.order);
        let outcome = match self.previous.state(number) {
            LineState::ToDo => {
                let by = order.add(number, summary.ids(), line).err()?;
                return Some(LineResult::held_back(&summary, by));
            }
            LineState::Finished(outcome) => outcome,
            // Reported when the journal was read.
            LineState::InDoubt => Outcome::Unknown,
        };
        end(&mut order, &summary, outcome);
        None
    }

    /// Reports a line that is not sent. Nothing depends on that being on the disk, but it must not be more and
    /// more that is not.
    async fn leave_out(&self, result: &LineResult) {
        let written = self.journal.append_results(std::slice::from_ref(result));
        self.report(result);
        let before = self.unwritten.fetch_add(1, Ordering::Relaxed);
        if before.is_multiple_of(UNWRITTEN)
            && let Err(error) = written.await
        {
            self.fail(Failure::Journal(error));
        }
    }

    /// Writes down that a request is about to be sent.
    async fn begin(&self, line: Line) -> Option<(LineSummary, Change)> {
        let id = format!("{}-{}", self.id, line.summary.number);
        // Where the number makes it look like a card's, the client makes one of its own.
        let id: Option<CorrelationId> = id.parse().ok();
        let request = line.change.request(self.client, id.as_ref());
        let begun = Begun::new(&line.summary, id.as_ref(), request.pending());
        match self.journal.append(&[Entry::Begun(begun)]).await {
            Ok(()) => Some((line.summary, request)),
            Err(error) => {
                self.fail(Failure::Journal(error));
                None
            }
        }
    }

    /// Writes down the result of each request, until there are none.
    async fn follow(
        &self,
        mut outcomes: impl Stream<Item = BulkOutcome<LineSummary>> + Unpin,
        interrupts: &mut Interrupts,
    ) -> Vec<Begun> {
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
                    Some(BulkOutcome { key: line, result, .. }) => {
                        self.watch(&result, &mut unsent);
                        let ended = LineResult::of(&line, &result);
                        let outcome = ended.outcome;
                        writing.push(self.record(&line, ended));
                        if outcome == Outcome::Unknown && self.flags.verify {
                            let pending = result.err().and_then(|error| error.pending_change().cloned());
                            unknown.extend(pending.map(|pending| Begun::new(&line, None, pending)));
                        }
                    }
                    None => ended = true,
                },
                Some(()) = writing.next() => {}
                () = interrupts.next() => {
                    signals += 1;
                    self.interrupted(signals);
                }
                _ = ticks.tick() => lock(&self.summary).tick(),
            }
        }
        unknown
    }

    /// Writes a result down, and lets the next line of the card go or holds back the rest of it. Reports it when it
    /// is on the disk.
    fn record(&self, line: &LineSummary, result: LineResult) -> impl Future<Output = ()> + use<'_> {
        let outcome = result.outcome;
        let mut results = vec![result];
        let mut order = lock(&self.order);
        results.extend(end(&mut order, line, outcome));
        // Before the next line of the card can be taken: the journal keeps their order.
        let written = self.journal.append_results(&results);
        drop(order);
        self.freed.notify_one();
        async move {
            if let Err(error) = written.await {
                // It is reported here, since nothing else reports it.
                self.fail(Failure::Journal(error));
            }
            results.iter().for_each(|result| self.report(result));
        }
    }

    fn report(&self, result: &LineResult) {
        let mut summary = lock(&self.summary);
        let reported = match result.outcome {
            Outcome::Bad => summary.bad(result),
            Outcome::Done
            | Outcome::Refused
            | Outcome::NotSent
            | Outcome::Unknown
            | Outcome::HeldBack => summary.ended(result, self.previous.outcome(result.line)),
        };
        // Without a reader of the results there is no point in going on; what has happened is reported.
        if let Err(error) = reported {
            crate::text::say(&format!("cannot be printed: {}", result.printed()));
            self.fail(Failure::Output(error));
        }
    }

    /// Ends the run early when further lines would fail as well.
    fn watch(&self, result: &Result<Response<Receipt>, Error>, unsent: &mut Unsent) {
        unsent.count(result);
        let why = match result.as_ref().map_err(Error::kind) {
            Err(ErrorKind::TokenUnavailable) => "D1 gives no token",
            Err(ErrorKind::TokenRejected) => "D1 refuses its own token",
            _ if unsent.is_hopeless() => "D1 cannot be reached",
            _ => return,
        };
        if self.stop.is_stopped() {
            return;
        }
        lock(&self.summary).note(&format!("{why}: no further lines are sent"));
        self.stop.stop();
    }

    fn interrupted(&self, signals: u32) {
        let note = |text| lock(&self.summary).note(text);
        if signals == 1 {
            note("ending: what is under way is waited for; Ctrl-C again gives it up");
            self.stop.stop();
        } else {
            note("giving up what is under way");
            self.stop.abandon();
        }
    }

    /// Ends the run early because of a failure; the first one is reported.
    fn fail(&self, failure: Failure) {
        lock(&self.failure).get_or_insert(failure);
        self.stop.stop();
    }
}

/// Notes in the order how a line ended. Returns the results of the lines that it holds back.
fn end(
    order: &mut CardOrder<Line, Blocker>,
    line: &LineSummary,
    outcome: Outcome,
) -> Vec<LineResult> {
    let number = line.number;
    if outcome == Outcome::Done {
        order.done(number, line.ids());
        return Vec::new();
    }
    let by = Blocker {
        line: number,
        outcome,
    };
    let held = order.fail(number, line.ids(), by).into_iter();
    held.map(|held| LineResult::held_back(&held.summary, by))
        .collect()
}

/// Returns what the correlation ids of a run begin with: random, and of letters alone, so that it never looks like a
/// number.
fn random_id() -> Result<String, Failure> {
    let mut bytes = [0; 12];
    let random = openssl::rand::rand_bytes(&mut bytes);
    random.map_err(|_| io::Error::other("no random numbers"))?;
    let letters = bytes.iter().map(|byte| char::from(b'a' + byte % 26));
    Ok(letters.collect())
}
