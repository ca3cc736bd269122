//! The machine that runs a pickle: its stack, its memo, and its way to the sink.

use std::rc::Rc;

use crate::bad_row::BadRow;
use crate::options::ReadOptions;
use crate::outlet::Outlet;
use crate::pickle::global::Class;
use crate::pickle::input::Input;
use crate::pickle::item::{Held, Item, Span};
use crate::pickle::memo::Memo;
use crate::pickle::references::Wanted;
use crate::pickle::rows::Rows;
use crate::pickle::stack::{Entry, Stack};
use crate::pickle::window::Window;
use crate::sink::Sink;
use crate::stop::Stop;

/// The kind of the outermost container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outermost {
    Dict,
    /// A list or tuple of pairs.
    Pairs,
    /// A set of keys.
    Keys,
    /// An object of a class that is known by name only, which has no items yet.
    Instance,
}

/// Which parts of a pickle are records.
#[derive(Debug, Clone)]
pub(crate) enum Parts {
    /// The items of the outermost container.
    All,
    /// None: the pickle is looked through for its parts.
    Scan,
    /// The items of the container that begins at `at`. The containers `before` are beside it, and nothing from `end` on is
    /// needed.
    Picked { at: u64, before: Vec<u64>, end: u64 },
}

/// How the pickles of a file are read, which its first one decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dumps {
    /// This is the first one.
    First,
    /// Each is a pair of key and value.
    Pairs,
    /// Each is a container of records.
    Any,
}

/// The state of reading one pickle.
pub(crate) struct Machine<'m, 'o, 'a, S: Sink> {
    pub window: &'m mut Window<Input<'a>>,
    pub rows: Rows<'m, 'o, S>,
    pub stack: Stack,
    pub parts: Parts,
    pub dumps: Dumps,
    pub outermost: Option<Outermost>,
    /// The class of the outermost container, if that is known by name only.
    pub outer_class: Option<Rc<Class>>,
    /// Items of an outermost tuple, or of a dict made by one opcode, went to the sink before the container was made.
    pub sent_early: Option<Outermost>,
    pub memo: Memo,
    pub held: Held,
    /// The string that ends just before the next opcode.
    pub fresh: Option<Span>,
    /// The offset of `'latin1'`, after its first use as the encoding of bytes.
    pub latin1: Option<u64>,
    /// A reference could not be answered. It can be if the numbers that the pickle refers to are known beforehand.
    pub missed: bool,
    /// The error may be that the pickle holds dicts of which one can be picked.
    pub misfit: bool,
    /// What is wrong is not that the file is no pickle.
    pub understood: bool,
    /// What a scan found: the outermost object.
    pub scanned: Option<Item>,
}

impl<'m, 'o, 'a, S: Sink> Machine<'m, 'o, 'a, S> {
    pub fn new(
        window: &'m mut Window<Input<'a>>,
        outlet: &'m mut Outlet<'o, S>,
        options: &'m ReadOptions,
        parts: Parts,
        wanted: Option<Wanted>,
    ) -> Self {
        Machine {
            window,
            rows: Rows::new(outlet, options),
            stack: Stack::default(),
            parts,
            dumps: Dumps::Any,
            outermost: None,
            outer_class: None,
            sent_early: None,
            memo: Memo::new(wanted),
            held: Held::default(),
            fresh: None,
            latin1: None,
            missed: false,
            misfit: false,
            understood: false,
            scanned: None,
        }
    }

    /// Passes items of the outermost container to the sink; they stay on the stack.
    pub fn send(&mut self, outermost: Outermost, first: usize, end: usize) -> Result<(), Stop<S::Error>> {
        let entries = &self.stack.entries[first..end];
        match outermost {
            Outermost::Dict => {
                if let Some(first) = entries.first() {
                    self.understood = true;
                    self.rows.allow_dict(first.at)?;
                }
                for pair in entries.chunks_exact(2) {
                    self.rows.pair(self.window, pair[0].at, &pair[0].item, &pair[1].item)?;
                }
                if let [key] = entries.chunks_exact(2).remainder() {
                    return Err(BadRow::new(key.at, "the pickle is malformed: a key has no value").into());
                }
            }
            Outermost::Keys => {
                for entry in entries {
                    self.rows.pair(self.window, entry.at, &entry.item, &Item::None)?;
                }
            }
            Outermost::Pairs | Outermost::Instance => {
                for entry in entries {
                    self.rows.element(self.window, entry.at, &entry.item)?;
                }
            }
        }
        Ok(())
    }

    /// An item that is referred to again. A reference to the outermost container comes from within.
    pub fn referred(&self, item: Item) -> Item {
        match (&item, &self.stack.entries[..]) {
            (Item::Stream, _) => Item::Back,
            (Item::Seq(seq), [Entry { item: Item::Seq(outer), .. }, Entry { item: Item::Mark, .. }, ..])
                if self.is_scan() && Rc::ptr_eq(seq, outer) =>
            {
                Item::Back
            }
            _ => item,
        }
    }
}
