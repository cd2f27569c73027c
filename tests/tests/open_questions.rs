//! `openapi/SOURCES.md` says which edit of the spec closes each open question. Each of these edits is made
//! here on a copy: the lint takes it, code is generated from it, and the sandbox serves it.
#![allow(clippy::unwrap_used)]

use d1_facade::{Card, CardCredentials, Renewal};
use d1_sandbox::{CardState, ConsumerState, Sandbox, SuccessStyle};
use d1_tests::{CARD, EXPIRY, PAN, sandbox_client};

/// A question of `SOURCES.md`, what its edit replaces (everywhere), and by what.
const EDITS: &[(&str, &str, &str)] = &[
    (
        "reason codes of V1 cards",
        "        - FRAUD\n",
        "        - FRAUD\n        - CARD_EATEN\n",
    ),
    (
        "success status of the POSTs",
        "        2XX:\n",
        "        \"200\":\n",
    ),
    (
        "success status of the POSTs",
        "        2XX:\n",
        "        \"202\":\n",
    ),
    (
        "success status of the POSTs",
        "        2XX:\n",
        "        \"204\":\n",
    ),
    (
        "success body of the POSTs",
        "    CardOperationResult:\n      type: object\n      description: What D1 may say about an operation that it accepted.\n      x-d1-confidence: sibling\n      # There may be no body, or another one: whoever makes the call reads what came.\n      x-d1-client: omit\n      properties:\n",
        "    CardOperationResult:\n      type: object\n      description: What D1 may say about an operation that it accepted.\n      x-d1-confidence: sibling\n      x-d1-client: omit\n      properties:\n        startTime:\n          $ref: \"#/components/schemas/Timestamp\"\n",
    ),
    (
        "`state` or `newCardState`",
        "        state:\n          allOf",
        "        newCardState:\n          allOf",
    ),
    (
        "the name of the digital-card flag",
        "- name: digitalCardDetails\n",
        "- name: withDevice\n",
    ),
    (
        "fields of an operation after `requestorId`",
        "        reason:\n          type: string",
        "        why:\n          type: string",
    ),
    (
        "fields of an operation after `requestorId`",
        "        reasonCode:\n          type: string",
        "        whyCode:\n          type: string",
    ),
    (
        "fields of an operation after `requestorId`",
        "        digitalCardDetails:\n          description",
        "        device:\n          description",
    ),
    (
        "fields of an operation after `requestorId`",
        "        reason:\n          type: string",
        "        channel:\n          type: string\n          description: By which channel it came.\n        reason:\n          type: string",
    ),
    (
        "the bounds of `limit`",
        "            maximum: 50\n",
        "            maximum: 20\n",
    ),
    (
        "codes with 400, 401, 403, 500",
        "            - meaning: The end user (consumer) who holds the card is not active.\n",
        "            - meaning: The end user (consumer) who holds the card is not active.\n              code: CONSUMER_NOT_ACTIVE\n",
    ),
    (
        "claims after `aud`",
        "x-d1-sent-claims: [iss, sub, aud, iat, exp]",
        "x-d1-sent-claims: [iss, sub, aud, iat, exp, jti]",
    ),
];

/// A card whose end user is not active.
const HELD: &str = "ReplaceMe09";

fn committed() -> String {
    std::fs::read_to_string(xtask::spec::spec_path()).unwrap()
}

#[test]
fn every_open_question_has_its_edit_here() {
    let folder = xtask::spec::workspace_root().join("openapi/SOURCES.md");
    let text = std::fs::read_to_string(folder).unwrap();
    let (_, table) = text
        .split_once("| question | the edit that closes it |")
        .unwrap();
    let rows = table
        .lines()
        .skip(2)
        .take_while(|line| line.starts_with('|'));
    let questions: Vec<&str> = rows
        .map(|row| row.split('|').nth(1).unwrap().trim())
        .collect();
    let mut here: Vec<&str> = EDITS.iter().map(|(question, ..)| *question).collect();
    here.dedup();
    assert_eq!(questions, here);
}

#[tokio::test]
async fn every_edit_that_closes_a_question_leaves_everything_green() {
    let text = committed();
    for (question, from, to) in EDITS {
        assert!(
            text.contains(from),
            "{question}: {from:?} is not in the spec"
        );
        let edited = text.replace(from, to);
        let findings = xtask::lint::check_text(&edited, "spec.yaml").unwrap();
        assert_eq!(
            findings,
            [],
            "{question}: {}",
            xtask::lint::render(&findings)
        );
        let spec = xtask::spec::parse(&edited).unwrap();
        xtask::codegen::generate(&spec).unwrap();
        for style in [SuccessStyle::NoContent, SuccessStyle::Body] {
            let held = d1_sandbox::Card::new(HELD).consumer("CONSUMER-2");
            let builder = Sandbox::builder()
                .card(d1_sandbox::Card::new(CARD))
                .card(held.consumer_state(ConsumerState::Inactive))
                .document(&edited)
                .success_style(style);
            // Not strict: this client does not know the new names that an edited document may have.
            let sandbox = builder.start().await.unwrap();
            let card = sandbox_client(&sandbox).card(CARD.parse().unwrap());
            live(&sandbox, &card, to).await;
        }
    }
}

/// Does everything that can be done to a card. What an edit renames is sent and read by its new name; a
/// client that is generated from the edited spec does that by itself.
async fn live(sandbox: &Sandbox, card: &Card, edit: &str) {
    let new = |old: &'static str, new: &'static str| if edit.contains(new) { new } else { old };
    let suspend = card.suspend().reason("lost at sea".parse().unwrap());
    let code = if edit.contains("CARD_EATEN") {
        "CARD_EATEN"
    } else {
        "CARD_LOST"
    };
    let id = suspend.reason_code(code.parse().unwrap()).await.unwrap();
    assert_eq!(
        sandbox.card(CARD).unwrap().state,
        CardState::Inactive,
        "{edit}"
    );

    let page = card.operations().limit(20).await.unwrap();
    let listed = page.operations().first().unwrap().to_json();
    assert_eq!(
        listed[new("reason", "why:").trim_end_matches(':')],
        "lost at sea",
        "{edit}"
    );
    assert_eq!(listed[new("reasonCode", "whyCode")], code, "{edit}");
    if let Some(id) = id.operation_id() {
        assert_eq!(listed["operationId"], id.as_str(), "{edit}");
    }
    let digitized = page
        .operations()
        .iter()
        .find(|o| o.operation().unwrap().as_str() == "DIGITIZE");
    let id = digitized.unwrap().id().unwrap();
    let flag = new("digitalCardDetails", "withDevice");
    let get = card.operation(&id);
    let get = match flag {
        "withDevice" => get.query(flag, "true"),
        _ => get.with_digital_card(),
    };
    let got = get.await.unwrap().to_json();
    assert!(
        got[new("digitalCardDetails", "device")].is_object(),
        "{edit}"
    );

    card.resume().await.unwrap();
    let renewal = Renewal::to("ReplaceMe02".parse().unwrap())
        .credentials(CardCredentials::new(PAN, EXPIRY).unwrap());
    let renew = card
        .renew(renewal)
        .body_field(new("state_", "newCardState"), "INACTIVE");
    renew.await.unwrap();
    let renewed = sandbox.card("ReplaceMe02").unwrap().state;
    let expected = match edit.contains("newCardState") {
        true => CardState::Inactive,
        false => CardState::Active,
    };
    assert_eq!(renewed, expected, "{edit}");

    let client = d1_tests::sandbox_client(sandbox);
    let held = client.card(HELD.parse().unwrap());
    let error = held.resume().await.unwrap_err();
    let code = edit
        .contains("CONSUMER_NOT_ACTIVE")
        .then_some("CONSUMER_NOT_ACTIVE");
    assert_eq!((error.status(), error.code()), (Some(403), code), "{edit}");
    held.delete().await.unwrap();
}
