//! How many requests may be on their way at a time, by the limit of the server.
//!
//! HTTP/2 queues requests beyond the server's limit of streams, first in, first out: under a slow server each freed
//! stream goes to the request that is about to time out. Here a request waits for a stream before it is handed to
//! HTTP/2, so that one that gets none in time was not sent.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The slots for requests. Before the server's limit is known there is one, so that requests that come at once do
/// not open a connection each.
pub(crate) struct StreamSlots(Mutex<Current>);

struct Current {
    slots: Arc<Semaphore>,
    /// The HTTP/2 connection whose limit holds.
    connection: Option<u64>,
}

/// The right to have a request on its way.
pub(crate) struct Slot {
    _permit: OwnedSemaphorePermit,
}

impl StreamSlots {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Current {
            slots: Arc::new(Semaphore::new(1)),
            connection: None,
        }))
    }

    /// Waits for a slot.
    pub(crate) async fn acquire(&self) -> Slot {
        loop {
            let slots = self.current();
            // Closed slots were replaced by others while this request waited.
            if let Ok(permit) = slots.acquire_owned().await {
                return Slot { _permit: permit };
            }
        }
    }

    /// A connection speaks HTTP/1.1: each request has one of its own.
    pub(crate) fn open_http1(&self) {
        self.replace(Semaphore::MAX_PERMITS, None, |_| true);
    }

    /// An HTTP/2 connection's server allows `limit` streams at a time.
    pub(crate) fn open_http2(&self, connection: u64, limit: Option<u32>) {
        let limit = limit.and_then(|limit| usize::try_from(limit).ok());
        // A server that allows none for now is asked with one, which then waits.
        let limit = limit.unwrap_or(Semaphore::MAX_PERMITS);
        let limit = limit.clamp(1, Semaphore::MAX_PERMITS);
        self.replace(limit, Some(connection), |_| true);
    }

    /// An HTTP/2 connection has ended: the next one is opened once.
    pub(crate) fn close(&self, connection: u64) {
        self.replace(1, None, |current| current == Some(connection));
    }

    fn current(&self) -> Arc<Semaphore> {
        let current = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        current.slots.clone()
    }

    fn replace(
        &self,
        permits: usize,
        connection: Option<u64>,
        applies: impl FnOnce(Option<u64>) -> bool,
    ) {
        let mut current = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if applies(current.connection) {
            current.slots.close();
            *current = Current {
                slots: Arc::new(Semaphore::new(permits)),
                connection,
            };
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    fn free(slots: &StreamSlots) -> Option<Slot> {
        let mut acquiring = pin!(slots.acquire());
        match acquiring
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
        {
            Poll::Ready(slot) => Some(slot),
            Poll::Pending => None,
        }
    }

    #[test]
    fn there_is_one_slot_until_the_limit_is_known() {
        let slots = StreamSlots::new();
        let first = free(&slots).unwrap();
        assert!(free(&slots).is_none());
        slots.open_http2(1, Some(2));
        let second = (free(&slots).unwrap(), free(&slots).unwrap());
        assert!(free(&slots).is_none());
        drop((first, second));
        assert!(free(&slots).is_some());
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
    fn a_request_that_waits_gets_a_slot_of_the_new_limit() {
        let slots = StreamSlots::new();
        let _held = free(&slots).unwrap();
        let mut waiting = pin!(slots.acquire());
        let mut context = Context::from_waker(Waker::noop());
        assert!(waiting.as_mut().poll(&mut context).is_pending());
        slots.open_http2(1, Some(1));
        assert!(waiting.as_mut().poll(&mut context).is_ready());
    }
}
