//! Which reason codes a migrated tenant takes, depending on why a card is suspended.

use crate::settings::Mode;
use crate::wire::refusal::Refusal;
use crate::wire::spec::Call;

/// What D1 takes when no reason code is sent.
pub(crate) const DEFAULT_REASON_CODE: &str = "ISSUER_DECISION";

const SUSPEND: [&str; 6] = [
    "CARD_LOST",
    "CARD_STOLEN",
    "CARD_BROKEN",
    "FRAUD",
    "USER_DECISION",
    DEFAULT_REASON_CODE,
];

/// The documented codes, and the one that the documentation advises when in doubt.
const DELETE: [&str; 5] = [
    "CLOSED_ACCOUNT",
    "CLOSED_CARD",
    "CARD_LOST",
    "CARD_STOLEN",
    DEFAULT_REASON_CODE,
];

/// The codes that a resumption may have, depending on why the card is suspended.
const RESUME: [&str; 3] = ["CARD_FOUND", "USER_DECISION", DEFAULT_REASON_CODE];

/// Returns whether a reason code is documented for an operation, of a V1 or of a migrated tenant.
pub(crate) fn is_documented(call: Call, reason_code: &str) -> bool {
    match call {
        Call::Suspend => SUSPEND.contains(&reason_code),
        Call::Resume => RESUME.contains(&reason_code),
        Call::Delete => DELETE.contains(&reason_code),
        Call::Renew => reason_code == DEFAULT_REASON_CODE,
        Call::List | Call::Get | Call::Token => true,
    }
}

/// Returns whether a suspended card may be resumed only by its replacement.
pub(crate) fn is_final(reason_code: &str) -> bool {
    matches!(reason_code, "CARD_STOLEN" | "CARD_BROKEN" | "FRAUD")
}

/// Refuses a reason code that a migrated tenant does not take. `suspended_by` is the reason of the suspension
/// that a resumption ends, absent for a card that is active.
pub(crate) fn check_reason_code(
    mode: Mode,
    call: Call,
    reason_code: &str,
    suspended_by: Option<&str>,
) -> Result<(), Refusal> {
    let is_allowed = match (mode, call) {
        (Mode::V1, _) => true,
        (Mode::Migrated, Call::Resume) => may_resume(reason_code, suspended_by),
        (Mode::Migrated, call) => is_documented(call, reason_code),
    };
    let refusal = || {
        Refusal::forbidden("This reason code is not allowed for the card as it stands")
            .when(&["reason-code-other-than-default"])
    };
    is_allowed.then_some(()).ok_or_else(refusal)
}

fn may_resume(reason_code: &str, suspended_by: Option<&str>) -> bool {
    match suspended_by {
        Some("CARD_LOST") => reason_code == "CARD_FOUND",
        Some("USER_DECISION") => matches!(reason_code, "USER_DECISION" | DEFAULT_REASON_CODE),
        Some(code) if is_final(code) => false,
        Some(_) | None => reason_code == DEFAULT_REASON_CODE,
    }
}

/// Returns whether a PAN is one of American Express.
pub(crate) fn is_american_express(pan: &str) -> bool {
    pan.len() == 15 && (pan.starts_with("34") || pan.starts_with("37"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_resume_depends_on_why_the_card_was_suspended() {
        let all = [
            "CARD_FOUND",
            "USER_DECISION",
            DEFAULT_REASON_CODE,
            "CARD_LOST",
            "CARD_STOLEN",
            "CARD_BROKEN",
            "FRAUD",
            "CLOSED_CARD",
            "NOT_A_CODE",
        ];
        let rows: [(Option<&str>, &[&str]); 8] = [
            (None, &[DEFAULT_REASON_CODE]),
            (Some("CARD_LOST"), &["CARD_FOUND"]),
            (
                Some("USER_DECISION"),
                &["USER_DECISION", DEFAULT_REASON_CODE],
            ),
            (Some(DEFAULT_REASON_CODE), &[DEFAULT_REASON_CODE]),
            (Some("CARD_STOLEN"), &[]),
            (Some("CARD_BROKEN"), &[]),
            (Some("FRAUD"), &[]),
            (Some("SOMETHING_NEW"), &[DEFAULT_REASON_CODE]),
        ];
        for (suspended_by, allowed) in rows {
            for code in all {
                let expected = allowed.contains(&code);
                let found = check_reason_code(Mode::Migrated, Call::Resume, code, suspended_by);
                let found = found.is_ok();
                assert_eq!(found, expected, "{code} after {suspended_by:?}");
            }
        }
    }

    #[test]
    fn suspend_delete_and_renew_take_their_codes_alone() {
        for (call, allowed) in [
            (Call::Suspend, SUSPEND.as_slice()),
            (Call::Delete, &DELETE),
            (Call::Renew, &[DEFAULT_REASON_CODE]),
        ] {
            for code in SUSPEND
                .into_iter()
                .chain(DELETE)
                .chain(["CARD_FOUND", "NOT_A_CODE"])
            {
                let found = check_reason_code(Mode::Migrated, call, code, None);
                assert_eq!(found.is_ok(), allowed.contains(&code), "{code}");
                assert!(check_reason_code(Mode::V1, call, code, None).is_ok());
            }
        }
    }
}
