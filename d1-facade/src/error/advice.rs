//! What to do after a failure: one table by kind, outcome and operation.

use super::{ErrorKind, Outcome};
use crate::values::ApiOperation;

/// Returns what to do where neither the documentation nor the fault says it.
///
/// A change whose outcome is unknown must be checked, whatever else is known of it, and nothing else must: no other
/// failure can have changed a card.
pub(super) fn advice(kind: ErrorKind, outcome: Outcome, operation: ApiOperation) -> &'static str {
    if outcome == Outcome::Unknown && operation.changes_card() {
        if matches!(operation, ApiOperation::Raw(_)) {
            return "D1 may have carried out the call: find out what it has changed before you send it again.";
        }
        return "D1 may have carried out the change: check the card's operations before you send it again.";
    }
    match kind {
        ErrorKind::InvalidInput => "Correct the field that the error names.",
        ErrorKind::Crypto => "Check the keys that the client was built with.",
        ErrorKind::Connect => {
            "Check the host, the proxy, the client certificate and the trusted roots."
        }
        ErrorKind::Timeout => "Send it again, with a longer timeout if this happens often.",
        ErrorKind::Transport => {
            "Send it again; if this happens often, check the network and the proxy."
        }
        ErrorKind::Cancelled => "Send it again if it is still needed.",
        ErrorKind::TokenUnavailable => {
            "Check the signing key, its kid, the issuer id and this machine's clock."
        }
        ErrorKind::TokenRejected => "Check the issuer id, the scope and the client certificate.",
        ErrorKind::InvalidRequest => "Correct the request; the same one fails the same way again.",
        ErrorKind::Forbidden => "Check the states of the card and of its end user.",
        ErrorKind::NotFound | ErrorKind::UnknownCard | ErrorKind::UnknownOperation => {
            "Check the ids."
        }
        ErrorKind::RateLimited => "Wait, then send it again.",
        ErrorKind::ServerError => {
            "Send it again later; if this continues, give Thales the correlation id."
        }
        ErrorKind::UnexpectedStatus => {
            "This status is not documented; give Thales the correlation id."
        }
        ErrorKind::InvalidResponse => {
            "This version cannot read the response; give Thales the correlation id."
        }
        ErrorKind::ResponseTooLarge => "Raise max_response_size, or request smaller pages.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::values::Method;

    const KINDS: [ErrorKind; 18] = [
        ErrorKind::InvalidInput,
        ErrorKind::Crypto,
        ErrorKind::Connect,
        ErrorKind::Timeout,
        ErrorKind::Transport,
        ErrorKind::TokenUnavailable,
        ErrorKind::TokenRejected,
        ErrorKind::InvalidRequest,
        ErrorKind::Forbidden,
        ErrorKind::NotFound,
        ErrorKind::UnknownCard,
        ErrorKind::UnknownOperation,
        ErrorKind::RateLimited,
        ErrorKind::ServerError,
        ErrorKind::UnexpectedStatus,
        ErrorKind::InvalidResponse,
        ErrorKind::ResponseTooLarge,
        ErrorKind::Cancelled,
    ];
    const OUTCOMES: [Outcome; 3] = [Outcome::NotSent, Outcome::Refused, Outcome::Unknown];

    #[test]
    fn a_change_that_may_have_been_made_is_to_be_checked_and_nothing_else_is() {
        for kind in KINDS {
            for outcome in OUTCOMES {
                for operation in ApiOperation::ALL {
                    let text = advice(kind, outcome, *operation);
                    let unknown = outcome == Outcome::Unknown && operation.changes_card();
                    let says_check = text.contains("check the card's operations");
                    assert_eq!(
                        says_check, unknown,
                        "{kind:?} {outcome:?} {operation}: {text}"
                    );
                    assert!(text.ends_with('.') && !text.contains('\n'), "{text}");
                }
            }
        }
    }

    #[test]
    fn a_raw_call_that_may_have_been_made_need_not_be_about_a_card() {
        let raw = ApiOperation::Raw(Method::Put);
        for kind in KINDS {
            let text = advice(kind, Outcome::Unknown, raw);
            assert!(
                text.contains("find out") && !text.contains("card"),
                "{text}"
            );
        }
    }

    #[test]
    fn each_kind_is_in_the_list_of_kinds() {
        for (index, kind) in KINDS.into_iter().enumerate() {
            assert_eq!(kind as usize, index, "{kind:?}");
        }
        assert_eq!(KINDS.last(), Some(&ErrorKind::Cancelled), "the last one");
    }
}
