//! A service that is killed while D1 has not answered yet.

use std::path::Path;
use std::process::Stdio;

use d1_sandbox::{Card, Fault, Sandbox};
use issuer_service::{CHANNEL, REQUEST_ID};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::support::{client, database, read, settings, until};

/// A service in a process of its own, and where it listens.
struct Process(Child, String);

impl Process {
    /// Starts one with the files in a folder. `exec` leaves no shell that could be killed in its place.
    async fn start(folder: &Path, database: &str) -> Self {
        let mut child = Command::new("sh")
            .args(["-c", ". ./d1.env; exec \"$0\" --call-timeout=1"])
            .arg(env!("CARGO_BIN_EXE_issuer-service"))
            .current_dir(folder)
            .env("DATABASE_URL", database)
            .env("VAULT", "vault.json")
            .env("INBOUND_CERT", "issuer-server.pem")
            .env("INBOUND_KEY", "issuer-server.key")
            .env("INBOUND_CLIENT_CA", "issuer-client-ca.pem")
            .env("LISTEN", "127.0.0.1:0")
            .env("INBOUND_LISTEN", "127.0.0.1:0")
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
async fn what_a_killed_process_has_sent_is_found_out_by_the_next_one() {
    let builder = Sandbox::builder()
        .card(Card::new("Made"))
        .card(Card::new("NotMade"));
    let sandbox = builder.start().await.unwrap();
    let folder = TempDir::new().unwrap();
    let database = database().await;
    settings(&sandbox, &folder, &database);
    sandbox.fail_next(Fault::stall().after_effect().card("Made"));
    sandbox.fail_next(Fault::stall().card("NotMade"));
    let http = client(None, None);
    let order = |url: &str, card: &str| {
        let request = http.post(format!("{url}/cards/{card}/suspend"));
        let request = request.header(CHANNEL, "web");
        request.header(REQUEST_ID, card).send()
    };

    let before = sandbox.card("Made").unwrap().operations;
    let mut first = Process::start(folder.path(), &database).await;
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

    let second = Process::start(folder.path(), &database).await;
    for (card, expected) in [("Made", "done"), ("NotMade", "not_done")] {
        loop {
            let look = http.get(format!("{}/changes/{card}", second.1));
            let response = look.header(CHANNEL, "web").send().await;
            let state = read(response.unwrap()).await.1["state"].clone();
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
