//! The items on a pickle's stack.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use crate::bad_row::BadRow;

/// How deep containers may be nested.
pub(crate) const MOST_DEEP: u16 = 1_000;

/// How a part of the pickle is written. It is decoded only when a record needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A `str` as UTF-8, which may have lone surrogates.
    Utf8,
    /// A `str` of protocol 0, with `\uXXXX` escapes in Latin-1.
    Escaped,
    /// Bytes as they are.
    Bytes,
    /// `_codecs.encode(text, 'latin1')` of a [`Kind::Utf8`].
    Latin1OfUtf8,
    /// `_codecs.encode(text, 'latin1')` of a [`Kind::Escaped`].
    Latin1OfEscaped,
    /// A Python 2 `str`: bytes that may be text.
    Old,
    /// A Python 2 `str` of protocol 0, quoted and with backslash escapes.
    OldQuoted,
    /// A whole number, little-endian in two's complement.
    LongBinary,
    /// A whole number in decimal digits.
    LongDigits,
}

/// A part of the pickle that begins with an opcode.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Span {
    /// The offset of the opcode.
    pub op: u64,
    /// The length of the bytes after the header.
    pub length: u64,
    pub kind: Kind,
    /// The length of the opcode and the length field that follows it.
    pub header: u8,
}

impl Span {
    pub fn payload(self) -> u64 {
        self.op + u64::from(self.header)
    }
}

/// Names that a pickle may use, none of which runs anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Global {
    OrderedDict,
    DefaultDict,
    Counter,
    /// `_codecs.encode`
    Encode,
    /// `bytes`, which older protocols call for an empty bytes object.
    Bytes,
    /// The type of a set, which older protocols call.
    Set,
    /// A plain type, as a defaultdict's factory.
    Type,
}

impl Global {
    pub fn named(module: &[u8], name: &[u8]) -> Option<Global> {
        match (module, name) {
            (b"collections", b"OrderedDict") => Some(Global::OrderedDict),
            (b"collections", b"defaultdict") => Some(Global::DefaultDict),
            (b"collections", b"Counter") => Some(Global::Counter),
            (b"_codecs", b"encode") => Some(Global::Encode),
            (b"builtins" | b"__builtin__", name) => match name {
                b"bytes" => Some(Global::Bytes),
                b"set" | b"frozenset" => Some(Global::Set),
                b"int" | b"long" | b"float" | b"bool" | b"str" | b"unicode" | b"list" | b"tuple"
                | b"dict" => Some(Global::Type),
                _ => None,
            },
            _ => None,
        }
    }

    /// True if a call returns a dict.
    pub fn is_dict(self) -> bool {
        matches!(self, Global::OrderedDict | Global::DefaultDict | Global::Counter)
    }
}

/// A value on the stack, in a container or in the memo.
#[derive(Debug, Clone)]
pub(crate) enum Item {
    Mark,
    Span(Span),
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Seq(Rc<Seq>),
    Global(Global),
    /// The outermost container, whose items go to the sink.
    Stream,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SeqKind {
    Tuple,
    List,
    /// Alternating keys and values.
    Dict,
    Set,
}

/// A container that is held in memory.
#[derive(Debug)]
pub(crate) struct Seq {
    pub kind: SeqKind,
    pub items: RefCell<Vec<Item>>,
    /// How deep containers are nested in this one.
    pub depth: Cell<u16>,
    /// It is in a container, so it may no longer change. Because containers grow only before they are in another one, none can
    /// contain itself, and depths are right.
    pub closed: Cell<bool>,
    held: Held,
}

/// Counts the items in all containers.
#[derive(Debug, Clone, Default)]
pub(crate) struct Held(Rc<Cell<usize>>);

/// How many items an empty container counts as.
const EMPTY: usize = 4;

impl Held {
    pub fn get(&self) -> usize {
        self.0.get()
    }
}

/// Why an item cannot go into a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    TooDeep,
    Recursive,
}

impl Refused {
    /// The error of the opcode at this offset.
    #[cold]
    pub fn at(self, at: u64) -> BadRow {
        match self {
            Refused::TooDeep => BadRow::new(
                at,
                format!("containers are nested more than {MOST_DEEP} deep; flatten the value"),
            ),
            Refused::Recursive => BadRow::new(at, "a container contains itself, which cannot be stored"),
        }
    }
}

impl Seq {
    pub fn new(kind: SeqKind, held: &Held) -> Rc<Self> {
        held.0.set(held.0.get() + EMPTY);
        Rc::new(Seq {
            kind,
            items: RefCell::new(Vec::new()),
            depth: Cell::new(0),
            closed: Cell::new(false),
            held: held.clone(),
        })
    }

    pub fn extend(&self, items: impl Iterator<Item = Item>) -> Result<(), Refused> {
        if self.closed.get() {
            return Err(Refused::Recursive);
        }
        let mut own = self.items.borrow_mut();
        let before = own.len();
        let mut depth = self.depth.get();
        for item in items {
            if let Item::Seq(seq) = &item {
                seq.closed.set(true);
                depth = depth.max(seq.depth.get() + 1);
            }
            own.push(item);
        }
        if self.closed.get() {
            // It is one of the items: a cycle, which would never be freed.
            own.truncate(before);
            return Err(Refused::Recursive);
        }
        self.held.0.set(self.held.0.get() + own.len() - before);
        self.depth.set(depth);
        if depth > MOST_DEEP { Err(Refused::TooDeep) } else { Ok(()) }
    }
}

impl Drop for Seq {
    fn drop(&mut self) {
        self.held.0.set(self.held.0.get() - EMPTY - self.items.get_mut().len());
    }
}

impl Item {
    /// What a Python programmer calls the type.
    pub fn type_name(&self) -> &'static str {
        match self {
            Item::Mark => "mark",
            Item::Span(span) => match span.kind {
                Kind::Utf8 | Kind::Escaped => "str",
                Kind::Bytes | Kind::Latin1OfUtf8 | Kind::Latin1OfEscaped => "bytes object",
                Kind::Old | Kind::OldQuoted => "Python 2 str",
                Kind::LongBinary | Kind::LongDigits => "int",
            },
            Item::None => "None",
            Item::Bool(_) => "bool",
            Item::Int(_) => "int",
            Item::Float(_) => "float",
            Item::Seq(seq) => match seq.kind {
                SeqKind::Tuple => "tuple",
                SeqKind::List => "list",
                SeqKind::Dict => "dict",
                SeqKind::Set => "set",
            },
            Item::Global(_) => "type",
            Item::Stream => "dict or list",
        }
    }

    /// The name with its article.
    pub fn a_type(&self) -> String {
        match self.type_name() {
            "None" => "None".to_owned(),
            "int" => "an int".to_owned(),
            name => format!("a {name}"),
        }
    }
}
