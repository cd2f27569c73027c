//! Runs work that takes much CPU time where it does not hold up the runtime.
//!
//! One job on the runtime's blocking threads runs all work that waits, a few pieces at a time, and delivers their
//! results together: a job for each piece would spend more on waking threads than on the work.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::available_parallelism;

use tokio::sync::oneshot;

/// Work that waits, and the threads that run it.
pub(crate) struct CpuPool(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    max_threads: usize,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Work>,
    threads: usize,
}

/// What is to be run, and then what delivers the result.
type Work = Box<dyn FnOnce() -> Delivery + Send>;
type Delivery = Box<dyn FnOnce() + Send>;

/// How many results are delivered together at most. Each delays the others by as long as its work takes.
const MAX_BATCH: usize = 8;

impl CpuPool {
    /// Makes a pool of as many threads as there are cores.
    pub(crate) fn new() -> Self {
        Self(Arc::new(Shared {
            state: Mutex::default(),
            max_threads: available_parallelism().map_or(1, Into::into),
        }))
    }

    /// Runs `work` and returns its result.
    ///
    /// # Panics
    /// When `work` does.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> T {
        let (sender, receiver) = oneshot::channel();
        let needs_thread = self.0.add(Box::new(move || {
            let result = (!sender.is_closed()).then(|| catch_unwind(AssertUnwindSafe(work)));
            Box::new(move || {
                let _ = result.map(|result| sender.send(result));
            })
        }));
        if needs_thread {
            let shared = self.0.clone();
            tokio::task::spawn_blocking(move || shared.run());
        }
        match receiver.await {
            Ok(Ok(result)) => result,
            Ok(Err(panic)) => resume_unwind(panic),
            // The runtime shuts down, which drops the task that waits here, too.
            Err(_) => std::future::pending().await,
        }
    }
}

impl Shared {
    /// Adds work; returns whether one more thread is needed for it.
    fn add(&self, work: Work) -> bool {
        let mut state = self.lock();
        state.waiting.push_back(work);
        let needs_thread = state.threads < self.max_threads;
        if needs_thread {
            state.threads += 1;
        }
        needs_thread
    }

    /// Runs work until none waits.
    fn run(&self) {
        loop {
            let batch = self.next();
            if batch.is_empty() {
                return;
            }
            let deliveries: Vec<Delivery> = batch.into_iter().map(|work| work()).collect();
            for deliver in deliveries {
                deliver();
            }
        }
    }

    /// Takes a fair share of the work that waits. Without any, the thread ends.
    fn next(&self) -> Vec<Work> {
        let mut state = self.lock();
        let share = state.waiting.len().div_ceil(self.max_threads);
        let share = share.min(MAX_BATCH);
        if share == 0 {
            state.threads -= 1;
        }
        state.waiting.drain(..share).collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use futures_util::future::join_all;

    use super::*;

    #[tokio::test]
    async fn work_is_run_and_a_panic_is_that_of_its_caller_alone() {
        let pool = CpuPool::new();
        let work = (0..100).map(|n| {
            let result = pool.run(move || assert_ne!(n, 50));
            AssertUnwindSafe(result).catch_unwind()
        });
        let results = join_all(work).await;
        assert_eq!(results.iter().flatten().count(), 99);
        assert!(results[50].is_err());
        assert_eq!(pool.run(|| 7).await, 7, "threads start again");
    }
}
