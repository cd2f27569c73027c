//! The programs that are measured, and the servers that they call.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use crate::build_tools::{cargo, io, not_started, said, target_folder};
use crate::error::Error;

/// The programs of the crate `d1-bench`, and the sandbox.
pub(super) struct Programs {
    folder: PathBuf,
    pub(super) target: PathBuf,
}

/// What a sandbox that only answers offers.
#[derive(Debug, Clone, Copy)]
pub(super) enum Protocol {
    Http1,
    Http2,
}

/// A server; it ends with this.
pub(super) struct Server {
    child: Child,
    /// Held open: a server that cannot say any more would end.
    output: BufReader<ChildStdout>,
    /// Its address.
    pub(super) url: String,
    /// What a caller must know of it.
    pub(super) environment: Vec<(String, String)>,
}

impl Programs {
    pub(super) fn build() -> Result<Self, Error> {
        let mut command = cargo();
        command.args(["build", "--quiet", "--release", "--locked"]);
        output(command.args(["-p", "d1-bench", "-p", "d1-sandbox"]))?;
        let target = target_folder()?;
        Ok(Self {
            folder: target.join("release"),
            target,
        })
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    pub(super) fn command(&self, name: &str) -> Command {
        Command::new(self.path(name))
    }

    /// The program on one core alone. Where the kernel moves caller and server about, the rates of the same
    /// program differ by a tenth from run to run.
    pub(super) fn command_on(&self, core: usize, name: &str) -> Command {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let mut command = Command::new("taskset");
        command.args(["--cpu-list", &(core % cores).to_string()]);
        command.arg(self.path(name));
        command
    }

    /// A server without TLS that does no more than answer.
    pub(super) fn plain_server(&self) -> Result<Server, Error> {
        Server::start(self.command("calls").arg("serve"), |line| {
            Some((line.to_owned(), Vec::new()))
        })
    }

    /// A sandbox that does no more than answer.
    pub(super) fn null_sandbox(&self, protocol: Protocol) -> Result<Server, Error> {
        self.null_sandbox_by(self.command("d1-sandbox"), protocol)
    }

    /// The same, on one core.
    pub(super) fn null_sandbox_on(&self, core: usize, protocol: Protocol) -> Result<Server, Error> {
        self.null_sandbox_by(self.command_on(core, "d1-sandbox"), protocol)
    }

    fn null_sandbox_by(&self, mut command: Command, protocol: Protocol) -> Result<Server, Error> {
        let folder = self.target.join(format!("bench-{protocol:?}"));
        command.args(["serve", "--null", "--dir"]).arg(&folder);
        if matches!(protocol, Protocol::Http1) {
            command.arg("--http1-only");
        }
        Server::start(&mut command, |_| {
            let environment = read_environment(&folder)?;
            let url = environment.iter().find(|(name, _)| name == "D1_BASE_URL")?;
            Some((url.1.clone(), environment.clone()))
        })
    }
}

/// What `d1.env` of a sandbox says.
fn read_environment(folder: &Path) -> Option<Vec<(String, String)>> {
    let text = std::fs::read_to_string(folder.join("d1.env")).ok()?;
    let variable = |line: &str| {
        let (name, value) = line.strip_prefix("export ")?.split_once('=')?;
        Some((name.to_owned(), value.trim_matches('\'').to_owned()))
    };
    Some(text.lines().filter_map(variable).collect())
}

impl Server {
    /// Starts a server, whose first line says that it is ready.
    fn start(
        command: &mut Command,
        read: impl FnOnce(&str) -> Option<(String, Vec<(String, String)>)>,
    ) -> Result<Self, Error> {
        let name = format!("{command:?}");
        let failed = |why: &str| Error::Tool(name.clone(), why.to_owned());
        let child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let mut child = child.map_err(|e| not_started(command, e))?;
        let stdout = child.stdout.take();
        let stdout = stdout.ok_or_else(|| failed("has no output"))?;
        let mut server = Self {
            child,
            output: BufReader::new(stdout),
            url: String::new(),
            environment: Vec::new(),
        };
        let mut line = String::new();
        let read_line = server.output.read_line(&mut line);
        read_line.map_err(|e| io(&name, e))?;
        let ready = read(line.trim()).ok_or_else(|| failed("did not start"))?;
        (server.url, server.environment) = ready;
        Ok(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a command prints.
pub(super) fn output(command: &mut Command) -> Result<String, Error> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|e| not_started(command, e))?;
    if output.status.success() {
        return Ok(said(&output));
    }
    Err(Error::Tool(name, said(&output)))
}
