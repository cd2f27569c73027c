//! Standard output, for commands whose reader may leave before they end (`| head -1`).

use std::io::{self, ErrorKind, StdoutLock, Write};

/// Standard output. What is written after its reader has left is dropped, so that a command ends
/// quietly and with the exit code that it has anyhow.
pub(crate) fn stdout() -> Console<StdoutLock<'static>> {
    Console(io::stdout().lock())
}

/// Writes one line to standard error; without a reader there, the exit code has to do.
pub(crate) fn error(line: impl std::fmt::Display) {
    let _ = writeln!(io::stderr(), "error: {line}");
}

pub(crate) struct Console<W>(W);

impl<W: Write> Write for Console<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.0.write(bytes) {
            Err(e) if e.kind() == ErrorKind::BrokenPipe => Ok(bytes.len()),
            result => result,
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self.0.flush() {
            Err(e) if e.kind() == ErrorKind::BrokenPipe => Ok(()),
            result => result,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Failing(ErrorKind);

    impl Write for Failing {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Err(self.0.into())
        }
    }

    #[test]
    fn a_reader_that_left_is_no_error_and_a_full_disk_is() {
        let mut left = Console(Failing(ErrorKind::BrokenPipe));
        assert!(writeln!(left, "x").is_ok() && left.flush().is_ok());
        let mut full = Console(Failing(ErrorKind::StorageFull));
        assert!(writeln!(full, "x").is_err() && full.flush().is_err());
    }
}
