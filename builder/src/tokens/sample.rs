//! The strings that a side is learnt from.

use super::{
    parse::{Parser, Piece, Scratch},
    strings::Strings,
};

/// Most bytes of a piece that is parsed at once.
pub const PIECE: usize = 64 << 10;
/// Every so manieth string is held out, if the file has more than the sample.
const HELD_OUT: usize = 16;

/// Strings that stand for those of a file.
pub struct Sample<'a> {
    pub strings: &'a Strings,
    /// The keys of the strings, if those are values.
    pub keys: Option<&'a Strings>,
    /// Bytes of all strings in the file, and one more for each.
    pub file_bytes: u64,
    /// The same for those that are learnt from.
    pub training_bytes: u64,
    held_out: bool,
}

impl<'a> Sample<'a> {
    /// `file_records`: how many strings the file has, at least as many as the sample.
    pub fn new(strings: &'a Strings, keys: Option<&'a Strings>, file_records: u64) -> Self {
        let records = strings.len() as u64;
        let bytes = strings.bytes() as u64 + records;
        let file = u128::from(bytes) * u128::from(file_records.max(records)) / u128::from(records.max(1));
        // What a whole file is learnt from needs no proof.
        let held_out = file_records > records + records / 2 && strings.len() >= 64 * HELD_OUT;
        let mut sample = Sample {
            strings,
            keys,
            file_bytes: u64::try_from(file).unwrap_or(u64::MAX),
            training_bytes: bytes,
            held_out,
        };
        sample.training_bytes = sample.training(1, 0).map(|i| strings.get(i).len() as u64 + 1).sum();
        sample
    }

    fn is_held_out(&self, i: usize) -> bool {
        self.held_out && i % HELD_OUT == HELD_OUT - 1
    }

    /// Every `step`th string that is learnt from, beginning with number `from`.
    pub fn training(&self, step: usize, from: usize) -> impl Iterator<Item = usize> {
        let step = step.max(1);
        (from % step..self.strings.len()).step_by(step).filter(|&i| !self.is_held_out(i))
    }

    /// The strings that judge what was learnt.
    pub fn judging(&self) -> impl Iterator<Item = usize> {
        (0..self.strings.len()).filter(|&i| !self.held_out || self.is_held_out(i))
    }

    /// How many parts of about `bytes` bytes the sample has, at most four.
    pub fn parts(&self, bytes: usize) -> usize {
        (self.training_bytes / bytes as u64).clamp(1, 4) as usize
    }

    /// Gives `take` the tokens of string `i`, each with the number of its table.
    pub fn parse(&self, i: usize, parser: &Parser, scratch: &mut Scratch, take: &mut impl FnMut(usize, u16)) {
        let key = self.keys.map(|keys| keys.get(i));
        for piece in pieces(self.strings.get(i)) {
            parser.parse(piece, key, scratch, take);
        }
    }
}

/// The pieces that a string is parsed in.
pub fn pieces(string: &[u8]) -> impl Iterator<Item = Piece<'_>> {
    let count = string.len().div_ceil(PIECE).max(1);
    (0..count).map(move |i| Piece {
        bytes: &string[i * PIECE..string.len().min((i + 1) * PIECE)],
        first: i == 0,
        last: i + 1 == count,
    })
}
