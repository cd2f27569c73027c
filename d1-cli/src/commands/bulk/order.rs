//! Keeps the lines of one card in the order of the file, and lets other cards pass.
//!
//! A line is given out once each earlier line of its card is known to be done. When one of them ends otherwise,
//! the rest of the card is held back. A renewal to another id makes both ids one card.
//!
//! Memory: at most [`MOST_WAITING`] lines wait here. Of a card that was stopped, and of an id that a renewal
//! gave, only a few numbers are kept: its hash stands for it. Should two hashes be the same, lines wait or are
//! held back that need not be.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher as _, RandomState};

use super::entry::Outcome;
use super::line::CardIds;

/// How many lines may wait for others of their card. While that many do, no further lines are read.
const MOST_WAITING: usize = 4096;

/// The line that holds back the rest of its card.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Blocker {
    pub(super) line: u64,
    pub(super) outcome: Outcome,
}

/// The lines that wait, each with an item of the caller's.
pub(super) struct Order<T> {
    hasher: RandomState,
    /// Of a card with several ids, each id leads to another, and at last to the card's key.
    links: HashMap<u64, u64>,
    /// By card: the lines that the next one has to wait for.
    last: HashMap<u64, Vec<u64>>,
    /// By card: why no further line of it is given out.
    stopped: HashMap<u64, Blocker>,
    waiting: HashMap<u64, Waiting<T>>,
    /// By line: the lines that wait for it.
    followers: HashMap<u64, Vec<u64>>,
    ready: VecDeque<T>,
}

struct Waiting<T> {
    item: T,
    /// How many lines it waits for.
    for_lines: usize,
}

impl<T> Order<T> {
    pub(super) fn new() -> Self {
        Self {
            hasher: RandomState::new(),
            links: HashMap::new(),
            last: HashMap::new(),
            stopped: HashMap::new(),
            waiting: HashMap::new(),
            followers: HashMap::new(),
            ready: VecDeque::new(),
        }
    }

    /// Whether another line may be added.
    pub(super) fn has_room(&self) -> bool {
        self.waiting.len() < MOST_WAITING
    }

    /// Whether no line waits here.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.ready.is_empty()
    }

    /// Adds the next line of the file. Returns the line that holds it back if its card was stopped.
    pub(super) fn add(&mut self, line: u64, ids: CardIds<'_>, item: T) -> Result<(), Blocker> {
        let card = self.link(ids);
        if let Some(blocker) = self.stopped.get(&card) {
            return Err(*blocker);
        }
        let before = self.last.insert(card, vec![line]).unwrap_or_default();
        if before.is_empty() {
            self.ready.push_back(item);
            return Ok(());
        }
        let for_lines = before.len();
        for earlier in before {
            self.followers.entry(earlier).or_default().push(line);
        }
        self.waiting.insert(line, Waiting { item, for_lines });
        Ok(())
    }

    /// A line that can be sent, in its turn.
    pub(super) fn next(&mut self) -> Option<T> {
        self.ready.pop_front()
    }

    /// Takes note of how a line ended. Returns the items that are held back because of it.
    pub(super) fn end(&mut self, line: u64, ids: CardIds<'_>, outcome: Outcome) -> Vec<T> {
        if outcome != Outcome::Done {
            self.stop(line, ids, outcome);
            return self.take_followers(line);
        }
        let card = self.link(ids);
        if let Some(last) = self.last.get_mut(&card) {
            last.retain(|other| *other != line);
            if last.is_empty() {
                self.last.remove(&card);
            }
        }
        for follower in self.followers.remove(&line).unwrap_or_default() {
            if let Some(waiting) = self.waiting.get_mut(&follower) {
                waiting.for_lines -= 1;
                if waiting.for_lines == 0 {
                    let freed = self.waiting.remove(&follower);
                    self.ready.extend(freed.map(|waiting| waiting.item));
                }
            }
        }
        Vec::new()
    }

    /// Gives out no further line of this card.
    pub(super) fn stop(&mut self, line: u64, ids: CardIds<'_>, outcome: Outcome) {
        let card = self.link(ids);
        let blocker = Blocker { line, outcome };
        self.stopped.entry(card).or_insert(blocker);
    }

    /// Makes the ids of a renewal one card; the key of that card.
    pub(super) fn link(&mut self, (id, other): CardIds<'_>) -> u64 {
        let card = self.card(id);
        let Some(other) = other.map(|id| self.card(id)).filter(|other| *other != card) else {
            return card;
        };
        self.links.insert(other, card);
        if let Some(lines) = self.last.remove(&other) {
            self.last.entry(card).or_default().extend(lines);
        }
        if let Some(blocker) = self.stopped.remove(&other) {
            self.stopped.entry(card).or_insert(blocker);
        }
        card
    }

    /// The key of the card with this id.
    fn card(&mut self, id: &str) -> u64 {
        let mut key = self.hasher.hash_one(id);
        while let Some(next) = self.links.get(&key).copied() {
            // So that a long way is gone once.
            if let Some(after) = self.links.get(&next).copied() {
                self.links.insert(key, after);
            }
            key = next;
        }
        key
    }

    /// Takes out what waits for a line, and what waits for that.
    fn take_followers(&mut self, line: u64) -> Vec<T> {
        let mut taken = Vec::new();
        let mut lines = self.followers.remove(&line).unwrap_or_default();
        while let Some(line) = lines.pop() {
            if let Some(waiting) = self.waiting.remove(&line) {
                taken.push((line, waiting.item));
            }
            lines.extend(self.followers.remove(&line).unwrap_or_default());
        }
        taken.sort_unstable_by_key(|(line, _)| *line);
        taken.into_iter().map(|(_, item)| item).collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// Numbers that look random and are the same for the same seed.
    struct Random(u64);

    impl Random {
        fn below(&mut self, end: usize) -> usize {
            self.0 = self
                .0
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 33) as usize % end
        }
    }

    type Line = (u64, String, Option<String>);

    fn ids(line: &Line) -> CardIds<'_> {
        (&line.1, line.2.as_deref())
    }

    /// A file in which some lines renew a card to another id, often to one that has lines already.
    fn file(random: &mut Random) -> Vec<Line> {
        let card = |random: &mut Random| format!("card {}", random.below(6));
        let lines = 1..=30;
        lines
            .map(|line| {
                let renews = random.below(4) == 0;
                let id = card(random);
                (line, id, renews.then(|| card(random)))
            })
            .collect()
    }

    /// By the definition, and slowly: whether a later line is about the card of an earlier one.
    fn same_card(lines: &[Line], earlier: usize, later: usize) -> bool {
        let mut ids = vec![lines[later].1.clone()];
        ids.extend(lines[later].2.clone());
        loop {
            let before = ids.len();
            for (_, id, new) in &lines[..=later] {
                let all = [Some(id), new.as_ref()].into_iter().flatten();
                if all.clone().any(|id| ids.contains(id)) {
                    let new: Vec<_> = all.filter(|id| !ids.contains(id)).cloned().collect();
                    ids.extend(new);
                }
            }
            if ids.len() == before {
                return ids.contains(&lines[earlier].1);
            }
        }
    }

    #[test]
    fn each_line_is_sent_after_those_of_its_card_or_held_back() {
        for seed in 0..500 {
            let mut random = Random(seed);
            let lines = file(&mut random);
            let mut order = Order::new();
            let mut unread = lines.iter();
            let (mut under_way, mut ends) = (Vec::new(), HashMap::new());
            loop {
                while let Some(number) = order.next() {
                    let at = number as usize - 1;
                    for earlier in (0..at).filter(|earlier| same_card(&lines, *earlier, at)) {
                        let end = ends.get(&(earlier as u64 + 1));
                        assert_eq!(end, Some(&Outcome::Done), "seed {seed}, line {number}");
                    }
                    under_way.push(number);
                }
                if random.below(2) == 0
                    && let Some(line) = unread.next()
                {
                    if order.add(line.0, ids(line), line.0).is_err() {
                        ends.insert(line.0, Outcome::HeldBack);
                    }
                } else if !under_way.is_empty() {
                    let number = under_way.swap_remove(random.below(under_way.len()));
                    let failed = random.below(8) == 0;
                    let end = if failed {
                        Outcome::Refused
                    } else {
                        Outcome::Done
                    };
                    ends.insert(number, end);
                    let line = &lines[number as usize - 1];
                    for held in order.end(number, ids(line), end) {
                        ends.insert(held, Outcome::HeldBack);
                    }
                } else if unread.len() == 0 {
                    break;
                }
            }
            assert!(order.is_empty(), "seed {seed}");
            assert_eq!(ends.len(), lines.len(), "seed {seed}: a line was lost");
            for (number, _, _) in &lines {
                let at = *number as usize - 1;
                let failed = (0..at).any(|earlier| {
                    same_card(&lines, earlier, at) && ends[&(earlier as u64 + 1)] != Outcome::Done
                });
                let held = ends[number] == Outcome::HeldBack;
                assert_eq!(held, failed, "seed {seed}, line {number}");
            }
        }
    }

    #[test]
    fn a_file_of_one_card_is_not_read_into_memory() {
        let mut order = Order::new();
        let mut read = 0;
        while order.has_room() {
            read += 1;
            order.add(read, ("card", None), read).unwrap();
        }
        assert_eq!(read as usize, MOST_WAITING + 1);
        assert_eq!((order.next(), order.next()), (Some(1), None));
        assert_eq!(order.end(1, ("card", None), Outcome::Done).len(), 0);
        assert!(order.has_room());
        let held = order.end(2, ("card", None), Outcome::Unknown);
        assert_eq!(held.len(), MOST_WAITING - 1);
        let stopped = order.add(read + 1, ("card", None), 0).unwrap_err();
        assert_eq!((stopped.line, stopped.outcome), (2, Outcome::Unknown));
    }

    #[test]
    fn cards_that_are_done_leave_nothing_behind() {
        let mut order = Order::new();
        for line in 1..=1000 {
            let id = format!("card {}", line % 10);
            order.add(line, (&id, None), line).unwrap();
            let next = order.next().unwrap();
            assert_eq!(order.end(next, (&id, None), Outcome::Done).len(), 0);
        }
        assert!(order.last.is_empty() && order.followers.is_empty() && order.links.is_empty());
    }
}
