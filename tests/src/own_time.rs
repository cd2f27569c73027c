//! Lets a call over real sockets run by the clock of the test: paused, and moved on by hand.

use std::time::Duration;

use tokio::time::Instant;

use crate::fault_server::FaultServer;

/// The result of a call that must be over within `patience` by the clock of the test: that moves with the
/// real one, but jumps as soon as the server has nothing new to say.
pub async fn in_time<T>(
    patience: Duration,
    server: Option<&FaultServer>,
    call: impl Future<Output = T>,
) -> T {
    let begun = Instant::now();
    let mut call = std::pin::pin!(call);
    let result = loop {
        let stalled = async {
            match server {
                Some(server) => server.stalled().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            result = &mut call => break result,
            () = stalled => {
                // What was said before must have its time to arrive: many turns of the runtime, and not
                // one long wait, which a loaded machine may end before any socket was read.
                tokio::select! {
                    biased;
                    result = &mut call => break result,
                    () = turns(ARRIVAL) => tokio::time::advance(patience).await,
                }
            }
            () = real_time(TICK) => tokio::time::advance(TICK).await,
        }
    };
    let took = begun.elapsed();
    assert!(
        took <= patience + Duration::from_secs(1),
        "it took {took:?}"
    );
    result
}

const TICK: Duration = Duration::from_millis(1);
const ARRIVAL: u32 = 100;

/// Passes this many ticks of real time, each of them a turn of the runtime.
async fn turns(count: u32) {
    for _ in 0..count {
        real_time(TICK).await;
    }
}

/// Passes real time, during which the clock of the test stands still: tokio lets it jump only when no
/// blocking task is under way.
async fn real_time(time: Duration) {
    let wait = move || std::thread::park_timeout(time);
    tokio::task::spawn_blocking(wait).await.unwrap();
}
