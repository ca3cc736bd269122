//! The stack of a pickle: items, the marks between them, and where each began.

use crate::bad_row::BadRow;
use crate::pickle::global::Global;
use crate::pickle::item::{Item, MOST_DEEP, SeqKind, too_deep};
use crate::pickle::object::What;

/// An item and the offset of the opcode that began it.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub at: u64,
    pub item: Item,
}

#[derive(Debug, Default)]
pub(crate) struct Stack {
    pub entries: Vec<Entry>,
    /// Which entries are marks.
    pub marks: Vec<usize>,
}

impl Stack {
    #[inline]
    pub fn push(&mut self, at: u64, item: Item) {
        self.entries.push(Entry { at, item });
    }

    pub fn mark(&mut self, at: u64) -> Result<(), BadRow> {
        if self.marks.len() > usize::from(MOST_DEEP) {
            return Err(too_deep(at));
        }
        self.marks.push(self.entries.len());
        self.push(at, Item::Mark);
        Ok(())
    }

    /// Leaves the lowest `count` items.
    pub fn cut(&mut self, count: usize) {
        while self.entries.len() > count {
            let top = self.entries.pop();
            // Strings, of which there are many, have nothing to drop; so no function is called for each.
            if let Some(Entry { item: Item::Span(_), .. }) = top {
                std::mem::forget(top);
            }
        }
    }

    /// Takes the top item, which must not be a mark.
    pub fn pop(&mut self, at: u64) -> Result<Entry, BadRow> {
        match self.entries.last() {
            Some(Entry { item: Item::Mark, .. }) | None => Err(empty(at)),
            Some(_) => self.entries.pop().ok_or_else(|| empty(at)),
        }
    }

    /// Removes the topmost mark from the list of marks. Returns where its items begin.
    pub fn unmark(&mut self, at: u64) -> Result<usize, BadRow> {
        let mark = self.marks.pop();
        mark.map(|mark| mark + 1).ok_or_else(|| BadRow::new(at, "the pickle is malformed: there is no mark"))
    }

    /// The top item, which must not be a mark.
    pub fn top(&self, at: u64) -> Result<&Entry, BadRow> {
        self.entries.last().filter(|entry| !matches!(entry.item, Item::Mark)).ok_or_else(|| empty(at))
    }

    /// True if a container that is pushed now is the outermost one: below it is at most a call that will take it.
    pub fn is_outermost(&self) -> bool {
        let [first, rest @ ..] = &self.entries[..] else { return true };
        let is_mark = |entry: &Entry| matches!(entry.item, Item::Mark);
        match (&first.item, rest) {
            (Item::Global(Global::OrderedDict | Global::Counter), [] | [_]) => rest.iter().all(is_mark),
            (Item::Global(Global::Reconstructor), [mark, _, base]) => {
                is_mark(mark) && matches!(base.item, Item::Global(Global::Dict))
            }
            // The state of a `UserDict`, with the attribute that holds its items.
            (Item::Object(object), [state, rest @ ..]) => {
                let is_state = matches!(&state.item, Item::Seq(seq) if seq.kind() == SeqKind::Dict);
                let attribute = match rest {
                    [mark, attribute] if is_mark(mark) => Some(attribute),
                    [attribute] => Some(attribute),
                    _ => None,
                };
                is_state
                    && matches!(object.what.get(), What::UserDict)
                    && attribute
                        .is_some_and(|entry| matches!(entry.item, Item::Span(span) if span.length == 4))
            }
            _ => false,
        }
    }

    /// True if a list that is pushed now is what a call makes a set of.
    pub fn is_in_set(&self) -> bool {
        let is_set = |entry: &Entry| matches!(entry.item, Item::Global(Global::Set));
        match &self.entries[..] {
            [.., set, Entry { item: Item::Mark, .. }] | [.., set] => is_set(set),
            [] => false,
        }
    }

    /// Where the bytes begin that items on the stack may need.
    pub fn needs_from(&self) -> Option<u64> {
        let outer = |item: &Item| matches!(item, Item::Mark | Item::Global(_) | Item::Stream | Item::Dropped);
        // Nothing below a container that holds nothing is soon needed.
        let passes = |entry: &Entry| matches!(entry.item, Item::Stream | Item::Dropped);
        let above = self.entries.iter().rposition(passes).unwrap_or(0);
        self.entries[above..].iter().find(|entry| !outer(&entry.item)).map(|entry| entry.at)
    }
}

#[cold]
fn empty(at: u64) -> BadRow {
    BadRow::new(at, "the pickle is malformed: an opcode finds nothing on the stack")
}
