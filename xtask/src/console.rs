//! Standard output, for commands whose reader may leave before they end (`| head -1`).

use std::io::{ErrorKind, Write as _};

use crate::error::Error;

/// Prints a text. When the reader has left it is dropped, so that a command ends quietly and with the exit code
/// that it has anyhow.
///
/// # Errors
/// When standard output cannot be written for another reason.
pub(crate) fn print(text: &str) -> Result<(), Error> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Error::at("standard output", error))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}
