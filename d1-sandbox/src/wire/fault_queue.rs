//! The faults that wait for calls.

use super::fault::Fault;
use super::spec::Call;
use crate::random::fraction;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The faults that are waiting for calls, in the order of their arrival.
#[derive(Debug)]
pub(crate) struct FaultQueue(Mutex<Queue>);

#[derive(Debug)]
struct Queue {
    faults: Vec<(u64, Fault)>,
    next_id: u64,
    random: u64,
}

/// A fault that applies to a call, and how long the response takes.
#[derive(Debug)]
pub(crate) struct ArmedFault {
    pub(crate) fault: Fault,
    pub(crate) delay: Duration,
}

impl FaultQueue {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Mutex::new(Queue {
            faults: Vec::new(),
            next_id: 1,
            random: seed,
        }))
    }

    /// Adds a fault and returns its number, by which it can be removed.
    pub(crate) fn push(&self, fault: Fault) -> u64 {
        let mut queue = self.lock();
        let id = queue.next_id;
        queue.next_id += 1;
        queue.faults.push((id, fault));
        id
    }

    pub(crate) fn len(&self) -> usize {
        self.lock().faults.len()
    }

    /// Returns the faults with their numbers.
    pub(crate) fn all(&self) -> Vec<(u64, Fault)> {
        self.lock().faults.clone()
    }

    /// Removes one fault, or all of them, and returns how many there were.
    pub(crate) fn remove(&self, id: Option<u64>) -> usize {
        let mut queue = self.lock();
        let before = queue.faults.len();
        queue
            .faults
            .retain(|(own, _)| id.is_some_and(|id| id != *own));
        before - queue.faults.len()
    }

    /// Takes the first fault that matches a call and that chance picks.
    pub(crate) fn take(&self, call: Call, card: Option<&str>) -> Option<ArmedFault> {
        let mut queue = self.lock();
        let Queue { faults, random, .. } = &mut *queue;
        let at = faults.iter().position(|(_, fault)| {
            fault.matches(call, card) && fault.probability.is_none_or(|p| fraction(random) < p)
        })?;
        let (_, fault) = faults.get_mut(at)?;
        let armed = fault.clone();
        let times = match (fault.times, fault.probability) {
            (None, None) => Some(1),
            (times, _) => times,
        };
        fault.times = times.map(|times| times.saturating_sub(1));
        if fault.times == Some(0) {
            drop(faults.remove(at));
        }
        Some(ArmedFault {
            delay: armed.delay_ms.at(fraction(random)),
            fault: armed,
        })
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn take(queue: &FaultQueue) -> bool {
        queue.take(Call::Suspend, Some("A")).is_some()
    }

    #[test]
    fn a_fault_applies_once_or_as_often_as_it_says() {
        let queue = FaultQueue::new(1);
        queue.push(Fault::stall());
        queue.push(Fault::status(503).times(3));
        let applied: Vec<bool> = (0..6).map(|_| take(&queue)).collect();
        assert_eq!(applied, [true, true, true, true, false, false]);
    }

    #[test]
    fn a_fault_applies_to_its_operation_and_its_card_alone() {
        let queue = FaultQueue::new(1);
        queue.push(Fault::stall().operation("suspendCard").card("A").times(9));
        for (call, card, applies) in [
            (Call::Suspend, Some("A"), true),
            (Call::Suspend, Some("B"), false),
            (Call::Suspend, None, false),
            (Call::Resume, Some("A"), false),
        ] {
            let taken = queue.take(call, card).is_some();
            assert_eq!(taken, applies, "{call:?} {card:?}");
        }
        queue.remove(None);
        queue.push(Fault::stall());
        assert!(queue.take(Call::Token, None).is_none());
    }

    #[test]
    fn chance_is_the_seeds_and_about_what_was_asked_for() {
        let run = |seed| -> Vec<bool> {
            let queue = FaultQueue::new(seed);
            queue.push(Fault::stall().probability(0.25));
            (0..4_000).map(|_| take(&queue)).collect()
        };
        assert_eq!(run(5), run(5));
        assert_ne!(run(5), run(6));
        let taken = run(5).into_iter().filter(|taken| *taken).count();
        assert!((800..1_200).contains(&taken), "{taken} of 4000");
    }

    #[test]
    fn a_delay_is_within_its_bounds() {
        let queue = FaultQueue::new(1);
        let ms = Duration::from_millis;
        queue.push(Fault::slow(ms(10), ms(20)).times(1_000));
        let delays: Vec<Duration> = (0..1_000)
            .map(|_| queue.take(Call::List, None).unwrap().delay)
            .collect();
        assert_eq!(delays.iter().min(), Some(&ms(10)));
        assert_eq!(delays.iter().max(), Some(&ms(20)));
    }

    #[test]
    fn a_fault_can_be_removed() {
        let queue = FaultQueue::new(1);
        let (first, _) = (queue.push(Fault::stall()), queue.push(Fault::stall()));
        assert_eq!(queue.remove(Some(first)), 1);
        assert_eq!((queue.remove(Some(first)), queue.len()), (0, 1));
        assert_eq!((queue.remove(None), queue.len()), (1, 0));
    }
}
