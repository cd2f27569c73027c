//! Runs Prism, a validating proxy that others wrote, between a client and a sandbox.
//!
//! `tests/conformance/run.sh prism` installs it and says where it is in [`PRISM`]; without that
//! variable clients call the sandbox directly. Prism speaks no TLS to either side, so behind it stands a
//! forwarder that presents the client certificate.

use std::collections::HashMap;
use std::fs::OpenOptions;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::response::Response;
use d1_sandbox::Sandbox;
use http::StatusCode;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// The variable with the path of Prism's program.
pub const PRISM: &str = "D1_TESTS_PRISM";

/// The variable with the path of a file that gets a line for each request that came through.
pub const LOG: &str = "D1_TESTS_PRISM_LOG";

/// A Prism that listens. It ends when this is dropped, or with the process.
#[derive(Debug)]
pub struct Prism {
    url: String,
    said: Arc<Mutex<String>>,
    // Closing it is what ends Prism.
    stdin: Option<ChildStdin>,
    child: Child,
}

impl Prism {
    /// Starts it in front of `upstream`, with an error for each violation.
    pub fn proxy(program: &Path, upstream: &str) -> Self {
        Self::start(program, &["proxy", "--errors", &document(), upstream])
    }

    /// Starts it as a server that answers what the document says.
    pub fn mock(program: &Path) -> Self {
        Self::start(program, &["mock", &document()])
    }

    fn start(program: &Path, arguments: &[&str]) -> Self {
        // The shell's message would not be seen.
        xtask::programs::found("prism", std::fs::metadata(program));
        // A process that is killed takes nobody with it, but its end of a pipe closes.
        let script = r#""$@" </dev/null & prism=$!; cat >/dev/null; kill "$prism""#;
        let mut child = Command::new("sh")
            .args(["-c", script, "sh"])
            .arg(program)
            .args(arguments)
            .args(["--port", "0"])
            .env("NO_COLOR", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let url = lines.by_ref().map_while(Result::ok).find_map(|line| {
            assert!(!line.contains("fatal"), "{line}");
            Some(line.split_once("listening on ")?.1.to_owned())
        });
        let url = url.expect("Prism ended");
        let said: Arc<Mutex<String>> = Arc::default();
        let heard = Arc::clone(&said);
        thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let mut said = lock(&heard);
                said.push_str(&line);
                said.push('\n');
            }
        });
        Self {
            url,
            said,
            stdin: child.stdin.take(),
            child,
        }
    }

    /// Where it listens.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What it said so far of requests and answers.
    pub fn said(&self) -> String {
        lock(&self.said).clone()
    }
}

impl Drop for Prism {
    fn drop(&mut self) {
        drop(self.stdin.take());
        let _ = self.child.wait();
    }
}

/// The OpenAPI document.
fn document() -> String {
    xtask::spec::spec_path().display().to_string()
}

/// The address of the Prism in front of this sandbox, started on first use; absent without [`PRISM`].
pub fn in_front_of(sandbox: &Sandbox) -> Option<String> {
    static RUNNING: Mutex<Option<HashMap<String, Prism>>> = Mutex::new(None);
    let program = PathBuf::from(std::env::var_os(PRISM)?);
    let mut running = lock(&RUNNING);
    let running = running.get_or_insert_default();
    let prism = running
        .entry(sandbox.base_url().to_owned())
        .or_insert_with(|| Prism::proxy(&program, &forwarder(sandbox)));
    Some(prism.url.clone())
}

/// Starts a server without TLS that passes everything on to the sandbox; its address.
fn forwarder(sandbox: &Sandbox) -> String {
    let onward = Onward {
        client: client(sandbox),
        base_url: sandbox.base_url().to_owned(),
    };
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address: SocketAddr = listener.local_addr().unwrap();
    // The runtime of a test may wait for us, and may end before Prism does.
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            let router = Router::new().fallback(pass_on).with_state(onward);
            axum::serve(listener, router).await.unwrap();
        });
    });
    format!("http://{address}")
}

#[derive(Clone)]
struct Onward {
    client: reqwest::Client,
    base_url: String,
}

/// Headers that concern one connection alone (RFC 9110, section 7.6.1), and the ones that are made anew.
const HOP_BY_HOP: [http::HeaderName; 4] = [
    http::header::HOST,
    http::header::CONNECTION,
    http::header::TRANSFER_ENCODING,
    http::header::CONTENT_LENGTH,
];

async fn pass_on(State(onward): State<Onward>, request: Request) -> Response {
    let (mut parts, body) = request.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    let target = parts.uri.path_and_query().map_or("/", |p| p.as_str());
    let url = format!("{}{target}", onward.base_url);
    for name in HOP_BY_HOP {
        parts.headers.remove(name);
    }
    let request = onward
        .client
        .request(parts.method.clone(), url)
        .headers(parts.headers);
    let Ok(answer) = request.body(body).send().await else {
        return status(StatusCode::BAD_GATEWAY);
    };
    note(&format!("{} {}", parts.method, answer.status().as_u16()));
    let mut response = status(answer.status());
    for (name, value) in answer.headers() {
        if !HOP_BY_HOP.contains(name) {
            response.headers_mut().append(name, value.clone());
        }
    }
    *response.body_mut() = Body::from(answer.bytes().await.unwrap());
    response
}

fn status(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// Adds a line to the file of [`LOG`].
fn note(line: &str) {
    if let Some(path) = std::env::var_os(LOG) {
        let mut file = OpenOptions::new()
            .append(true)
            .create(true)
            .open(path)
            .unwrap();
        // In one piece, or lines of several tests mix.
        file.write_all(format!("{line}\n").as_bytes()).unwrap();
    }
}

/// A client with the certificate of the sandbox.
fn client(sandbox: &Sandbox) -> reqwest::Client {
    let mut roots = rustls::RootCertStore::empty();
    let ca = CertificateDer::from_pem_slice(sandbox.ca_pem().as_ref()).unwrap();
    roots.add(ca).unwrap();
    let chain = CertificateDer::pem_slice_iter(sandbox.client_certificate_pem().as_ref())
        .collect::<Result<Vec<_>, _>>()
        .unwrap();
    let key = PrivateKeyDer::from_pem_slice(sandbox.client_key_pem().as_ref()).unwrap();
    let provider = Arc::new(rustls_openssl::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, key)
        .unwrap();
    reqwest::Client::builder()
        .tls_backend_preconfigured(config)
        .build()
        .unwrap()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
