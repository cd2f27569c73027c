//! The control port over the network: what it shows, what it changes, and whom it answers.

use d1_sandbox::{CardState, ConsumerState, Sandbox};
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};

use crate::common::{Caller, http_client};

/// A sandbox with its control port, and a client for that.
struct Control {
    sandbox: Sandbox,
    client: Client,
}

impl Control {
    async fn start() -> Self {
        let sandbox = Sandbox::builder().control_port(0).start().await.unwrap();
        let client = http_client(&sandbox, true, rustls::ALL_VERSIONS);
        Self { sandbox, client }
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.sandbox.control_url().unwrap())
    }

    async fn get(&self, path: &str) -> Value {
        let answer = self.client.get(self.url(path)).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        answer.json().await.unwrap()
    }

    async fn send(&self, method: Method, path: &str, body: Value) -> (u16, Value) {
        let request = self.client.request(method, self.url(path)).json(&body);
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        let text = answer.text().await.unwrap();
        (status, serde_json::from_str(&text).unwrap_or_default())
    }

    async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        self.send(Method::POST, path, body).await
    }
}

#[tokio::test]
async fn the_state_has_everything_but_secrets() {
    let control = Control::start().await;
    let caller = Caller::new(&control.sandbox).await;
    let token =
        json!({ "encryptedData": caller.encrypt(r#"{"pan":"5555555555554444","exp":"0131"}"#) });
    assert_eq!(caller.post("ReplaceMe01", "renew", token).await.0, 200);
    let state = control.get("/api/state").await;
    assert_eq!(state["cards"][0]["lastFour"], "4444");
    assert_eq!(state["operations"][0]["operation"], "RENEW");
    assert_eq!(state["operations"][0]["cardId"], "ReplaceMe01");
    assert_eq!(state["requests"][0]["operationId"], "renewCard");
    assert_eq!(state["tokenExchanges"], 1);
    assert_eq!(
        (&state["mode"], &state["issuerId"]),
        (&json!("v1"), &json!("ISSUER_A-1"))
    );
    for text in [
        state.to_string(),
        control.get("/api/requests").await.to_string(),
    ] {
        // The last two are whole values: their characters can stand in a port or a key's id.
        for secret in ["5555555555554444", "\"0131\"", "\"eyJ"] {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
    }
}

#[tokio::test]
async fn faults_come_and_go() {
    let control = Control::start().await;
    let caller = Caller::new(&control.sandbox).await;
    let fault = json!({ "kind": "status", "status": 429, "headers": { "retry-after": "3" },
        "operation": "suspendCard", "card": "ReplaceMe01", "times": 2 });
    assert_eq!(
        control.post("/api/faults", fault).await,
        (201, json!({ "id": 1 }))
    );
    assert_eq!(control.get("/api/faults").await[0]["times"], 2);
    assert_eq!(
        caller.post("ReplaceMe01", "suspend", json!({})).await.0,
        429
    );
    assert_eq!(control.get("/api/faults").await[0]["times"], 1);
    assert_eq!(
        control
            .send(Method::DELETE, "/api/faults/1", Value::Null)
            .await
            .0,
        204
    );
    assert_eq!(
        control
            .send(Method::DELETE, "/api/faults/1", Value::Null)
            .await
            .0,
        404
    );
    assert_eq!(
        caller.post("ReplaceMe01", "suspend", json!({})).await.0,
        200
    );
    control
        .post("/api/faults", json!({ "kind": "stall" }))
        .await;
    assert_eq!(
        control
            .send(Method::DELETE, "/api/faults", Value::Null)
            .await
            .0,
        204
    );
    assert_eq!(control.sandbox.pending_faults(), 0);
}

#[tokio::test]
async fn what_is_wrong_with_a_request_is_said() {
    let control = Control::start().await;
    for (path, body, part) in [
        ("/api/faults", json!({}), "kind"),
        ("/api/faults", json!({ "kind": "explode" }), "explode"),
        (
            "/api/faults",
            json!({ "kind": "stall", "colour": 1 }),
            "colour",
        ),
        (
            "/api/faults",
            json!({ "kind": "status", "status": 99 }),
            "status",
        ),
        (
            "/api/faults",
            json!({ "kind": "stall", "probability": 2 }),
            "probability",
        ),
        (
            "/api/faults",
            json!({ "kind": "delay", "delayMs": [2, 1] }),
            "delayMs",
        ),
        (
            "/api/faults",
            json!({ "kind": "stall", "operation": "nope" }),
            "operationId",
        ),
        (
            "/api/faults",
            json!({ "kind": "oversize", "bytes": u64::from(u32::MAX) }),
            "bytes",
        ),
        (
            "/api/clock",
            json!({ "offsetSeconds": "x" }),
            "offsetSeconds",
        ),
        (
            "/api/cards/ReplaceMe01",
            json!({ "state": "BROKEN" }),
            "ACTIVE",
        ),
    ] {
        let (status, answer) = control.post(path, body.clone()).await;
        let error = answer["error"].as_str().unwrap_or_default();
        let named = error.contains(part) || error.contains("expected");
        assert!(status == 400 && named, "{body}: {status} {answer}");
    }
    assert_eq!(control.post("/api/cards/none", json!({})).await.0, 404);
    assert_eq!(control.sandbox.pending_faults(), 0);
}

#[tokio::test]
async fn cards_tokens_and_the_clock_can_be_changed() {
    let control = Control::start().await;
    let caller = Caller::new(&control.sandbox).await;
    let path = "/api/cards/ReplaceMe01";
    let both = json!({ "state": "INACTIVE", "consumerState": "INACTIVE" });
    assert_eq!(control.post(path, both).await.0, 204);
    let card = control.sandbox.card("ReplaceMe01").unwrap();
    assert_eq!(
        (card.state, card.consumer_state),
        (CardState::Inactive, ConsumerState::Inactive)
    );
    assert_eq!(caller.post("ReplaceMe01", "resume", json!({})).await.0, 403);
    let active = json!({ "consumerState": "ACTIVE" });
    assert_eq!(control.post(path, active).await.0, 204);
    assert_eq!(caller.post("ReplaceMe01", "resume", json!({})).await.0, 200);

    assert_eq!(
        control
            .post("/api/clock", json!({ "offsetSeconds": 3600 }))
            .await
            .0,
        204
    );
    assert_eq!(
        caller.get("ReplaceMe01", "").await.0,
        401,
        "the token has expired"
    );
    let (key, kid) = (
        control.sandbox.signing_key_pem(),
        control.sandbox.signing_kid(),
    );
    let by_the_machine = crate::common::assertion_with(key, kid, "ISSUER_A-1");
    let refused = caller.exchange(&by_the_machine).await;
    let date = refused.headers()["date"].to_str().unwrap().to_owned();
    assert_eq!(refused.status(), 400, "and so has the assertion");
    control
        .post("/api/clock", json!({ "offsetSeconds": 0 }))
        .await;
    let right = caller.exchange(&caller.assertion("ISSUER_A-1")).await;
    assert_eq!(right.status(), 200);
    assert_ne!(
        right.headers()["date"].to_str().unwrap()[..22],
        date[..22],
        "an hour apart"
    );

    assert_eq!(caller.get("ReplaceMe01", "").await.0, 200);
    assert_eq!(control.post("/api/tokens/revoke", json!({})).await.0, 204);
    assert_eq!(caller.get("ReplaceMe01", "").await.0, 401);
    assert_eq!(
        control
            .send(Method::DELETE, "/api/requests", Value::Null)
            .await
            .0,
        204
    );
    assert!(control.sandbox.requests().is_empty());
}

#[tokio::test]
async fn metrics_count_what_was_answered() {
    let control = Control::start().await;
    let caller = Caller::new(&control.sandbox).await;
    for _ in 0..3 {
        caller.get("ReplaceMe01", "").await;
    }
    control
        .sandbox
        .fail_next(d1_sandbox::Fault::stall().operation("renewCard"));
    let answer = control
        .client
        .get(control.url("/metrics"))
        .send()
        .await
        .unwrap();
    let text = answer.text().await.unwrap();
    for line in [
        r#"d1_sandbox_requests_total{operation="listOperations",status="200"} 3"#,
        r#"d1_sandbox_requests_total{operation="getToken",status="200"} 1"#,
        "d1_sandbox_tokens_total 1",
        "d1_sandbox_cards 1",
        "d1_sandbox_faults 1",
    ] {
        assert!(text.lines().any(|l| l == line), "{line} in\n{text}");
    }
    // Every line is a comment, or a name with a number.
    let is_sample = |l: &str| {
        l.rsplit_once(' ')
            .is_some_and(|(_, n)| n.parse::<u64>().is_ok())
    };
    assert!(
        text.lines().all(|l| l.starts_with("# ") || is_sample(l)),
        "{text}"
    );
}

#[tokio::test]
async fn events_are_told_as_they_happen() {
    let control = Control::start().await;
    let caller = Caller::new(&control.sandbox).await;
    let mut events = control
        .client
        .get(control.url("/api/events"))
        .send()
        .await
        .unwrap();
    assert_eq!(events.headers()["content-type"], "text/event-stream");
    caller.post("ReplaceMe01", "suspend", json!({})).await;
    let mut heard = String::new();
    while !heard.contains("\"request\"") {
        let chunk = events.chunk().await.unwrap().unwrap();
        heard.push_str(std::str::from_utf8(&chunk).unwrap());
    }
    assert!(
        heard.contains("suspendCard") && heard.contains("\"change\""),
        "{heard}"
    );
}

#[tokio::test]
async fn other_origins_and_hosts_are_refused() {
    let control = Control::start().await;
    let state = control.url("/api/state");
    let with_host = |host: &str| control.client.get(&state).header("host", host).send();
    for host in [
        "evil.example",
        "127.0.0.1.evil.example",
        "localhost.evil.example:80",
    ] {
        assert_eq!(with_host(host).await.unwrap().status(), 403, "{host}");
    }
    assert_eq!(with_host("localhost:1").await.unwrap().status(), 200);
    // What a form of another page could send.
    let form = control.client.post(control.url("/api/tokens/revoke"));
    let form = form.header("content-type", "text/plain").body("{}");
    assert_eq!(form.send().await.unwrap().status(), 415);
    let json = control.client.post(control.url("/api/faults"));
    let json = json.header("content-type", "Application/JSON; charset=utf-8");
    let fault = r#"{"kind":"status","status":429}"#;
    assert_eq!(json.body(fault).send().await.unwrap().status(), 201);
    let page = control.client.get(control.url("/")).send().await.unwrap();
    let policy = page.headers()["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("default-src 'none'"), "{policy}");
    assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
    assert_eq!(page.headers()["x-frame-options"], "DENY");
    let page = page.text().await.unwrap();
    assert!(
        !page.contains("https://") && !page.contains("http://"),
        "no outside host"
    );
}

#[tokio::test]
async fn the_document_points_at_the_sandbox_and_has_a_token_call_that_works() {
    let control = Control::start().await;
    let document = control.get("/openapi.json").await;
    assert_eq!(document["openapi"], "3.0.3");
    assert_eq!(document["servers"][0]["url"], control.sandbox.base_url());
    assert_eq!(document["servers"].as_array().map(Vec::len), Some(1));
    let yaml = control.client.get(control.url("/openapi.yaml")).send();
    let yaml = yaml.await.unwrap();
    assert_eq!(yaml.headers()["content-type"], "application/yaml");
    let yaml = yaml.text().await.unwrap();
    let mut same: Value = serde_saphyr::from_str(&yaml).unwrap();
    // The signature is another one each time.
    let form = "/paths/~1authz~1v1~1oauth2~1token/post/requestBody/content/application~1x-www-form-urlencoded/example";
    let example = document.pointer(form).unwrap();
    *same.pointer_mut(form).unwrap() = example.clone();
    assert_eq!(same, document);

    let caller = Caller::new(&control.sandbox).await;
    let answer = caller
        .exchange(example["assertion"].as_str().unwrap())
        .await;
    assert_eq!(answer.status(), 200);
    assert_eq!(control.sandbox.warnings(), Vec::<String>::new());
}

#[tokio::test]
async fn without_a_port_there_is_none() {
    let sandbox = Sandbox::start().await.unwrap();
    assert_eq!(sandbox.control_url(), None);
}
