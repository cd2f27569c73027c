//! Each operation and each documented error, over real TLS with a real token and real JWE.

use d1_facade::{
    Card, CardCredentials, CardState, EncryptionKey, ErrorKind, Identity, OperationStatus,
    OperationType, Outcome, ReasonCode, Renewal, RequestorType,
};
use d1_sandbox::{Issuer, IssuerStub, Sandbox, SuccessStyle};
use d1_tests::{
    CARD, EXPIRY, PAN, assert_error, foreign_identity, sandbox_builder, sandbox_client,
    strict_sandbox, with,
};
use futures_util::TryStreamExt as _;

const NEW_PAN: &str = "5555555555554444";

async fn start() -> (Sandbox, Card) {
    with(Sandbox::builder()).await
}

fn credentials(pan: &str) -> CardCredentials {
    CardCredentials::new(pan, EXPIRY).unwrap()
}

fn to_other() -> Renewal {
    Renewal::to("ReplaceMe02".parse().unwrap())
}

#[tokio::test]
async fn no_call_is_one_that_d1_may_refuse() {
    let sandbox = strict_sandbox().await;
    let card = sandbox_client(&sandbox).card(CARD.parse().unwrap());
    card.suspend().await.unwrap();
    card.resume()
        .reason("found".parse().unwrap())
        .await
        .unwrap();
    let page = card.operations().limit(2).offset(1).await.unwrap();
    let id = page.operations()[0].id().unwrap();
    card.operation(&id).await.unwrap();
    let renewal = Renewal::same_card().credentials(credentials(NEW_PAN));
    card.renew(renewal).await.unwrap();
    card.delete().await.unwrap();
    assert_eq!(sandbox.requests().len(), 7, "the token call is one of them");
    assert_eq!(sandbox.warnings(), [""; 0]);
}

#[tokio::test]
async fn a_card_lives_through_everything() {
    let (sandbox, card) = start().await;
    let receipt = card
        .suspend()
        .reason_code(ReasonCode::CardLost)
        .await
        .unwrap();
    assert_eq!(receipt.reason_code(), &ReasonCode::CardLost);
    assert_eq!(
        sandbox.card(CARD).unwrap().state,
        d1_sandbox::CardState::Inactive
    );
    let reason = "customer called back".parse().unwrap();
    card.resume().reason(reason).await.unwrap();
    assert_eq!(
        sandbox.card(CARD).unwrap().state,
        d1_sandbox::CardState::Active
    );

    let renewal = to_other()
        .credentials(credentials(NEW_PAN))
        .state(CardState::Active);
    card.renew(renewal).await.unwrap();
    assert!(sandbox.card(CARD).is_none(), "the old id is gone");
    let renewed = sandbox.card("ReplaceMe02").unwrap();
    assert!(
        renewed.has_credentials(NEW_PAN, EXPIRY),
        "the encrypted PAN and expiry arrived"
    );

    let card = sandbox_client(&sandbox).card("ReplaceMe02".parse().unwrap());
    check_history(&sandbox, &card).await;

    card.delete().await.unwrap();
    assert!(sandbox.card("ReplaceMe02").is_none());
    assert_eq!(sandbox.token_exchanges(), 2, "one a client");
}

/// The card was suspended, resumed and renewed, and digitized before that.
async fn check_history(sandbox: &Sandbox, card: &Card) {
    let page = card.operations().limit(3).await.unwrap();
    let kinds: Vec<_> = page
        .operations()
        .iter()
        .filter_map(|o| o.operation())
        .collect();
    assert_eq!(
        kinds,
        [
            OperationType::Renew,
            OperationType::Resume,
            OperationType::Suspend
        ]
    );
    let resumed = &page.operations()[1];
    assert_eq!(resumed.status(), Some(OperationStatus::Successful));
    assert_eq!(resumed.reason(), Some("customer called back"));
    assert_eq!(resumed.reason_code(), Some(ReasonCode::IssuerDecision));
    assert_eq!(resumed.requestor_type(), Some(RequestorType::Issuer));
    assert_eq!(resumed.requestor_id(), Some(sandbox.issuer_id()));
    assert!(resumed.start_time().is_some() && resumed.end_time().is_some());

    let all: Vec<_> = card.operations().stream().try_collect().await.unwrap();
    let digitized = all
        .iter()
        .find(|o| o.operation() == Some(OperationType::Digitize))
        .and_then(|o| o.id())
        .unwrap();
    let plain = card.operation(&digitized).await.unwrap();
    assert!(plain.digital_card_details().is_none());
    let detailed = card
        .operation(&digitized)
        .with_digital_card()
        .await
        .unwrap();
    assert!(detailed.digital_card_details().is_some());
}

#[tokio::test]
async fn a_renewal_without_credentials_lets_d1_ask_the_issuer() {
    let answers = IssuerStub::Answers {
        pan: NEW_PAN.into(),
        exp: "0131".into(),
    };
    let (sandbox, card) = with(Sandbox::builder().get_card_credentials(answers)).await;
    card.renew(Renewal::same_card()).await.unwrap();
    assert!(sandbox.card(CARD).unwrap().has_credentials(NEW_PAN, "0131"));

    let unavailable = Sandbox::builder().get_card_credentials(IssuerStub::Unavailable);
    let (_sandbox, card) = with(unavailable).await;
    let error = card.renew(Renewal::same_card()).await.unwrap_err();
    assert_error(&error, ErrorKind::ServerError, 500, "internal error");
    assert_eq!(error.outcome(), Outcome::Unknown);
}

#[tokio::test]
async fn american_express_and_cobadged_credentials_arrive() {
    let (sandbox, card) = start().await;
    let american_express = credentials("378282246310005").with_psn("00").unwrap();
    card.renew(Renewal::same_card().credentials(american_express))
        .await
        .unwrap();
    assert!(
        sandbox
            .card(CARD)
            .unwrap()
            .has_credentials("378282246310005", EXPIRY)
    );
    // D1 refuses what the facade cannot know: this card is now one of American Express.
    let error = card.renew(Renewal::same_card()).await.unwrap_err();
    assert_error(&error, ErrorKind::InvalidRequest, 400, "not valid");
    let cobadged = credentials(PAN).with_auxiliary(NEW_PAN, "0131").unwrap();
    card.renew(Renewal::same_card().credentials(cobadged))
        .await
        .unwrap();
}

#[tokio::test]
async fn credentials_that_were_encrypted_elsewhere_arrive() {
    let (sandbox, card) = start().await;
    let key = EncryptionKey::from_jwk(sandbox.encryption_jwk()).unwrap();
    let encrypted = key.encrypt(&credentials(NEW_PAN)).unwrap();
    let renewal = Renewal::same_card().encrypted_data(encrypted.as_str().parse().unwrap());
    card.renew(renewal).await.unwrap();
    assert!(sandbox.card(CARD).unwrap().has_credentials(NEW_PAN, EXPIRY));
}

#[tokio::test]
async fn the_access_token_is_that_of_the_calls() {
    let sandbox = strict_sandbox().await;
    let d1 = sandbox_client(&sandbox);
    let cold = d1.access_token().await.unwrap();
    d1.card(CARD.parse().unwrap()).suspend().await.unwrap();
    let warm = d1.access_token().await.unwrap();
    assert!(warm.is(cold.expose_secret()));
    assert!(warm.lifetime() < cold.lifetime(), "what is left of it");
    assert_eq!(sandbox.token_exchanges(), 1);
}

#[tokio::test]
async fn what_is_not_documented_about_success_makes_no_difference() {
    for style in [SuccessStyle::Body, SuccessStyle::NoContent] {
        let (_sandbox, card) = with(Sandbox::builder().success_style(style)).await;
        let receipt = card.suspend().await.unwrap();
        assert_eq!(
            receipt.operation_id().is_some(),
            style == SuccessStyle::Body
        );
        for counted in [true, false] {
            let (_sandbox, card) = with(Sandbox::builder().list_count(counted)).await;
            let page = card.operations().limit(1).await.unwrap();
            assert_eq!(page.remaining_operations().is_some(), counted);
            let all: Vec<_> = card
                .operations()
                .limit(1)
                .stream()
                .try_collect()
                .await
                .unwrap();
            assert_eq!(all.len(), 2, "the stream ends with the count and without");
        }
    }
}

#[tokio::test]
async fn a_revoked_token_is_replaced_and_the_caller_sees_nothing() {
    let (sandbox, card) = start().await;
    card.suspend().await.unwrap();
    sandbox.revoke_tokens();
    let receipt = card.resume().await.unwrap();
    assert_eq!(receipt.attempts(), 2);
    assert_eq!(sandbox.token_exchanges(), 2);
}

#[tokio::test]
async fn a_refused_assertion_says_so_and_the_card_call_is_never_sent() {
    use d1_facade::{ApiOperation, SigningKey};
    let sandbox = strict_sandbox().await;
    let group = openssl::ec::EcGroup::from_curve_name(openssl::nid::Nid::X9_62_PRIME256V1).unwrap();
    let foreign = openssl::ec::EcKey::generate(&group).unwrap();
    let foreign = foreign.private_key_to_pem().unwrap();
    for key in [
        SigningKey::from_pem(&foreign, "unregistered").unwrap(),
        SigningKey::from_pem(&foreign, "foreign-key-of-a-known-kid").unwrap(),
    ] {
        let kid = key.kid().to_owned();
        let client = sandbox_builder(&sandbox)
            .signer(key)
            .sign_with(kid)
            .build()
            .unwrap();
        let error = client
            .card(CARD.parse().unwrap())
            .suspend()
            .await
            .unwrap_err();
        assert_error(
            &error,
            ErrorKind::TokenUnavailable,
            400,
            "assertion is not valid",
        );
        assert_eq!(error.operation(), ApiOperation::GetToken);
    }
    let cards = sandbox.requests();
    assert!(
        cards.iter().all(|r| r.path.starts_with("/authz/")),
        "no card call was made"
    );
}

#[tokio::test]
async fn an_aggregator_speaks_for_itself_and_names_the_cards_issuer() {
    let other = Issuer::new("ISSUER_B-2").card(d1_sandbox::Card::new("B"));
    let builder = Sandbox::builder().strict().aggregator("AGGREGATOR");
    let sandbox = builder.add_issuer(other).start().await.unwrap();
    let builder = || sandbox_builder(&sandbox).aggregator_id("AGGREGATOR");
    let client = builder().build().unwrap();
    client.card(CARD.parse().unwrap()).suspend().await.unwrap();
    let aggregator = builder().build_aggregator().unwrap();
    for (issuer, card) in [(sandbox.issuer_id(), CARD), ("ISSUER_B-2", "B")] {
        let client = aggregator.for_issuer(issuer.parse().unwrap());
        client.card(card.parse().unwrap()).delete().await.unwrap();
        assert_eq!(client.issuer().as_str(), issuer);
    }
    assert_eq!(sandbox.token_exchanges(), 2, "one for all issuers");
    let refused = sandbox_builder(&sandbox).build_aggregator();
    assert_eq!(refused.unwrap_err().field(), "aggregator_id");
    let client = sandbox_client(&sandbox);
    let error = client
        .card(CARD.parse().unwrap())
        .suspend()
        .await
        .unwrap_err();
    assert_eq!(
        error.kind(),
        ErrorKind::TokenUnavailable,
        "the issuer id is not the aggregator's"
    );
}

#[tokio::test]
async fn without_a_client_certificate_of_d1s_nothing_gets_through() {
    let sandbox = strict_sandbox().await;
    // A certificate of another authority: made by another throw-away CA.
    let (certificate, key) = foreign_identity();
    let client = sandbox_builder(&sandbox)
        .client_identity(Identity::from_pem(certificate, key).unwrap())
        .build()
        .unwrap();
    let card = client.card(CARD.parse().unwrap());
    let error = card.suspend().await.unwrap_err();
    // The token could not be had, so the card's call was not sent.
    assert_eq!(error.outcome(), Outcome::NotSent, "{error:?}");
    assert!(sandbox.requests().is_empty());
}
