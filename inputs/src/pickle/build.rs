//! The opcodes that make containers, and the few calls that are allowed.

use crate::bad_row::BadRow;
use crate::pickle::item::{Global, Item, Kind, Seq, SeqKind, Span};
use crate::pickle::machine::{Machine, Outermost};
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
            op::EMPTY_DICT => self.container(at, SeqKind::Dict),
            op::EMPTY_LIST => self.container(at, SeqKind::List),
            op::EMPTY_SET => self.container(at, SeqKind::Set),
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
                let line = self.window.slice(token.payload, token.length).unwrap_or_default();
                let mut lines = line.splitn(2, |&byte| byte == b'\n');
                let (module, name) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
                let global = Global::named(module, name).ok_or_else(|| foreign(token, module, name))?;
                self.stack.push(at, Item::Global(global));
            }
            op::STACK_GLOBAL => return self.stack_global(token),
            op::REDUCE => return self.call(token),
            op::PERSID | op::BINPERSID | op::NEXT_BUFFER | op::READONLY_BUFFER => {
                return Err(outside(token).into());
            }
            // The rest: INST, OBJ, NEWOBJ, NEWOBJ_EX, BUILD, EXT1, EXT2 and EXT4.
            _ => return Err(refuse(token).into()),
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
    fn container(&mut self, at: u64, kind: SeqKind) {
        let outermost = match kind {
            SeqKind::Dict => Some(Outermost::Dict),
            SeqKind::List => Some(Outermost::Pairs),
            _ => None,
        };
        if outermost.is_some() && self.outermost.is_none() && self.stack.is_outermost() {
            self.outermost = outermost;
            return self.stack.push(at, Item::Stream);
        }
        self.stack.push(at, Item::Seq(Seq::new(kind, &self.held)));
    }

    /// Makes a tuple of the items from `first` on.
    fn tuple(&mut self, at: u64, first: usize) -> Result<(), Stop<S::Error>> {
        let begin = self.stack.entries.get(first).map_or(at, |entry| entry.at);
        let seq = Seq::new(SeqKind::Tuple, &self.held);
        let items = self.stack.entries.drain(first..).map(|entry| entry.item);
        seq.extend(items).map_err(|refused| refused.at(at))?;
        self.stack.push(begin, Item::Seq(seq));
        Ok(())
    }

    /// Makes a container of all items above the last mark.
    fn take_from_mark(&mut self, token: &Token) -> Result<(), Stop<S::Error>> {
        let at = token.at;
        let first = self.stack.unmark(at)?;
        let begin = self.stack.entries[first - 1].at;
        let outermost = if token.op == op::DICT { Outermost::Dict } else { Outermost::Pairs };
        if first == 1
            && let Some(sent) = self.sent_early.take()
        {
            if sent != outermost || token.op == op::FROZENSET {
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
            let seq = Seq::new(SeqKind::Tuple, &self.held);
            seq.extend(items.into_iter().map(|entry| entry.item)).map_err(|refused| refused.at(at))?;
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
        );
        let first = self.stack.entries.len();
        self.stack.entries.extend(items);
        self.grow(token, first, first)
    }

    /// Moves the items from `first` on into the container below `cut`, and ends the stack at `cut`.
    fn grow(&mut self, token: &Token, first: usize, cut: usize) -> Result<(), Stop<S::Error>> {
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
                let outermost = if kind == SeqKind::Dict { Outermost::Dict } else { Outermost::Pairs };
                if self.outermost != Some(outermost) || kind == SeqKind::Set {
                    return Err(wrong(target).into());
                }
                self.send(outermost, first, self.stack.entries.len())?;
            }
            Some(Item::Seq(seq)) if seq.kind == kind => {
                let items = &self.stack.entries[first..];
                if kind == SeqKind::Dict && items.len() % 2 == 1 {
                    return Err(BadRow::new(at, "the pickle is malformed: a key has no value").into());
                }
                seq.extend(items.iter().map(|entry| entry.item.clone())).map_err(|refused| refused.at(at))?;
            }
            _ => return Err(wrong(target).into()),
        }
        self.stack.entries.truncate(cut);
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
        let (module, name) = (&self.rows.texts.key[..], &self.rows.texts.value[..]);
        let global = Global::named(module, name).ok_or_else(|| foreign(token, module, name))?;
        self.stack.push(token.at, Item::Global(global));
        Ok(())
    }

    /// Loads a name, which may not be long.
    fn short_text(&mut self, span: Span, which: Which, at: u64) -> Result<(), Stop<S::Error>> {
        if span.length > 1_000 {
            return Err(BadRow::new(at, "the pickle is malformed: a name is very long").into());
        }
        match self.rows.texts.load(span, self.window, which) {
            Ok(()) => Ok(()),
            Err(RowError::Bad(reason)) => Err(BadRow::new(at, format!("a name {}", reason.what)).into()),
            Err(RowError::Stop(stop)) => Err(stop.for_sink()),
        }
    }

    /// `REDUCE`: the calls that run no code of the pickle's author.
    fn call(&mut self, token: &Token) -> Result<(), Stop<S::Error>> {
        let at = token.at;
        let arguments = self.stack.pop(at)?.item;
        let function = self.stack.pop(at)?;
        let (Item::Seq(seq), Item::Global(global)) = (&arguments, &function.item) else {
            return Err(refuse(token).into());
        };
        let items = seq.items.borrow();
        match (global, &items[..]) {
            (Global::Encode, [Item::Span(text), Item::Span(encoding)]) => {
                if self.latin1 != Some(encoding.op) {
                    self.short_text(*encoding, Which::Key, at)?;
                    if !matches!(&self.rows.texts.key[..], b"latin1" | b"latin-1") {
                        return Err(refuse(token).into());
                    }
                    self.latin1 = Some(encoding.op);
                }
                let kind = match text.kind {
                    Kind::Utf8 => Kind::Latin1OfUtf8,
                    Kind::Escaped => Kind::Latin1OfEscaped,
                    _ => return Err(refuse(token).into()),
                };
                self.stack.push(function.at, Item::Span(Span { kind, ..*text }));
            }
            (Global::Bytes, []) => {
                let empty = Span { op: at, length: 0, kind: Kind::Bytes, header: 0 };
                self.stack.push(function.at, Item::Span(empty));
            }
            (Global::Set, [] | [_]) => {
                self.stack.push(function.at, Item::Seq(Seq::new(SeqKind::Set, &self.held)));
            }
            (Global::DefaultDict, [] | [Item::Global(_) | Item::None]) => {
                self.container(function.at, SeqKind::Dict);
            }
            (global, []) if global.is_dict() => self.container(function.at, SeqKind::Dict),
            (Global::OrderedDict | Global::Counter, [Item::Stream]) => {
                self.outermost = Some(Outermost::Dict);
                self.stack.push(function.at, Item::Stream);
            }
            (Global::OrderedDict | Global::Counter, [Item::Seq(inner)]) => {
                self.container(function.at, SeqKind::Dict);
                let flat = flatten(inner, at)?;
                let first = self.stack.entries.len();
                // Each item takes at least a byte, so these offsets rise and stay below the next record's.
                let offsets = function.at..;
                self.stack.entries.extend(offsets.zip(flat).map(|(at, item)| Entry { at, item }));
                return self.grow(&Token { op: op::SETITEMS, ..*token }, first, first);
            }
            _ => return Err(refuse(token).into()),
        }
        Ok(())
    }

    /// The end of a pickle: its container on the stack goes to the sink, unless its items went there before.
    pub(super) fn stop(&mut self, at: u64) -> Result<(), Stop<S::Error>> {
        let [top] = &self.stack.entries[..] else {
            let count = self.stack.entries.len();
            return Err(
                BadRow::new(at, format!("the pickle is malformed: it ends with {count} objects")).into()
            );
        };
        let (begin, item) = (top.at, top.item.clone());
        // Items went to the sink as items of the outermost container, so the pickle must be that container.
        let sent = self.outermost.is_some() || self.sent_early.is_some();
        if sent && !matches!(item, Item::Stream) {
            let what = "the pickle is malformed: it builds a container and then does not use it";
            return Err(BadRow::new(at, what).into());
        }
        // A record may begin with a reference to a string far back, but positions must rise.
        let mut last = begin.wrapping_sub(1);
        let mut rising = |item: &Item| {
            last = offset(item, begin).max(last.wrapping_add(1));
            last
        };
        match &item {
            Item::Stream => return Ok(()),
            Item::Seq(seq) if seq.kind == SeqKind::Dict => {
                for pair in seq.items.borrow().chunks_exact(2) {
                    self.rows.pair(self.window, rising(&pair[0]), &pair[0], &pair[1])?;
                }
                return Ok(());
            }
            Item::Seq(seq) if seq.kind != SeqKind::Set => {
                for element in seq.items.borrow().iter() {
                    self.rows.element(self.window, rising(element), element)?;
                }
                return Ok(());
            }
            _ => {}
        }
        let what = format!(
            "the pickle is {}; it must be a dict, or a list or tuple of (key, value) pairs",
            item.a_type()
        );
        Err(BadRow::new(begin, what).into())
    }
}

/// The offset of an item of a container, or `begin` if it is not known.
fn offset(item: &Item, begin: u64) -> u64 {
    match item {
        Item::Span(span) => span.op,
        Item::Seq(seq) => seq.items.borrow().first().map_or(begin, |first| offset(first, begin)),
        _ => begin,
    }
}

/// Keys and values in turn, from a dict or from pairs.
fn flatten(seq: &Seq, at: u64) -> Result<Vec<Item>, BadRow> {
    let items = seq.items.borrow();
    if seq.kind == SeqKind::Dict {
        return Ok(items.clone());
    }
    let mut flat = Vec::with_capacity(2 * items.len());
    for item in items.iter() {
        match item {
            Item::Seq(pair) if pair.kind != SeqKind::Dict && pair.items.borrow().len() == 2 => {
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

const DATA_ONLY: &str = "this reader runs nothing and takes only dicts, lists and tuples of strings and plain values; \
                      convert the object to these before pickling";

#[cold]
fn refuse(token: &Token) -> BadRow {
    BadRow::new(token.at, format!("{} at byte {} would run code: {DATA_ONLY}", named(token.op), token.at))
}

#[cold]
fn outside(token: &Token) -> BadRow {
    let (name, at) = (named(token.op), token.at);
    BadRow::new(at, format!("{name} at byte {at} refers to an object outside the pickle: {DATA_ONLY}"))
}

#[cold]
fn foreign(token: &Token, module: &[u8], name: &[u8]) -> BadRow {
    let path = format!("{}.{}", String::from_utf8_lossy(module), String::from_utf8_lossy(name));
    let path: String = path.escape_debug().take(200).collect();
    BadRow::new(token.at, format!("{} at byte {} asks for {path}: {DATA_ONLY}", named(token.op), token.at))
}
