//! `d1 sandbox`: a D1 on this machine, to try everything out.

use clap::Args;
use d1_sandbox::serve::{Serve, ServeError};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::interrupt::Interrupts;
use crate::text::printable;

#[derive(Debug, Args)]
pub(crate) struct SandboxCommand {
    #[command(flatten)]
    serve: Box<Serve>,
}

impl SandboxCommand {
    /// Runs the sandbox until a signal asks for an end.
    pub(crate) async fn run(self) -> Result<Exit, Failure> {
        // Listening first: a signal that comes while starting still ends it cleanly.
        let mut interrupts = Interrupts::listen()?;
        let ended = self.serve.run(interrupts.next()).await;
        ended.map_err(|error| match error {
            ServeError::Input(line) => Failure::Input(printable(&line)),
            ServeError::Output(error) => Failure::Output(error),
        })?;
        Ok(Exit::Done)
    }
}
