//! The memo: the objects that a pickle has numbered in order to refer back to them.
//!
//! CPython numbers every string it writes, so a large pickle numbers hundreds of millions of objects, and refers back to few
//! or many of them. Memory cannot hold all of them. It holds only *places*, about one per `stride` bytes. To answer a
//! reference, the reader reads the pickle again from the last place before its number, less than two strides, and caches the
//! answer. When there are too many places, it doubles the stride and drops those that are closer to each other. So memory is
//! bounded for any file, and a reference in a file below half a gigabyte costs one read of 512 bytes.
//!
//! In everything that CPython writes, numbers rise along the stream. A bounded quantity of numbers that do not rise is kept
//! separately. Objects other than strings (lists, types, results of calls) are kept as long as they are few. If one is missing
//! later, the reader reads the pickle again and keeps those that the pickle refers to.

use std::collections::HashMap;

use crate::bad_row::BadRow;
use crate::pickle::input::Input;
use crate::pickle::item::{Item, Kind, Span};
use crate::pickle::object::What;
use crate::pickle::opcode as op;
use crate::pickle::references::Wanted;
use crate::pickle::slots::Slots;
use crate::pickle::texts::Texts;
use crate::pickle::window::{Token, Window, text_number};
use crate::stop::PlainStop;

/// Most places, 16 bytes each.
const MOST_PLACES: usize = 1 << 20;
/// Bytes between two places at first.
const FIRST_STRIDE: u64 = 512;
/// Most numbers out of order.
const MOST_STRAY: usize = 200_000;
/// Most objects other than strings.
const MOST_OBJECTS: usize = 100_000;
/// Most names and types that are kept however many objects there are.
const MOST_NAMES: usize = 1_000;
/// Most items in all containers when one more object is kept.
const MOST_HELD_BY_MEMO: usize = 50_000;

/// The opcodes that number the objects. A pickle may not mix them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Numbering {
    Memoize,
    Put,
}

/// The answer to a reference.
pub(crate) enum Fetched {
    Item(Item),
    /// An object other than a string, which was not kept.
    Gone,
}

pub(crate) struct Memo {
    numbering: Option<Numbering>,
    /// One more than the highest number so far.
    next: u64,
    /// Numbers, each with the offset of its string, rising.
    places: Vec<(u64, u64)>,
    stride: u64,
    next_place: u64,
    stray: HashMap<u64, Span>,
    objects: HashMap<u64, Item>,
    /// How many of them are names.
    names: usize,
    /// A number was used twice, so an object may hide a string with the same number.
    hiding: bool,
    /// The numbers of the objects to keep; `None` keeps the first ones.
    wanted: Option<Wanted>,
    /// Answered references.
    answered: Slots<Span, { 1 << 17 }>,
    spare: Vec<u8>,
    /// Where bytes begin and end that are not opcodes.
    data: Vec<(u64, u64)>,
}

impl Memo {
    pub fn new(wanted: Option<Wanted>) -> Self {
        Memo {
            numbering: None,
            next: 0,
            places: Vec::new(),
            stride: FIRST_STRIDE,
            next_place: 0,
            stray: HashMap::new(),
            objects: HashMap::new(),
            names: 0,
            hiding: false,
            wanted,
            answered: Slots::default(),
            spare: Vec::new(),
            data: Vec::new(),
        }
    }

    /// True if the numbers that the pickle refers to are known.
    pub fn knows_wanted(&self) -> bool {
        self.wanted.is_some()
    }

    /// Drops all objects other than strings and names, because they hold too many items; false if it must keep them.
    pub fn drop_objects(&mut self) -> bool {
        let may = self.wanted.is_none() && !self.hiding;
        if may {
            self.objects.retain(|_, item| names_many(item));
        }
        may
    }

    /// Notes that these bytes are not opcodes.
    pub fn skip_data(&mut self, begin: u64, end: u64) -> Result<(), &'static str> {
        if self.data.len() == MOST_PLACES {
            return Err(
                "there are more arrays in a file of joblib than this reader holds in memory; write the dict \
                        with pickle.dump",
            );
        }
        self.data.push((begin, end));
        Ok(())
    }

    /// True if the pickle holds bytes that are not opcodes.
    pub fn holds_data(&self) -> bool {
        !self.data.is_empty()
    }

    /// Numbers the string before a `MEMOIZE`.
    #[inline]
    pub fn memoize_string(&mut self, span: Span) -> Result<(), &'static str> {
        self.number_string(Numbering::Memoize, self.next, span)
    }

    /// Numbers the string before a `PUT`.
    #[inline]
    pub fn put_string(&mut self, number: u64, span: Span) -> Result<(), &'static str> {
        self.number_string(Numbering::Put, number, span)
    }

    #[inline]
    fn number_string(&mut self, by: Numbering, number: u64, span: Span) -> Result<(), &'static str> {
        if self.numbering != Some(by) {
            self.begin(by)?;
        }
        if number < self.next {
            return self.number_again(number, &Item::Span(span), 0);
        }
        self.next = number + 1;
        if span.op >= self.next_place {
            self.keep_place(number, span.op);
        }
        Ok(())
    }

    #[cold]
    fn begin(&mut self, by: Numbering) -> Result<(), &'static str> {
        if *self.numbering.get_or_insert(by) == by {
            Ok(())
        } else {
            Err("MEMOIZE and PUT are mixed in one pickle, which no Python writes")
        }
    }

    #[cold]
    fn keep_place(&mut self, number: u64, at: u64) {
        while self.places.len() == MOST_PLACES {
            self.stride *= 2;
            let mut next = 0;
            self.places.retain(|&(_, at)| {
                let keep = at >= next;
                if keep {
                    next = at + self.stride;
                }
                keep
            });
        }
        self.places.push((number, at));
        self.next_place = at + self.stride;
    }

    /// Numbers the object before a `MEMOIZE`, which is not a string just read.
    pub fn memoize(&mut self, item: &Item, held: usize) -> Result<(), &'static str> {
        self.number(Numbering::Memoize, self.next, item, held)
    }

    /// Numbers the object before a `PUT`, which is not a string just read.
    pub fn put(&mut self, number: u64, item: &Item, held: usize) -> Result<(), &'static str> {
        self.number(Numbering::Put, number, item, held)
    }

    fn number(&mut self, by: Numbering, number: u64, item: &Item, held: usize) -> Result<(), &'static str> {
        if self.numbering != Some(by) {
            self.begin(by)?;
        }
        if number < self.next {
            return self.number_again(number, item, held);
        }
        self.next = number + 1;
        self.keep_object(number, item, held);
        Ok(())
    }

    fn keep_object(&mut self, number: u64, item: &Item, held: usize) -> bool {
        let keep = match &self.wanted {
            Some(wanted) => wanted.holds(number),
            None => held <= MOST_HELD_BY_MEMO,
        };
        let is_name = self.names < MOST_NAMES && names_many(item);
        let keep = keep && self.objects.len() < MOST_OBJECTS || is_name;
        if keep {
            self.names += usize::from(is_name);
            self.objects.insert(number, item.clone());
        }
        keep
    }

    /// Numbers out of order.
    #[cold]
    fn number_again(&mut self, number: u64, item: &Item, held: usize) -> Result<(), &'static str> {
        if self.stray.len() >= MOST_STRAY {
            return Err("too many memo numbers are out of order, which no Python writes");
        }
        self.stray.remove(&number);
        self.objects.remove(&number);
        match item {
            Item::Span(span) => {
                self.stray.insert(number, *span);
            }
            _ => {
                self.hiding = true;
                // Else a reference would find the object that it hides.
                let is_wanted = self.wanted.as_ref().is_none_or(|wanted| wanted.holds(number));
                if !self.keep_object(number, item, held) && is_wanted {
                    return Err("too many memo numbers are out of order, which no Python writes");
                }
            }
        }
        Ok(())
    }

    /// Answers a reference at the offset `at`.
    pub fn fetch(
        &mut self,
        number: u64,
        at: u64,
        input: &mut Input<'_>,
        texts: &mut Texts,
    ) -> Result<Fetched, PlainStop> {
        if let Some(item) = self.objects.get(&number) {
            return Ok(Fetched::Item(item.clone()));
        }
        if let Some(&span) = self.stray.get(&number) {
            return Ok(Fetched::Item(Item::Span(span)));
        }
        if number >= self.next {
            return Err(never(number, at).into());
        }
        if let Some(&span) = self.answered.get(number) {
            return Ok(Fetched::Item(Item::Span(span)));
        }
        let after = self.places.partition_point(|&(first, _)| first <= number);
        let Some(&(first, place)) = after.checked_sub(1).and_then(|before| self.places.get(before)) else {
            // Strings have places, so this is the number of another object, or was skipped.
            return Ok(Fetched::Gone);
        };
        match self.search(number, first, place, input, texts)? {
            Some(span) => {
                self.answered.put(number, span);
                Ok(Fetched::Item(Item::Span(span)))
            }
            None => Ok(Fetched::Gone),
        }
    }

    /// Reads the pickle again from `place`, the offset of the string with the number `first`, up to `number`.
    fn search(
        &mut self,
        number: u64,
        first: u64,
        place: u64,
        input: &mut Input<'_>,
        texts: &mut Texts,
    ) -> Result<Option<Span>, PlainStop> {
        let size = usize::try_from(self.stride).unwrap_or(usize::MAX).clamp(1_024, 65_536);
        let mut window = Window::new(input.reader_at(place), std::mem::take(&mut self.spare), size, place);
        let mut next = first;
        let mut string = None;
        let mut data = self.data.partition_point(|&(begin, _)| begin < place);
        let found = loop {
            if let Some(&(begin, end)) = self.data.get(data)
                && window.at() == begin
            {
                window.pass(end - begin, u64::MAX)?;
                data += 1;
            }
            let token = window.token(u64::MAX)?;
            let given = match token.op {
                op::MEMOIZE => next,
                op::BINPUT | op::LONG_BINPUT => token.number,
                op::PUT => text_number(&token, &window),
                // A large string is outside the frames, so a frame may begin between it and its number.
                op::FRAME => continue,
                _ => {
                    string = string_span(&token);
                    continue;
                }
            };
            if given >= number {
                break string.filter(|_| given == number);
            }
            next = given + 1;
            string = None;
        };
        if let Some(span) = found
            && let Some(bytes) = window.slice(span.payload(), span.length)
        {
            texts.keep(span, bytes);
        }
        self.spare = window.into_buffer();
        Ok(found)
    }
}

/// True if it is a name or a type, which many objects may refer to.
fn names_many(item: &Item) -> bool {
    match item {
        Item::Class(_) | Item::Global(_) => true,
        Item::Object(object) => matches!(object.what.get(), What::Dtype(_)),
        _ => false,
    }
}

/// The string in a token, if it is a string.
#[inline]
pub(crate) fn string_span(token: &Token) -> Option<Span> {
    let kind = match token.op {
        op::SHORT_BINUNICODE | op::BINUNICODE | op::BINUNICODE8 => Kind::Utf8,
        op::UNICODE => Kind::Escaped,
        op::SHORT_BINBYTES | op::BINBYTES | op::BINBYTES8 | op::BYTEARRAY8 => Kind::Bytes,
        op::SHORT_BINSTRING | op::BINSTRING => Kind::Old,
        op::STRING => Kind::OldQuoted,
        _ => return None,
    };
    Some(Span { op: token.at, length: token.length, kind, header: (token.payload - token.at) as u8 })
}

#[cold]
fn never(number: u64, at: u64) -> BadRow {
    BadRow::new(
        at,
        format!(
            "the pickle refers to object number {number}, which it never numbered (when one Pickler wrote \
             several pickles, write each with a Pickler of its own)"
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A number is used for a string and then for an object. If the object cannot be kept, no reference may find the string.
    #[test]
    fn no_reference_finds_what_another_object_hides() {
        let span = Span { op: 0, length: 8, kind: Kind::Utf8, header: 5 };
        let mut wanted = Wanted::default();
        (0..=MOST_OBJECTS as u64).for_each(|number| wanted.add(number));
        let unknown = Wanted::MOST * 64;
        let mut memo = Memo::new(Some(wanted));
        for number in [0, unknown - 1, unknown] {
            memo.put_string(number, span).unwrap();
            memo.put(0, &Item::None, 0).unwrap();
        }
        for number in 1..MOST_OBJECTS as u64 {
            memo.put(number, &Item::None, 0).unwrap();
        }
        memo.put_string(1, span).unwrap();
        memo.put(MOST_OBJECTS as u64, &Item::None, 0).unwrap();
        // There is no room for one more, and only the second is known not to be referred to.
        let results = [1, unknown - 1, unknown].map(|number| memo.put(number, &Item::None, 0));
        assert_eq!(results.map(|result| result.is_ok()), [false, true, false]);
    }

    /// To find a string, less than two strides are read again, even behind a gap, and strides grow only with the pickle.
    #[test]
    fn every_string_is_near_a_place() {
        let mut memo = Memo::new(None);
        let (mut at, mut strings) = (0, Vec::new());
        for number in 0..5 * MOST_PLACES as u64 {
            let span = Span { op: at, length: 8, kind: Kind::Utf8, header: 2 };
            memo.memoize_string(span).unwrap();
            strings.push(at);
            at += if number % 777 == 776 { 1 << 20 } else { 256 };
        }
        assert!(memo.places.len() <= MOST_PLACES && memo.stride <= at / MOST_PLACES as u64 * 2);
        assert!(memo.stride.is_multiple_of(FIRST_STRIDE) && memo.stride.is_power_of_two(), "it doubles");
        for (number, &at) in (0..).zip(&strings) {
            let after = memo.places.partition_point(|&(first, _)| first <= number);
            assert!(at - memo.places[after - 1].1 < 2 * memo.stride, "string {number}");
        }
    }
}
