//! `cargo xtask demo` and `cargo xtask test`: the example and the tests on a machine that has Rust and
//! its linker, and perhaps nothing else.

use std::env::var_os;
use std::io::{BufRead as _, IsTerminal as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::console::print;
use crate::error::Error;
use crate::programs::{cargo, is_here, run};

/// What a command is about to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Goal {
    /// The example of a card's life.
    Demo,
    /// All tests.
    Test,
}

/// Something that is needed and not part of Rust: its name, and its packages for each of [`INSTALLERS`].
pub type Need = (&'static str, [&'static str; 4]);

/// OpenSSL's headers, and pkg-config to find them.
pub const HEADERS: Need = (
    "pkg-config and OpenSSL's headers",
    [
        "pkg-config libssl-dev",
        "pkgconf-pkg-config openssl-devel",
        "pkgconf openssl-dev",
        "pkgconf openssl@3",
    ],
);
/// The program `curl`, which commands of the guide call.
pub const CURL: Need = ("the program curl", ["curl"; 4]);
/// The program `openssl`, likewise.
pub const OPENSSL: Need = (
    "the program openssl",
    ["openssl", "openssl", "openssl", "openssl@3"],
);
/// A store of certificate authorities, as each machine has that calls others.
pub const CERTIFICATES: Need = (
    "the system's certificate authorities",
    ["ca-certificates"; 4],
);

/// The package managers of Debian, Fedora, Alpine and Homebrew: the program, and the commands that install packages.
pub const INSTALLERS: [(&str, &[&str]); 4] = [
    (
        "apt-get",
        &[
            "apt-get update",
            "apt-get install --yes --no-install-recommends",
        ],
    ),
    ("dnf", &["dnf install --assumeyes"]),
    ("apk", &["apk add"]),
    (BREW, &["brew install"]),
];
/// The one that must not be run as root.
const BREW: &str = "brew";

/// What was found on a machine.
#[derive(Debug, Clone)]
pub struct Machine {
    /// What is needed and not there.
    pub missing: Vec<Need>,
    /// Whether there are perl and make, which build OpenSSL from source.
    pub can_build_openssl: bool,
    /// The first of [`INSTALLERS`] that is there.
    pub installer: Option<usize>,
    /// Whether this process is root.
    pub is_root: bool,
    /// Whether there is `sudo`.
    pub has_sudo: bool,
}

/// What is to be done before the goal is run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Plan {
    /// Nothing.
    Run,
    /// These commands, if a person or an option agrees.
    Install(Vec<String>),
    /// OpenSSL is built from source.
    BuildOpenSsl,
    /// It cannot be run, and this is why.
    GiveUp(String),
}

impl Machine {
    /// Finds out what is on this machine.
    fn look(goal: Goal) -> Self {
        let has_headers =
            var_os("OPENSSL_DIR").is_some() || succeeds("pkg-config", &["--exists", "openssl"]);
        let mut missing = Vec::new();
        missing.extend((!has_headers).then_some(HEADERS));
        if goal == Goal::Test {
            missing.extend((!is_here("curl")).then_some(CURL));
            missing.extend((!is_here("openssl")).then_some(OPENSSL));
            missing.extend((!has_certificates()).then_some(CERTIFICATES));
        }
        Self {
            missing,
            // Debian's smallest perl lacks modules that OpenSSL's build uses.
            can_build_openssl: succeeds("perl", &["-MFindBin", "-MIPC::Cmd", "-e", "1"])
                && is_here("make"),
            installer: INSTALLERS.iter().position(|(program, _)| is_here(program)),
            is_root: is_root(),
            has_sudo: is_here("sudo"),
        }
    }

    /// The commands that install what is missing, one after the other.
    fn commands(&self, installer: usize) -> Vec<String> {
        let (program, commands) = INSTALLERS[installer];
        let sudo = if self.is_root || program == BREW {
            ""
        } else {
            "sudo "
        };
        let mut commands: Vec<String> = commands
            .iter()
            .map(|words| format!("{sudo}{words}"))
            .collect();
        if let Some(last) = commands.last_mut() {
            for (_, packages) in &self.missing {
                *last += " ";
                *last += packages[installer];
            }
        }
        commands
    }

    /// Decides what is to be done. `may_install` is false once that was refused.
    #[must_use]
    pub fn plan(&self, may_install: bool) -> Plan {
        if self.missing.is_empty() {
            return Plan::Run;
        }
        if let Some(installer) = self.installer.filter(|_| may_install)
            && (self.is_root || self.has_sudo || INSTALLERS[installer].0 == BREW)
        {
            return Plan::Install(self.commands(installer));
        }
        if !self.missing.contains(&HEADERS) {
            // Without the programs, the tests that call them say that they are not run.
            return Plan::Run;
        }
        if self.can_build_openssl {
            return Plan::BuildOpenSsl;
        }
        let by_hand = self.installer.map_or_else(
            || "Install them".to_owned(),
            |installer| {
                let commands = self.commands(installer).join(" && ");
                format!("Run `{commands}`, or this command with --yes")
            },
        );
        Plan::GiveUp(format!(
            "{} are missing, and so are perl and make to build OpenSSL from source. {by_hand}.",
            HEADERS.0
        ))
    }
}

/// Runs the goal, after what it needs was installed or built.
///
/// # Errors
/// When what is missing can neither be installed nor built, or the goal fails.
pub(crate) fn run_goal(goal: Goal, yes: bool) -> Result<(), Error> {
    let mut command = cargo();
    match goal {
        Goal::Demo => command.args(["run", "--example", "card_lifecycle"]),
        Goal::Test => command.args(["test", "--workspace"]),
    };
    if let Some(folder) = prepare(goal, yes)? {
        command.env("OPENSSL_DIR", folder);
        command.env("OPENSSL_STATIC", "1");
    }
    show_and_run(&mut command)
}

/// Installs or builds what is missing; returns where OpenSSL is when it was built from source.
fn prepare(goal: Goal, yes: bool) -> Result<Option<PathBuf>, Error> {
    let machine = Machine::look(goal);
    for (name, _) in &machine.missing {
        print(&format!("missing: {name}\n"))?;
    }
    let mut next = machine.plan(true);
    if let Plan::Install(commands) = &next {
        print(&format!("to install: {}\n", commands.join(" && ")))?;
        if agrees(yes)? && install(commands)? {
            return Ok(None);
        }
        next = machine.plan(false);
    }
    match next {
        Plan::Run | Plan::Install(_) => Ok(None),
        Plan::BuildOpenSsl => build_openssl().map(Some),
        Plan::GiveUp(why) => Err(Error::new(why)),
    }
}

/// Returns whether there is a store of certificate authorities. Other systems have one always.
fn has_certificates() -> bool {
    const STORES: [&str; 3] = [
        "/etc/ssl/certs/ca-certificates.crt",
        "/etc/pki/tls/certs/ca-bundle.crt",
        "/etc/ssl/cert.pem",
    ];
    !cfg!(target_os = "linux")
        || var_os("SSL_CERT_FILE").is_some()
        || STORES.iter().any(|store| Path::new(store).exists())
}

#[cfg(unix)]
fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

#[cfg(not(unix))]
fn is_root() -> bool {
    false
}

fn succeeds(program: &str, arguments: &[&str]) -> bool {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null());
    command.output().is_ok_and(|output| output.status.success())
}

/// Returns whether packages may be installed: by an option, in CI, or by a person at the terminal.
fn agrees(yes: bool) -> Result<bool, Error> {
    let in_ci = var_os("CI").is_some_and(|ci| ci == "true" || ci == "1");
    if yes || in_ci {
        return Ok(true);
    }
    let input = std::io::stdin();
    if !input.is_terminal() {
        print("not installed: give --yes, or set CI=true\n")?;
        return Ok(false);
    }
    print("Install? [y/N] ")?;
    let mut line = String::new();
    let read = input.lock().read_line(&mut line);
    read.map_err(|e| Error::at("standard input", e))?;
    Ok(matches!(line.trim().to_lowercase().as_str(), "y" | "yes"))
}

/// Returns whether all of the commands succeeded.
fn install(commands: &[String]) -> Result<bool, Error> {
    for line in commands {
        let mut words = line.split(' ');
        let mut command = Command::new(words.next().unwrap_or_default());
        if let Err(error) = show_and_run(command.args(words)) {
            print(&format!("not installed: {error}\n"))?;
            return Ok(false);
        }
    }
    Ok(true)
}

/// Builds OpenSSL by the feature `vendored`, and returns where it is. Everything else is then built
/// against that one, also by the cargo that some tests run.
fn build_openssl() -> Result<PathBuf, Error> {
    let mut command = cargo();
    command.args(["build", "--package", "d1-facade", "--features", "vendored"]);
    print(&format!("$ {}\n", shown(&command)))?;
    command.args(["--message-format=json-render-diagnostics"]);
    let output = command.stderr(Stdio::inherit()).output();
    let output = output.map_err(|e| Error::at("cargo", e))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let folder = text.lines().find_map(installed);
    folder
        .filter(|_| output.status.success())
        .ok_or_else(|| Error::new("OpenSSL cannot be built from source"))
}

/// Returns the folder of the OpenSSL that a message of cargo reports.
#[must_use]
pub fn installed(line: &str) -> Option<PathBuf> {
    let message: Value = serde_json::from_str(line).ok()?;
    let package = message["package_id"].as_str()?;
    let is_it = message["reason"] == "build-script-executed" && package.contains("openssl-sys");
    let folder = PathBuf::from(message["out_dir"].as_str().filter(|_| is_it)?);
    Some(folder.join("openssl-build/install"))
}

/// Prints a command and runs it at the terminal of this one.
fn show_and_run(command: &mut Command) -> Result<(), Error> {
    print(&format!("$ {}\n", shown(command)))?;
    run(command)
}

fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name();
    let words = program.into_iter().chain(command.get_args());
    words
        .map(|word| word.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ")
}
