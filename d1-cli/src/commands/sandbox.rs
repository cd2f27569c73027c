//! `d1 sandbox`: a D1 on this machine, to try everything out.

use std::fs;
use std::path::PathBuf;

use clap::Args;
use d1_sandbox::{Builder, Mode, Sandbox};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::flags::BoundedInt;
use crate::interrupt::Interrupts;
use crate::output::Output;

type Port = BoundedInt<0, { u16::MAX as u64 }>;

#[derive(Debug, Args)]
pub(crate) struct SandboxCommand {
    /// The port to listen on; 0 takes a free one
    #[arg(long, default_value = "0")]
    port: Port,
    /// Opens the control API and its page on this port of 127.0.0.1; 0 takes a free one
    #[arg(long, value_name = "PORT")]
    control_port: Option<Port>,
    /// The cards to start with, and other issuers with theirs, YAML or JSON; without it ReplaceMe01
    #[arg(long, value_name = "FILE")]
    cards: Option<PathBuf>,
    /// Where to write certificates, keys and d1.env; without it a directory that goes with the sandbox
    #[arg(long, value_name = "DIRECTORY")]
    dir: Option<PathBuf>,
    /// Makes ids and times of operations the same in every run
    #[arg(long, value_name = "SEED")]
    seed: Option<BoundedInt<0, { u64::MAX }>>,
    /// Behaves as for a tenant that was migrated from V1 to V2
    #[arg(long)]
    migrated: bool,
    /// Refuses what is otherwise accepted with a warning, because D1 may refuse it
    #[arg(long)]
    strict: bool,
}

impl SandboxCommand {
    pub(crate) async fn run(self, output: &Output) -> Result<Exit, Failure> {
        // Listening first: a signal that comes while starting still ends it cleanly.
        let mut interrupts = Interrupts::listen()?;
        let bad = |error: &dyn std::error::Error| {
            let cause = error.source().map(|cause| format!(": {cause}"));
            Failure::input("sandbox", format!("{error}{}", cause.unwrap_or_default()))
        };
        let sandbox = self.builder()?.start().await.map_err(|error| bad(&error))?;
        let temporary = tempfile::Builder::new().prefix("d1-sandbox-").tempdir()?;
        let directory = self.dir.as_deref().unwrap_or(temporary.path());
        let written = sandbox.write_files(directory);
        let environment = written.and_then(fs::read_to_string).map_err(|error| {
            let rule = format!("cannot be written to: {}", error.kind());
            Failure::input(format!("--dir {}", directory.display()), rule)
        })?;
        output.line(environment.trim_end())?;
        output
            .note("The sandbox runs. Give the lines above to the shell that d1 is to be used in.");
        if let Some(url) = sandbox.control_url() {
            output.note(&format!("Control page and API: {url}"));
        }
        output.note("Ctrl-C ends the sandbox.");
        interrupts.next().await;
        sandbox.shut_down().await;
        Ok(Exit::Done)
    }

    fn builder(&self) -> Result<Builder, Failure> {
        let mut builder = Sandbox::builder().port(port(self.port));
        if let Some(control) = self.control_port {
            builder = builder.control_port(port(control));
        }
        if let Some(BoundedInt(seed)) = self.seed {
            builder = builder.seed(seed);
        }
        if self.migrated {
            builder = builder.mode(Mode::Migrated);
        }
        if self.strict {
            builder = builder.strict();
        }
        if let Some(path) = &self.cards {
            let place = format!("--cards {}", path.display());
            let text = fs::read_to_string(path).map_err(|error| {
                Failure::input(&place, format!("cannot be read: {}", error.kind()))
            })?;
            builder = builder
                .fixtures(&text)
                .map_err(|error| Failure::input(&place, error))?;
        }
        Ok(builder)
    }
}

fn port(BoundedInt(number): Port) -> u16 {
    // Its type has seen to it that it fits.
    u16::try_from(number).unwrap_or_default()
}
