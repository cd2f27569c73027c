//! What a service limits and cancels: each request has its permits, and a call that is cancelled has its true outcome.

use std::future::{pending, ready};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use d1_bulk::Bulk;
use d1_facade::auth::{AccessToken, TokenSource};
use d1_facade::limiter::{Limiter, Permit};
use d1_facade::retry::{ExponentialBackoff, RetryPolicy};
use d1_facade::{ApiOperation, Error, ErrorKind, Outcome};
use d1_sandbox::{Fault, Sandbox};
use d1_tests::{CARD, answering, builder_for, sandbox_client};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use tokio::sync::{Notify, Semaphore, oneshot};
use tokio::time::advance;
use wiremock::ResponseTemplate;

/// What happened, in order.
type Log = Arc<Mutex<Vec<String>>>;

/// Permits everything, and notes it.
struct Noting(&'static str, Log);

struct Noted(&'static str, Log);

impl Limiter for Noting {
    async fn acquire(&self) -> Box<dyn Permit> {
        self.1.lock().unwrap().push(format!("{} permits", self.0));
        Box::new(Noted(self.0, self.1.clone()))
    }
}

impl Permit for Noted {
    fn succeeded(self: Box<Self>, operation: ApiOperation) {
        let line = format!("{} sees {operation} succeed", self.0);
        self.1.lock().unwrap().push(line);
    }

    fn failed(self: Box<Self>, error: &Error) {
        let line = format!("{} sees {:?}", self.0, error.status());
        self.1.lock().unwrap().push(line);
    }
}

/// Permits as many requests at once as the semaphore has permits.
struct AtMost(Arc<Semaphore>);

impl Limiter for AtMost {
    async fn acquire(&self) -> Box<dyn Permit> {
        let permit = self.0.clone().acquire_owned().await.unwrap();
        Box::new(permit)
    }
}

/// Permits nothing, and says when it was asked.
struct Never(Arc<Notify>);

impl Limiter for Never {
    async fn acquire(&self) -> Box<dyn Permit> {
        self.0.notify_one();
        pending().await
    }
}

#[tokio::test]
async fn each_request_has_a_permit_of_each_limiter_which_sees_how_it_ended() {
    let server = answering(ResponseTemplate::new(429)).await;
    let log = Log::default();
    let client = builder_for(&server)
        .retry(
            ExponentialBackoff::default()
                .max_attempts(2)
                .initial_delay(Duration::ZERO),
        )
        .limiter(Noting("client", log.clone()))
        .build()
        .unwrap();
    let card = client.card(CARD.parse().unwrap());
    let call = card.suspend().limiter(Noting("call", log.clone()));
    call.await.unwrap_err();
    let one = [
        "call permits",
        "client permits",
        "call sees Some(429)",
        "client sees Some(429)",
    ];
    assert_eq!(*log.lock().unwrap(), [one, one].concat());

    log.lock().unwrap().clear();
    let sandbox = Sandbox::start().await.unwrap();
    let card = sandbox_client(&sandbox).card(CARD.parse().unwrap());
    let call = card.suspend().limiter(Noting("call", log.clone()));
    call.await.unwrap();
    let expected = ["call permits", "call sees suspendCard succeed"];
    assert_eq!(*log.lock().unwrap(), expected);
}

#[tokio::test]
async fn a_call_whose_time_ends_before_its_permit_comes_is_not_sent() {
    let server = answering(ResponseTemplate::new(204)).await;
    let client = builder_for(&server)
        .limiter(Never(Arc::default()))
        .build()
        .unwrap();
    let card = client.card(CARD.parse().unwrap());
    let error = card.suspend().timeout(Duration::from_millis(1)).await;
    let error = error.unwrap_err();
    assert_eq!(
        (error.kind(), error.outcome()),
        (ErrorKind::Timeout, Outcome::NotSent)
    );
    assert_eq!(server.received_requests().await.unwrap().len(), 0);
}

#[tokio::test]
async fn a_call_that_is_cancelled_before_its_permit_comes_is_not_sent() {
    let server = answering(ResponseTemplate::new(204)).await;
    let asked = Arc::new(Notify::new());
    let client = builder_for(&server)
        .limiter(Never(asked.clone()))
        .build()
        .unwrap();
    let call = client.card(CARD.parse().unwrap()).suspend();
    let call = call.cancel_on(async move { asked.notified().await });
    // Of several signals the first counts.
    let error = call.cancel_on(pending()).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.outcome(), error.attempts()),
        (ErrorKind::Cancelled, Outcome::NotSent, 0)
    );
    assert_eq!(server.received_requests().await.unwrap().len(), 0);
}

#[tokio::test]
async fn after_its_signal_a_call_sends_nothing() {
    let server = answering(ResponseTemplate::new(204)).await;
    let client = builder_for(&server).build().unwrap();
    let card = client.card(CARD.parse().unwrap());
    let change = card.suspend().cancel_on(ready(())).await.unwrap_err();
    let listed = card.operations().cancel_on(ready(())).stream();
    let list = listed.try_collect::<Vec<_>>().await.unwrap_err();
    for error in [change, list] {
        assert_eq!(error.kind(), ErrorKind::Cancelled);
        assert_eq!(error.outcome(), Outcome::NotSent);
        assert!(error.is_retryable());
    }
    assert_eq!(server.received_requests().await.unwrap().len(), 0);
}

#[tokio::test]
async fn a_change_that_is_cancelled_while_d1_is_silent_is_unknown_and_gives_its_permit_back() {
    let sandbox = Sandbox::start().await.unwrap();
    sandbox.fail_next(Fault::stall().operation("suspendCard"));
    let client = sandbox_client(&sandbox);
    let card = client.card(CARD.parse().unwrap());
    let permits = Arc::new(Semaphore::new(1));
    let (cancel, signal) = oneshot::channel::<()>();
    let call = card
        .suspend()
        .limiter(AtMost(permits.clone()))
        .cancel_on(async { drop(signal.await) });
    let seen = async {
        // The token's request, and the one that nothing answers.
        while sandbox.requests().len() < 2 {
            tokio::task::yield_now().await;
        }
        assert_eq!(permits.available_permits(), 0);
        cancel.send(()).unwrap();
    };
    let (result, ()) = tokio::join!(call, seen);
    let error = result.unwrap_err();
    assert_eq!(
        (error.kind(), error.outcome(), error.attempts()),
        (ErrorKind::Cancelled, Outcome::Unknown, 1)
    );
    assert!(!error.is_retryable());
    assert!(error.pending_change().is_some());
    assert_eq!(permits.available_permits(), 1);
}

/// Permits everything when most of the time of a call has passed.
struct Late;

impl Limiter for Late {
    async fn acquire(&self) -> Box<dyn Permit> {
        advance(Duration::from_millis(1900)).await;
        Box::new(())
    }
}

/// Gives a token when most of the time of a call has passed.
impl TokenSource for Late {
    async fn fetch(&self) -> Result<AccessToken, Error> {
        advance(Duration::from_millis(1900)).await;
        AccessToken::new("abc", Duration::from_secs(900)).map_err(Error::token_unavailable)
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_whose_permit_or_token_comes_late_is_not_sent() {
    let server = answering(ResponseTemplate::new(204)).await;
    let limited = builder_for(&server).limiter(Late).build().unwrap();
    let builder = builder_for(&server).token_source(Late);
    let without_token = builder.build().unwrap();
    for client in [limited, without_token] {
        let suspend = client.card(CARD.parse().unwrap()).suspend();
        let error = suspend.timeout(Duration::from_secs(2)).await.unwrap_err();
        assert_eq!(error.outcome(), Outcome::NotSent, "{error}");
    }
    assert_eq!(server.received_requests().await.unwrap().len(), 0);
}

/// Gives a token, and notes it.
struct NotingTokens(Log);

impl TokenSource for NotingTokens {
    async fn fetch(&self) -> Result<AccessToken, Error> {
        self.0.lock().unwrap().push("token".to_owned());
        let token = AccessToken::new("abc", Duration::from_secs(900));
        token.map_err(Error::token_unavailable)
    }
}

#[tokio::test]
async fn a_request_has_its_token_before_its_permit() {
    let server = answering(ResponseTemplate::new(204)).await;
    let log = Log::default();
    let builder = builder_for(&server).token_source(NotingTokens(log.clone()));
    let client = builder
        .limiter(Noting("client", log.clone()))
        .build()
        .unwrap();
    client.card(CARD.parse().unwrap()).suspend().await.unwrap();
    let log = log.lock().unwrap();
    let expected = ["token", "client permits", "client sees suspendCard succeed"];
    assert_eq!(*log, expected);
}

#[tokio::test(start_paused = true)]
async fn a_permit_learns_that_the_next_one_did_not_come_in_time() {
    let server = answering(ResponseTemplate::new(204)).await;
    let log = Log::default();
    let builder = builder_for(&server).limiter(Never(Arc::default()));
    let client = builder.build().unwrap();
    let suspend = client.card(CARD.parse().unwrap()).suspend();
    let suspend = suspend.limiter(Noting("call", log.clone()));
    let error = suspend.await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert_eq!(*log.lock().unwrap(), ["call permits", "call sees None"]);
}

/// Panics when it is asked.
struct Panics;

impl RetryPolicy for Panics {
    fn delay(&self, _: &Error, _: u32) -> Option<Duration> {
        unreachable!("the call is lost here")
    }
}

#[tokio::test]
async fn a_change_whose_task_is_lost_can_be_reconciled() {
    let server = answering(ResponseTemplate::new(429)).await;
    let client = builder_for(&server).retry(Panics).build().unwrap();
    let card = client.card(CARD.parse().unwrap());
    let spawned = card.suspend().spawn().await.unwrap_err();
    let changes = stream::iter([((), card.suspend())]);
    let mut run = Bulk::new().run(changes).unwrap();
    let in_bulk = run.next().await.unwrap().result.unwrap_err();
    for error in [spawned, in_bulk] {
        assert_eq!(error.outcome(), Outcome::Unknown);
        let pending = error.pending_change().unwrap();
        assert_eq!(pending.operation(), ApiOperation::SuspendCard);
    }
}
