//! How many requests may be on their way at a time, by the limit of the server.
//!
//! HTTP/2 queues requests beyond the server's limit of streams, first in, first out: under a slow server each freed
//! stream goes to the request that is about to time out. Here a request waits for a stream before it is handed to
//! HTTP/2, so that one that gets none in time was not sent.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Semaphore;

/// The slots for requests. Before the server's limit is known there is one, so that requests that come at once do
/// not open a connection each.
pub(crate) struct StreamSlots(Mutex<Current>);

struct Current {
    free: Arc<Semaphore>,
    limit: usize,
    in_use: usize,
    /// Counts the sets of slots. A request gives its slot back to the set that it got it from.
    set: u64,
    stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The first request opens a connection.
    Opening,
    /// An HTTP/1.1 connection has been opened.
    Http1,
    /// The limit is that of this HTTP/2 connection.
    Http2(u64),
    /// Other slots stand in their place.
    Retired,
}

/// The right to have a request on its way.
pub(crate) struct Slot<'a> {
    slots: &'a StreamSlots,
    set: u64,
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        let mut current = self.slots.lock();
        if current.set == self.set {
            current.in_use -= 1;
            if current.in_use < current.limit {
                current.free.add_permits(1);
            }
        }
    }
}

impl StreamSlots {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Current {
            free: Arc::new(Semaphore::new(1)),
            limit: 1,
            in_use: 0,
            set: 0,
            stage: Stage::Opening,
        }))
    }

    /// Takes a slot that is free.
    pub(crate) fn take_free(&self) -> Option<Slot<'_>> {
        let mut current = self.lock();
        current.free.try_acquire().ok()?.forget();
        current.in_use += 1;
        let set = current.set;
        Some(Slot { slots: self, set })
    }

    /// Waits for a slot; `None` where others stand in their place.
    pub(crate) async fn acquire(&self) -> Option<Slot<'_>> {
        loop {
            let free = {
                let current = self.lock();
                if current.stage == Stage::Retired {
                    return None;
                }
                current.free.clone()
            };
            // Slots that are closed, or no longer the current ones, were replaced while this request waited.
            let Ok(permit) = free.acquire().await else {
                continue;
            };
            let mut current = self.lock();
            if Arc::ptr_eq(&current.free, &free) {
                permit.forget();
                current.in_use += 1;
                let set = current.set;
                return Some(Slot { slots: self, set });
            }
        }
    }

    /// Gives no further slots, also to requests that wait for one.
    pub(crate) fn retire(&self) {
        self.lock().open(Stage::Retired, 0);
    }

    /// Opens slots without a limit, for a server that speaks HTTP/1.1: each request has a connection of its own.
    pub(crate) fn open_http1(&self) {
        let mut current = self.lock();
        if current.stage != Stage::Http1 {
            current.open(Stage::Http1, Semaphore::MAX_PERMITS);
        }
    }

    /// Opens `limit` slots, for an HTTP/2 connection whose server allows this number of streams at a time from now on.
    pub(crate) fn open_http2(&self, connection: u64, limit: Option<u32>) {
        let mut current = self.lock();
        // What SETTINGS do not name stays as it was (RFC 9113, section 6.5).
        if limit.is_none() && current.stage == Stage::Http2(connection) {
            return;
        }
        let limit = limit.and_then(|limit| usize::try_from(limit).ok());
        // Where a server allows none, one request waits for it. When that one's time runs out, the connection is left.
        let limit = limit.map_or(Semaphore::MAX_PERMITS, |n| {
            n.clamp(1, Semaphore::MAX_PERMITS)
        });
        current.open(Stage::Http2(connection), limit);
    }

    /// Closes the slots of an HTTP/2 connection that takes no further requests: one request opens the next one.
    pub(crate) fn close(&self, connection: u64) {
        let mut current = self.lock();
        if current.stage == Stage::Http2(connection) {
            current.open(Stage::Opening, 1);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Current> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Current {
    fn open(&mut self, stage: Stage, limit: usize) {
        if self.stage == Stage::Retired {
            return;
        }
        // The request that opens a connection is also the first on it. Other requests are on their way over another
        // connection, unless it is the same one with another limit.
        if self.stage != Stage::Opening && self.stage != stage {
            self.set += 1;
            self.in_use = 0;
        }
        self.free.close();
        self.free = Arc::new(Semaphore::new(limit.saturating_sub(self.in_use)));
        self.limit = limit;
        self.stage = stage;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    fn free(slots: &StreamSlots) -> Option<Slot<'_>> {
        let mut acquiring = pin!(slots.acquire());
        match acquiring
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
        {
            Poll::Ready(slot) => slot,
            Poll::Pending => None,
        }
    }

    #[test]
    fn there_is_one_slot_until_the_limit_is_known() {
        let slots = StreamSlots::new();
        let first = free(&slots).unwrap();
        assert!(free(&slots).is_none());
        slots.open_http2(1, Some(2));
        let second = free(&slots).unwrap();
        assert!(
            free(&slots).is_none(),
            "the first is on the same connection"
        );
        drop((first, second));
        let both = (free(&slots).unwrap(), free(&slots).unwrap());
        assert!(free(&slots).is_none());
        drop(both);
        slots.open_http1();
        let many: Vec<_> = (0..1000).map(|_| free(&slots).unwrap()).collect();
        assert_eq!(many.len(), 1000);
    }

    #[test]
    fn the_end_of_an_older_connection_closes_nothing() {
        let slots = StreamSlots::new();
        slots.open_http2(1, Some(2));
        slots.open_http2(2, Some(2));
        slots.close(1);
        let two = (free(&slots).unwrap(), free(&slots).unwrap());
        drop(two);
        slots.close(2);
        let _one = free(&slots).unwrap();
        assert!(free(&slots).is_none());
    }

    #[test]
    fn slots_that_were_replaced_are_given_to_none() {
        let slots = StreamSlots::new();
        let _held = free(&slots).unwrap();
        let mut waiting = pin!(slots.acquire());
        let mut context = Context::from_waker(Waker::noop());
        assert!(waiting.as_mut().poll(&mut context).is_pending());
        slots.retire();
        let ended = waiting.as_mut().poll(&mut context);
        assert!(matches!(ended, Poll::Ready(None)));
        // The connections of old end later than that.
        slots.open_http1();
        slots.open_http2(1, Some(2));
        slots.close(1);
        assert!(slots.take_free().is_none());
    }

    #[test]
    fn a_limit_that_changes_holds_for_what_is_on_its_way() {
        let slots = StreamSlots::new();
        slots.open_http2(1, Some(3));
        let three = [(); 3].map(|()| free(&slots).unwrap());
        slots.open_http2(1, Some(2));
        let [first, second, third] = three;
        drop(first);
        assert!(free(&slots).is_none(), "two are still on their way");
        drop(second);
        let next = free(&slots).unwrap();
        slots.open_http2(1, None);
        assert!(free(&slots).is_none(), "no word of it changes nothing");
        slots.open_http2(1, Some(0));
        drop((next, third));
        let _one = free(&slots).unwrap();
        assert!(free(&slots).is_none());
        slots.open_http2(1, Some(2));
        let _two = free(&slots).unwrap();
        assert!(free(&slots).is_none());
    }

    #[test]
    fn the_end_of_a_newer_connection_leaves_an_older_one_its_limit() {
        let slots = StreamSlots::new();
        slots.close(2);
        slots.open_http2(1, Some(100));
        let many: Vec<_> = (0..100).map(|_| free(&slots).unwrap()).collect();
        assert_eq!(many.len(), 100);
    }

    #[test]
    fn a_request_that_waits_gets_a_slot_of_the_new_limit() {
        let slots = StreamSlots::new();
        let held = free(&slots).unwrap();
        let mut waiting = pin!(slots.acquire());
        let mut context = Context::from_waker(Waker::noop());
        assert!(waiting.as_mut().poll(&mut context).is_pending());
        slots.open_http2(1, Some(1));
        assert!(waiting.as_mut().poll(&mut context).is_pending());
        drop(held);
        assert!(waiting.as_mut().poll(&mut context).is_ready());
    }
}
