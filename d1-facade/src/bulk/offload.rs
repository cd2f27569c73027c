//! Does work that takes the processor long where it blocks no I/O.
//!
//! One job on the runtime's blocking threads does all that waits, some pieces at a time, and delivers their
//! results together: a job for each piece would spend more on waking threads than on the work.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::available_parallelism;

use tokio::sync::oneshot;

/// Work that waits, and those who do it.
pub(super) struct Offload(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    threads: usize,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Work>,
    at_work: usize,
}

/// What is to be done, and then what delivers the result.
type Work = Box<dyn FnOnce() -> Delivery + Send>;
type Delivery = Box<dyn FnOnce() + Send>;

/// How many results are delivered together at most. Each delay that it adds is as short as the work is.
const TOGETHER: usize = 8;

impl Offload {
    /// For as many threads as there are cores.
    pub(super) fn new() -> Self {
        Self(Arc::new(Shared {
            state: Mutex::default(),
            threads: available_parallelism().map_or(1, Into::into),
        }))
    }

    /// The result of `work`. `None` where the runtime is shut down, or the work panicked.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let (sender, receiver) = oneshot::channel();
        let is_short_of_hands = self.0.add(Box::new(move || {
            let result = (!sender.is_closed()).then(work);
            Box::new(move || {
                let _ = result.map(|result| sender.send(result));
            })
        }));
        if is_short_of_hands {
            let shared = self.0.clone();
            tokio::task::spawn_blocking(move || shared.work());
        }
        receiver.await.ok()
    }
}

impl Shared {
    /// Whether somebody more is to come for it.
    fn add(&self, work: Work) -> bool {
        let mut state = self.lock();
        state.waiting.push_back(work);
        let is_short_of_hands = state.at_work < self.threads;
        if is_short_of_hands {
            state.at_work += 1;
        }
        is_short_of_hands
    }

    /// Works until nothing waits.
    fn work(&self) {
        loop {
            let works = self.next();
            if works.is_empty() {
                return;
            }
            // Whoever waits for it learns of a panic by what does not come.
            let results = works
                .into_iter()
                .filter_map(|work| catch_unwind(AssertUnwindSafe(work)).ok());
            let deliveries: Vec<Delivery> = results.collect();
            for deliver in deliveries {
                deliver();
            }
        }
    }

    /// A fair share of what waits. Nothing at the end of the work.
    fn next(&self) -> Vec<Work> {
        let mut state = self.lock();
        let share = state.waiting.len().div_ceil(self.threads).min(TOGETHER);
        if share == 0 {
            state.at_work -= 1;
        }
        state.waiting.drain(..share).collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_is_done_and_a_panic_hurts_nobody_else() {
        let offload = Offload::new();
        let work = (0..100).map(|n| offload.run(move || assert_ne!(n, 50)));
        let results = futures_util::future::join_all(work).await;
        let done = results.iter().flatten().count();
        assert_eq!(done, 99);
        assert_eq!(offload.run(|| 7).await, Some(7), "hands come again");
    }
}
