//! A process writes down what it is about to do and is killed; another one finds out whether it was done.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime};

use d1_facade::{
    Client, Environment, Identity, Inconclusive, PendingChange, Reconciliation, SigningKey,
};
use d1_sandbox::{Fault, Sandbox};
use d1_tests::{CARD, ISSUER, sandbox_client};

const FOLDER: &str = "D1_TEST_FOLDER";
const URL: &str = "D1_TEST_URL";
const KID: &str = "D1_TEST_KID";

/// The tests below start this one as a process of its own, which is killed while it waits for an answer.
#[tokio::test]
async fn process_that_suspends() {
    let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) else {
        return;
    };
    let read = |name: &str| fs::read(folder.join(name)).unwrap();
    let variable = |name| std::env::var(name).unwrap();
    let client = Client::builder(Environment::Custom(variable(URL)), ISSUER.parse().unwrap())
        .signer(SigningKey::from_pem(read("signing.key"), &variable(KID)).unwrap())
        .client_identity(Identity::from_pem(read("client.pem"), read("client.key")).unwrap())
        .root_certificate(read("ca.pem"))
        .without_system_roots()
        .build()
        .unwrap();
    let suspend = client.card(CARD.parse().unwrap()).suspend();
    let suspend = suspend.reason("order 4711".parse().unwrap());
    let mut record = File::create(folder.join("pending.json")).unwrap();
    serde_json::to_writer(&record, &suspend.pending()).unwrap();
    record.flush().unwrap();
    record.sync_all().unwrap();
    let result = suspend.await;
    unreachable!("it is killed before there is an answer: {result:?}");
}

fn start(sandbox: &Sandbox, folder: &Path) -> Child {
    let _ = fs::remove_dir_all(folder);
    sandbox.write_files(folder).unwrap();
    Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "reconcile::killed::process_that_suspends",
            "--nocapture",
        ])
        .env(FOLDER, folder)
        .env(URL, sandbox.base_url())
        .env(KID, sandbox.signing_kid())
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

/// Kills the process as soon as D1 has got so far with its request; what it had written down.
async fn killed_when(sandbox: &Sandbox, name: &str, has_come: impl Fn() -> bool) -> PendingChange {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join("killed")
        .join(name);
    let mut process = start(sandbox, &folder);
    while !has_come() {
        assert_eq!(
            process.try_wait().unwrap(),
            None,
            "it runs until it is killed"
        );
        tokio::task::yield_now().await;
    }
    process.kill().unwrap();
    process.wait().unwrap();
    serde_json::from_slice(&fs::read(folder.join("pending.json")).unwrap()).unwrap()
}

#[tokio::test]
async fn a_change_that_d1_made_is_found_after_its_process_was_killed() {
    let sandbox = Sandbox::start().await.unwrap();
    sandbox.fail_next(Fault::stall().operation("suspendCard").after_effect());
    let is_made = || sandbox.card(CARD).unwrap().suspended_by.is_some();
    let pending = killed_when(&sandbox, "made", is_made).await;
    let found = sandbox_client(&sandbox).reconcile(&pending).await.unwrap();
    let Reconciliation::Done(Some(operation)) = found else {
        unreachable!("it was made: {found:?}");
    };
    assert_eq!(operation.reason(), Some("order 4711"));
}

#[tokio::test]
async fn a_change_that_d1_did_not_make_is_not_done_after_its_process_was_killed() {
    for (name, operation) in [
        ("not-sent", "getToken"),
        ("sent-and-not-made", "suspendCard"),
    ] {
        let sandbox = Sandbox::start().await.unwrap();
        sandbox.fail_next(Fault::stall().operation(operation));
        let pending = killed_when(&sandbox, name, || sandbox.pending_faults() == 0).await;
        let client = sandbox_client(&sandbox);
        let found = client.reconcile(&pending).await.unwrap();
        // As far as the record tells, the process may be at it still.
        let early = Reconciliation::Inconclusive(Inconclusive::TooEarly);
        assert_eq!(format!("{found:?}"), format!("{early:?}"), "{name}");
        let pending = pending.ended_by(SystemTime::now());
        let reconcile = client.reconcile(&pending).settle(Duration::ZERO);
        let found = reconcile.clone().await.unwrap();
        assert!(
            matches!(found, Reconciliation::NotDone(None)),
            "{name}: {found:?}"
        );
        // So it can be made again, and is found then.
        let again = client.card(CARD.parse().unwrap()).suspend();
        again.reason("order 4711".parse().unwrap()).await.unwrap();
        let found = reconcile.await.unwrap();
        assert!(
            matches!(found, Reconciliation::Done(Some(_))),
            "{name}: {found:?}"
        );
    }
}
