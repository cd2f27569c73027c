//! Runs the shell commands of a chapter one after the other in one shell, and servers beside it.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

use tempfile::TempDir;

use crate::book::{Chapter, workspace};
use crate::markdown::{self, Block};
use crate::process::{Lines, end_group};

/// What a server says when it is ready: the last line of `d1-sandbox serve`.
const READY: &str = "Ctrl-C";

/// Why the commands of a chapter could not be followed to their end.
#[derive(Debug, thiserror::Error)]
#[error("{place}: {problem}\n{output}")]
pub struct Failure {
    place: String,
    problem: String,
    output: String,
}

/// What a command printed, and how it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Standard output and standard error, in the order in which they came.
    pub text: String,
    /// The exit code.
    pub code: i32,
}

/// A shell that keeps its variables, functions and folder from one command to the next.
#[derive(Debug)]
pub struct Shell {
    child: Child,
    stdin: ChildStdin,
    lines: Lines,
    scripts: TempDir,
    folder: PathBuf,
    count: usize,
}

impl Shell {
    /// Starts a shell in `folder`; `options` are those of bash, such as `-eu`.
    ///
    /// # Errors
    /// When there is no bash.
    pub fn start(folder: &Path, options: &[&str]) -> io::Result<Self> {
        let mut child = shell(folder)
            .args(options)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(without_bash)?;
        let (stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Ok(Self {
            child,
            stdin,
            lines: Lines::of(stdout),
            scripts: tempfile::tempdir()?,
            folder: folder.to_path_buf(),
            count: 0,
        })
    }

    /// Where it is now.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Runs commands, which find nothing on their standard input. `Err` is what was printed by commands
    /// that ended the shell.
    ///
    /// # Errors
    /// When the shell ends.
    pub fn run(&mut self, commands: &str) -> Result<Output, String> {
        self.count += 1;
        let script = self.scripts.path().join(self.count.to_string());
        fs::write(&script, commands).unwrap();
        let mark = format!("--- end of commands {} ---", self.count);
        // In a file, so that nothing that the commands read is the rest of the commands. The mark begins
        // a line, whatever they printed last.
        let source = format!(
            "source '{}' </dev/null 2>&1; printf '\\n%s\\n%s\\n%s\\n' '{mark}' \"$?\" \"$PWD\"\n",
            script.display()
        );
        // A shell that has ended does not read; that is seen below.
        let _ = self.stdin.write_all(source.as_bytes());
        let mut text = String::new();
        loop {
            let Some(line) = self.lines.next() else {
                return Err(text);
            };
            if line == mark {
                break;
            }
            text += &line;
            text.push('\n');
        }
        let code = self.lines.next().unwrap_or_default();
        self.folder = PathBuf::from(self.lines.next().unwrap_or_default());
        // The line break that is before the mark.
        text.pop();
        Ok(Output {
            text,
            code: code.parse().unwrap_or(-1),
        })
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        end_group(&mut self.child);
    }
}

/// A server that runs until it is dropped.
#[derive(Debug)]
pub struct Server {
    child: Child,
}

impl Server {
    /// Starts a server with a command, and waits until it is ready.
    ///
    /// # Errors
    /// What it said, when it ended instead.
    pub fn start(command: &str, folder: &Path) -> Result<Self, String> {
        let log = tempfile::NamedTempFile::new().map_err(|e| e.to_string())?;
        let stderr = File::create(log.path()).map_err(|e| e.to_string())?;
        let mut child = shell(folder)
            .args(["-euc", command])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(stderr)
            .spawn()
            .map_err(|e| without_bash(e).to_string())?;
        let lines = Lines::of(child.stdout.take().unwrap());
        let server = Self { child };
        let mut said = String::new();
        while !said.contains(READY) {
            let Some(line) = lines.next() else {
                let log = fs::read_to_string(log.path()).unwrap_or_default();
                return Err(format!("{said}{log}"));
            };
            said += &line;
            said.push('\n');
        }
        Ok(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        end_group(&mut self.child);
    }
}

fn shell(folder: &Path) -> Command {
    let mut command = Command::new("bash");
    // A group of its own: the commands have children.
    command.current_dir(folder).process_group(0);
    command.env_remove("RUST_LOG");
    xtask::programs::without_package(&mut command);
    command
}

fn without_bash(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::NotFound => io::Error::other(xtask::programs::missing("bash")),
        _ => error,
    }
}

/// Whether a block is shell commands, and whether it is a server's.
fn kind(block: &Block) -> Option<bool> {
    match block.info.as_deref() {
        Some("sh") => Some(false),
        Some("sh,server") => Some(true),
        _ => None,
    }
}

/// The commands of a chapter, one block after the other.
#[must_use]
pub fn commands_of(chapter: &Chapter) -> String {
    let blocks = markdown::blocks(&chapter.text);
    let texts = blocks.into_iter().filter(|b| kind(b).is_some());
    texts.map(|b| b.text).collect()
}

/// The first server that a chapter starts.
#[must_use]
pub fn server_of(chapter: &Chapter) -> Option<String> {
    let blocks = markdown::blocks(&chapter.text);
    let server = blocks.into_iter().find(|b| kind(b) == Some(true));
    server.map(|b| b.text)
}

/// Follows the shell blocks of a chapter as a reader does who begins in `folder`, and gives how many
/// there were. Where the chapter starts no server, `server` runs meanwhile.
///
/// # Errors
/// When a command fails, or a server does not start.
pub fn follow(chapter: &Chapter, folder: &Path, server: &str) -> Result<usize, Failure> {
    let blocks: Vec<(Block, bool)> = markdown::blocks(&chapter.text)
        .into_iter()
        .filter_map(|block| kind(&block).map(|is_server| (block, is_server)))
        .collect();
    if blocks.is_empty() {
        return Ok(0);
    }
    let fail = |line: usize, problem: &str, output: String| Failure {
        place: format!("docs/src/{}:{line}", chapter.name),
        problem: problem.to_owned(),
        output,
    };
    let mut servers = Vec::new();
    if !blocks.iter().any(|(_, is_server)| *is_server) {
        let started = Server::start(server, &workspace());
        servers.push(started.map_err(|said| fail(1, "the server does not start", said))?);
    }
    let mut shell = Shell::start(folder, &["-euo", "pipefail"])
        .map_err(|e| fail(1, "no shell", e.to_string()))?;
    for (block, is_server) in &blocks {
        if *is_server {
            let started = Server::start(&block.text, shell.folder());
            let failed = |said| fail(block.line, "the server does not start", said);
            servers.push(started.map_err(failed)?);
        } else {
            let ended = |said| fail(block.line, "a command fails, and this was printed", said);
            shell.run(&block.text).map_err(ended)?;
        }
    }
    Ok(blocks.len())
}

#[cfg(test)]
mod tests {
    use rustix::process::{Pid, test_kill_process};

    use super::*;

    fn chapter(text: &str) -> Chapter {
        Chapter {
            name: "test.md".to_owned(),
            text: text.to_owned(),
        }
    }

    /// Something that says that it is ready, and then stays.
    const SERVER: &str = "echo Ctrl-C ends it; exec sleep 1000";

    #[test]
    fn blocks_share_variables_functions_and_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let text = "```sh\nmkdir a && cd a\nx=1\nf() { cat; }\n```\n\n```sh\n\
                    test \"$x\" = 1\ntest \"$(f)\" = ''\ntest \"$(basename \"$PWD\")\" = a\n```\n";
        assert_eq!(follow(&chapter(text), folder.path(), SERVER).unwrap(), 2);
    }

    #[test]
    fn a_command_that_fails_is_an_error_with_its_line_and_its_words() {
        let folder = tempfile::tempdir().unwrap();
        for (command, words) in [
            ("echo said; false; echo on", "said"),
            ("echo piped | grep no | cat", ""),
            ("echo \"$no_such_variable\"", "no_such_variable"),
            ("exit 3", ""),
            ("if", "syntax error"),
        ] {
            let text = format!("text\n\n```sh\n{command}\n```\n");
            let failure = follow(&chapter(&text), folder.path(), SERVER).unwrap_err();
            let failure = failure.to_string();
            assert!(
                failure.starts_with("docs/src/test.md:3: a command fails"),
                "{failure}"
            );
            assert!(
                failure.contains(words) && !failure.contains("on\n"),
                "{failure}"
            );
        }
    }

    #[test]
    fn a_server_runs_where_the_reader_is_and_ends_with_the_chapter() {
        let folder = tempfile::tempdir().unwrap();
        let text = "```sh\nmkdir a && cd a\n```\n\n```sh,server\necho $$ >pid\necho Ctrl-C ends it\n\
                    sleep 1000 &\nwait\n```\n\n```sh\nkill -0 \"$(cat pid)\"\n```\n";
        follow(&chapter(text), folder.path(), "false").unwrap();
        let pid = fs::read_to_string(folder.path().join("a/pid")).unwrap();
        let pid = Pid::from_raw(pid.trim().parse().unwrap()).unwrap();
        assert!(test_kill_process(pid).is_err());
    }

    #[test]
    fn a_server_that_does_not_start_is_an_error_with_its_words() {
        let folder = tempfile::tempdir().unwrap();
        let text = "```sh\ntrue\n```\n";
        let failure = follow(&chapter(text), folder.path(), "echo no port >&2; exit 1");
        assert!(failure.unwrap_err().to_string().contains("no port"));
    }
}
