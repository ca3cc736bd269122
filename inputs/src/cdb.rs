//! Binary cdb files, as D. J. Bernstein's `cdbmake` writes them (<https://cr.yp.to/cdb/cdb.txt>), and cdb64 files, which have numbers of
//! eight bytes instead of four. The records lie between the header and the hash tables, each behind two lengths.

/// The hash tables of a file, each with a place and a length in the header.
const TABLES: usize = 256;

/// A binary cdb: how wide its numbers are, and where its records and its tables end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cdb {
    pub wide: bool,
    pub end: u64,
    /// How long the file is, with its hash tables.
    length: u64,
}

impl Cdb {
    /// The bytes of a header.
    pub const fn header(wide: bool) -> usize {
        TABLES * 2 * width(wide)
    }

    /// What the header of a file says, of which these are the first bytes; `None` if it is not one.
    pub fn begin(bytes: &[u8]) -> Option<Cdb> {
        [false, true].into_iter().find_map(|wide| {
            let header = bytes.get(..Cdb::header(wide))?;
            let mut tables = header.chunks_exact(2 * width(wide));
            let slot = 2 * width(wide) as u64;
            let end = number(header, wide);
            // The tables follow the records, one after the other.
            let length = tables.try_fold(end, |place, table| {
                let slots = number(&table[width(wide)..], wide);
                (number(table, wide) == place).then(|| slots.checked_mul(slot)?.checked_add(place))?
            })?;
            (end >= header.len() as u64).then_some(Cdb { wide, end, length })
        })
    }

    /// How many of the bytes, which begin at `at` in the file, are whole records.
    ///
    /// # Errors
    /// With the offset: the last record crosses the end of the records, or the file.
    pub fn cut(self, bytes: &[u8], at: u64, at_end: bool) -> Result<usize, (usize, String)> {
        let left = usize::try_from(self.end.saturating_sub(at)).unwrap_or(usize::MAX);
        let records = &bytes[..left.min(bytes.len())];
        let mut cut = 0;
        while let Some((_, _, length)) = self.record(&records[cut..]) {
            cut += length;
        }
        if cut == left {
            // The hash tables are not looked at, but must be there.
            return match at_end && at + (bytes.len() as u64) < self.length {
                false => Ok(bytes.len()),
                true if cut > 0 => Ok(cut),
                true => Err((bytes.len(), "the cdb is cut off: its hash tables are not all there".into())),
            };
        }
        let ends_early = at_end || bytes.len() > left;
        if cut == 0 && ends_early {
            return Err((
                0,
                "the cdb is damaged or cut off: this record goes beyond the end of the records".into(),
            ));
        }
        Ok(cut)
    }

    /// The key, the value, and the length of the record that begins here, if all of it is here.
    pub fn record(self, bytes: &[u8]) -> Option<(&[u8], &[u8], usize)> {
        let lengths = 2 * width(self.wide);
        let head = bytes.get(..lengths)?;
        let length = |from: usize| usize::try_from(number(&head[from..], self.wide)).ok();
        let (key, value) = (length(0)?, length(lengths / 2)?);
        let middle = lengths.checked_add(key)?;
        let end = middle.checked_add(value)?;
        Some((bytes.get(lengths..middle)?, bytes.get(middle..end)?, end))
    }
}

const fn width(wide: bool) -> usize {
    if wide { 8 } else { 4 }
}

fn number(bytes: &[u8], wide: bool) -> u64 {
    bytes[..width(wide)].iter().rev().fold(0, |number, &byte| number << 8 | u64::from(byte))
}
