//! Child processes that cannot hold a test up: what they print is waited for with a bound, and they end
//! with their children.

use std::io::{BufRead as _, BufReader, Read};
use std::process::Child;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};

/// How long a line may take. A command can build a part of the workspace, on a machine with other work.
const PATIENCE: Duration = Duration::from_secs(30 * 60);

/// The lines that a process prints.
#[derive(Debug)]
pub(crate) struct Lines(Receiver<String>);

impl Lines {
    /// Reads what a process prints, to its end.
    pub(crate) fn of(output: impl Read + Send + 'static) -> Self {
        let (sender, receiver) = channel();
        thread::spawn(move || {
            let lines = BufReader::new(output).lines();
            // A reader that has gone does not stop the process from printing.
            lines
                .map_while(Result::ok)
                .for_each(|line| drop(sender.send(line)));
        });
        Self(receiver)
    }

    /// Returns the next line; none where the process has ended.
    pub(crate) fn next(&self) -> Option<String> {
        match self.0.recv_timeout(PATIENCE) {
            Ok(line) => Some(line),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("nothing was printed for {PATIENCE:?}"),
        }
    }
}

/// Ends a process that leads a group, and all processes of the group.
pub(crate) fn end_group(child: &mut Child) {
    // A group that has ended is no error. A process cannot refuse this signal, so that the wait is short.
    let _ = kill_process_group(Pid::from_child(child), Signal::KILL);
    let _ = child.wait();
}
