//! The stack of a pickle: items, the marks between them, and where each began.

use crate::bad_row::BadRow;
use crate::pickle::item::{Global, Item, MOST_DEEP, Refused};

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
            return Err(Refused::TooDeep.at(at));
        }
        self.marks.push(self.entries.len());
        self.push(at, Item::Mark);
        Ok(())
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

    /// True if a container that is pushed now is the outermost one: below it is at most the name of a dict type, which will
    /// be called with it.
    pub fn is_outermost(&self) -> bool {
        match &self.entries[..] {
            [] => true,
            [first, rest @ ..] => {
                matches!(first.item, Item::Global(Global::OrderedDict | Global::Counter))
                    && rest.len() <= 1
                    && rest.iter().all(|entry| matches!(entry.item, Item::Mark))
            }
        }
    }

    /// Where the bytes begin that items on the stack may need.
    pub fn needs_from(&self) -> Option<u64> {
        let outer = |item: &Item| matches!(item, Item::Mark | Item::Global(_) | Item::Stream);
        self.entries.iter().find(|entry| !outer(&entry.item)).map(|entry| entry.at)
    }
}

#[cold]
fn empty(at: u64) -> BadRow {
    BadRow::new(at, "the pickle is malformed: an opcode finds nothing on the stack")
}
