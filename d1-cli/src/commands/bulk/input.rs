//! Where the lines come from. They are read twice: nothing is sent before all of them were checked.

use std::fs::File;
use std::io::{self, BufRead, Read, Seek as _, SeekFrom};
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;

use clap::ValueEnum;
use tokio::sync::mpsc;
use zeroize::{Zeroize as _, Zeroizing};

use super::csv::{Columns, Row, Rows, looks_like_csv};
use super::line::{BadLine, Line};
use super::lock;
use super::spool::Spool;
use crate::failure::Failure;
use crate::secret_input;
use crate::text::{masked, printable, without_mark};

/// The longest line: encrypted data and room for the rest.
const LONGEST_LINE: usize = 32 * 1024;

const CHUNK: usize = 64 * 1024;

/// How many lines are read ahead.
const AHEAD: usize = 64;

/// The format of the lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum InputFormat {
    /// One JSON object a line
    Ndjson,
    /// A header row with the names of fields, and a row for each line, as spreadsheets write them
    Csv,
}

/// What the bulk is to do.
#[derive(Clone)]
pub(super) struct Input {
    /// What it is called.
    pub(super) name: String,
    /// Locked while it is read in the background: its readers share one place in the file.
    source: Arc<Mutex<Source>>,
    /// The header row of a CSV that is not empty.
    pub(super) columns: Option<Columns>,
}

enum Source {
    /// A file, and its length when it was opened: what is appended later was not checked.
    File(File, u64),
    /// Standard input or a pipe with a name, read to its end.
    Spool(Spool),
}

/// A line that was read, or why it cannot be used.
pub(super) type Item = Result<Line, BadLine>;

/// The JSON text of a line, and why it cannot be used where that is known already.
pub(super) struct Text {
    pub(super) number: u64,
    pub(super) json: Zeroizing<Vec<u8>>,
    rule: Option<String>,
}

impl Text {
    /// Reads the line.
    pub(super) fn parse(&self) -> Item {
        match &self.rule {
            Some(rule) => Err(BadLine::new(self.number, rule.clone(), &self.json)),
            None => Line::parse(self.number, &self.json),
        }
    }
}

impl Input {
    /// Opens a file, or reads a stream to its end.
    pub(super) fn open(path: &Path, format: InputFormat) -> Result<Self, Failure> {
        let name = name(path);
        let unreadable = |error| Failure::unreadable(&name, &error);
        let source = Source::open(path).map_err(unreadable)?;
        let mut lines = source.lines().map_err(unreadable)?;
        let first = lines.next().transpose().map_err(unreadable)?;
        let columns = first.map(|(number, line)| {
            let columns = match format {
                _ if line.contains(&0) => Err("must be UTF-8; this looks like UTF-16".to_owned()),
                InputFormat::Csv => Columns::of(&line).map(Some),
                InputFormat::Ndjson if looks_like_csv(&line) => {
                    Err("this looks like CSV; use --format csv".to_owned())
                }
                InputFormat::Ndjson => Ok(None),
            };
            columns.map_err(|rule| Failure::input(format!("{name}, line {number}"), rule))
        });
        Ok(Self {
            columns: columns.transpose()?.flatten(),
            source: Arc::new(Mutex::new(source)),
            name,
        })
    }

    /// Returns whether it is a file, beside which a journal can stand.
    pub(super) fn is_file(&self) -> bool {
        matches!(*lock(&self.source), Source::File(..))
    }

    /// Reads the lines from the beginning, without blank ones and the header row, when no other reader is left.
    pub(super) fn texts(&self) -> io::Result<impl Iterator<Item = io::Result<Text>>> {
        let source = lock(&self.source);
        let lines = source.lines()?.skip(usize::from(self.columns.is_some()));
        let mut rows = self.columns.as_ref().map(Columns::rows);
        Ok(lines.filter_map(move |line| {
            let _locked = &source;
            match line {
                Ok((number, line)) => text(number, line, rows.as_mut()).map(Ok),
                Err(error) => Some(Err(error)),
            }
        }))
    }

    /// Returns the lines as they are wanted. They are read by a thread of their own, since a disk may keep it waiting.
    pub(super) fn into_items(self) -> mpsc::Receiver<io::Result<Item>> {
        let (sender, receiver) = mpsc::channel(AHEAD);
        thread::spawn(move || {
            let (texts, error) = match self.texts() {
                Ok(texts) => (Some(texts), None),
                Err(error) => (None, Some(Err(error))),
            };
            for text in texts.into_iter().flatten().chain(error) {
                if sender.blocking_send(text.map(|text| text.parse())).is_err() {
                    // The receiver was dropped: no more lines are wanted.
                    return;
                }
            }
        });
        receiver
    }
}

/// Returns the text of a line; nothing where it is a row without content.
fn text(number: u64, line: Zeroizing<Vec<u8>>, rows: Option<&mut Rows<'_>>) -> Option<Text> {
    let Row { json, rule } = match rows {
        _ if line.len() > LONGEST_LINE => Row {
            json: Zeroizing::default(),
            rule: Some(format!("must be at most {LONGEST_LINE} bytes")),
        },
        Some(rows) => rows.read(&line)?,
        None => Row {
            json: line,
            rule: None,
        },
    };
    Some(Text { number, json, rule })
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

    /// Reads the lines that are not blank from the beginning, with their numbers.
    fn lines(&self) -> io::Result<impl Iterator<Item = io::Result<NumberedLine>> + use<>> {
        let lines = Lines::new(self.reader()?);
        Ok(lines.filter(|line| {
            let text = line.as_ref().map(|(_, text)| text);
            !text.is_ok_and(|text| text.iter().all(u8::is_ascii_whitespace))
        }))
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

/// The number of a line, and its text.
type NumberedLine = (u64, Zeroizing<Vec<u8>>);

/// The lines of a reader with their numbers, without a byte order mark. What was read is wiped: it may be card data.
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
    type Item = io::Result<NumberedLine>;

    fn next(&mut self) -> Option<Self::Item> {
        // Room for the longest that is taken, so that no copy is left behind by growing.
        let mut line = Zeroizing::new(Vec::with_capacity(LONGEST_LINE + 1));
        match self.read(&mut line) {
            Ok(0) => None,
            Ok(_) => {
                self.number += 1;
                if self.number == 1 {
                    let mark = line.len() - without_mark(&line).len();
                    line.drain(..mark);
                }
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
        // Only the first can begin with a byte order mark that is none of its text.
        let marked = "\u{feff}a\n\u{feff}b";
        assert_eq!(lines(marked), [line(1, "a"), line(2, "\u{feff}b")]);
    }

    #[test]
    fn a_line_that_is_too_long_is_a_bad_one_and_takes_no_more_room() {
        let text = format!("{}\nb", "x".repeat(3 * LONGEST_LINE));
        let all = lines(&text);
        assert_eq!(all.len(), 2);
        assert_eq!(all.first().unwrap().1.len(), LONGEST_LINE + 1);
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let input = Input::open(file.path(), InputFormat::Ndjson).unwrap();
        let first = input.texts().unwrap().next().unwrap().unwrap();
        assert!(first.parse().is_err_and(|bad| bad.rule.contains("at most")));
    }
}
