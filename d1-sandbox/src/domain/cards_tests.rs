//! The rules of each operation, without the network.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::domain::credentials::Credentials;

const PAN: &str = "4111111111111111";
const OTHER_PAN: &str = "5555555555554444";
const AMEX: &str = "378282246310005";

fn cards(mode: Mode) -> Cards {
    let settings = Builder::default()
        .mode(mode)
        .card(Card::new("A"))
        .card(Card::new("B"))
        .card(Card::new("OTHERS").consumer("CONSUMER-2"))
        .card(Card::new("GOLD").product("PRODUCT-2"))
        .card(Card::new("AMEX").pan(AMEX));
    Cards::new(
        &settings,
        &settings.issuer,
        None,
        Spec::shared().unwrap(),
        Arc::default(),
    )
}

fn reason(code: &str) -> Reason {
    Reason {
        text: None,
        code: code.to_owned(),
    }
}

fn issuer() -> Reason {
    reason("ISSUER_DECISION")
}

fn renewal(new_id: Option<&str>, pan: Option<&str>) -> Renewal {
    Renewal {
        new_card_id: new_id.map(str::to_owned),
        new_product: None,
        state: CardState::Active,
        credentials: pan.map(|pan| Credentials {
            pan: Secret::new(pan),
            exp: Secret::new("0135"),
        }),
        reason: issuer(),
    }
}

fn status<T>(result: Result<T, Refusal>) -> u16 {
    result.map_or_else(|refusal| refusal.status, |_| 200)
}

#[test]
fn suspend_and_resume_change_the_state_and_write_history() {
    let mut cards = cards(Mode::V1);
    let lost = Reason {
        text: Some("lost it".to_owned()),
        code: "CARD_LOST".to_owned(),
    };
    let first = cards.suspend("A", lost).unwrap();
    let card = cards.snapshot("A").unwrap();
    assert_eq!(
        (card.state, card.suspended_by.as_deref()),
        (CardState::Inactive, Some("CARD_LOST"))
    );
    let shown = cards.get("A", &first, false).unwrap();
    assert_eq!(shown["operation"], "SUSPEND");
    assert_eq!(shown["reason"], "lost it");
    assert_eq!(shown["reasonCode"], "CARD_LOST");
    assert_eq!(shown["requestorId"], "ISSUER_A-1");

    // Neither is documented for a card that is in the state already: both succeed.
    cards.suspend("A", issuer()).unwrap();
    cards.resume("A", issuer()).unwrap();
    cards.resume("A", issuer()).unwrap();
    let card = cards.snapshot("A").unwrap();
    assert_eq!(
        (card.state, card.suspended_by, card.operations),
        (CardState::Active, None, 6)
    );
}

#[test]
fn v1_takes_any_reason_code() {
    let mut cards = cards(Mode::V1);
    for code in ["FRAUD", "CARD_FOUND", "SOMETHING_NEW"] {
        assert_eq!(status(cards.suspend("A", reason(code))), 200);
        assert_eq!(status(cards.resume("A", reason(code))), 200);
    }
    assert_eq!(status(cards.delete("A", reason("SOMETHING_NEW"))), 200);
}

#[test]
fn a_migrated_tenant_judges_reason_codes() {
    let mut cards = cards(Mode::Migrated);
    assert_eq!(status(cards.suspend("A", reason("CARD_FOUND"))), 403);
    assert_eq!(status(cards.suspend("A", reason("CARD_LOST"))), 200);
    assert_eq!(status(cards.resume("A", issuer())), 403);
    assert_eq!(status(cards.resume("A", reason("CARD_FOUND"))), 200);
    assert_eq!(status(cards.suspend("A", reason("FRAUD"))), 200);
    assert_eq!(status(cards.suspend("A", issuer())), 200);
    assert_eq!(
        status(cards.resume("A", issuer())),
        403,
        "fraud outlasts a later suspension"
    );
    assert_eq!(status(cards.delete("A", reason("USER_DECISION"))), 403);
    assert_eq!(status(cards.delete("A", reason("CLOSED_CARD"))), 200);
}

#[test]
fn a_deleted_card_is_gone_and_its_id_is_free() {
    let mut cards = cards(Mode::V1);
    cards.delete("A", issuer()).unwrap();
    assert_eq!(cards.snapshot("A"), None);
    assert_eq!(status(cards.delete("A", issuer())), 404);
    assert_eq!(status(cards.suspend("A", issuer())), 404);
    assert_eq!(status(cards.renew("B", renewal(Some("A"), None))), 200);
    assert!(cards.snapshot("A").is_some());
}

#[test]
fn an_inactive_consumer_blocks_resume_and_renew_alone() {
    let mut cards = cards(Mode::V1);
    assert!(cards.set_states("A", None, Some(ConsumerState::Inactive)));
    assert!(!cards.set_states("NONE", None, Some(ConsumerState::Inactive)));
    assert_eq!(status(cards.suspend("A", issuer())), 200);
    assert_eq!(status(cards.resume("A", issuer())), 403);
    assert_eq!(status(cards.renew("A", renewal(None, None))), 403);
    assert_eq!(
        status(cards.resume("B", issuer())),
        403,
        "the same end user holds this card"
    );
    assert_eq!(status(cards.resume("OTHERS", issuer())), 200);
    assert_eq!(status(cards.delete("A", issuer())), 200);
}

#[test]
fn a_renewal_moves_the_history_to_the_new_card() {
    let mut cards = cards(Mode::V1);
    let suspension = cards.suspend("A", issuer()).unwrap();
    let mut request = renewal(Some("NEW"), Some(OTHER_PAN));
    request.state = CardState::Inactive;
    cards.renew("A", request).unwrap();
    assert_eq!(cards.snapshot("A"), None);
    let card = cards.snapshot("NEW").unwrap();
    assert!(card.has_credentials(OTHER_PAN, "0135"));
    assert_eq!((card.state, card.operations), (CardState::Inactive, 4));
    assert_eq!(card.consumer, "CONSUMER-1");
    assert_eq!(status(cards.get("NEW", &suspension, false)), 200);
    let shown = format!("{card:?}");
    assert!(
        !shown.contains(OTHER_PAN) && !shown.contains("0135"),
        "{shown}"
    );
}

#[test]
fn a_renewal_to_a_registered_card_needs_the_same_end_user_and_product() {
    let mut cards = cards(Mode::V1);
    assert_eq!(
        status(cards.renew("A", renewal(Some("OTHERS"), Some(OTHER_PAN)))),
        403
    );
    assert_eq!(
        status(cards.renew("A", renewal(Some("GOLD"), Some(OTHER_PAN)))),
        403
    );
    let mut other_product = renewal(None, None);
    other_product.new_product = Some("PRODUCT-2".to_owned());
    assert_eq!(status(cards.renew("A", other_product)), 400);
    assert!(
        cards.snapshot("A").is_some(),
        "a refused renewal changes nothing"
    );
    assert_eq!(
        status(cards.renew("A", renewal(Some("B"), Some(OTHER_PAN)))),
        200
    );
    assert_eq!(cards.snapshot("B").unwrap().operations, 5);
}

#[test]
fn without_credentials_the_issuer_is_asked() {
    let mut cards = cards(Mode::V1);
    assert_eq!(status(cards.renew("AMEX", renewal(None, None))), 400);
    assert_eq!(status(cards.renew("AMEX", renewal(None, Some(AMEX)))), 200);
    cards.renew("A", renewal(None, None)).unwrap();
    assert!(cards.snapshot("A").unwrap().has_credentials(PAN, "1233"));
    cards.issuer_stub = IssuerStub::Answers {
        pan: OTHER_PAN.to_owned(),
        exp: "0240".to_owned(),
    };
    cards.renew("A", renewal(None, None)).unwrap();
    assert!(
        cards
            .snapshot("A")
            .unwrap()
            .has_credentials(OTHER_PAN, "0240")
    );
    cards.issuer_stub = IssuerStub::Unavailable;
    assert_eq!(status(cards.renew("A", renewal(None, None))), 500);
}

#[test]
fn a_migrated_tenant_tells_renew_from_replace() {
    for (new_id, pan, state, code, expected) in [
        (None, PAN, CardState::Active, "ISSUER_DECISION", 200),
        (Some("A"), PAN, CardState::Inactive, "ISSUER_DECISION", 200),
        (
            Some("NEW"),
            OTHER_PAN,
            CardState::Active,
            "ISSUER_DECISION",
            200,
        ),
        (
            Some("NEW"),
            OTHER_PAN,
            CardState::Active,
            "USER_DECISION",
            403,
        ),
        (
            Some("NEW"),
            OTHER_PAN,
            CardState::Inactive,
            "ISSUER_DECISION",
            403,
        ),
        (Some("NEW"), PAN, CardState::Active, "ISSUER_DECISION", 403),
        (
            Some("A"),
            OTHER_PAN,
            CardState::Active,
            "ISSUER_DECISION",
            403,
        ),
        (None, OTHER_PAN, CardState::Active, "ISSUER_DECISION", 403),
    ] {
        let request = || Renewal {
            state,
            reason: reason(code),
            ..renewal(new_id, Some(pan))
        };
        let found = status(cards(Mode::Migrated).renew("A", request()));
        assert_eq!(found, expected, "{new_id:?} {state:?} {code}");
        assert_eq!(status(cards(Mode::V1).renew("A", request())), 200);
    }
}

#[test]
fn unknown_cards_and_operations_have_their_codes() {
    let mut cards = cards(Mode::V1);
    assert_eq!(
        cards.list("NONE", 0, 10).unwrap_err().code,
        Some("UNKNOWN_CARD")
    );
    assert_eq!(
        cards.get("NONE", "op-000001", false).unwrap_err().code,
        Some("UNKNOWN_CARD")
    );
    assert_eq!(
        cards.get("A", "op-999999", false).unwrap_err().code,
        Some("UNKNOWN_OPERATION")
    );
    assert_eq!(cards.suspend("NONE", issuer()).unwrap_err().code, None);
}

#[test]
fn digital_cards_are_shown_where_asked_for_and_only_for_digitize() {
    let cards = cards(Mode::V1);
    let page = cards.list("A", 0, 10).unwrap();
    let kinds: Vec<_> = page["operations"].as_array().unwrap().iter().collect();
    assert_eq!(
        (&kinds[0]["operation"], &kinds[1]["operation"]),
        (&json!("DIGITIZE"), &json!("REGISTER"))
    );
    let shown = |index: usize, digital| {
        let id = kinds[index]["operationId"].as_str().unwrap();
        cards
            .get("A", id, digital)
            .unwrap()
            .get("digitalCardDetails")
            .is_some()
    };
    assert!(shown(0, true));
    assert!(!shown(0, false));
    assert!(!shown(1, true));
    assert_eq!(page["remainingOperations"], 0);
}
