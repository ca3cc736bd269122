//! The set of numbers that a pickle refers to.

use crate::pickle::input::Input;
use crate::pickle::opcode as op;
use crate::pickle::window::{Window, text_number};
use crate::stop::PlainStop;

/// The numbers that a pickle refers to, as bits. Of numbers above its bound it does not know, and says that they are.
#[derive(Debug, Default)]
pub(crate) struct Wanted {
    bits: Vec<u64>,
}

impl Wanted {
    /// Most words: 16 MiB.
    pub const MOST: u64 = 2 << 20;

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
        let word = number / 64;
        word >= Self::MOST || self.bits.get(word as usize).is_some_and(|bits| bits >> (number % 64) & 1 == 1)
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
