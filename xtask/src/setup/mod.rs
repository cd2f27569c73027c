//! `cargo xtask demo` and `cargo xtask test`: the example and the tests on a machine that has Rust and
//! its linker, and perhaps nothing else.

mod plan;

use std::io::{BufRead as _, IsTerminal as _, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::build_tools::{cargo, io, status};
use crate::error::Error;
use crate::programs::is_here;
use plan::{AsRoot, Installer, Machine, Need, Plan, needs, plan};

pub(crate) use plan::Goal;

/// Where the headers of an OpenSSL that was built from source are.
type OpenSsl = Option<PathBuf>;

/// Runs the goal, after what it needs was installed or built.
///
/// # Errors
/// When what is missing can neither be installed nor built, or the goal fails.
pub(crate) fn run(goal: Goal, yes: bool, out: &mut impl Write) -> Result<(), Error> {
    let openssl = prepare(goal, yes, out)?;
    let mut command = cargo();
    match goal {
        Goal::Demo => command.args(["run", "--example", "card_lifecycle"]),
        Goal::Test => command.args(["test", "--workspace"]),
    };
    if let Some(folder) = openssl {
        command.env("OPENSSL_DIR", folder);
        command.env("OPENSSL_STATIC", "1");
    }
    run_aloud(&mut command, out)
}

fn prepare(goal: Goal, yes: bool, out: &mut impl Write) -> Result<OpenSsl, Error> {
    let machine = look(goal);
    for need in &machine.missing {
        say(out, &format!("missing: {}", need.name()))?;
    }
    let mut next = plan(&machine, true);
    if let Plan::Install(commands) = &next {
        let lines: Vec<String> = commands.iter().map(|words| words.join(" ")).collect();
        say(out, &format!("to install: {}", lines.join(" && ")))?;
        if agrees(yes, out)? && install(commands, out)? {
            return Ok(None);
        }
        next = plan(&machine, false);
    }
    match next {
        Plan::Run | Plan::Install(_) => Ok(None),
        Plan::BuildOpenSsl => build_openssl(out).map(Some),
        Plan::GiveUp(why) => Err(Error::Setup(why)),
    }
}

/// Finds out what is on this machine.
fn look(goal: Goal) -> Machine {
    let is_missing = |need: &&Need| match need {
        Need::OpenSslHeaders => {
            std::env::var_os("OPENSSL_DIR").is_none()
                && !succeeds("pkg-config", &["--exists", "openssl"])
        }
        Need::Curl => !is_here("curl"),
        Need::OpenSslProgram => !is_here("openssl"),
        Need::Certificates => !has_certificates(),
    };
    let installers = Installer::ALL.into_iter();
    Machine {
        missing: needs(goal).iter().filter(is_missing).copied().collect(),
        // Debian's smallest perl lacks modules that OpenSSL's build uses.
        can_build_openssl: succeeds("perl", &["-MFindBin", "-MIPC::Cmd", "-e", "1"])
            && is_here("make"),
        installer: installers
            .filter(|(_, program)| is_here(program))
            .map(|(installer, _)| installer)
            .next(),
        as_root: as_root(),
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
        || std::env::var_os("SSL_CERT_FILE").is_some()
        || STORES.iter().any(|store| Path::new(store).exists())
}

#[cfg(unix)]
fn as_root() -> AsRoot {
    if rustix::process::geteuid().is_root() {
        AsRoot::Already
    } else if is_here("sudo") {
        AsRoot::BySudo
    } else {
        AsRoot::Never
    }
}

#[cfg(not(unix))]
fn as_root() -> AsRoot {
    AsRoot::Never
}

fn succeeds(program: &str, arguments: &[&str]) -> bool {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null());
    command.output().is_ok_and(|o| o.status.success())
}

/// Returns whether packages may be installed: by an option, in CI, or by a person at the terminal.
fn agrees(yes: bool, out: &mut impl Write) -> Result<bool, Error> {
    let in_ci = std::env::var_os("CI").is_some_and(|ci| ci == "true" || ci == "1");
    if yes || in_ci {
        return Ok(true);
    }
    let input = std::io::stdin();
    if !input.is_terminal() {
        say(out, "not installed: give --yes, or set CI=true")?;
        return Ok(false);
    }
    write!(out, "Install? [y/N] ").map_err(|e| io("standard output", e))?;
    out.flush().map_err(|e| io("standard output", e))?;
    let mut answer = String::new();
    let read = input.lock().read_line(&mut answer);
    read.map_err(|e| io("standard input", e))?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}

/// Returns whether all of the commands succeeded.
fn install(commands: &[Vec<&str>], out: &mut impl Write) -> Result<bool, Error> {
    for words in commands {
        let [program, arguments @ ..] = &words[..] else {
            continue;
        };
        let mut command = Command::new(program);
        command.args(arguments);
        if let Err(error) = run_aloud(&mut command, out) {
            say(out, &format!("not installed: {error}"))?;
            return Ok(false);
        }
    }
    Ok(true)
}

/// Builds OpenSSL by the feature `vendored`, and returns where it is. Everything else is then built
/// against that one, also by the cargo that some tests run.
fn build_openssl(out: &mut impl Write) -> Result<PathBuf, Error> {
    let mut command = cargo();
    command.args(["build", "--package", "d1-facade", "--features", "vendored"]);
    say(out, &format!("$ {}", shown(&command)))?;
    command.args(["--message-format=json-render-diagnostics"]);
    let output = command.stderr(Stdio::inherit()).output();
    let output = output.map_err(|e| io("cargo", e))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let folder = text.lines().find_map(installed);
    folder
        .filter(|_| output.status.success())
        .ok_or_else(|| Error::Setup("OpenSSL cannot be built from source".to_owned()))
}

/// Returns the folder of the OpenSSL that a message of cargo tells of.
fn installed(line: &str) -> Option<PathBuf> {
    let message: Value = serde_json::from_str(line).ok()?;
    let package = message["package_id"].as_str()?;
    let is_it = message["reason"] == "build-script-executed" && package.contains("openssl-sys");
    let folder = PathBuf::from(message["out_dir"].as_str().filter(|_| is_it)?);
    Some(folder.join("openssl-build/install"))
}

/// Prints a command, runs it at the terminal of this one, and expects success.
fn run_aloud(command: &mut Command, out: &mut impl Write) -> Result<(), Error> {
    say(out, &format!("$ {}", shown(command)))?;
    status(command)
}

fn shown(command: &Command) -> String {
    let words = command.get_args().map(|word| word.to_string_lossy());
    let words: Vec<_> = words.collect();
    format!(
        "{} {}",
        crate::build_tools::program(command),
        words.join(" ")
    )
}

fn say(out: &mut impl Write, line: &str) -> Result<(), Error> {
    writeln!(out, "{line}")
        .and_then(|()| out.flush())
        .map_err(|e| io("standard output", e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_openssl_that_was_built_is_found_in_what_cargo_says() {
        let line = r#"{"reason":"build-script-executed","package_id":"registry+x#openssl-sys@0.9.1","out_dir":"/t/out"}"#;
        assert_eq!(
            installed(line),
            Some(PathBuf::from("/t/out/openssl-build/install"))
        );
        let other = line.replace("openssl-sys", "ring");
        assert_eq!(installed(&other), None);
        assert_eq!(installed("Compiling"), None);
    }
}
