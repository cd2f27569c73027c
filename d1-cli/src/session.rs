//! What a command works with that has settings, and how it calls D1.

use std::io;

use d1_facade::{CardId, Client, Error};

use crate::config::{Config, Given};
use crate::connect;
use crate::dry_run::DryRun;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;
use crate::report;

/// The settings, and how results are printed.
pub(crate) struct Session {
    pub(crate) config: Config,
    pub(crate) output: Output,
}

/// A call that changes no card.
pub(crate) struct Read<'a> {
    /// The command that makes it.
    pub(crate) command: &'static str,
    pub(crate) card: Option<&'a CardId>,
    pub(crate) dry_run: bool,
}

impl Session {
    pub(crate) fn new(given: &Given, output: &Output) -> Result<Self, Failure> {
        let config = Config::load(given)?;
        let output = output.at(config.target());
        Ok(Self { config, output })
    }

    pub(crate) fn client(&self) -> Result<Client, Failure> {
        Ok(connect::client(&self.config)?)
    }

    /// Sends a request and prints its result, or prints the request instead.
    pub(crate) async fn read<T, R: IntoFuture<Output = Result<T, Error>>>(
        &self,
        read: Read<'_>,
        request: impl FnOnce(&Client) -> R,
        print: impl FnOnce(T) -> io::Result<()>,
    ) -> Result<Exit, Failure> {
        if read.dry_run {
            let dry_run = DryRun::new(&self.config)?;
            return dry_run.print(&self.output, request(&dry_run.client).await);
        }
        match request(&self.client()?).await {
            Ok(value) => {
                print(value)?;
                Ok(Exit::Done)
            }
            Err(error) => match Failure::of_call(&error) {
                Some(failure) => Err(failure),
                None => Ok(self.failed(&read, &error)),
            },
        }
    }

    /// Prints that a read failed.
    pub(crate) fn failed(&self, read: &Read<'_>, error: &Error) -> Exit {
        let result = report::failed(read.command, read.card, error);
        report::say_failed(&self.output, &result, error)
    }
}
