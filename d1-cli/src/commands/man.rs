//! `d1 man`: the manual pages, one for each command.

use std::path::PathBuf;

use clap::Args;

use crate::exit::Exit;
use crate::failure::{Failure, because};
use crate::output::Output;

#[derive(Debug, Args)]
pub(crate) struct Man {
    /// Where to write them; it is made if need be
    directory: PathBuf,
}

impl Man {
    pub(crate) fn run(self, command: clap::Command, output: &Output) -> Result<Exit, Failure> {
        let place = self.directory.display();
        std::fs::create_dir_all(&self.directory)
            .and_then(|()| clap_mangen::generate_to(command, &self.directory))
            .map_err(|error| {
                Failure::input(
                    format!("DIRECTORY {place}"),
                    format!("cannot be written to: {}", because(&error)),
                )
            })?;
        output.note(&format!("the manual pages are in {place}"));
        Ok(Exit::Done)
    }
}
