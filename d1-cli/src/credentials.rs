//! Reads card credentials from standard input, a terminal or a file descriptor: never from an argument, which every
//! process of the machine can see.

use std::fs::File;
use std::io::{self, IsTerminal as _, Read};
use std::str::FromStr;

use d1_facade::{AuxiliaryPan, CardCredentials, InvalidInput, Pan};
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::failure::Failure;
use crate::json_errors;
use crate::secret_input;
use crate::text::without_mark;

/// More than any credentials need.
const LONGEST: u64 = 4096;

/// Where credentials are read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CredentialsFrom {
    StandardInput,
    Descriptor(u16),
}

impl FromStr for CredentialsFrom {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const RULE: &str = "must be - for standard input or the number of an open file descriptor, \
                            3 to 1023; the credentials themselves are never an argument";
        match text.parse() {
            _ if text == "-" => Ok(Self::StandardInput),
            Ok(0) => Ok(Self::StandardInput),
            Ok(number @ 3..=1023) => Ok(Self::Descriptor(number)),
            _ => Err(RULE),
        }
    }
}

const FLAG: &str = "--credentials-from";

impl CredentialsFrom {
    /// Reads the credentials.
    pub(crate) fn read(self, luhn: Luhn) -> Result<CardCredentials, Failure> {
        let plain = match self {
            Self::StandardInput if io::stdin().is_terminal() => asked()?,
            Self::StandardInput => parsed(secret_input::open())?,
            // The descriptor is opened anew by its name, so that none is taken over that is another's.
            Self::Descriptor(number) => {
                let file = File::open(format!("/dev/fd/{number}")).map_err(|_| {
                    let rule = format!("cannot be read: no file is open as in {number}<FILE");
                    Failure::input(FLAG, rule)
                });
                parsed(Ok(file?))?
            }
        };
        plain
            .checked(luhn)
            .map_err(|error| Failure::input(FLAG, error))
    }
}

/// Asks for card number and expiry at the terminal.
fn asked() -> Result<PlainCredentials, Failure> {
    let answers = secret_input::ask(["Card number (PAN)", "Expiry (MMYY)"]);
    let [pan, exp] = answers.map_err(|error| Failure::unreadable(FLAG, &error))?;
    Ok(PlainCredentials {
        pan,
        exp,
        psn: None,
        auxiliary_pan: None,
        auxiliary_exp: None,
    })
}

/// Reads credentials as JSON.
fn parsed(source: io::Result<impl Read>) -> Result<PlainCredentials, Failure> {
    let bytes = source.and_then(bounded);
    let bytes = bytes.map_err(|error| Failure::unreadable(FLAG, &error))?;
    if bytes.len() as u64 > LONGEST {
        let rule = format!("must be at most {LONGEST} bytes");
        return Err(Failure::input(FLAG, rule));
    }
    json_errors::read(without_mark(&bytes)).map_err(|rule| Failure::input(FLAG, rule))
}

fn bounded(source: impl Read) -> io::Result<Zeroizing<Vec<u8>>> {
    let most = LONGEST + 1;
    // Room for all of it, so that no copy is left behind by growing.
    let mut bytes = Zeroizing::new(Vec::with_capacity(2 * most as usize));
    source.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Whether the check digit of a PAN is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Luhn {
    Checked,
    Unchecked,
}

impl Luhn {
    pub(crate) fn unless(without: bool) -> Self {
        match without {
            true => Self::Unchecked,
            false => Self::Checked,
        }
    }
}

/// Credentials as they are given, with the names of the API. They are wiped when dropped, and have no `Debug`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct PlainCredentials {
    pan: Zeroizing<String>,
    exp: Zeroizing<String>,
    psn: Option<Zeroizing<String>>,
    auxiliary_pan: Option<Zeroizing<String>>,
    auxiliary_exp: Option<Zeroizing<String>>,
}

impl PlainCredentials {
    /// Checks the credentials.
    pub(crate) fn checked(&self, luhn: Luhn) -> Result<CardCredentials, InvalidInput> {
        let pan = match luhn {
            Luhn::Checked => self.pan.parse()?,
            Luhn::Unchecked => Pan::without_luhn_check(&self.pan)?,
        };
        let mut credentials = CardCredentials::new(pan, self.exp.as_str())?;
        if let Some(psn) = &self.psn {
            credentials = credentials.with_psn(psn.as_str())?;
        }
        if self.auxiliary_pan.is_none() && self.auxiliary_exp.is_none() {
            return Ok(credentials);
        }
        // One without the other breaks the rule of the one that is missing.
        let text = |part: &Option<Zeroizing<String>>| part.clone().unwrap_or_default();
        let pan = text(&self.auxiliary_pan);
        let pan: AuxiliaryPan = match luhn {
            Luhn::Checked => pan.parse()?,
            Luhn::Unchecked => AuxiliaryPan::without_luhn_check(&pan)?,
        };
        credentials.with_auxiliary(pan, text(&self.auxiliary_exp).as_str())
    }
}
