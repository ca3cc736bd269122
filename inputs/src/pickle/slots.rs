//! A cache of things by number, with one place for each.

use crate::scan;

/// Things by number. A new one replaces an old one in the same slot. There are few slots at first: a file may hold many
/// small pickles, each with a cache of its own.
pub(crate) struct Slots<T, const MOST: usize> {
    slots: Vec<Option<(u64, T)>>,
    /// How many things were put into these slots.
    put: usize,
}

impl<T, const MOST: usize> Default for Slots<T, MOST> {
    fn default() -> Self {
        Slots { slots: Vec::new(), put: 0 }
    }
}

impl<T, const MOST: usize> Slots<T, MOST> {
    fn slot(&self, number: u64) -> usize {
        (number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - self.slots.len().trailing_zeros())) as usize
    }

    pub fn get(&self, number: u64) -> Option<&T> {
        if self.slots.is_empty() {
            return None;
        }
        self.slots[self.slot(number)].as_ref().filter(|(same, _)| *same == number).map(|(_, thing)| thing)
    }

    /// Puts a thing into its slot, and returns the one before it.
    pub fn put(&mut self, number: u64, thing: T) -> Option<T> {
        if self.put == self.slots.len() && self.put < MOST {
            self.grow();
        }
        self.put += 1;
        let slot = self.slot(number);
        self.slots[slot].replace((number, thing)).map(|(_, before)| before)
    }

    fn grow(&mut self) {
        let more = (4 * self.put).clamp(64, MOST);
        scan::looked_at(more);
        let before = std::mem::replace(&mut self.slots, std::iter::repeat_with(|| None).take(more).collect());
        for (number, thing) in before.into_iter().flatten() {
            let slot = self.slot(number);
            self.slots[slot] = Some((number, thing));
        }
    }
}
