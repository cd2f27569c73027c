//! What a sandbox keeps, shows and logs of requests that hold what they should not.

use d1_facade::auth::AssertionPolicy;
use d1_facade::{CardCredentials, CardId, OperationId, Renewal};
use d1_sandbox::{Fault, Sandbox};
use d1_tests::{sandbox_builder, sandbox_client};

use crate::known::{Held, echoes, leaks};
use crate::logs::{assert_heard, listen};
use crate::shown::{card_of, shown};

/// Everything that the control port of a sandbox says.
async fn control(sandbox: &Sandbox) -> String {
    let client = d1_tests::plain_http_client(|builder| builder);
    let url = sandbox.control_url().unwrap();
    let mut said = String::new();
    for path in [
        "/",
        "/api/requests",
        "/api/state",
        "/api/faults",
        "/metrics",
        "/openapi.json",
    ] {
        let answer = client.get(format!("{url}{path}")).send().await.unwrap();
        said += &answer.text().await.unwrap();
    }
    said
}

/// What the control port says to a body that it does not understand.
async fn refused_fault(sandbox: &Sandbox, body: String) -> String {
    let client = d1_tests::plain_http_client(|builder| builder);
    let url = format!("{}/api/faults", sandbox.control_url().unwrap());
    let request = client.post(url).header("content-type", "application/json");
    let answer = request.body(body).send().await.unwrap();
    assert_eq!(answer.status(), 400);
    answer.text().await.unwrap()
}

#[tokio::test]
async fn a_card_number_that_a_caller_sends_by_mistake_is_nowhere_in_a_sandbox() {
    let logs = listen();
    let held = Held::new();
    let sandbox = Sandbox::builder().control_port(0).start().await.unwrap();
    let client = sandbox_client(&sandbox);
    let card = card_of(&client);
    let wrong = client.card(CardId::without_pan_check(&held.pan).unwrap());
    let jwt = format!("eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJ4In0.{}", held.token);
    let mut sent = echoes(&held.pan);
    sent.extend([jwt.clone(), format!("Bearer {}", held.token)]);
    let mut answers = String::new();
    for said in sent {
        // The escapes of JSON are for those who write JSON themselves.
        let said = said.replace("\\\\u", "\\u").replace("\\n", "\n");
        let flat = said.replace('\n', " ");
        answers += &shown(&card.suspend().query("note", said.as_str()).await);
        answers += &shown(&card.suspend().query(said.as_str(), "note").await);
        answers += &shown(&card.suspend().header("x-note", flat.as_str()).await);
        answers += &shown(&card.suspend().body_field("note", said.as_str()).await);
        answers += &shown(&card.suspend().body_field(said.as_str(), 1).await);
        answers +=
            &refused_fault(&sandbox, format!(r#"{{"{}":1}}"#, flat.replace('\\', "/"))).await;
        sandbox.fail_next(
            Fault::status(500)
                .operation(&flat)
                .body("text/plain", &said),
        );
    }
    answers += &shown(&wrong.suspend().await);
    let seen = format!("{:?} {sandbox:?}", sandbox.requests());
    assert!(seen.contains("[masked]"), "{seen}");
    let secrets = held.secrets();
    assert_heard(&logs.others.text(), &["d1_sandbox"]);
    for (what, text) in [
        ("answers", answers.into_bytes()),
        ("records", seen.into_bytes()),
        ("control", control(&sandbox).await.into_bytes()),
        ("h2", logs.h2.text()),
        ("logs", logs.others.text()),
    ] {
        let found = leaks(&text, &secrets);
        let text = String::from_utf8_lossy(&text);
        let around = text
            .find(&held.pan)
            .map(|at| &text[at.saturating_sub(200)..at]);
        assert_eq!(found, [""; 0], "{what}, seed {}: {around:?}", held.seed);
    }
}

#[tokio::test]
async fn what_is_in_claims_ids_and_card_details_is_nowhere_in_a_sandbox() {
    let logs = listen();
    let held = Held::new();
    let Held { pan, token, .. } = &held;
    let jwt = format!("eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJ4In0.{token}");
    let mut answers = String::new();
    let mut seen = String::new();
    for strict in [false, true] {
        let builder = Sandbox::builder().control_port(0);
        let builder = if strict { builder.strict() } else { builder };
        let sandbox = builder.start().await.unwrap();
        for said in [pan, &jwt] {
            let policy = AssertionPolicy::default();
            let client = sandbox_builder(&sandbox)
                .assertion_policy(policy.claim("note", said.as_str()).claim(said.as_str(), 1))
                .token_header("x-note", said.as_str())
                .build()
                .unwrap();
            let card = card_of(&client);
            let credentials = CardCredentials::new(pan.as_str(), held.expiry.as_str()).unwrap();
            let renewal = match CardId::without_pan_check(said) {
                Ok(id) => Renewal::to(id),
                Err(_) => Renewal::same_card(),
            };
            let renew = card.renew(renewal.credentials(credentials));
            answers += &shown(&renew.body_field("cvv", pan.as_str()).await);
            answers += &shown(&card.suspend().body_field(pan.as_str(), jwt.as_str()).await);
            if let Ok(id) = said.parse::<OperationId>() {
                answers += &shown(&card.operation(&id).await);
            }
            let wrong = client.card(CardId::without_pan_check(pan).unwrap());
            answers += &shown(&wrong.operations().query("limit", said.as_str()).await);
        }
        seen += &format!(
            "{:?} {:?} {sandbox:?} {}",
            sandbox.requests(),
            sandbox.warnings(),
            control(&sandbox).await
        );
    }
    let texts = [
        ("answers", answers.into_bytes()),
        ("records and control", seen.into_bytes()),
        ("h2", logs.h2.text()),
        ("logs", logs.others.text()),
    ];
    for (what, text) in texts {
        let found = leaks(&text, &held.secrets());
        let text = String::from_utf8_lossy(&text);
        let at = text.find(pan).or(text.find(token)).unwrap_or(0);
        let around: String = text[at.saturating_sub(300).min(at)..]
            .chars()
            .take(340)
            .collect();
        assert_eq!(found, [""; 0], "{what}, seed {}: {around}", held.seed);
    }
}
