//! Each documented error of each operation, over real TLS, from a D1 that has a reason for it.

use d1_facade::{Card, CardCredentials, CardState, ErrorKind, Outcome, ReasonCode, Renewal};
use d1_sandbox::{ErrorBodies, Fault, Mode, Sandbox};
use d1_tests::{
    CARD, EXPIRY, FixedToken, PAN, assert_error, sandbox_builder_without_tokens, sandbox_client,
    strict_sandbox, with,
};

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
async fn error_400_of_each_operation() {
    let (_sandbox, card) = start().await;
    // The only thing that the facade lets through and D1 does not: a PAN in a header.
    let errors = [
        card.suspend().header("x-note", PAN).await.unwrap_err(),
        card.resume().header("x-note", PAN).await.unwrap_err(),
        card.delete().header("x-note", PAN).await.unwrap_err(),
        card.renew(to_other())
            .header("x-note", PAN)
            .await
            .unwrap_err(),
        card.operations().header("x-note", PAN).await.unwrap_err(),
        card.operation(&"op-1".parse().unwrap())
            .header("x-note", PAN)
            .await
            .unwrap_err(),
    ];
    for error in errors {
        assert_error(&error, ErrorKind::InvalidRequest, 400, "not valid");
        assert_eq!(error.outcome(), Outcome::Refused);
        let shown = format!("{error} {error:?} {:?}", error.troubleshooting_text());
        assert!(!shown.contains(PAN), "{shown}");
    }
    let error = card
        .renew(Renewal::same_card())
        .body_field("newCardProductId", "semi;colon")
        .await
        .unwrap_err();
    assert_error(&error, ErrorKind::InvalidRequest, 400, "not valid");
}

#[tokio::test]
async fn error_401_of_each_operation() {
    let sandbox = strict_sandbox().await;
    // A token that D1 never gave out.
    let client = sandbox_builder_without_tokens(&sandbox)
        .token_source(FixedToken)
        .build()
        .unwrap();
    let card = client.card(CARD.parse().unwrap());
    for error in [
        card.suspend().await.unwrap_err(),
        card.resume().await.unwrap_err(),
        card.delete().await.unwrap_err(),
        card.renew(to_other()).await.unwrap_err(),
        card.operations().await.unwrap_err(),
        card.operation(&"op-1".parse().unwrap()).await.unwrap_err(),
    ] {
        assert_error(
            &error,
            ErrorKind::TokenRejected,
            401,
            "Authorization header",
        );
        assert_eq!(error.outcome(), Outcome::Refused);
    }
}

#[tokio::test]
async fn error_403_of_an_inactive_end_user() {
    let (sandbox, card) = start().await;
    sandbox.set_consumer_state(CARD, d1_sandbox::ConsumerState::Inactive);
    for error in [
        card.resume().await.unwrap_err(),
        card.renew(Renewal::same_card()).await.unwrap_err(),
    ] {
        assert_error(&error, ErrorKind::Forbidden, 403, "not active");
        assert_eq!(error.outcome(), Outcome::Refused);
    }
}

#[tokio::test]
async fn error_403_of_a_new_card_that_is_somebody_elses() {
    for other in [
        d1_sandbox::Card::new("ReplaceMe02").consumer("somebody-else"),
        d1_sandbox::Card::new("ReplaceMe02").product("other-product"),
    ] {
        let builder = Sandbox::builder()
            .card(d1_sandbox::Card::new(CARD))
            .card(other);
        let (_sandbox, card) = with(builder).await;
        let error = card.renew(to_other()).await.unwrap_err();
        assert_error(&error, ErrorKind::Forbidden, 403, "already registered");
        assert!(
            error.causes()[0].meaning().contains("already registered"),
            "most specific first"
        );
    }
}

#[tokio::test]
async fn error_403_of_a_reason_code_after_migration() {
    let (_sandbox, card) = with(Sandbox::builder().mode(Mode::Migrated)).await;
    let unheard = || ReasonCode::Unknown("UNHEARD_OF".into());
    let mut errors = vec![
        card.suspend().reason_code(unheard()).await.unwrap_err(),
        card.delete().reason_code(unheard()).await.unwrap_err(),
        card.renew(Renewal::same_card())
            .reason_code(unheard())
            .await
            .unwrap_err(),
    ];
    card.suspend()
        .reason_code(ReasonCode::CardStolen)
        .await
        .unwrap();
    errors.push(
        card.resume()
            .reason_code(ReasonCode::CardFound)
            .await
            .unwrap_err(),
    );
    for error in errors {
        assert_error(
            &error,
            ErrorKind::Forbidden,
            403,
            "does not allow this reason code",
        );
        assert!(error.causes()[0].after_migration());
        assert!(error.advice().contains("ISSUER_DECISION"));
    }
}

#[tokio::test]
async fn error_403_of_renewals_that_are_v2s_business_after_migration() {
    let migrated = || Sandbox::builder().mode(Mode::Migrated);
    for (renewal, meaning) in [
        (
            Renewal::same_card().credentials(credentials(NEW_PAN)),
            "the PAN is a new one",
        ),
        (
            to_other().credentials(credentials(PAN)),
            "the PAN is the old one",
        ),
        (
            to_other()
                .credentials(credentials(NEW_PAN))
                .state(CardState::Inactive),
            "start INACTIVE",
        ),
    ] {
        let (sandbox, card) = with(migrated()).await;
        let error = card.renew(renewal).await.unwrap_err();
        assert_error(&error, ErrorKind::Forbidden, 403, meaning);
        assert!(sandbox.card(CARD).is_some(), "nothing was changed");
    }
    let (_sandbox, card) = with(migrated()).await;
    let replaced = to_other()
        .credentials(credentials(NEW_PAN))
        .state(CardState::Active);
    card.renew(replaced).await.unwrap();
}

#[tokio::test]
async fn error_404_of_each_operation() {
    let (sandbox, card) = start().await;
    let nobody = sandbox_client(&sandbox).card("NoSuchCard".parse().unwrap());
    for error in [
        nobody.suspend().await.unwrap_err(),
        nobody.resume().await.unwrap_err(),
        nobody.renew(to_other()).await.unwrap_err(),
    ] {
        assert_error(&error, ErrorKind::NotFound, 404, "card was not found");
    }
    let error = nobody.delete().await.unwrap_err();
    assert_error(
        &error,
        ErrorKind::NotFound,
        404,
        "issuer, the consumer or the account",
    );
    let id = "op-unknown".parse().unwrap();
    for error in [
        nobody.operations().await.unwrap_err(),
        nobody.operation(&id).await.unwrap_err(),
    ] {
        assert_error(&error, ErrorKind::UnknownCard, 404, "card id is not known");
        assert_eq!(
            (error.code(), error.is_retryable()),
            (Some("UNKNOWN_CARD"), false)
        );
    }
    let error = card.operation(&id).await.unwrap_err();
    assert_error(
        &error,
        ErrorKind::UnknownOperation,
        404,
        "operation id is not known",
    );
}

#[tokio::test]
async fn error_404_without_a_code_or_a_body() {
    for bodies in [ErrorBodies::WithoutCode, ErrorBodies::Empty] {
        let (sandbox, _) = with(Sandbox::builder().error_bodies(bodies)).await;
        let nobody = sandbox_client(&sandbox).card("NoSuchCard".parse().unwrap());
        let id = "op-unknown".parse().unwrap();
        for error in [
            nobody.operations().await.unwrap_err(),
            nobody.operation(&id).await.unwrap_err(),
        ] {
            assert_error(&error, ErrorKind::NotFound, 404, "no details");
            assert!(!error.is_retryable());
        }
    }
}

#[tokio::test]
async fn error_500_of_each_operation() {
    let (sandbox, card) = start().await;
    let fail = || sandbox.fail_next(Fault::status(500));
    let mut errors = Vec::new();
    fail();
    errors.push(card.suspend().await.unwrap_err());
    fail();
    errors.push(card.resume().await.unwrap_err());
    fail();
    errors.push(card.delete().await.unwrap_err());
    fail();
    errors.push(card.renew(to_other()).await.unwrap_err());
    fail();
    errors.push(card.operations().await.unwrap_err());
    fail();
    errors.push(card.operation(&"op-1".parse().unwrap()).await.unwrap_err());
    for error in errors {
        assert_error(&error, ErrorKind::ServerError, 500, "internal error");
        assert_eq!(error.outcome(), Outcome::Unknown);
        assert_eq!(error.is_retryable(), !error.operation().changes_card());
    }
    assert_eq!(
        sandbox
            .requests()
            .iter()
            .filter(|r| r.status == 500)
            .count(),
        6,
        "sent once each"
    );
}
