//! Worker processes of this very program, to be killed.

use std::process::{ExitStatus, Stdio};

use tokio::process::{Child, Command};

/// Short times, since the sandbox is on the same machine: nothing is under way for longer. The workers
/// still wait for what they wait for in earnest.
const WORK: [&str; 5] = [
    "work",
    "--call-timeout=3",
    "--settle=8",
    "--give-up=40",
    "--heartbeat=1",
];

/// Several workers that run.
pub(crate) struct Fleet {
    database: String,
    concurrency: usize,
    workers: Vec<Child>,
}

impl Fleet {
    /// Starts this number of workers.
    pub(crate) fn start(
        database: &str,
        workers: usize,
        concurrency: usize,
    ) -> std::io::Result<Self> {
        let mut fleet = Self {
            database: database.to_owned(),
            concurrency,
            workers: Vec::new(),
        };
        for _ in 0..workers {
            let worker = fleet.spawn()?;
            fleet.workers.push(worker);
        }
        Ok(fleet)
    }

    fn spawn(&self) -> std::io::Result<Child> {
        Command::new(std::env::current_exe()?)
            .args(WORK)
            .arg(format!("--concurrency={}", self.concurrency))
            .env("DATABASE_URL", &self.database)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .spawn()
    }

    /// Kills one worker with SIGKILL, and starts another in its place.
    pub(crate) async fn kill_one(&mut self, index: usize) -> std::io::Result<()> {
        let successor = self.spawn()?;
        if let Some(worker) = self.workers.get_mut(index) {
            worker.kill().await?;
            *worker = successor;
        }
        Ok(())
    }

    /// How a worker ended that nobody had killed.
    pub(crate) fn ended(&mut self) -> std::io::Result<Option<ExitStatus>> {
        for worker in &mut self.workers {
            if let Some(status) = worker.try_wait()? {
                return Ok(Some(status));
            }
        }
        Ok(None)
    }

    /// Ends all of them.
    pub(crate) async fn stop(mut self) -> std::io::Result<()> {
        for worker in &mut self.workers {
            worker.kill().await?;
        }
        Ok(())
    }
}
