//! The service as a process of its own, with a sandbox in place of D1.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::fs::read_to_string;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use d1_sandbox::{Card, CardState, Fault, Sandbox};
use reqwest::Client;

/// A client for plain HTTP. reqwest wants a TLS provider all the same, and has none with the features of this workspace.
fn http() -> Client {
    let _ = rustls_openssl::default_provider().install_default();
    Client::new()
}

// ANCHOR: start
/// A process that ends with the test, and its address.
struct Service(Child, String);

impl Service {
    /// Starts the service with the journal in `folder`, which has the files of the sandbox too.
    fn start(folder: &Path) -> Self {
        let variables = read_to_string(folder.join("d1.env")).unwrap();
        let variables = variables
            .lines()
            .filter_map(|line| line.strip_prefix("export ")?.split_once('='))
            .map(|(name, value)| (name, value.trim_matches('\'')));
        let mut child = Command::new(env!("CARGO_BIN_EXE_card-service"))
            .envs(variables)
            .env("JOURNAL", folder.join("journal.jsonl"))
            .env("LISTEN", "127.0.0.1:0")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut url = String::new();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        stdout.read_line(&mut url).unwrap();
        Self(child, url.trim().to_owned())
    }

    async fn put(&self, id: &str, order: &'static str) -> u16 {
        let request = http().put(format!("{}/changes/{id}", self.1));
        let request = request
            .header("content-type", "application/json")
            .body(order);
        request.send().await.unwrap().status().as_u16()
    }

    async fn progress(&self, id: &str) -> String {
        let response = http().get(format!("{}/changes/{id}", self.1)).send();
        response.await.unwrap().text().await.unwrap()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.0.kill(); // SIGKILL
        let _ = self.0.wait();
    }
}
// ANCHOR_END: start

#[tokio::test(flavor = "multi_thread")]
async fn each_order_is_sent_once_and_its_outcome_is_a_status() {
    let sandbox = Sandbox::start().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    sandbox.write_files(folder.path()).unwrap();
    let service = Service::start(folder.path());
    let suspend = r#"{"suspend": "ReplaceMe01"}"#;
    assert_eq!(service.put("order-1", suspend).await, 200);
    assert_eq!(service.put("order-1", suspend).await, 200);
    sandbox.assert_requests("suspendCard", "ReplaceMe01", 1);
    assert_eq!(
        service.put("order-1", r#"{"resume": "ReplaceMe01"}"#).await,
        422
    );
    assert_eq!(
        service.put("order-2", r#"{"suspend": "NoSuchCard"}"#).await,
        404
    );
    assert_eq!(
        service
            .put("order-3", r#"{"suspend": "4111111111111111"}"#)
            .await,
        422
    );
    assert_eq!(service.progress("order-2").await, r#""notDone""#);

    sandbox.fail_next(Fault::status(503).operation("resumeCard"));
    let resume = r#"{"resume": "ReplaceMe01"}"#;
    assert_eq!(service.put("order-4", resume).await, 202);
    assert_eq!(service.put("order-5", resume).await, 409);
    assert_eq!(service.put("order-4", resume).await, 202);
    sandbox.assert_requests("resumeCard", "ReplaceMe01", 1);
    assert_eq!(sandbox.pending_faults(), 0);
}

// ANCHOR: killed
#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_was_under_way_when_the_process_was_killed_is_reconciled() {
    let sandbox = Sandbox::builder()
        .card(Card::new("ReplaceMe01"))
        .start()
        .await
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    sandbox.write_files(folder.path()).unwrap();
    sandbox.fail_next(Fault::stall().after_effect().operation("suspendCard"));
    let service = Service::start(folder.path());
    let order = service.put("order-1", r#"{"suspend": "ReplaceMe01"}"#);
    let suspended = async {
        while sandbox.card("ReplaceMe01").unwrap().state == CardState::Active {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        status = order => panic!("it was answered: {status}"),
        () = suspended => drop(service),
    }

    let next = Service::start(folder.path());
    let reconciled = async { while next.progress("order-1").await != r#""done""# {} };
    tokio::time::timeout(Duration::from_secs(60), reconciled)
        .await
        .unwrap();
    sandbox.assert_requests("suspendCard", "ReplaceMe01", 1);
}
// ANCHOR_END: killed
