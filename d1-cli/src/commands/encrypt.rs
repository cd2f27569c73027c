//! `d1 encrypt`: encrypts card credentials to D1's key, offline.

use clap::Args;
use serde_json::json;

use crate::config::{Config, Given};
use crate::connect;
use crate::credentials::{CredentialsFrom, Luhn};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;

#[derive(Debug, Args)]
pub(crate) struct Encrypt {
    /// Reads the credentials as JSON from standard input (-) or from the file descriptor of this number; at a
    /// terminal, asks for card number and expiry and does not show them
    #[arg(long, value_name = "-|NUMBER", default_value = "-")]
    credentials_from: CredentialsFrom,
    /// Takes a PAN with a wrong check digit: some test numbers have one
    #[arg(long)]
    without_luhn_check: bool,
}

impl Encrypt {
    pub(crate) fn run(self, settings: &Given, output: &Output) -> Result<Exit, Failure> {
        let config = Config::load(settings)?;
        let key = connect::encryption_key(&config)?;
        let luhn = Luhn::unless(self.without_luhn_check);
        let credentials = self.credentials_from.read(luhn)?;
        let encrypted = key.encrypt(&credentials);
        let encrypted = encrypted.map_err(|error| Failure::input("the credentials", error))?;
        if output.is_table() {
            output.line(encrypted.as_str())?;
        } else {
            output.json(&json!({
                "command": "encrypt",
                "kid": key.kid(),
                "encryptedData": encrypted.as_str(),
            }))?;
        }
        Ok(Exit::Done)
    }
}
