//! Which reason codes a migrated tenant takes, depending on why a card is suspended.

use crate::settings::card::Card;
use crate::wire::refusal::Refusal;
use crate::wire::spec::{Call, Spec};

/// Returns whether a suspended card may be resumed only by its replacement.
pub(crate) fn is_final(reason_code: &str) -> bool {
    matches!(reason_code, "CARD_STOLEN" | "CARD_BROKEN" | "FRAUD")
}

/// Refuses a reason code for a card that a migrated tenant does not take. Only such a tenant needs the document.
pub(crate) fn check_reason_code(
    migrated: Option<&Spec>,
    call: Call,
    reason_code: &str,
    card: &Card,
) -> Result<(), Refusal> {
    let Some(spec) = migrated else {
        return Ok(());
    };
    let is_default = reason_code == spec.default_reason_code;
    let is_allowed = match (call, card.suspended_by.as_deref()) {
        (Call::Resume, Some("CARD_LOST")) => reason_code == "CARD_FOUND",
        (Call::Resume, Some("USER_DECISION")) => is_default || reason_code == "USER_DECISION",
        (Call::Resume, Some(code)) if is_final(code) => false,
        (Call::Resume, Some(_) | None) => is_default,
        (call, _) => spec.documents(call, reason_code),
    };
    let refusal = || {
        Refusal::new(
            403,
            "This reason code is not allowed for the card as it stands",
        )
        .when(&["reason-code-other-than-default"])
    };
    is_allowed.then_some(()).ok_or_else(refusal)
}

/// Returns whether a PAN is one of American Express.
pub(crate) fn is_american_express(pan: &str) -> bool {
    pan.len() == 15 && (pan.starts_with("34") || pan.starts_with("37"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const DEFAULT: &str = "ISSUER_DECISION";

    fn is_allowed(call: Call, code: &str, suspended_by: Option<&str>) -> bool {
        let mut card = Card::new("A");
        card.suspended_by = suspended_by.map(str::to_owned);
        let spec = Spec::shared().unwrap();
        assert!(
            check_reason_code(None, call, code, &card).is_ok(),
            "a V1 tenant"
        );
        check_reason_code(Some(&spec), call, code, &card).is_ok()
    }

    #[test]
    fn what_may_resume_depends_on_why_the_card_was_suspended() {
        let all = [
            "CARD_FOUND",
            "USER_DECISION",
            DEFAULT,
            "CARD_LOST",
            "CARD_STOLEN",
            "CARD_BROKEN",
            "FRAUD",
            "CLOSED_CARD",
            "NOT_A_CODE",
        ];
        let rows: [(Option<&str>, &[&str]); 8] = [
            (None, &[DEFAULT]),
            (Some("CARD_LOST"), &["CARD_FOUND"]),
            (Some("USER_DECISION"), &["USER_DECISION", DEFAULT]),
            (Some(DEFAULT), &[DEFAULT]),
            (Some("CARD_STOLEN"), &[]),
            (Some("CARD_BROKEN"), &[]),
            (Some("FRAUD"), &[]),
            (Some("SOMETHING_NEW"), &[DEFAULT]),
        ];
        for (suspended_by, allowed) in rows {
            for code in all {
                let expected = allowed.contains(&code);
                let found = is_allowed(Call::Resume, code, suspended_by);
                assert_eq!(found, expected, "{code} after {suspended_by:?}");
            }
        }
    }

    #[test]
    fn suspend_delete_and_renew_take_their_codes_alone() {
        let suspend = "CARD_LOST CARD_STOLEN CARD_BROKEN FRAUD USER_DECISION ISSUER_DECISION";
        let delete = "CLOSED_ACCOUNT CLOSED_CARD CARD_LOST CARD_STOLEN ISSUER_DECISION";
        for (call, allowed) in [
            (Call::Suspend, suspend),
            (Call::Delete, delete),
            (Call::Renew, DEFAULT),
        ] {
            let all = format!("{suspend} {delete} CARD_FOUND NOT_A_CODE");
            for code in all.split(' ') {
                let expected = allowed.split(' ').any(|allowed| allowed == code);
                assert_eq!(is_allowed(call, code, None), expected, "{code}");
            }
        }
    }
}
