//! A service that is killed while D1 has not answered yet.

use std::process::Stdio;

use d1_sandbox::{Card, Fault, Sandbox};
use issuer_service::settings::Settings;
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::support::{client, database, read, settings, until};

/// A service in a process of its own, and where it listens.
struct Process(Child, String);

impl Process {
    async fn start(settings: &Settings) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_issuer-service"));
        for (name, path) in [
            ("VAULT", &settings.vault),
            ("D1_SIGNING_KEY", &settings.signing_key),
            ("D1_ENCRYPTION_JWK", &settings.encryption_jwk),
            ("D1_CLIENT_CERT", &settings.client_certificate),
            ("D1_CLIENT_KEY", &settings.client_key),
            ("D1_CA", settings.ca.as_ref().unwrap()),
            ("INBOUND_CERT", &settings.inbound_certificate),
            ("INBOUND_KEY", &settings.inbound_key),
            ("INBOUND_CLIENT_CA", &settings.inbound_client_ca),
        ] {
            command.env(name, path);
        }
        let mut child = command
            .env("DATABASE_URL", &settings.database_url)
            .env("D1_BASE_URL", &settings.base_url)
            .env("D1_ISSUER_ID", &settings.issuer)
            .env("D1_SIGNING_KID", &settings.signing_kid)
            .env("LISTEN", "127.0.0.1:0")
            .env("INBOUND_LISTEN", "127.0.0.1:0")
            .env("CALL_TIMEOUT", "1")
            .env("SETTLING_TIME", "0.001")
            .env("RECONCILE_EVERY", "0.05")
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        loop {
            let line = lines.next_line().await.unwrap().expect("it has ended");
            let line: Value = serde_json::from_str(&line).unwrap();
            if let Some(address) = line["fields"]["channels"].as_str() {
                let url = format!("http://{address}");
                // What it logs later is read, so that it never waits for a reader.
                tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
                return Self(child, url);
            }
        }
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL: examples/issuer-service/run.sh test"]
async fn what_a_killed_process_has_sent_is_found_out_by_the_next_one() {
    let builder = Sandbox::builder()
        .card(Card::new("Made"))
        .card(Card::new("NotMade"));
    let sandbox = builder.start().await.unwrap();
    let folder = TempDir::new().unwrap();
    let settings = settings(&sandbox, &folder, &database().await);
    sandbox.fail_next(Fault::stall().after_effect().card("Made"));
    sandbox.fail_next(Fault::stall().card("NotMade"));
    let http = client(None, None);
    let order = |url: &str, card: &str| {
        let request = http.post(format!("{url}/cards/{card}/suspend"));
        request.header("idempotency-key", card).send()
    };

    let before = sandbox.card("Made").unwrap().operations;
    let mut first = Process::start(&settings).await;
    let orders = [order(&first.1, "Made"), order(&first.1, "NotMade")].map(tokio::spawn);
    until(|| {
        ["Made", "NotMade"]
            .iter()
            .all(|card| !sandbox.requests_for("suspendCard", card).is_empty())
    })
    .await;
    first.0.kill().await.unwrap();
    for order in orders {
        assert!(order.await.unwrap().is_err(), "no channel has an answer");
    }

    let second = Process::start(&settings).await;
    for (card, expected) in [("Made", "done"), ("NotMade", "not_done")] {
        loop {
            let response = http
                .get(format!("{}/changes/{card}", second.1))
                .send()
                .await
                .unwrap();
            let state = read(response).await.1["state"].clone();
            if state != "sending" {
                break assert_eq!(state, expected, "{card}");
            }
        }
        // The channel repeats its order, and has its one change.
        assert_eq!(
            order(&second.1, card).await.unwrap().status(),
            200,
            "{card}"
        );
        assert_eq!(sandbox.card(card).unwrap().operations, before + 1, "{card}");
    }
}
