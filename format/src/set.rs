//! Which files make a set together (section 15).

use crate::Header;
use alloc::vec::Vec;
use core::{cmp::Ordering, fmt};

/// Why files are not all parts of one set. Files are named by their place in the list that was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotOneSet {
    /// There are no files.
    NoFiles,
    /// A file belongs to another set than the first one.
    Other {
        /// The file.
        file: usize,
    },
    /// Two files are the same part.
    Twice {
        /// The later of the two files.
        file: usize,
        /// The earlier one.
        other: usize,
        /// The part that both are.
        part: u32,
    },
    /// A part is not among the files.
    Missing {
        /// The first such part.
        part: u32,
        /// How many parts the set has.
        parts: u32,
    },
}

impl NotOneSet {
    /// The file at fault, if a single one is.
    pub fn file(&self) -> Option<usize> {
        match self {
            NotOneSet::Other { file } | NotOneSet::Twice { file, .. } => Some(*file),
            NotOneSet::NoFiles | NotOneSet::Missing { .. } => None,
        }
    }
}

/// Without the names of the files, which the caller knows.
impl fmt::Display for NotOneSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NotOneSet::NoFiles => f.write_str("a set has at least one part"),
            NotOneSet::Other { .. } => f.write_str(
                "belongs to another set: its number of parts, its hash or seed, or its type of keys or values differs",
            ),
            NotOneSet::Twice { part, .. } => write!(f, "is part {part} again: name each part once"),
            NotOneSet::Missing { part, parts } => {
                write!(f, "part {part} of {parts} is missing: name all parts of the set")
            }
        }
    }
}

impl Header {
    /// True if the files have the same type of keys and the same type of values (M6).
    pub fn same_types(&self, other: &Header) -> bool {
        (self.key_type, self.value_type) == (other.key_type, other.value_type)
    }

    /// True if two files can be parts of one set.
    pub fn same_set(&self, other: &Header) -> bool {
        (self.parts, self.hasher) == (other.parts, other.hasher) && self.same_types(other)
    }
}

/// The order of files that are all parts of one set: for each part the place of its header in `headers`.
///
/// # Errors
/// The first thing that keeps them from being one set.
pub fn in_order(headers: &[Header]) -> Result<Vec<usize>, NotOneSet> {
    let first = headers.first().ok_or(NotOneSet::NoFiles)?;
    if let Some(file) = headers.iter().position(|header| !header.same_set(first)) {
        return Err(NotOneSet::Other { file });
    }
    let mut order: Vec<usize> = (0..headers.len()).collect();
    let part = |&file: &usize| headers.get(file).map_or(0, |header| header.part);
    order.sort_by_key(part);
    for (number, file) in (0u32..).zip(&order) {
        let found = part(file);
        match found.cmp(&number) {
            Ordering::Equal => {}
            Ordering::Greater => return Err(NotOneSet::Missing { part: number, parts: first.parts }),
            Ordering::Less => {
                // Files of one part keep their order.
                let other = order.iter().find(|&other| part(other) == found).copied().unwrap_or_default();
                return Err(NotOneSet::Twice { file: *file, other, part: found });
            }
        }
    }
    match u32::try_from(headers.len()) {
        Ok(count) if count >= first.parts => Ok(order),
        count => Err(NotOneSet::Missing { part: count.unwrap_or(u32::MAX), parts: first.parts }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{KeyHasher, KeyType, Sections, ValueType};
    use alloc::{string::ToString, vec};

    fn header(part: u32, parts: u32, seed: u64, key_type: KeyType) -> Header {
        Header {
            ignorable_features: 0,
            keys: 0,
            cells: 1,
            part,
            parts,
            hasher: KeyHasher::xxh3(seed),
            key_type,
            value_type: ValueType::Bytes,
            fingerprint_bits: 8,
            key_width: 0,
            key_tables: 0,
            value_tables: 0,
            shared_records: false,
            sections: Sections::default(),
            sums_digest: 0,
        }
    }

    #[test]
    fn files_of_one_set_come_into_order_and_others_are_named() {
        let part = |part| header(part, 3, 0, KeyType::Bytes);
        assert_eq!(in_order(&[part(2), part(0), part(1)]), Ok(vec![1, 2, 0]));
        assert_eq!(in_order(&[]), Err(NotOneSet::NoFiles));
        assert_eq!(in_order(&[part(0), part(2)]), Err(NotOneSet::Missing { part: 1, parts: 3 }));
        assert_eq!(in_order(&[part(1), part(0)]), Err(NotOneSet::Missing { part: 2, parts: 3 }));
        let twice = NotOneSet::Twice { file: 2, other: 0, part: 1 };
        assert_eq!(in_order(&[part(1), part(0), part(1)]), Err(twice));
        for (fault, file, words) in [
            (twice, Some(2), "part 1 again"),
            (NotOneSet::Other { file: 1 }, Some(1), "another set"),
            (NotOneSet::NoFiles, None, "at least one part"),
            (NotOneSet::Missing { part: 1, parts: 3 }, None, "part 1 of 3"),
        ] {
            assert_eq!(fault.file(), file);
            assert!(fault.to_string().contains(words), "{fault}");
        }
        for other in
            [header(1, 4, 0, KeyType::Bytes), header(1, 3, 1, KeyType::Bytes), header(1, 3, 0, KeyType::Text)]
        {
            assert_eq!(in_order(&[part(0), other, part(2)]), Err(NotOneSet::Other { file: 1 }));
        }
    }
}
