//! Trains a codec, and encodes.

use super::{
    bits::BitWriter,
    classes::Code,
    cost::BIT,
    layout::Layout,
    learn::{Effort, learn},
    parse::{Parser, Piece, Scratch},
    sample::{Sample, pieces},
    strings::Strings,
};

/// How much of the sample is read to choose the number of tables.
const TRIAL: usize = 1 << 20;

/// What a codec makes of the strings of the sample that it was not trained with; of all, if it was trained with all that the
/// file has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Estimate {
    /// How many strings.
    pub strings: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Bits of their codes.
    pub bits: u64,
}

/// Encodes the strings of a side.
#[derive(Clone, Debug)]
pub struct Codec {
    tables: Vec<u8>,
    estimate: Estimate,
    parser: Parser,
    /// For each table, the code of each token.
    codes: Vec<Vec<Code>>,
}

/// Trains a codec for a side of a file with `file_records` records. `keys` holds the key of each string, if these are values
/// that may contain it; more keys than strings are left alone.
///
/// `None` if it would not make the side smaller by a tenth, tables included.
///
/// It takes three to five bytes of memory for each byte of the sample.
pub fn train(strings: &Strings, keys: Option<&Strings>, file_records: u64, effort: Effort) -> Option<Codec> {
    if strings.is_empty() {
        return None;
    }
    let sample = Sample::new(strings, keys, file_records);
    let learnt = learn(&sample, effort);
    let mut scratch = Scratch::default();
    let step = sample.parts(TRIAL);
    let mut best: Option<(u128, usize)> = None;
    for count in 1..=effort.tables {
        let layout = Layout::new(&sample, &learnt, count, step, &mut scratch);
        let bytes = file_bytes(&sample, &layout, &mut scratch).0;
        // A table more must pay: each takes time to decode.
        if best.is_some_and(|(least, _)| bytes * 100 > least * 99) {
            break;
        }
        best = Some((bytes, count));
    }
    let (_, count) = best?;
    let layout = Layout::new(&sample, &learnt, count, 1, &mut scratch).packed();
    let (bytes, estimate) = file_bytes(&sample, &layout, &mut scratch);
    if bytes * 10 > u128::from(sample.file_bytes) * 9 {
        return None;
    }
    let tables = layout.write();
    let codes = layout.tables.into_iter().map(|table| table.codes).collect();
    Some(Codec { tables, estimate, parser: layout.parser, codes })
}

/// Bytes that the side takes in the file, tables included.
fn file_bytes(sample: &Sample<'_>, layout: &Layout, scratch: &mut Scratch) -> (u128, Estimate) {
    let mut estimate = Estimate::default();
    for i in sample.judging() {
        estimate.strings += 1;
        estimate.bytes += sample.strings.get(i).len() as u64;
        sample.parse(i, &layout.parser, scratch, &mut |table, token| {
            estimate.bits += u64::from(layout.tables[table].codes[usize::from(token)].bits);
        });
    }
    let share = u128::from(sample.file_bytes) * u128::from(estimate.bits);
    let coded = share / u128::from((estimate.bytes + estimate.strings).max(1)) / 8;
    (coded + layout.write().len() as u128, estimate)
}

impl Codec {
    /// The tables as the file has them, one after another.
    pub fn tables(&self) -> &[u8] {
        &self.tables
    }

    /// How many tables there are: one to four.
    pub fn table_count(&self) -> u8 {
        self.codes.len() as u8
    }

    /// What it makes of strings of the sample.
    pub fn estimate(&self) -> Estimate {
        self.estimate
    }

    /// Appends a string. `key` is that of the record, if this is a value and the codec was trained with keys.
    ///
    /// Its codes end within a byte; the next string begins at the next bit.
    pub fn encode(&self, string: &[u8], key: Option<&[u8]>, scratch: &mut Scratch, out: &mut BitWriter<'_>) {
        self.encode_part(string, (true, true), key, scratch, out);
    }

    /// Appends a part of a string, which may be its beginning and its end.
    pub fn encode_part(
        &self,
        part: &[u8],
        (first, last): (bool, bool),
        key: Option<&[u8]>,
        scratch: &mut Scratch,
        out: &mut BitWriter<'_>,
    ) {
        for piece in pieces(part) {
            let piece = Piece { first: piece.first && first, last: piece.last && last, ..piece };
            self.parser.parse(piece, key, scratch, &mut |table, token| {
                let code = self.codes[table][usize::from(token)];
                out.push(code.code, code.bits.into());
            });
        }
    }

    /// How many bits [`Self::encode`] appends.
    pub fn bits(&self, string: &[u8], key: Option<&[u8]>, scratch: &mut Scratch) -> u64 {
        pieces(string)
            .map(|piece| u64::from(self.parser.parse(piece, key, scratch, &mut |_, _| {}) / BIT))
            .sum()
    }
}
