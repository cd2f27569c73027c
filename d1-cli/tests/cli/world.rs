//! A sandbox, a directory of its own, and the binary to run there.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;

use d1_sandbox::{Builder, Card, Sandbox};
use openssl::asn1::Asn1Time;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::x509::{X509, X509Builder, X509NameBuilder};
use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// The PAN of the tests, which nothing may show.
pub(crate) const PAN: &str = "4111111111111111";

/// Credentials as they are given.
pub(crate) const CREDENTIALS: &str = r#"{"pan":"4111111111111111","exp":"1230"}"#;

pub(crate) struct World {
    pub(crate) sandbox: Sandbox,
    pub(crate) folder: TempDir,
    environment: Vec<(String, String)>,
    /// The sandbox runs on its threads while the test waits for a process.
    _runtime: Runtime,
}

/// What a run of the binary left behind.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl World {
    /// With the card `ReplaceMe01`.
    pub(crate) fn start() -> Self {
        Self::with(Sandbox::builder().card(Card::new("ReplaceMe01")))
    }

    /// Starts with this number of cards: `Bulk1`, `Bulk2` and the like.
    pub(crate) fn with_cards(count: usize) -> Self {
        let cards = (1..=count).map(|n| Card::new(format!("Bulk{n}")));
        Self::with(cards.fold(Sandbox::builder(), Builder::card))
    }

    pub(crate) fn with(builder: Builder) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let sandbox = runtime.block_on(builder.start()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let file = sandbox.write_files(&folder.path().join("sandbox")).unwrap();
        let environment = exports(&fs::read_to_string(file).unwrap());
        Self {
            sandbox,
            folder,
            environment,
            _runtime: runtime,
        }
    }

    /// The command with these arguments, in an environment with nothing but the sandbox's variables.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = bare(self.folder.path(), arguments);
        command.envs(self.environment.iter().cloned());
        command
    }

    /// Runs it.
    pub(crate) fn d1(&self, arguments: &[&str]) -> Run {
        finish(self.command(arguments), "")
    }

    /// Runs it with something on standard input.
    pub(crate) fn d1_reading(&self, arguments: &[&str], input: &str) -> Run {
        finish(self.command(arguments), input)
    }

    /// Runs it with some variables set otherwise.
    pub(crate) fn d1_where(&self, variables: &[(&str, &str)], arguments: &[&str]) -> Run {
        let mut command = self.command(arguments);
        command.envs(variables.iter().copied());
        finish(command, "")
    }

    /// Writes a file; its path.
    pub(crate) fn file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, content).unwrap();
        path
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.folder.path().join(name)).unwrap()
    }

    /// How many operations a card has had.
    pub(crate) fn operations(&self, card: &str) -> usize {
        self.sandbox.card(card).unwrap().operations
    }

    /// Asserts that nothing was asked of D1, not even a token.
    #[track_caller]
    pub(crate) fn assert_untouched(&self) {
        assert_eq!(self.sandbox.requests(), []);
        assert_eq!(self.sandbox.token_exchanges(), 0);
    }
}

/// The command with these arguments and no variables at all.
pub(crate) fn bare(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_d1"));
    command
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .env("HOME", folder)
        // The system's authorities: a machine may have none.
        .env("SSL_CERT_FILE", authorities())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// A self-signed certificate that is valid for this many days.
pub(crate) fn certificate(key: &PKey<Private>, days: u32) -> X509 {
    certificate_for(key, "stranger", days, |_| {})
}

/// A self-signed certificate for a name, with the extensions that `extend` adds.
pub(crate) fn certificate_for(
    key: &PKey<Private>,
    common_name: &str,
    days: u32,
    extend: impl FnOnce(&mut X509Builder),
) -> X509 {
    let mut name = X509NameBuilder::new().unwrap();
    name.append_entry_by_text("CN", common_name).unwrap();
    let name = name.build();
    let mut builder = X509::builder().unwrap();
    builder.set_version(2).unwrap();
    builder.set_subject_name(&name).unwrap();
    builder.set_issuer_name(&name).unwrap();
    builder.set_pubkey(key).unwrap();
    builder
        .set_not_before(&Asn1Time::from_unix(0).unwrap())
        .unwrap();
    builder
        .set_not_after(&Asn1Time::days_from_now(days).unwrap())
        .unwrap();
    extend(&mut builder);
    builder.sign(key, MessageDigest::sha256()).unwrap();
    builder.build()
}

/// A file with a certificate authority that is not used.
fn authorities() -> &'static Path {
    static FILE: LazyLock<PathBuf> = LazyLock::new(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let path = folder.join(format!("authorities-{}.pem", std::process::id()));
        let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
        let key = PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap();
        fs::write(&path, certificate(&key, 300).to_pem().unwrap()).unwrap();
        path
    });
    &FILE
}

/// Runs a command to its end.
pub(crate) fn finish(mut command: Command, input: &str) -> Run {
    let mut child = command.spawn().unwrap();
    // A command that reads nothing closes it first.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    wait(child)
}

/// Waits for a process.
pub(crate) fn wait(child: Child) -> Run {
    let output = child.wait_with_output().unwrap();
    Run {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A socket that holds a port and does not listen, and the URL of that port, which refuses connections.
pub(crate) fn closed_port() -> (tokio::net::TcpSocket, String) {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let url = format!("https://{}", socket.local_addr().unwrap());
    (socket, url)
}

/// Waits until something has happened that a running process makes happen.
#[track_caller]
pub(crate) fn until(child: &mut Child, happened: impl Fn() -> bool) {
    while !happened() {
        let ended = child.try_wait().unwrap();
        assert_eq!(ended, None, "it ended before");
        std::thread::yield_now();
    }
}

/// SIGHUP; or SIGTERM where the tests themselves were started with SIGHUP ignored, as by `nohup`, which d1
/// inherits and respects.
#[cfg(unix)]
pub(crate) fn hangup() -> rustix::process::Signal {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.map(|mask| u64::from_str_radix(mask.trim(), 16).unwrap());
    match mask {
        Some(mask) if mask & 1 == 1 => rustix::process::Signal::TERM,
        _ => rustix::process::Signal::HUP,
    }
}

/// The variables that a shell would have after loading this.
pub(crate) fn exports(text: &str) -> Vec<(String, String)> {
    let export = |line: &str| {
        let (name, value) = line.strip_prefix("export ")?.split_once('=')?;
        Some((name.to_owned(), value.trim_matches('\'').to_owned()))
    };
    text.lines().filter_map(export).collect()
}

impl Run {
    /// Asserts how it ended.
    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self:#?}");
        self
    }

    /// The one document on standard output.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:#?}"))
    }

    /// The documents on standard output, one a line.
    #[track_caller]
    pub(crate) fn ndjson(&self) -> Vec<Value> {
        let lines = self.out.lines().map(serde_json::from_str);
        lines
            .collect::<Result<_, _>>()
            .unwrap_or_else(|error| panic!("{error}: {self:#?}"))
    }
}
