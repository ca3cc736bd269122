//! Values that keys share, if keys are left out and few values are different: a slot entry says which value it is.
//!
//! The pool then has a byte for each value, a code of its token (spec sections 4 and 6). A lookup goes to the cell of its key and
//! to these few bytes, which stay in the processor's caches.

use hashlith_format::tokens::{CLASS_BITS, CLASSES, MAX_TEXT, Text, Token, write_table};
use std::collections::BTreeSet;

/// Most different values: as many as codes of a byte.
const MOST: usize = 1 << 8;
/// Bits of the place of a token in its class, so that codes have a byte.
const INDEX_BITS: u8 = 8 - CLASS_BITS;

/// The different values of records, as far as they are few and short.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Distinct(Option<BTreeSet<Vec<u8>>>);

impl Distinct {
    /// None yet; `wanted`: they are of use.
    pub fn new(wanted: bool) -> Self {
        Distinct(wanted.then(BTreeSet::new))
    }

    /// Takes a value.
    #[inline]
    pub fn add(&mut self, value: &[u8]) {
        if let Some(values) = &mut self.0
            && !values.contains(value)
        {
            if values.len() == MOST || value.len() > MAX_TEXT {
                self.0 = None;
            } else {
                values.insert(value.to_vec());
            }
        }
    }

    /// Takes all values of another.
    pub fn join(&mut self, other: Distinct) {
        match other.0 {
            Some(values) => values.iter().for_each(|value| self.add(value)),
            None => self.0 = None,
        }
    }

    /// The values; `None` if there are none, or too many.
    pub fn into_shared(self) -> Option<Shared> {
        let values: Vec<Vec<u8>> = self.0?.into_iter().collect();
        let tokens: Vec<_> =
            values.iter().map(|value| Token { text: Text::Bytes(value), ends: true }).collect();
        let mut table = Vec::new();
        write_table(&[INDEX_BITS; CLASSES], &tokens, &mut table)?;
        let held = 1 << INDEX_BITS;
        let pool = (0..values.len()).map(|i| (((i % held) << CLASS_BITS) | (i / held)) as u8).collect();
        (!values.is_empty()).then_some(Shared { values, table, pool })
    }
}

/// Values that share their records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shared {
    /// In order.
    values: Vec<Vec<u8>>,
    /// Their table of tokens.
    pub table: Vec<u8>,
    /// Their records: a code each.
    pub pool: Vec<u8>,
}

impl Shared {
    /// Those of another file, for its cells.
    pub fn copied(pool: Vec<u8>) -> Self {
        Shared { values: Vec::new(), table: Vec::new(), pool }
    }

    /// Bytes of the pool.
    pub fn len(&self) -> u64 {
        self.pool.len() as u64
    }

    /// Bits of a slot entry that say which value it is.
    pub fn width(&self) -> u32 {
        self.len().next_power_of_two().ilog2()
    }

    /// Where the record of a value begins in the pool.
    pub fn place(&self, value: &[u8]) -> Option<u64> {
        self.values.binary_search_by(|own| own.as_slice().cmp(value)).ok().map(|place| place as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hashlith_format::tokens::Tables;

    #[test]
    fn each_value_has_a_byte() {
        for count in [1, 2, 31, 32, 33, 255, 256] {
            let mut distinct = Distinct::new(true);
            (0..3 * count).for_each(|i| distinct.add(format!("{}", i % count).as_bytes()));
            let shared = distinct.into_shared().unwrap();
            let (pool, tables) = (&shared.pool, Tables::parse(&shared.table, 1).unwrap());
            tables.check(&shared.table, true).unwrap();
            assert_eq!(pool.len(), count);
            for i in 0..count {
                let value = format!("{i}").into_bytes();
                let mut out = Vec::new();
                let bit = 8 * shared.place(&value).unwrap();
                assert_eq!(tables.decode(&shared.table, pool, bit, None, &mut out), Ok(bit + 8));
                assert_eq!(out, value);
            }
            assert_eq!(shared.place(b"-"), None);
        }
    }

    #[test]
    fn too_many_or_too_long() {
        let all = |count: u32| {
            let mut distinct = Distinct::new(true);
            (0..count).for_each(|i| distinct.add(&i.to_le_bytes()));
            distinct
        };
        assert!(all(256).into_shared().is_some());
        for mut distinct in [all(0), all(257), Distinct::new(false)] {
            distinct.add(&[]);
            distinct.join(all(257));
            assert_eq!(distinct.into_shared(), None);
        }
        assert_eq!(all(0).into_shared(), None);
        // What is of no use takes no memory.
        assert_eq!(all(257), Distinct::new(false));
        for (len, is_short) in [(255, true), (256, false)] {
            let mut distinct = all(1);
            distinct.add(&vec![1; len]);
            assert_eq!(distinct != Distinct::new(false), is_short);
            assert_eq!(distinct.into_shared().is_some(), is_short);
        }
        let mut joined = all(200);
        joined.join(all(256));
        assert_eq!(joined, all(256));
    }
}
