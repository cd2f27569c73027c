//! `d1 completions`: the completions of the command line for a shell.

use std::io::{self, Write as _};

use clap::Args;
use clap_complete::Shell;

use crate::exit::Exit;
use crate::failure::Failure;

#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    pub(crate) fn run(self, mut command: clap::Command) -> Result<Exit, Failure> {
        // Written to memory first: the generator panics where it cannot write.
        let mut text = Vec::new();
        clap_complete::generate(self.shell, &mut command, "d1", &mut text);
        let mut out = io::stdout().lock();
        out.write_all(&text)?;
        out.flush()?;
        Ok(Exit::Done)
    }
}
