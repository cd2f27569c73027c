//! Reads what may be secret from standard input: no copy is left behind, and a terminal does not show it.

use std::io::{self, Read};

use zeroize::Zeroizing;

/// Returns standard input without the standard library's buffer, which is not wiped.
#[cfg(unix)]
pub(crate) fn open() -> io::Result<Box<dyn Read>> {
    use std::os::fd::AsFd as _;
    let descriptor = io::stdin().as_fd().try_clone_to_owned()?;
    Ok(Box::new(std::fs::File::from(descriptor)))
}

/// Returns standard input.
#[cfg(not(unix))]
pub(crate) fn open() -> io::Result<Box<dyn Read>> {
    Ok(Box::new(io::stdin()))
}

/// Asks questions at the terminal of standard input. The answers are not shown while they are typed.
///
/// # Errors
/// When the person presses Ctrl-C.
#[cfg(unix)]
pub(crate) fn ask<const N: usize>(questions: [&str; N]) -> io::Result<[Zeroizing<String>; N]> {
    use std::io::Write as _;

    use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, tcgetattr, tcsetattr};

    let before = tcgetattr(io::stdin())?;
    let mut silent = before.clone();
    silent
        .local_modes
        .remove(LocalModes::ECHO | LocalModes::ISIG);
    // Ctrl-C ends the line instead of the program, which would leave the terminal silent.
    silent.special_codes[SpecialCodeIndex::VEOL] = CTRL_C;
    // What was typed before is dropped: it was shown.
    tcsetattr(io::stdin(), OptionalActions::Flush, &silent)?;
    let mut answers = questions.map(|_| Zeroizing::default());
    let asked = questions
        .iter()
        .zip(&mut answers)
        .try_for_each(|(question, answer)| {
            write!(io::stderr(), "{question}: ")?;
            *answer = line()?;
            writeln!(io::stderr())
        });
    tcsetattr(io::stdin(), OptionalActions::Now, &before)?;
    asked.map(|()| answers)
}

/// Refuses to ask, where answers cannot be hidden.
#[cfg(not(unix))]
pub(crate) fn ask<const N: usize>(_: [&str; N]) -> io::Result<[Zeroizing<String>; N]> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(unix)]
const CTRL_C: u8 = 3;

/// Reads one line from the terminal, whose driver hands out one at a time.
#[cfg(unix)]
fn line() -> io::Result<Zeroizing<String>> {
    // As long as a line of a terminal can be.
    let mut bytes = Zeroizing::new([0; 4096]);
    let length = open()?.read(&mut *bytes)?;
    let text = std::str::from_utf8(&bytes[..length]).unwrap_or_default();
    if text.as_bytes().last() == Some(&CTRL_C) {
        return Err(io::ErrorKind::Interrupted.into());
    }
    Ok(Zeroizing::new(text.trim().to_owned()))
}
