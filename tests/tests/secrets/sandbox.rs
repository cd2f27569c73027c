//! What a sandbox keeps, shows and logs of requests that hold what they should not.

use d1_facade::CardId;
use d1_sandbox::{Fault, Sandbox};
use d1_tests::sandbox_client;

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
