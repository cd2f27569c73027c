//! The control API of a d1-sandbox: what really became of the cards, and how D1 is made to fail.

use std::collections::BTreeMap;

use clap::Args;
use reqwest::Client;
use serde::Deserialize;
use serde_json::{Value, json};

/// A sandbox, seen from outside of D1.
#[derive(Debug, Args)]
pub(crate) struct Sandbox {
    /// The control API of the sandbox
    #[arg(long, env = "D1_CONTROL_URL")]
    control_url: String,
}

#[derive(Deserialize)]
struct State {
    cards: Vec<CardState>,
}

#[derive(Deserialize)]
struct CardState {
    id: String,
    operations: i64,
}

impl Sandbox {
    /// reqwest wants to know whose cryptography it is to use, although the control API is plain HTTP.
    pub(crate) fn choose_cryptography() {
        // It was chosen before: just as well.
        let _ = rustls_openssl::default_provider().install_default();
    }

    /// How many operations each card has had, by the sandbox's own books.
    pub(crate) async fn operations(&self) -> reqwest::Result<BTreeMap<String, i64>> {
        let url = format!("{}/api/state", self.control_url);
        let answer = Client::new().get(url).send().await?.error_for_status()?;
        let state: State = answer.json().await?;
        Ok(state
            .cards
            .into_iter()
            .map(|card| (card.id, card.operations))
            .collect())
    }

    /// Makes some of the calls fail, in each way that leaves a change in doubt and in some that do not.
    pub(crate) async fn misbehave(&self) -> reqwest::Result<()> {
        for fault in [
            fault(
                "disconnect",
                "suspendCard",
                0.001,
                json!({"afterEffect": true}),
            ),
            fault("disconnect", "suspendCard", 0.001, json!({})),
            fault("stall", "suspendCard", 0.0005, json!({"afterEffect": true})),
            fault("stall", "suspendCard", 0.0005, json!({})),
            fault("truncate", "suspendCard", 0.001, json!({})),
            fault(
                "status",
                "suspendCard",
                0.001,
                json!({"status": 503, "afterEffect": true}),
            ),
            fault("status", "suspendCard", 0.001, json!({"status": 429})),
            fault("status", "listOperations", 0.02, json!({"status": 500})),
        ] {
            self.add(&fault).await?;
        }
        Ok(())
    }

    /// Makes every change take this long.
    pub(crate) async fn answer_late(&self, milliseconds: u32) -> reqwest::Result<()> {
        let delay = json!({"delayMs": [milliseconds, milliseconds]});
        self.add(&fault("delay", "suspendCard", 1.0, delay)).await
    }

    async fn add(&self, fault: &Value) -> reqwest::Result<()> {
        let url = format!("{}/api/faults", self.control_url);
        let request = Client::new().post(url).json(fault);
        request.send().await?.error_for_status()?;
        Ok(())
    }
}

fn fault(kind: &str, operation: &str, probability: f64, more: Value) -> Value {
    let mut fault = json!({
        "kind": kind,
        "operation": operation,
        "probability": probability,
        "times": u32::MAX,
    });
    if let (Some(fault), Value::Object(more)) = (fault.as_object_mut(), more) {
        fault.extend(more);
    }
    fault
}
