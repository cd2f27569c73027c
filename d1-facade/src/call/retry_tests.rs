//! The default policy: how often, how long, and what it gives up on.
#![allow(clippy::unwrap_used)]

use http::StatusCode;

use super::*;
use crate::error::Outcome;
use crate::values::ApiOperation;

fn error(kind: ErrorKind) -> Error {
    Error::new(ApiOperation::ListOperations, kind, Outcome::Unknown)
}

fn answered(status: u16) -> Error {
    Error::new(
        ApiOperation::ListOperations,
        ErrorKind::ServerError,
        Outcome::Unknown,
    )
    .with_status(StatusCode::from_u16(status).unwrap())
}

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// The shortest and the longest of many pauses after the n-th attempt.
fn pauses(policy: ExponentialBackoff, error: &Error, number: u32) -> (Duration, Duration) {
    fastrand::seed(7);
    let pauses = (0..2_000).map(|_| policy.delay(error, number).unwrap());
    pauses.fold((Duration::MAX, Duration::ZERO), |(least, most), pause| {
        (least.min(pause), most.max(pause))
    })
}

#[test]
fn pauses_are_random_below_a_ceiling_that_doubles() {
    let policy = ExponentialBackoff::default()
        .max_attempts(99)
        .initial_delay(ms(100))
        .max_delay(ms(350));
    let error = error(ErrorKind::Transport);
    for (number, ceiling) in [(1, 100), (2, 200), (3, 350), (4, 350), (98, 350)] {
        let (least, most) = pauses(policy, &error, number);
        assert!(most < ms(ceiling), "{number}: {most:?}");
        // Of 2,000 pauses none in the lowest or the highest tenth: it would have to be the end of time.
        assert!(least < ms(ceiling / 10), "{number}: {least:?}");
        assert!(most > ms(ceiling - ceiling / 10), "{number}: {most:?}");
    }
}

#[test]
fn it_gives_up_after_so_many_attempts() {
    let error = error(ErrorKind::Timeout);
    let pause = |policy: ExponentialBackoff, number| policy.delay(&error, number).is_some();
    assert!(pause(ExponentialBackoff::default(), 2) && !pause(ExponentialBackoff::default(), 3));
    let five = ExponentialBackoff::default().max_attempts(5);
    assert!(pause(five, 4) && !pause(five, 5) && !pause(five, 6));
    assert!(!pause(ExponentialBackoff::default().max_attempts(1), 1));
    assert!(!pause(ExponentialBackoff::default().max_attempts(0), 1));
}

#[test]
fn a_wait_that_d1_asks_for_is_kept_unless_it_is_too_long() {
    let asking = |wait| error(ErrorKind::RateLimited).with_pause(wait);
    let policy = ExponentialBackoff::default()
        .initial_delay(ms(100))
        .max_delay(ms(1_000));
    let (least, most) = pauses(policy, &asking(ms(500)), 1);
    assert!(least >= ms(500) && most < ms(600), "{least:?} {most:?}");
    let (least, _) = pauses(policy, &asking(ms(1_000)), 1);
    assert!(least >= ms(1_000), "exactly the longest is not too long");
    assert_eq!(policy.delay(&asking(ms(1_001)), 1), None);
    assert_eq!(policy.delay(&asking(Duration::MAX), 1), None);
    let endless = policy.max_delay(Duration::MAX);
    let pause = endless.delay(&asking(Duration::MAX), 1);
    assert_eq!(pause, Some(Duration::MAX), "no overflow");
}

#[test]
fn only_what_may_pass_is_asked_again() {
    let worth = |error: &Error| ExponentialBackoff::default().delay(error, 1).is_some();
    for kind in [
        ErrorKind::Connect,
        ErrorKind::Timeout,
        ErrorKind::Transport,
        ErrorKind::RateLimited,
    ] {
        assert!(worth(&error(kind)), "{kind}");
    }
    for kind in [
        ErrorKind::InvalidInput,
        ErrorKind::Crypto,
        ErrorKind::TokenUnavailable,
        ErrorKind::TokenRejected,
        ErrorKind::InvalidRequest,
        ErrorKind::Forbidden,
        ErrorKind::NotFound,
        ErrorKind::UnknownCard,
        ErrorKind::UnknownOperation,
        ErrorKind::UnexpectedStatus,
        ErrorKind::InvalidResponse,
        ErrorKind::ResponseTooLarge,
        ErrorKind::ServerError,
    ] {
        assert!(!worth(&error(kind)), "{kind}");
    }
    for (status, expected) in [
        (500, true),
        (501, false),
        (502, true),
        (503, true),
        (504, true),
        (505, false),
    ] {
        assert_eq!(worth(&answered(status)), expected, "{status}");
    }
}

#[test]
fn an_error_has_the_outcome_of_all_requests_of_its_call() {
    let failed = Error::new(
        ApiOperation::GetToken,
        ErrorKind::ServerError,
        Outcome::NotSent,
    );
    let suspend = ApiOperation::SuspendCard;
    let error = failed.with_outcome(suspend, Outcome::Refused);
    assert_eq!(error.outcome(), Outcome::Refused);
    assert_eq!(error.operation(), ApiOperation::GetToken);
    let error = error.with_outcome(suspend, Outcome::Unknown);
    assert_eq!(error.outcome(), Outcome::Unknown);
    assert_eq!(error.operation(), suspend);
}
