//! Every call, at a sandbox and at servers that break, with everything listened to.

use std::time::Duration;

use d1_facade::SigningKey;
use d1_sandbox::{Fault, Sandbox};
use d1_tests::fault_server::{Act, FaultServer};
use d1_tests::{
    answering, any_root, bare_builder_for, builder_for, sandbox_builder,
    sandbox_builder_without_tokens, strict_sandbox,
};
use wiremock::ResponseTemplate;

use crate::known::{Held, leaks};
use crate::logs::{assert_heard, listen};
use crate::shown::{KnownToken, card_of, every_call};

/// Everything that must not be said in this process.
fn secrets(
    held: &Held,
    signing_key_pem: &str,
    client_key_pem: &str,
) -> Vec<(&'static str, Vec<u8>)> {
    let scalar = |pem: &str| {
        let key = openssl::pkey::PKey::private_key_from_pem(pem.as_bytes()).unwrap();
        key.ec_key()
            .unwrap()
            .private_key()
            .to_vec_padded(32)
            .unwrap()
    };
    let mut secrets = held.secrets();
    secrets.extend([
        ("signing key", scalar(signing_key_pem)),
        ("client key", scalar(client_key_pem)),
    ]);
    secrets
}

#[test]
fn no_snapshot_holds_a_card_number() {
    let folder = xtask::spec::workspace_root().join("tests/it/snapshots");
    let secrets = [
        ("PAN", d1_tests::PAN.into()),
        ("auxiliary PAN", b"5555555555554444".to_vec()),
    ];
    let mut read = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read(&path).unwrap();
        assert!(leaks(&text, &secrets).is_empty(), "{}", path.display());
        read += 1;
    }
    assert!(read > 10);
}

/// Every call at a sandbox: successes, refusals for real reasons, connections that break.
async fn at_sandboxes(sandbox: &Sandbox, held: &Held) -> String {
    let client = sandbox_builder(sandbox).build().unwrap();
    let mut shown = format!("{client:?} {sandbox:?}");
    shown += &every_call(&card_of(&client), held).await;
    shown += &every_call(&card_of(&client), held).await; // The card is deleted now.
    // A token that D1 never gave out; an assertion that it refuses.
    let other = strict_sandbox().await;
    let client = sandbox_builder_without_tokens(&other)
        .token_source(KnownToken(held.token.clone()))
        .build()
        .unwrap();
    shown += &every_call(&card_of(&client), held).await;
    let key = SigningKey::from_pem(other.signing_key_pem(), "unregistered").unwrap();
    let client = sandbox_builder(&other)
        .signer(key)
        .sign_with("unregistered")
        .build()
        .unwrap();
    shown += &every_call(&card_of(&client), held).await;
    // A connection that breaks, before and after.
    let client = sandbox_builder(&other).build().unwrap();
    for _ in 0..5 {
        other.fail_next(Fault::disconnect());
        other.fail_next(Fault::disconnect().after_effect());
    }
    shown + &every_call(&card_of(&client), held).await
}

/// Every call at servers that send back everything that they were sent, as an attacker would.
async fn at_echoes(held: &Held) -> String {
    let Held { pan, token, .. } = held;
    let mut shown = String::new();
    let echo = format!(r#"{{"error":"{pan} {token}","errorCode":"{token}","{pan}":1}}"#);
    for status in [200, 302, 400, 401, 403, 404, 429, 500, 503] {
        let template = ResponseTemplate::new(status)
            .set_body_raw(echo.clone(), "application/json")
            .insert_header("location", format!("https://else.example/{pan}?{token}"))
            .insert_header("www-authenticate", format!("Bearer realm=\"{token}\""))
            .insert_header("set-cookie", format!("session={token}; path=/{pan}"))
            .insert_header("x-correlation-id", token.as_str());
        let server = answering(template).await;
        let client = builder_for(&server)
            .token_source(KnownToken(token.clone()))
            .build()
            .unwrap();
        shown += &every_call(&card_of(&client), held).await;
    }
    shown
}

/// Every call at servers that break, each in the middle of saying back what it was told.
async fn broken_connections(held: &Held) -> String {
    let Held { pan, token, .. } = held;
    let echo = format!("{pan} Bearer {token}");
    let head = |headers: &str| format!("HTTP/1.1 200 OK\r\n{headers}");
    let truncated = head(&format!(
        "content-length: 9999\r\n\r\n{{\"error\": \"{echo}"
    ));
    let chunked = "transfer-encoding: chunked\r\n";
    let mut acts = vec![
        Act::ResetBeforeRequest,
        Act::ResetAfterRequest,
        Act::StallBeforeRequest,
        Act::Say(echo.clone().into_bytes()),
        Act::Say(head(&format!("x-echo: {echo}\u{0}\r\n\r\n")).into_bytes()),
        Act::Say(head(&format!("content-length: {pan}\r\n\r\n{echo}")).into_bytes()),
        Act::Say(format!("HTTP/1.1 {pan} {token}\r\n\r\n").into_bytes()),
        Act::Say(head(&format!("{chunked}\r\n{echo}")).into_bytes()),
        // Trailers, after a body that is whole.
        Act::Say(
            head(&format!(
                "{chunked}trailer: x-echo\r\n\r\n0\r\nx-echo: {echo}\r\n\r\n"
            ))
            .into_bytes(),
        ),
        // An interim answer and a reason phrase.
        Act::Say(
            format!("HTTP/1.1 103 {token}\r\nlink: {echo}\r\n\r\nHTTP/1.1 400 {token}\r\ncontent-length: 0\r\n\r\n")
                .into_bytes(),
        ),
    ];
    for said in [head(&format!("x-echo: {echo}")), truncated] {
        acts.push(Act::SayAndReset(said.clone().into_bytes()));
        acts.push(Act::SayAndStall(said.into_bytes()));
    }
    let mut shown = String::new();
    for act in acts {
        let server = FaultServer::start(move |_, _| act.clone()).await;
        let builder = bare_builder_for(&server.url()).timeout(Duration::from_millis(300));
        let builder = builder
            .token_source(KnownToken(token.clone()))
            .root_certificate(any_root());
        let client = builder.without_system_roots().build().unwrap();
        shown += &every_call(&card_of(&client), held).await;
    }
    shown
}

#[tokio::test]
async fn nothing_that_is_said_or_shown_holds_a_secret() {
    let logs = listen();
    let held = Held::new();
    let sandbox = strict_sandbox().await;
    let shown = [
        at_sandboxes(&sandbox, &held).await,
        at_echoes(&held).await,
        broken_connections(&held).await,
    ]
    .concat();
    let secrets = secrets(&held, sandbox.signing_key_pem(), sandbox.client_key_pem());
    let talkers = ["hyper_util", "hyper", "rustls", "d1_facade", "d1_sandbox"];
    let (h2, others) = (logs.h2.text(), logs.others.text());
    assert_heard(&others, &talkers);
    assert_heard(&h2, &["h2::"]);
    for (what, text) in [("shown", shown.into_bytes()), ("h2", h2), ("logs", others)] {
        let seed = held.seed;
        assert_eq!(leaks(&text, &secrets), [""; 0], "{what}, seed {seed}");
        for mark in held.marks() {
            let found = memchr::memmem::find(&text, mark.as_bytes());
            assert_eq!(found, None, "{what}: {mark}, seed {seed}");
        }
    }
}
