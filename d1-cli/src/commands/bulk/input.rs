//! Where the lines come from. They are read twice: nothing is sent before all of them were checked.

use std::fs::File;
use std::io::{self, BufRead, Read, Seek as _, SeekFrom};
use std::ops::Range;
use std::path::Path;
use std::thread;

use tokio::sync::mpsc;
use zeroize::{Zeroize as _, Zeroizing};

use super::line::{BadLine, Line};
use super::spool::Spool;
use crate::failure::Failure;
use crate::secret_input;
use crate::text::{masked, printable};

/// The longest line: encrypted data and room for the rest.
const LONGEST_LINE: usize = 32 * 1024;

const CHUNK: usize = 64 * 1024;

/// How many lines are read ahead.
const AHEAD: usize = 64;

/// What the bulk is to do.
pub(super) struct Input {
    /// What it is called.
    pub(super) name: String,
    source: Source,
}

enum Source {
    /// A file, and its length when it was opened: what is appended later was not checked.
    File(File, u64),
    /// Standard input or a pipe with a name, read to its end.
    Spool(Spool),
}

/// A line that was read, or why it cannot be used.
pub(super) type Item = Result<Line, BadLine>;

impl Input {
    /// Opens a file, or reads a stream to its end.
    pub(super) fn open(path: &Path) -> Result<Self, Failure> {
        let name = name(path);
        match Source::open(path) {
            Ok(source) => Ok(Self { name, source }),
            Err(error) => Err(Failure::unreadable(name, &error)),
        }
    }

    /// Returns whether it is a file, beside which a journal can stand.
    pub(super) fn is_file(&self) -> bool {
        matches!(self.source, Source::File(..))
    }

    /// Reads the lines from the beginning.
    pub(super) fn items(&self) -> io::Result<impl Iterator<Item = io::Result<Item>> + use<>> {
        let lines = Lines::new(self.source.reader()?);
        Ok(lines.filter_map(|line| match line {
            Ok((number, text)) => parsed(number, &text).map(Ok),
            Err(error) => Some(Err(error)),
        }))
    }

    /// Returns the lines as they are wanted. They are read by a thread of their own, since a disk may keep it waiting.
    pub(super) fn into_items(self) -> mpsc::Receiver<io::Result<Item>> {
        let (sender, receiver) = mpsc::channel(AHEAD);
        thread::spawn(move || {
            let items = self.items();
            let (items, error) = match items {
                Ok(items) => (Some(items), None),
                Err(error) => (None, Some(Err(error))),
            };
            for item in items.into_iter().flatten().chain(error) {
                if sender.blocking_send(item).is_err() {
                    // The receiver was dropped: no more lines are wanted.
                    return;
                }
            }
        });
        receiver
    }
}

impl Source {
    fn open(path: &Path) -> io::Result<Self> {
        if is_standard_input(path) {
            return Ok(Self::Spool(Spool::of(secret_input::open()?)?));
        }
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        if metadata.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        if metadata.is_file() {
            return Ok(Self::File(file, metadata.len()));
        }
        Ok(Self::Spool(Spool::of(file)?))
    }

    /// Reads it from its beginning.
    fn reader(&self) -> io::Result<Box<dyn Read + Send>> {
        match self {
            Self::File(file, length) => {
                let mut file = file.try_clone()?;
                file.seek(SeekFrom::Start(0))?;
                Ok(Box::new(file.take(*length)))
            }
            Self::Spool(spool) => Ok(Box::new(spool.reader()?)),
        }
    }
}

fn is_standard_input(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// What an input is called.
pub(super) fn name(path: &Path) -> String {
    if is_standard_input(path) {
        return "standard input".to_owned();
    }
    printable(&masked(&path.display().to_string()))
}

/// What a line says; nothing where it is blank.
fn parsed(number: u64, text: &[u8]) -> Option<Item> {
    if text.len() > LONGEST_LINE {
        let rule = format!("must be at most {LONGEST_LINE} bytes");
        return Some(Err(BadLine::new(number, rule, &[])));
    }
    let blank = text.iter().all(u8::is_ascii_whitespace);
    (!blank).then(|| Line::parse(number, text))
}

/// The lines of a reader with their numbers. What was read is wiped: it may be card data.
struct Lines<R> {
    reader: WipingReader<R>,
    number: u64,
}

impl<R: Read> Lines<R> {
    fn new(reader: R) -> Self {
        Self {
            reader: WipingReader {
                reader,
                buffer: Zeroizing::new(vec![0; CHUNK]),
                unread: 0..0,
            },
            number: 0,
        }
    }

    fn read(&mut self, line: &mut Vec<u8>) -> io::Result<usize> {
        // Of a line that is too long, as much is kept as shows that.
        let mut start = self.reader.by_ref().take(LONGEST_LINE as u64 + 1);
        let length = start.read_until(b'\n', line)?;
        if line.last() == Some(&b'\n') {
            line.pop();
        } else if length > LONGEST_LINE {
            self.reader.skip_until(b'\n')?;
        }
        Ok(length)
    }
}

impl<R: Read> Iterator for Lines<R> {
    type Item = io::Result<(u64, Zeroizing<Vec<u8>>)>;

    fn next(&mut self) -> Option<Self::Item> {
        // Room for the longest that is taken, so that no copy is left behind by growing.
        let mut line = Zeroizing::new(Vec::with_capacity(LONGEST_LINE + 1));
        match self.read(&mut line) {
            Ok(0) => None,
            Ok(_) => {
                self.number += 1;
                Some(Ok((self.number, line)))
            }
            Err(error) => Some(Err(error)),
        }
    }
}

/// A buffered reader that wipes what was read from its buffer.
struct WipingReader<R> {
    reader: R,
    buffer: Zeroizing<Vec<u8>>,
    /// What of the buffer was not read yet.
    unread: Range<usize>,
}

impl<R: Read> Read for WipingReader<R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let length = self.fill_buf()?.read(to)?;
        self.consume(length);
        Ok(length)
    }
}

impl<R: Read> BufRead for WipingReader<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.unread.is_empty() {
            self.unread = 0..self.reader.read(&mut self.buffer)?;
        }
        Ok(self.buffer.get(self.unread.clone()).unwrap_or_default())
    }

    fn consume(&mut self, length: usize) {
        let end = self.unread.end.min(self.unread.start + length);
        let read = self.buffer.get_mut(self.unread.start..end);
        read.unwrap_or_default().zeroize();
        self.unread.start = end;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn lines(text: &str) -> Vec<(u64, String)> {
        // A reader that gives a byte at a time, as a slow pipe does.
        struct Slow<'a>(&'a [u8]);
        impl Read for Slow<'_> {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                let length = 1.min(buffer.len());
                self.0.read(buffer.get_mut(..length).unwrap())
            }
        }
        Lines::new(Slow(text.as_bytes()))
            .map(|line| line.map(|(n, text)| (n, String::from_utf8(text.to_vec()).unwrap())))
            .collect::<io::Result<_>>()
            .unwrap()
    }

    #[test]
    fn lines_are_counted_as_an_editor_does() {
        let line = |n: u64, text: &str| (n, text.to_owned());
        assert_eq!(lines(""), []);
        assert_eq!(lines("a"), [line(1, "a")]);
        assert_eq!(lines("a\n"), [line(1, "a")]);
        assert_eq!(lines("a\n\nb"), [line(1, "a"), line(2, ""), line(3, "b")]);
    }

    #[test]
    fn a_line_that_is_too_long_is_a_bad_one_and_takes_no_more_room() {
        let text = format!("{}\nb", "x".repeat(3 * LONGEST_LINE));
        let all = lines(&text);
        assert_eq!(all.len(), 2);
        assert_eq!(all.first().unwrap().1.len(), LONGEST_LINE + 1);
        let item = parsed(1, all.first().unwrap().1.as_bytes()).unwrap();
        assert!(item.is_err_and(|bad| bad.rule.contains("at most")));
    }
}
