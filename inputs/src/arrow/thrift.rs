//! The compact protocol of Thrift, in which Parquet has its headers: only walked through, to know what they declare before it is
//! believed. <https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md>
//!
//! The crate reads each field that it knows as what it should be, whatever it says it is. So fields of another kind are refused here.

use crate::arrow::grammar::{Fields, Kind};

/// Deeper than any header or footer.
const DEEPEST: usize = 32;

/// Walks through the structure at the beginning of the bytes. Passes each number to `each`, with the ids of the fields that lead to
/// it, and `None` at the end of each inner structure. Elements of a list have the ids of the list. Fields that are not in `fields` may be
/// anything. Returns the length of the structure, or `None` if it is malformed, goes on after the bytes, or has a field of another kind.
pub(crate) fn walk(bytes: &[u8], fields: Fields, each: &mut dyn FnMut(&[i16], Option<i64>)) -> Option<usize> {
    let mut walk = Walk { bytes, path: Vec::new(), depth: 0, each };
    walk.structure(fields)?;
    Some(bytes.len() - walk.bytes.len())
}

struct Walk<'a, 'e> {
    bytes: &'a [u8],
    path: Vec<i16>,
    depth: usize,
    each: &'e mut dyn FnMut(&[i16], Option<i64>),
}

impl Walk<'_, '_> {
    fn structure(&mut self, fields: Fields) -> Option<()> {
        let mut last = 0i16;
        loop {
            let head = self.byte()?;
            if head == 0 {
                return Some(());
            }
            let id = match head >> 4 {
                0 => i16::try_from(self.number()?).ok()?,
                step => last.checked_add(i16::from(step))?,
            };
            // Each occurs once, in order.
            if id <= last {
                return None;
            }
            last = id;
            let known = fields.iter().find(|(known, _)| *known == id).map(|(_, kind)| *kind);
            if !is_of(head & 15, known) {
                return None;
            }
            self.path.push(id);
            // The kind of a field says whether it is true.
            if !matches!(head & 15, 1 | 2) {
                self.value(head & 15, known)?;
            }
            self.path.pop();
        }
    }

    fn value(&mut self, kind: u8, known: Option<Kind>) -> Option<()> {
        self.depth += 1;
        let done = if self.depth > DEEPEST { None } else { self.shallow(kind, known) };
        self.depth -= 1;
        done
    }

    fn shallow(&mut self, kind: u8, known: Option<Kind>) -> Option<()> {
        match kind {
            1..=3 => self.byte().map(|_| ()),
            4..=6 => {
                let number = self.number()?;
                (self.each)(&self.path, Some(number));
                Some(())
            }
            7 => self.skip(8),
            8 => {
                let length = self.varint()?;
                self.skip(length)
            }
            9 | 10 => {
                let head = self.byte()?;
                let count = if head >> 4 == 15 { self.varint()? } else { u64::from(head >> 4) };
                let item = match known {
                    Some(Kind::List(item)) => Some(*item),
                    _ => None,
                };
                if count > 0 && !is_of(head & 15, item) {
                    return None;
                }
                self.elements(count, &[head & 15], item)
            }
            11 => match self.varint()? {
                0 => Some(()),
                count => {
                    let kinds = self.byte()?;
                    self.elements(count, &[kinds >> 4, kinds & 15], None)
                }
            },
            12 => {
                let fields = match known {
                    Some(Kind::Struct(fields)) => fields,
                    _ => &[],
                };
                self.structure(fields)?;
                (self.each)(&self.path, None);
                Some(())
            }
            _ => None,
        }
    }

    /// The bytes end before a count that is made up.
    fn elements(&mut self, count: u64, kinds: &[u8], known: Option<Kind>) -> Option<()> {
        for _ in 0..count {
            kinds.iter().try_for_each(|&kind| self.value(kind, known))?;
        }
        Some(())
    }

    fn byte(&mut self) -> Option<u8> {
        let (&first, rest) = self.bytes.split_first()?;
        self.bytes = rest;
        Some(first)
    }

    fn skip(&mut self, length: u64) -> Option<()> {
        self.bytes = self.bytes.get(usize::try_from(length).ok()?..)?;
        Some(())
    }

    fn varint(&mut self) -> Option<u64> {
        let (number, length) = varint(self.bytes)?;
        self.bytes = &self.bytes[length..];
        Some(number)
    }

    fn number(&mut self) -> Option<i64> {
        self.varint().map(|number| (number >> 1) as i64 ^ -((number & 1) as i64))
    }
}

/// Whether something of this kind, as it is encoded, is what it should be.
fn is_of(kind: u8, known: Option<Kind>) -> bool {
    match known {
        None => true,
        Some(Kind::Bool) => matches!(kind, 1 | 2),
        Some(Kind::Byte) => kind == 3,
        Some(Kind::Int) => matches!(kind, 4..=6),
        Some(Kind::Double) => kind == 7,
        Some(Kind::Bytes) => kind == 8,
        Some(Kind::List(_)) => kind == 9,
        Some(Kind::Struct(_)) => kind == 12,
    }
}

/// A number of a variable length, and its length.
pub(crate) fn varint(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut number = 0;
    for (place, &byte) in bytes.iter().take(10).enumerate() {
        number |= u64::from(byte & 127) << (7 * place);
        if byte < 128 {
            return Some((number, place + 1));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fields 1 and 2 are numbers, 3 a structure of one number, 4 a list of two structures, 6 a text, 7 a truth.
    const BYTES: &[u8] =
        b"\x15\x02\x15\x07\x1c\x15\x08\x00\x19\x2c\x15\x0a\x00\x15\x0c\x00\x28\x03abc\x11\x00";

    #[test]
    fn numbers_have_their_paths_and_no_prefix_is_a_structure() {
        let mut seen = Vec::new();
        let end =
            walk(&[BYTES, b"rest"].concat(), &[], &mut |path, number| seen.push((path.to_vec(), number)));
        assert_eq!(end, Some(BYTES.len()));
        let wanted: [(&[i16], Option<i64>); 8] = [
            (&[1], Some(1)),
            (&[2], Some(-4)),
            (&[3, 1], Some(4)),
            (&[3], None),
            (&[4, 1], Some(5)),
            (&[4], None),
            (&[4, 1], Some(6)),
            (&[4], None),
        ];
        assert_eq!(seen, wanted.map(|(path, number)| (path.to_vec(), number)));
        for length in 0..BYTES.len() {
            assert_eq!(walk(&BYTES[..length], &[], &mut |_, _| {}), None, "{length} bytes");
        }
    }

    #[test]
    fn nothing_nests_without_end() {
        for deep in
            [b"\x1c".repeat(100_000), b"\x19\x19".repeat(100_000), b"\x19\xf9\xff\xff\x0f".repeat(1000)]
        {
            assert_eq!(walk(&deep, &[], &mut |_, _| {}), None);
        }
    }

    #[test]
    fn known_fields_are_what_they_should_be() {
        const FIELDS: Fields = &[
            (1, Kind::Int),
            (2, Kind::Bool),
            (3, Kind::List(&Kind::Bytes)),
            (4, Kind::Struct(&[(1, Kind::Byte)])),
        ];
        for (bytes, length) in [
            (&b"\x15\x02\x00"[..], Some(3)),
            (b"\x14\x02\x00", Some(3)),
            (b"\x11\x00", None),
            (b"\x22\x00", Some(2)),
            (b"\x25\x02\x00", None),
            (b"\x39\x18\x01a\x00", Some(5)),
            (b"\x39\x00\x00", Some(3)),
            (b"\x39\x15\x02\x00", None),
            (b"\x4c\x13\x07\x00\x00", Some(5)),
            (b"\x4c\x15\x02\x00\x00", None),
            (b"\x55\x02\x00", Some(3)),
            // Twice, and in another order.
            (b"\x15\x02\x05\x02\x04\x00", None),
            (b"\x22\x05\x02\x04\x00", None),
        ] {
            assert_eq!(walk(bytes, FIELDS, &mut |_, _| {}), length, "{bytes:?}");
        }
    }
}
