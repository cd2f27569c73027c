//! What the binary says of each request.

use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

/// Clients by the files of a sandbox: one with its client certificate, one without.
fn clients(directory: &Path) -> [reqwest::Client; 2] {
    let read = |name: &str| fs::read(directory.join(name)).unwrap();
    let certificate = |name: &str| CertificateDer::from_pem_slice(&read(name)).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(certificate("ca.pem")).unwrap();
    let provider = rustls_openssl::default_provider().into();
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(rustls::ALL_VERSIONS)
        .unwrap()
        .with_root_certificates(roots);
    let key = PrivateKeyDer::from_pem_slice(&read("client.key")).unwrap();
    let known = config.clone();
    let known = known.with_client_auth_cert(vec![certificate("client.pem")], key);
    [known.unwrap(), config.with_no_client_auth()].map(|config| {
        let client = reqwest::Client::builder().tls_backend_preconfigured(config);
        client.no_proxy().build().unwrap()
    })
}

#[tokio::test]
async fn each_request_and_each_refused_handshake_is_a_line() {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("lines");
    let mut child = Command::new(env!("CARGO_BIN_EXE_d1-sandbox"))
        .args(["serve", "--dir"])
        .arg(&directory)
        .env_remove("RUST_LOG")
        .env("NO_COLOR", "1")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let url = lines.next().unwrap().unwrap();
    let url = url.strip_prefix("export D1_BASE_URL='").unwrap();
    let url = url.strip_suffix('\'').unwrap().to_owned();
    assert!(lines.any(|line| line.unwrap().contains("Ctrl-C")));

    let path = "/banking/v1/issuers/ISSUER_A-1/cards/ReplaceMe01/operations";
    for client in clients(&directory) {
        let call = client.get(format!("{url}{path}"));
        let _ = call.header("x-correlation-id", "case-7").send().await;
    }
    let mut errors = BufReader::new(child.stderr.take().unwrap()).lines();
    let request = errors.next().unwrap().unwrap();
    let parts = [" WARN ", "GET ", path, "status=401", "case-7"];
    for part in parts
        .into_iter()
        .chain(["listOperations", "must be given once"])
    {
        assert!(request.contains(part), "{part} in {request}");
    }
    let handshake = errors.next().unwrap().unwrap();
    let parts = [
        "handshake was refused",
        "shown no certificate",
        "127.0.0.1:",
    ];
    for part in parts {
        assert!(handshake.contains(part), "{part} in {handshake}");
    }
    assert_eq!(health(&directory), (Some(0), String::new()));
    child.kill().unwrap();
    child.wait().unwrap();
    // A handshake without a request is neither a request nor a refusal.
    assert_eq!(errors.next().map(Result::unwrap), None);
    let (code, said) = health(&directory);
    assert!(
        code == Some(2) && said.contains("it does not listen"),
        "{said}"
    );
    let (code, said) = health(Path::new("no such folder"));
    assert!(code == Some(2) && said.contains("no such folder"), "{said}");
}

fn health(directory: &Path) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_d1-sandbox"));
    let output = command.args(["health", "--dir"]).arg(directory).output();
    let output = output.unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    (output.status.code(), said)
}
