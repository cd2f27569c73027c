//! Proof that `d1 bulk` does nothing twice and loses nothing when it is killed.
//!
//! It starts a sandbox as a process of its own, lets `d1 bulk` suspend many cards, kills that with SIGKILL at
//! random points of the journal, resumes it each time, and compares the journal with the sandbox's own books
//! at the end. It fails when a card was changed twice, a line has no outcome, the lines of a card were carried
//! out in another order than that of the file, or the books and the journal disagree.
//!
//! `sigkill D1 [LINES] [KILLS] [SEED]`, where D1 is the binary; `d1-cli/prove.sh` builds and runs it.

/// Prints a line. A closed pipe (`| head -1`) drops it.
macro_rules! say {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stdout(), $($text)*);
    }};
}

mod audit;
mod sandbox;

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use audit::{Audit, Books, Step};
use sandbox::Sandbox;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// How often the journal is looked at.
const LOOK: Duration = Duration::from_millis(2);

/// How long a run may stand still.
const LONGEST_STANDSTILL: Duration = Duration::from_secs(120);

fn main() -> ExitCode {
    match prove() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            say!("no result: {error}");
            ExitCode::from(2)
        }
    }
}

fn prove() -> Result<bool> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize, default: u64| -> Result<u64> {
        Ok(arguments
            .get(at)
            .map(|text| text.parse())
            .transpose()?
            .unwrap_or(default))
    };
    let d1 = PathBuf::from(
        arguments
            .first()
            .ok_or("the first argument must be the binary d1")?,
    );
    let (lines, kills, seed) = (number(1, 1000)?, number(2, 5)?, number(3, 1)?);
    let folder = tempfile::tempdir()?;
    let files = Files::write(folder.path(), lines)?;
    let sandbox = Sandbox::start(&d1, folder.path(), &files.cards)?;
    let before = sandbox.operations()?;
    sandbox.misbehave()?;
    let began = Instant::now();
    let mut bulk = Bulk {
        d1,
        files,
        environment: sandbox.environment.clone(),
    };
    let in_doubt = bulk.kill_again_and_again(lines, kills, &mut Random(seed))?;
    let unknown = bulk.run_to_the_end()?;
    let books = Books {
        before,
        after: sandbox.operations()?,
        history: &|card| bulk.history(card),
    };
    let audit = Audit::of(&cards(lines), &bulk.files.journal, &books, &unknown)?;
    say!("lines               {lines:>8}");
    say!(
        "killed with SIGKILL {kills:>8}  (seed {seed}, {:.0} s)",
        began.elapsed().as_secs_f64()
    );
    say!("in doubt then       {in_doubt:>8}");
    audit.print();
    if kills > 0 && in_doubt == 0 {
        say!("no kill hit a request under way: this proves nothing");
        return Ok(false);
    }
    Ok(audit.is_clean())
}

/// Numbers that look random and are the same for the same seed (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end.max(1)
    }
}

/// The card of a line, and what is done to it: of every 20 lines, three are about one card.
fn step(line: u64) -> (String, Step) {
    let first = line - (line % 20).saturating_sub(17);
    let operation = if line % 20 == 18 { "resume" } else { "suspend" };
    (format!("Bulk{first:06}"), Step { line, operation })
}

/// The lines of each card.
fn cards(lines: u64) -> BTreeMap<String, Vec<Step>> {
    let mut cards: BTreeMap<String, Vec<Step>> = BTreeMap::new();
    for (card, step) in (1..=lines).map(step) {
        cards.entry(card).or_default().push(step);
    }
    cards
}

/// What a run reads and writes.
struct Files {
    cards: PathBuf,
    input: PathBuf,
    journal: PathBuf,
}

impl Files {
    /// Every 1000th card is not known to D1, and every 2000th of the others cannot be handled by it.
    fn write(folder: &Path, lines: u64) -> Result<Self> {
        let mut cards = "cards:\n".to_owned();
        let mut input = String::new();
        for line in 1..=lines {
            let damaged = if line % 2000 == 1000 {
                ", damaged: true"
            } else {
                ""
            };
            if line % 1000 != 500 {
                writeln!(cards, "  - {{ id: Bulk{line:06}{damaged} }}")?;
            }
            let (card, step) = step(line);
            let mut request = json!({ "operation": step.operation, "cardId": card });
            // With and without a reason by which the change could be found.
            if line % 2 == 0 {
                request["reason"] = format!("row {line}").into();
            }
            writeln!(input, "{request}")?;
        }
        let file = |name: &str| folder.join(name);
        fs::write(file("cards.yaml"), cards)?;
        fs::write(file("input.ndjson"), input)?;
        Ok(Self {
            cards: file("cards.yaml"),
            input: file("input.ndjson"),
            journal: file("journal.ndjson"),
        })
    }

    /// The whole lines of the journal.
    fn journal_lines(&self) -> Result<Vec<Value>> {
        let text = match fs::read(&self.journal) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error.into()),
        };
        let end = text
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |at| at + 1);
        let whole = text.get(..end).unwrap_or_default();
        let lines = whole
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty());
        Ok(lines
            .map(serde_json::from_slice)
            .collect::<std::result::Result<_, _>>()?)
    }
}

/// A `d1 bulk` that is killed and resumed.
struct Bulk {
    d1: PathBuf,
    files: Files,
    environment: Vec<(String, String)>,
}

impl Bulk {
    fn start(&self, output: Stdio) -> Result<Child> {
        let resumed = self.files.journal.exists();
        let mut command = Command::new(&self.d1);
        command
            .arg("bulk")
            .arg(&self.files.input)
            .arg(if resumed { "--resume" } else { "--journal" })
            .arg(&self.files.journal)
            .args(["--concurrency", "32", "--wait", "3", "--timeout", "5"])
            .args(["--quiet", "--output", "json"])
            .envs(self.environment.iter().cloned())
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(Stdio::null());
        Ok(command.spawn()?)
    }

    /// Kills it at random points of the journal; how many requests were in doubt then, all in all.
    fn kill_again_and_again(
        &mut self,
        lines: u64,
        kills: u64,
        random: &mut Random,
    ) -> Result<usize> {
        // Each line of the input has two in the journal.
        let mut points: Vec<u64> = (0..kills)
            .map(|_| 2 + random.below(2 * lines * 9 / 10))
            .collect();
        points.sort_unstable();
        let mut in_doubt = 0;
        for point in points {
            let mut child = self.start(Stdio::null())?;
            let reached = self.wait_for(point, &mut child);
            // On Unix this is SIGKILL.
            child.kill()?;
            child.wait()?;
            reached?;
            in_doubt += begun_and_not_ended(&self.files.journal_lines()?);
        }
        Ok(in_doubt)
    }

    /// Waits until the journal has at least this number of lines.
    fn wait_for(&self, point: u64, child: &mut Child) -> Result<()> {
        let (mut length, mut moved) = (0, Instant::now());
        loop {
            if let Some(status) = child.try_wait()? {
                return Err(
                    format!("d1 bulk ended by itself before it could be killed: {status}").into(),
                );
            }
            let now = fs::metadata(&self.files.journal).map_or(0, |metadata| metadata.len());
            if now != length {
                (length, moved) = (now, Instant::now());
                if count_lines(&self.files.journal)? >= point {
                    return Ok(());
                }
            }
            if moved.elapsed() > LONGEST_STANDSTILL {
                return Err("d1 bulk stands still".into());
            }
            sleep(LOOK);
        }
    }

    /// The operations of a card, the oldest first.
    fn history(&self, card: &str) -> Result<Vec<String>> {
        let list = Command::new(&self.d1)
            .args(["operations", "list", card, "--all", "--output", "ndjson"])
            .envs(self.environment.iter().cloned())
            .stdin(Stdio::null())
            .output()?;
        let mut operations = Vec::new();
        for line in list
            .stdout
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
        {
            let operation: Value = serde_json::from_slice(line)?;
            operations.push(
                operation["operation"]
                    .as_str()
                    .unwrap_or_default()
                    .to_owned(),
            );
        }
        operations.reverse();
        Ok(operations)
    }

    /// Lets it end; the lines that it reports as unknown.
    fn run_to_the_end(&self) -> Result<BTreeSet<u64>> {
        let child = self.start(Stdio::piped())?;
        let output = child.wait_with_output()?;
        // Done, refused or unknown: every line has an outcome then.
        if !matches!(output.status.code(), Some(0 | 3 | 4 | 5)) {
            return Err(format!("the last run ended with {}", output.status).into());
        }
        let result: Value = serde_json::from_slice(&output.stdout)?;
        let unknown = result["summary"]["unknownLines"].as_array().cloned();
        Ok(unknown
            .unwrap_or_default()
            .iter()
            .filter_map(Value::as_u64)
            .collect())
    }
}

fn count_lines(path: &Path) -> Result<u64> {
    let bytes = fs::read(path)?;
    Ok(bytes.iter().filter(|byte| **byte == b'\n').count() as u64)
}

fn begun_and_not_ended(lines: &[Value]) -> usize {
    let mut open = BTreeSet::new();
    for line in lines {
        if let Some(number) = line["begun"].as_u64() {
            open.insert(number);
        }
        if let Some(number) = line["ended"].as_u64() {
            open.remove(&number);
        }
    }
    open.len()
}
