//! The exit codes.

use std::io;
use std::process::ExitCode;

use d1_facade::{ApiOperation, Error, ErrorKind, Outcome};

/// Printed below the help of every command.
pub(crate) const EXIT_CODES: &str = "\
Exit codes:
  0   done
  1   the output of a command that changed nothing, or the journal, cannot be written
  2   bad input: an argument, a file, a line or a setting; nothing was sent for it
  3   D1 refused: nothing was changed
  4   not sent, or known not to have been carried out: it can be repeated
  5   unknown outcome: a card may have been changed; read its operations before you repeat the change
      (of a read: no usable answer came)
  6   no access: no token, or D1 refused it
  10 to 18  a stage of d1 doctor failed, see d1 doctor --help";

/// How the program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    Done,
    Other,
    BadInput,
    Refused,
    NotSent,
    Unknown,
    Auth,
    /// A stage of the doctor.
    Stage(u8),
}

impl Exit {
    /// Returns the exit code of a call that failed.
    pub(crate) fn of(error: &Error) -> Self {
        let unknown = error.outcome() == Outcome::Unknown;
        match error.kind() {
            // An earlier attempt may have been carried out, however the last one ended.
            _ if unknown && error.operation().changes_card() => Self::Unknown,
            ErrorKind::InvalidInput => Self::BadInput,
            // An answer of the token endpoint that cannot be read, and will not be next time.
            _ if error.operation() == ApiOperation::GetToken && !error.is_retryable() => Self::Auth,
            ErrorKind::TokenUnavailable | ErrorKind::TokenRejected => Self::Auth,
            _ => match error.outcome() {
                Outcome::NotSent => Self::NotSent,
                Outcome::Refused => Self::Refused,
                _ => Self::Unknown,
            },
        }
    }

    /// Returns how the program ends when its output cannot be written. A closed pipe is no error, and an earlier
    /// failure keeps its code.
    pub(crate) fn unwritten(self, error: &io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return self;
        }
        crate::text::say(&format!("cannot write: {}", error.kind()));
        match self {
            Self::Done => Self::Other,
            other => other,
        }
    }

    fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Other => 1,
            Self::BadInput => 2,
            Self::Refused => 3,
            Self::NotSent => 4,
            Self::Unknown => 5,
            Self::Auth => 6,
            Self::Stage(code) => code,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        exit.code().into()
    }
}
