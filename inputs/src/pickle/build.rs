//! The opcodes that make containers.

use std::rc::Rc;

use crate::bad_row::BadRow;
use crate::pickle::global::{Class, DATA_ONLY};
use crate::pickle::item::{Item, Seq, SeqKind, Span, too_deep};
use crate::pickle::machine::{Dumps, Machine, Outermost, Parts};
use crate::pickle::opcode as op;
use crate::pickle::row_error::RowError;
use crate::pickle::stack::Entry;
use crate::pickle::texts::Which;
use crate::pickle::window::{Token, named};
use crate::sink::Sink;
use crate::stop::Stop;

impl<S: Sink> Machine<'_, '_, '_, S> {
    /// Runs an opcode for a container or a call, or refuses it.
    pub(super) fn build(&mut self, token: &Token) -> Result<(), Stop<S::Error>> {
        let at = token.at;
        match token.op {
            op::EMPTY_DICT => self.container(at, SeqKind::Dict, None),
            op::EMPTY_LIST => self.container(at, SeqKind::List, None),
            op::EMPTY_SET => self.container(at, SeqKind::Set, None),
            op::EMPTY_TUPLE => return self.tuple(at, self.stack.entries.len()),
            op::TUPLE1 | op::TUPLE2 | op::TUPLE3 => {
                let size = usize::from(token.op - op::TUPLE1) + 1;
                let first = self.reach(at, size)?;
                return self.tuple(at, first);
            }
            op::TUPLE | op::LIST | op::DICT | op::FROZENSET => return self.take_from_mark(token),
            op::APPEND | op::SETITEM => {
                let size = if token.op == op::APPEND { 1 } else { 2 };
                let first = self.reach(at, size)?;
                return self.grow(token, first, first);
            }
            op::APPENDS | op::SETITEMS | op::ADDITEMS => {
                let first = self.stack.unmark(at)?;
                return self.grow(token, first, first - 1);
            }
            op::GLOBAL => {
                let (module, name) = self.names(token);
                self.name(token, &module, &name);
            }
            op::STACK_GLOBAL => return self.stack_global(token),
            op::REDUCE => return self.call(token),
            op::NEWOBJ => return self.new_object(token),
            op::BUILD => return self.build_state(token),
            op::PERSID | op::BINPERSID | op::NEXT_BUFFER | op::READONLY_BUFFER => {
                return Err(outside(token).into());
            }
            op::INST | op::OBJ | op::NEWOBJ_EX => return self.other_object(token),
            // The rest: EXT1, EXT2 and EXT4.
            _ => return Err(self.refuse(token).into()),
        }
        Ok(())
    }

    /// Where the topmost `size` items begin, if there are that many above the last mark.
    fn reach(&self, at: u64, size: usize) -> Result<usize, BadRow> {
        let floor = self.stack.marks.last().map_or(0, |mark| mark + 1);
        let first = self.stack.entries.len().checked_sub(size).filter(|&first| first >= floor);
        first.ok_or_else(|| {
            BadRow::new(at, "the pickle is malformed: an opcode finds too little on the stack")
        })
    }

    /// Pushes an empty container. The items of the outermost dict or list go to the sink.
    pub(super) fn container(&mut self, at: u64, kind: SeqKind, class: Option<Rc<Class>>) {
        let outermost = match kind {
            SeqKind::Dict => Some(Outermost::Dict),
            // A set of older protocols is made of a list.
            SeqKind::List if self.rows.takes_keys() && self.stack.is_in_set() => Some(Outermost::Keys),
            SeqKind::List => Some(Outermost::Pairs),
            SeqKind::Instance => Some(Outermost::Instance),
            SeqKind::Set if self.rows.takes_keys() => Some(Outermost::Keys),
            SeqKind::Tuple | SeqKind::Set => None,
        };
        let is_outermost = match &self.parts {
            // A pair, and a dict of fields, are wanted as a whole.
            Parts::All if self.dumps == Dumps::Pairs => false,
            Parts::All if kind == SeqKind::Dict && self.rows.names_fields() => false,
            Parts::All => {
                let is_set = outermost == Some(Outermost::Keys) && self.stack.is_in_set();
                let is_outermost = self.stack.is_outermost() || is_set && self.stack.entries.len() <= 2;
                self.outermost.is_none() && is_outermost
            }
            Parts::Scan => false,
            Parts::Picked { at: picked, .. } => at == *picked,
        };
        if is_outermost && outermost.is_some() {
            self.outermost = outermost;
            self.outer_class = class;
            return self.stack.push(at, Item::Stream);
        }
        if let Parts::Picked { before, .. } = &self.parts
            && before.contains(&at)
        {
            return self.stack.push(at, Item::Dropped);
        }
        self.stack.push(at, Item::Seq(Seq::of_class(kind, at, class, &self.held)));
    }

    pub(super) fn is_scan(&self) -> bool {
        matches!(self.parts, Parts::Scan)
    }

    /// Puts items into a container. A scan keeps only the first ones, and only small ones of those.
    pub(super) fn fill(&self, seq: &Seq, items: impl Iterator<Item = Item>, at: u64) -> Result<(), BadRow> {
        if !self.is_scan() {
            return if seq.extend(items) { Ok(()) } else { Err(too_deep(at)) };
        }
        let room = MOST_PARTS.saturating_sub(seq.items.borrow().len());
        let small = items.take(room).inspect(|item| {
            if let Item::Seq(inner) = item
                && !std::ptr::eq(&raw const **inner, seq)
                && (inner.depth.get() > 1 || inner.items.borrow().len() > 16)
            {
                inner.clear();
            }
        });
        if seq.extend(small) { Ok(()) } else { Err(too_deep(at)) }
    }

    /// Makes a tuple of the items from `first` on.
    fn tuple(&mut self, at: u64, first: usize) -> Result<(), Stop<S::Error>> {
        let begin = self.stack.entries.get(first).map_or(at, |entry| entry.at);
        let seq = Seq::new(SeqKind::Tuple, begin, &self.held);
        let items: Vec<Item> = self.stack.entries.drain(first..).map(|entry| entry.item).collect();
        self.fill(&seq, items.into_iter(), at)?;
        self.stack.push(begin, Item::Seq(seq));
        Ok(())
    }

    /// Makes a container of all items above the last mark.
    fn take_from_mark(&mut self, token: &Token) -> Result<(), Stop<S::Error>> {
        let at = token.at;
        let first = self.stack.unmark(at)?;
        let begin = self.stack.entries[first - 1].at;
        let outermost = match token.op {
            op::DICT => Outermost::Dict,
            op::FROZENSET => Outermost::Keys,
            _ => Outermost::Pairs,
        };
        if first == 1
            && let Some(sent) = self.sent_early.take()
        {
            // Keys that are no containers are the same in a set and in a list or tuple.
            if sent != outermost && (sent, outermost) != (Outermost::Keys, Outermost::Pairs) {
                self.misfit = true;
                let what = "the outermost container is neither a dict nor a list or tuple of pairs";
                return Err(BadRow::new(at, what).into());
            }
            self.send(outermost, first, self.stack.entries.len())?;
            self.stack.entries.truncate(0);
            self.outermost = Some(outermost);
            self.stack.push(begin, Item::Stream);
            return Ok(());
        }
        let items: Vec<Entry> = self.stack.entries.drain(first - 1..).skip(1).collect();
        if token.op == op::TUPLE {
            let seq = Seq::new(SeqKind::Tuple, begin, &self.held);
            self.fill(&seq, items.into_iter().map(|entry| entry.item), at)?;
            self.stack.push(begin, Item::Seq(seq));
            return Ok(());
        }
        self.container(
            begin,
            match token.op {
                op::DICT => SeqKind::Dict,
                op::LIST => SeqKind::List,
                _ => SeqKind::Set,
            },
            None,
        );
        let first = self.stack.entries.len();
        self.stack.entries.extend(items);
        self.grow(token, first, first)
    }

    /// Moves the items from `first` on into the container below `cut`, and ends the stack at `cut`.
    pub(super) fn grow(&mut self, token: &Token, first: usize, cut: usize) -> Result<(), Stop<S::Error>> {
        let at = token.at;
        let target = cut.checked_sub(1).and_then(|below| self.stack.entries.get(below));
        let kind = match token.op {
            op::APPEND | op::APPENDS | op::LIST => SeqKind::List,
            op::SETITEM | op::SETITEMS | op::DICT => SeqKind::Dict,
            _ => SeqKind::Set,
        };
        let wrong = |item: Option<&Entry>| {
            let found = item.map_or("nothing".to_owned(), |entry| entry.item.a_type());
            BadRow::new(
                at,
                format!("the pickle is malformed: {} finds {found} to put items into", named(token.op)),
            )
        };
        match target.map(|entry| &entry.item) {
            Some(Item::Stream) => {
                let outermost = match kind {
                    SeqKind::Dict => Outermost::Dict,
                    SeqKind::List if self.outermost != Some(Outermost::Keys) => Outermost::Pairs,
                    _ => Outermost::Keys,
                };
                if self.outermost == Some(Outermost::Instance) && outermost != Outermost::Keys {
                    self.outermost = Some(outermost);
                }
                if self.outermost != Some(outermost) {
                    return Err(wrong(target).into());
                }
                self.send(outermost, first, self.stack.entries.len())?;
            }
            Some(Item::Dropped | Item::Opaque(_)) => {}
            Some(Item::Seq(seq)) if seq.becomes(kind) => {
                let items = &self.stack.entries[first..];
                if kind == SeqKind::Dict && items.len() % 2 == 1 {
                    return Err(BadRow::new(at, "the pickle is malformed: a key has no value").into());
                }
                self.fill(seq, items.iter().map(|entry| entry.item.clone()), at)?;
                if cut == 1 && kind == SeqKind::Dict && seq.items.borrow().len() > 2 * MOST_PARTS {
                    self.rows.allow_dict(seq.at)?;
                }
            }
            _ => return Err(wrong(target).into()),
        }
        self.stack.cut(cut);
        Ok(())
    }

    /// `STACK_GLOBAL`: a name from two strings on the stack.
    fn stack_global(&mut self, token: &Token) -> Result<(), Stop<S::Error>> {
        let name = self.stack.pop(token.at)?;
        let module = self.stack.pop(token.at)?;
        let (Item::Span(module_span), Item::Span(name_span)) = (&module.item, &name.item) else {
            return Err(BadRow::new(token.at, "the pickle is malformed: STACK_GLOBAL finds no names").into());
        };
        self.short_text(*module_span, Which::Key, token.at)?;
        self.short_text(*name_span, Which::Value, token.at)?;
        let module = std::mem::take(&mut self.rows.texts.key);
        let name = std::mem::take(&mut self.rows.texts.value);
        self.name(token, &module, &name);
        (self.rows.texts.key, self.rows.texts.value) = (module, name);
        Ok(())
    }

    /// Loads a name, which may not be long.
    pub(super) fn short_text(&mut self, span: Span, which: Which, at: u64) -> Result<(), Stop<S::Error>> {
        if span.length > 1_000 {
            return Err(BadRow::new(at, "the pickle is malformed: a name is very long").into());
        }
        match self.rows.texts.load(span, self.window, which) {
            Ok(()) => Ok(()),
            Err(RowError::Bad(reason)) => Err(BadRow::new(at, format!("a name {}", reason.what)).into()),
            Err(RowError::Stop(stop)) => Err(stop.for_sink()),
        }
    }

    /// Loads a few bytes.
    pub(super) fn short_part(&mut self, span: Span, at: u64) -> Result<(), Stop<S::Error>> {
        if span.length > 1_000 {
            return Err(BadRow::new(at, "the pickle is malformed: a number or name is very long").into());
        }
        match self.rows.texts.load_part(span, self.window) {
            Ok(()) => Ok(()),
            Err(RowError::Bad(reason)) => Err(BadRow::new(at, format!("a name {}", reason.what)).into()),
            Err(RowError::Stop(stop)) => Err(stop.for_sink()),
        }
    }
}

/// Most parts of an outermost container among which one can be picked.
pub(crate) const MOST_PARTS: usize = 1_000;

pub(crate) fn is_dict(item: &Item) -> bool {
    matches!(item, Item::Seq(seq) if seq.kind() == SeqKind::Dict)
}

/// Keys and values in turn, from a dict or from pairs.
pub(crate) fn flatten(seq: &Seq, at: u64) -> Result<Vec<Item>, BadRow> {
    let items = seq.items.borrow();
    if seq.kind() == SeqKind::Dict {
        return Ok(items.clone());
    }
    let mut flat = Vec::with_capacity(2 * items.len());
    for item in items.iter() {
        match item {
            Item::Seq(pair) if pair.kind() != SeqKind::Dict && pair.items.borrow().len() == 2 => {
                flat.extend(pair.items.borrow().iter().cloned());
            }
            _ => {
                return Err(BadRow::new(
                    at,
                    "the pickle is malformed: a dict is made of something other than pairs",
                ));
            }
        }
    }
    Ok(flat)
}

#[cold]
fn outside(token: &Token) -> BadRow {
    let (name, at) = (named(token.op), token.at);
    BadRow::new(at, format!("{name} at byte {at} refers to an object outside the pickle: {DATA_ONLY}"))
}
