//! What a channel sees of the outcome of a call: pure functions, and the only place that decides it.

use axum::http::StatusCode;
use d1_facade::{ErrorKind, Inconclusive, Outcome};

use crate::store::State;

// ANCHOR: outcome
/// Returns where a change stands whose call has failed, and the status of the response.
///
/// Only a change that is known not to have been made may be made again. A refusal that is about the request itself is
/// final: the same request is refused again, and its repetition gets the same response without a call. `documented` is
/// whether the error has causes that D1 documents.
#[must_use]
pub fn of_change(outcome: Outcome, kind: ErrorKind, documented: bool) -> (State, StatusCode) {
    match outcome {
        Outcome::NotSent | Outcome::Refused => match status(kind, documented) {
            final_status @ (StatusCode::NOT_FOUND
            | StatusCode::CONFLICT
            | StatusCode::UNPROCESSABLE_ENTITY) => (State::Refused, final_status),
            status => (State::NotDone, status),
        },
        // `Unknown`, and every outcome that this version of the service does not know: nothing proves that nothing was
        // changed.
        _ => (State::Sending, StatusCode::ACCEPTED),
    }
}

/// Returns the status for a call that was not made or was refused, or for a read that failed.
///
/// A 403 or 404 that is not as D1 documents it may be that of a gateway or of a wrong address: it says nothing of the
/// card.
#[must_use]
pub fn status(kind: ErrorKind, documented: bool) -> StatusCode {
    match kind {
        ErrorKind::UnknownCard => StatusCode::NOT_FOUND,
        // D1's 404 to a change has no code.
        ErrorKind::NotFound if documented => StatusCode::NOT_FOUND,
        // D1's 403: the state of the card, or of its holder, does not allow it.
        ErrorKind::Forbidden if documented => StatusCode::CONFLICT,
        ErrorKind::InvalidInput | ErrorKind::InvalidRequest => StatusCode::UNPROCESSABLE_ENTITY,
        ErrorKind::RateLimited => StatusCode::TOO_MANY_REQUESTS,
        // It can pass by itself.
        ErrorKind::Connect
        | ErrorKind::Timeout
        | ErrorKind::Transport
        | ErrorKind::ServerError
        | ErrorKind::Cancelled => StatusCode::SERVICE_UNAVAILABLE,
        // Keys, certificates or D1's responses are not as they must be, which is not the channel's fault: `Crypto`,
        // `TokenUnavailable`, `TokenRejected`, `UnexpectedStatus`, `InvalidResponse`, `ResponseTooLarge`,
        // `UnknownOperation`, a `NotFound` or `Forbidden` that is not documented, and what this version of the service does not know.
        _ => StatusCode::BAD_GATEWAY,
    }
}
// ANCHOR_END: outcome

/// Returns whether a change that could not be reconciled for this reason can be, later.
#[must_use]
pub fn may_be_reconciled_later(why: Inconclusive) -> bool {
    matches!(why, Inconclusive::TooEarly | Inconclusive::StillPending)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_but_a_known_end_lets_a_change_be_made_again() {
        for kind in [
            ErrorKind::Timeout,
            ErrorKind::NotFound,
            ErrorKind::RateLimited,
        ] {
            let unknown = of_change(Outcome::Unknown, kind, true);
            assert_eq!(unknown, (State::Sending, StatusCode::ACCEPTED), "{kind:?}");
        }
    }

    #[test]
    fn a_refusal_is_final_where_the_request_itself_is_wrong() {
        for (kind, state, status) in [
            (ErrorKind::UnknownCard, State::Refused, 404),
            (ErrorKind::NotFound, State::Refused, 404),
            (ErrorKind::Forbidden, State::Refused, 409),
            (ErrorKind::InvalidRequest, State::Refused, 422),
            (ErrorKind::InvalidInput, State::Refused, 422),
            (ErrorKind::RateLimited, State::NotDone, 429),
            (ErrorKind::TokenRejected, State::NotDone, 502),
            (ErrorKind::TokenUnavailable, State::NotDone, 502),
            (ErrorKind::UnexpectedStatus, State::NotDone, 502),
            (ErrorKind::Connect, State::NotDone, 503),
            (ErrorKind::ServerError, State::NotDone, 503),
        ] {
            for outcome in [Outcome::NotSent, Outcome::Refused] {
                let (found, code) = of_change(outcome, kind, true);
                assert_eq!((found, code.as_u16()), (state, status), "{kind:?}");
            }
        }
        for kind in [ErrorKind::Forbidden, ErrorKind::NotFound] {
            let of_a_gateway = of_change(Outcome::Refused, kind, false);
            assert_eq!(of_a_gateway, (State::NotDone, StatusCode::BAD_GATEWAY));
        }
    }

    #[test]
    fn only_time_solves_what_time_can_solve() {
        assert!(may_be_reconciled_later(Inconclusive::TooEarly));
        assert!(!may_be_reconciled_later(Inconclusive::SeveralMatch));
    }
}
