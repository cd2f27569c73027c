//! A control port that other machines can reach.

use crate::common::client_builder;
use d1_sandbox::Sandbox;
use reqwest::Method;
use serde_json::Value;

/// A sandbox whose control port other machines can reach.
async fn reachable() -> (Sandbox, reqwest::Client, String) {
    let builder = Sandbox::builder()
        .control_port(0)
        .control_bind([0, 0, 0, 0].into());
    let sandbox = builder.server_name("sandbox.test").start().await.unwrap();
    let client = client_builder(&sandbox, None, rustls::ALL_VERSIONS);
    let client = client.redirect(reqwest::redirect::Policy::none()).build();
    let client = client.unwrap();
    let url = sandbox.control_url().unwrap();
    let port = url.strip_prefix("http://sandbox.test:").unwrap();
    let url = format!("http://127.0.0.1:{port}");
    (sandbox, client, url)
}

#[tokio::test]
async fn a_control_port_for_other_machines_needs_its_token() {
    let (sandbox, client, url) = reachable().await;
    let token = sandbox.control_token().unwrap();
    assert!(token.len() > 40 && !format!("{sandbox:?}").contains(token));
    for path in [
        "/",
        "/api/state",
        "/metrics",
        "/openapi.json",
        "/api/events",
        "/nothing",
    ] {
        for authorization in [None, Some("Bearer x".to_owned()), Some(token.to_owned())] {
            let mut request = client.get(format!("{url}{path}"));
            if let Some(value) = authorization {
                request = request.header("authorization", value);
            }
            let answer = request.send().await.unwrap();
            assert_eq!(answer.status(), 401, "{path}");
            assert_eq!(answer.headers()["www-authenticate"], "Bearer");
        }
    }
    let state = client.get(format!("{url}/api/state")).bearer_auth(token);
    let state: Value = state.send().await.unwrap().json().await.unwrap();
    assert_eq!(state["issuerId"], "ISSUER_A-1");

    // A browser shows the token once.
    let page = |query: &str| {
        client
            .get(format!("{url}/?token={query}"))
            .header("accept", "text/html")
            .send()
    };
    assert_eq!(page("x").await.unwrap().status(), 401);
    let redirect = page(token).await.unwrap();
    assert_eq!(redirect.status(), 303);
    assert_eq!(redirect.headers()["location"], "/");
    let cookie = redirect.headers()["set-cookie"].to_str().unwrap();
    assert!(
        cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"),
        "{cookie}"
    );
    let cookie = cookie.split(';').next().unwrap();
    let state = client
        .get(format!("{url}/api/state"))
        .header("cookie", format!("a=b; {cookie}"));
    assert_eq!(state.send().await.unwrap().status(), 200);

    let loopback = Sandbox::builder().control_port(0).start().await.unwrap();
    assert_eq!(loopback.control_token(), None);
}

#[tokio::test]
async fn hosts_and_origins_are_checked_with_a_token_too() {
    let (sandbox, client, url) = reachable().await;
    let token = sandbox.control_token().unwrap();
    let with = |name: &str, value: &str| {
        let request = client
            .request(Method::DELETE, format!("{url}/api/faults"))
            .bearer_auth(token);
        request.header(name, value).send()
    };
    for (host, status) in [
        ("sandbox.test", 204),
        ("SANDBOX.test:80", 204),
        ("192.0.2.7:1", 204),
        ("[2001:db8::1]:1", 204),
        ("localhost", 204),
        ("evil.example", 403),
        ("sandbox.test.evil.example", 403),
    ] {
        assert_eq!(with("host", host).await.unwrap().status(), status, "{host}");
    }
    for (origin, status) in [
        (url.as_str(), 204),
        ("null", 403),
        ("http://evil.example", 403),
        ("", 403),
    ] {
        assert_eq!(
            with("origin", origin).await.unwrap().status(),
            status,
            "{origin}"
        );
    }
}
