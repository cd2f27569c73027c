//! Builds a service and counts: crates, seconds, bytes.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use super::service::{PROGRAM, Service};
use crate::build_tools::{cargo, io, must};
use crate::error::Error;

/// What a service weighs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Weight {
    /// How many crates are built into it or expand macros for it, without itself.
    pub(super) crates: usize,
    /// How long a release build from nothing takes.
    pub(super) cold: Duration,
    /// How long it takes again when its `main.rs` has changed.
    pub(super) again: Duration,
    /// The size of the stripped program, in bytes.
    pub(super) size: u64,
}

/// How often the second build is made; the median counts.
const REBUILDS: usize = 5;

/// Lays the service out below `folder`, builds it from nothing, and again.
pub(super) fn weigh(service: &Service, folder: &Path) -> Result<Weight, Error> {
    let folder = folder.join(service.name.replace(", ", "-"));
    service.write(&folder)?;
    let crates = crates(&folder)?;
    must(in_service(&folder).args(["fetch", "--quiet"]))?;
    let target = folder.join("target");
    if target.exists() {
        fs::remove_dir_all(&target).map_err(|e| io("the build folder of a service", e))?;
    }
    let cold = build(&folder)?;
    let main = folder.join("src/main.rs");
    let mut rebuilds = Vec::new();
    for _ in 0..REBUILDS {
        let touched = fs::read(&main).and_then(|text| fs::write(&main, text));
        touched.map_err(|e| io("main.rs", e))?;
        rebuilds.push(build(&folder)?);
    }
    rebuilds.sort_unstable();
    let program = target.join("release").join(PROGRAM);
    let metadata = fs::metadata(&program).map_err(|e| io("the built service", e))?;
    Ok(Weight {
        crates,
        cold,
        again: rebuilds[REBUILDS / 2],
        size: metadata.len(),
    })
}

/// Cargo in the folder of a service, with nothing of what runs this in its environment.
fn in_service(folder: &Path) -> Command {
    let mut command = cargo();
    command.current_dir(folder).env_remove("CARGO_TARGET_DIR");
    for flags in ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "RUSTC_WRAPPER"] {
        command.env_remove(flags);
    }
    command
}

fn build(folder: &Path) -> Result<Duration, Error> {
    let mut command = in_service(folder);
    command.args([
        "build",
        "--release",
        "--quiet",
        "--offline",
        "--target-dir",
        "target",
    ]);
    let start = Instant::now();
    must(&mut command)?;
    Ok(start.elapsed())
}

fn crates(folder: &Path) -> Result<usize, Error> {
    let mut command = in_service(folder);
    command.args([
        "tree", "--edges", "normal", "--prefix", "none", "--format", "{p}",
    ]);
    let output = must(&mut command)?;
    Ok(counted(&String::from_utf8_lossy(&output.stdout)))
}

/// How many crates a tree has, without its root, each version once.
pub(super) fn counted(tree: &str) -> usize {
    let named = tree.lines().skip(1).filter_map(|line| {
        let mut words = line.split_whitespace();
        Some((words.next()?, words.next()?))
    });
    named.collect::<BTreeSet<_>>().len()
}

/// When and with what the measurements were made.
pub(super) fn circumstances() -> Result<String, Error> {
    let date = time::OffsetDateTime::now_utc().date();
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let information = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = information
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map_or(std::env::consts::ARCH, |(_, model)| model.trim());
    let compiler = must(Command::new("rustc").arg("--version"))?;
    let compiler = String::from_utf8_lossy(&compiler.stdout);
    let compiler = compiler.split(" (").next().unwrap_or_default().trim();
    let openssl = must(Command::new("pkg-config").args(["--modversion", "openssl"]))?;
    let openssl = String::from_utf8_lossy(&openssl.stdout);
    Ok(format!(
        "Measured on {date}: {processors} cores of {model}, {} {}, {compiler}, the system's OpenSSL {}.",
        std::env::consts::OS,
        std::env::consts::ARCH,
        openssl.trim(),
    ))
}
