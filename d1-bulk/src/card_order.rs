//! Keeps the changes of one card in their order, and lets those of other cards pass.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher as _, RandomState};

/// How many items may wait for others of their card.
const MAX_WAITING: usize = 4096;

/// Keeps the items of one card, such as changes to send, in their order, and lets those of other cards pass.
///
/// An item is returned once each earlier item of its card is [done](Self::done). When one of them [fails](Self::fail),
/// the later ones of the card are held back, for a reason `R` of the caller's. A renewal to another id makes both ids
/// one card.
///
/// Up to 4,096 items wait here, see [`has_room`](Self::has_room). Of a card that failed, and of an id that a renewal
/// gave, only a few numbers are kept: its hash stands for it. Should two hashes be the same, items wait or are held back
/// that need not be.
///
/// ```
/// use d1_bulk::CardOrder;
///
/// let mut order = CardOrder::new();
/// order.add(1, ["card A", "card B"], "renew A to B")?;
/// order.add(2, ["card B"], "suspend B")?;
/// assert_eq!((order.next_ready(), order.next_ready()), (Some("renew A to B"), None));
/// order.done(1, ["card A", "card B"]);
/// assert_eq!(order.next_ready(), Some("suspend B"));
/// assert!(order.fail(2, ["card B"], "line 2 was refused").is_empty());
/// assert_eq!(order.add(3, ["card A"], "resume A"), Err("line 2 was refused"));
/// # Ok::<(), &str>(())
/// ```
#[derive(Debug)]
pub struct CardOrder<T, R> {
    hasher: RandomState,
    /// Of a card with several ids, each id leads to another, and at last to the key of the card.
    links: HashMap<u64, u64>,
    /// By card: the items that the next one has to wait for.
    last: HashMap<u64, Vec<u64>>,
    /// By card: why no further item of it is returned.
    stopped: HashMap<u64, R>,
    waiting: HashMap<u64, Waiting<T>>,
    /// By item: the items that wait for it.
    followers: HashMap<u64, Vec<u64>>,
    ready: VecDeque<T>,
}

#[derive(Debug)]
struct Waiting<T> {
    item: T,
    /// How many items it waits for.
    count: usize,
}

impl<T, R> Default for CardOrder<T, R> {
    fn default() -> Self {
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
}

impl<T, R: Clone> CardOrder<T, R> {
    /// Makes an order without items.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns whether fewer than 4,096 items wait. Read no further ones otherwise, so that memory does not grow.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.waiting.len() < MAX_WAITING
    }

    /// Returns whether no item is left here.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.ready.is_empty()
    }

    /// Adds the item with this number, of the card with these ids. Numbers grow with each item.
    ///
    /// # Errors
    /// When the card was stopped: why. The item is dropped then.
    pub fn add<'a>(
        &mut self,
        number: u64,
        card: impl IntoIterator<Item = &'a str>,
        item: T,
    ) -> Result<(), R> {
        let Some(card) = self.link(card) else {
            self.ready.push_back(item);
            return Ok(());
        };
        if let Some(reason) = self.stopped.get(&card) {
            return Err(reason.clone());
        }
        let before = self.last.insert(card, vec![number]).unwrap_or_default();
        if before.is_empty() {
            self.ready.push_back(item);
            return Ok(());
        }
        let count = before.len();
        for earlier in before {
            self.followers.entry(earlier).or_default().push(number);
        }
        self.waiting.insert(number, Waiting { item, count });
        Ok(())
    }

    /// Returns an item that waits for no other.
    pub fn next_ready(&mut self) -> Option<T> {
        self.ready.pop_front()
    }

    /// Notes that an item is done, whether it was added or not: those that follow it may be ready then.
    pub fn done<'a>(&mut self, number: u64, card: impl IntoIterator<Item = &'a str>) {
        if let Some(card) = self.link(card)
            && let Some(last) = self.last.get_mut(&card)
        {
            last.retain(|other| *other != number);
            if last.is_empty() {
                self.last.remove(&card);
            }
        }
        for follower in self.followers.remove(&number).unwrap_or_default() {
            if let Some(waiting) = self.waiting.get_mut(&follower) {
                waiting.count -= 1;
                if waiting.count == 0 {
                    let ready = self.waiting.remove(&follower);
                    self.ready.extend(ready.map(|waiting| waiting.item));
                }
            }
        }
    }

    /// Notes that an item failed, whether it was added or not: no later item of its card is returned any more. Returns
    /// those that were waiting for it, in their order.
    pub fn fail<'a>(
        &mut self,
        number: u64,
        card: impl IntoIterator<Item = &'a str>,
        reason: R,
    ) -> Vec<T> {
        if let Some(card) = self.link(card) {
            self.stopped.entry(card).or_insert(reason);
        }
        let mut held = Vec::new();
        let mut numbers = self.followers.remove(&number).unwrap_or_default();
        while let Some(number) = numbers.pop() {
            let waiting = self.waiting.remove(&number);
            held.extend(waiting.map(|waiting| (number, waiting.item)));
            numbers.extend(self.followers.remove(&number).unwrap_or_default());
        }
        held.sort_unstable_by_key(|(number, _)| *number);
        held.into_iter().map(|(_, item)| item).collect()
    }

    /// Makes these ids one card, and returns its key.
    fn link<'a>(&mut self, ids: impl IntoIterator<Item = &'a str>) -> Option<u64> {
        let mut keys = ids.into_iter();
        let card = keys.next().map(|id| self.key(id))?;
        for id in keys {
            let other = self.key(id);
            if other == card {
                continue;
            }
            self.links.insert(other, card);
            if let Some(numbers) = self.last.remove(&other) {
                self.last.entry(card).or_default().extend(numbers);
            }
            if let Some(reason) = self.stopped.remove(&other) {
                self.stopped.entry(card).or_insert(reason);
            }
        }
        Some(card)
    }

    /// Returns the key of the card with this id.
    fn key(&mut self, id: &str) -> u64 {
        let mut key = self.hasher.hash_one(id);
        while let Some(next) = self.links.get(&key).copied() {
            // The next search takes a shorter way.
            if let Some(after) = self.links.get(&next).copied() {
                self.links.insert(key, after);
            }
            key = next;
        }
        key
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

    fn ids(line: &Line) -> impl Iterator<Item = &str> {
        [Some(&line.1), line.2.as_ref()]
            .into_iter()
            .flatten()
            .map(String::as_str)
    }

    /// How an item ended.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum Outcome {
        Done,
        Refused,
        HeldBack,
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
            let mut order = CardOrder::new();
            let mut unread = lines.iter();
            let (mut under_way, mut ends) = (Vec::new(), HashMap::new());
            loop {
                while let Some(number) = order.next_ready() {
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
                    let line = &lines[number as usize - 1];
                    if random.below(8) != 0 {
                        ends.insert(number, Outcome::Done);
                        order.done(number, ids(line));
                        continue;
                    }
                    ends.insert(number, Outcome::Refused);
                    for held in order.fail(number, ids(line), ()) {
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
        let mut order = CardOrder::new();
        let mut read = 0;
        while order.has_room() {
            read += 1;
            order.add(read, ["card"], read).unwrap();
        }
        assert_eq!(read as usize, MAX_WAITING + 1);
        assert_eq!((order.next_ready(), order.next_ready()), (Some(1), None));
        order.done(1, ["card"]);
        assert!(order.has_room());
        let held = order.fail(2, ["card"], "unknown");
        assert_eq!(held.len(), MAX_WAITING - 1);
        assert_eq!(order.add(read + 1, ["card"], 0), Err("unknown"));
    }

    #[test]
    fn cards_that_are_done_leave_nothing_behind() {
        let mut order = CardOrder::<_, ()>::new();
        for line in 1..=1000 {
            let id = format!("card {}", line % 10);
            order.add(line, [id.as_str()], line).unwrap();
            let next = order.next_ready().unwrap();
            order.done(next, [id.as_str()]);
        }
        assert!(order.last.is_empty() && order.followers.is_empty() && order.links.is_empty());
    }
}
