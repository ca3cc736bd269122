//! References back to numbered objects: a cache of answers, and the set of numbers that a pickle refers to.

use crate::pickle::input::Input;
use crate::pickle::item::Span;
use crate::pickle::opcode as op;
use crate::pickle::window::{Window, text_number};
use crate::stop::PlainStop;

/// Most slots of the cache of answered references.
const SLOTS: usize = 1 << 17;

/// Answers by number. A new one replaces an old one in the same slot.
#[derive(Default)]
pub(crate) struct Answered {
    slots: Vec<Option<(u64, Span)>>,
}

impl Answered {
    fn slot(&self, number: u64) -> usize {
        // At least two slots, so that the shift stays below 64.
        (number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - self.slots.len().trailing_zeros())) as usize
    }

    pub fn get(&self, number: u64) -> Option<Span> {
        if self.slots.is_empty() {
            return None;
        }
        self.slots[self.slot(number)].filter(|&(same, _)| same == number).map(|(_, span)| span)
    }

    /// `numbered` is the number of objects with numbers so far; the cache is never much larger.
    pub fn put(&mut self, number: u64, span: Span, numbered: u64) {
        let wanted = usize::try_from(numbered).unwrap_or(SLOTS).min(SLOTS).next_power_of_two().max(2);
        if self.slots.len() < wanted / 4 || self.slots.is_empty() {
            self.slots = vec![None; wanted];
        }
        let slot = self.slot(number);
        self.slots[slot] = Some((number, span));
    }

    pub fn forget(&mut self, number: u64) {
        if !self.slots.is_empty() {
            let slot = self.slot(number);
            self.slots[slot] = None;
        }
    }
}

/// The numbers that a pickle refers to, as bits. Numbers above its bound are left out.
#[derive(Debug, Default)]
pub(crate) struct Wanted {
    bits: Vec<u64>,
}

impl Wanted {
    /// Most words: 16 MiB.
    const MOST: u64 = 2 << 20;

    pub fn add(&mut self, number: u64) {
        let word = number / 64;
        if word >= Self::MOST {
            return;
        }
        if word >= self.bits.len() as u64 {
            self.bits.resize(word as usize + 1, 0);
        }
        self.bits[word as usize] |= 1 << (number % 64);
    }

    pub fn holds(&self, number: u64) -> bool {
        let word = usize::try_from(number / 64).ok().and_then(|word| self.bits.get(word));
        word.is_some_and(|word| word >> (number % 64) & 1 == 1)
    }

    /// Reads a whole pickle, up to its `STOP`, and collects the numbers that it refers to. `pause` may end it.
    pub fn collect(
        window: &mut Window<Input<'_>>,
        mut pause: impl FnMut() -> Result<(), PlainStop>,
    ) -> Result<Self, PlainStop> {
        let mut wanted = Wanted::default();
        for count in 0u64.. {
            if count.is_multiple_of(4096) {
                pause()?;
            }
            let token = window.token(u64::MAX)?;
            match token.op {
                op::BINGET | op::LONG_BINGET => wanted.add(token.number),
                op::GET => wanted.add(text_number(&token, window)),
                op::STOP => break,
                _ => {}
            }
        }
        Ok(wanted)
    }
}
