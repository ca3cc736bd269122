//! The items on a pickle's stack.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use crate::bad_row::BadRow;
use crate::pickle::global::{Class, Global};
use crate::pickle::object::Object;

pub(crate) use crate::pickle::held::Held;
pub(crate) use crate::pickle::span::{Kind, Span, is_number};

/// How deep containers may be nested.
pub(crate) const MOST_DEEP: u16 = 1_000;

/// A value on the stack, in a container or in the memo.
#[derive(Debug, Clone)]
pub(crate) enum Item {
    Mark,
    Span(Span),
    None,
    Bool(bool),
    Int(i64),
    /// An integer of numpy that no `Int` holds.
    Big(u64),
    Float(f64),
    Seq(Rc<Seq>),
    Global(Global),
    /// A name that stands for nothing known.
    Class(Rc<Class>),
    /// An object that stands for nothing known, or a function that is certainly no class of a user.
    Opaque(Rc<Class>),
    Object(Rc<Object>),
    /// A container beside the picked one; its items are dropped.
    Dropped,
    /// A reference to a container from within itself.
    Back,
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
    /// An object of a class that is known by name only. Items make it a dict or a list.
    Instance,
}

/// A container that is held in memory.
#[derive(Debug)]
pub(crate) struct Seq {
    kind: Cell<SeqKind>,
    /// The offset of the opcode that began it.
    pub at: u64,
    /// Its class, if that is known by name only.
    pub class: Option<Rc<Class>>,
    pub items: RefCell<Vec<Item>>,
    /// How deep containers are nested in this one.
    pub depth: Cell<u16>,
    /// It is in a container, so no container goes into it: none can contain itself, and depths are right.
    pub closed: Cell<bool>,
    held: Held,
}

/// How many items an empty container counts as.
const EMPTY: usize = 4;

/// The error of the opcode at this offset, which nests containers too deep.
#[cold]
pub(crate) fn too_deep(at: u64) -> BadRow {
    BadRow::new(at, format!("containers are nested more than {MOST_DEEP} deep; flatten the value"))
}

impl Seq {
    pub fn new(kind: SeqKind, at: u64, held: &Held) -> Rc<Self> {
        Self::of_class(kind, at, None, held)
    }

    pub fn of_class(kind: SeqKind, at: u64, class: Option<Rc<Class>>, held: &Held) -> Rc<Self> {
        held.add(EMPTY);
        Rc::new(Seq {
            kind: Cell::new(kind),
            at,
            class,
            items: RefCell::new(Vec::new()),
            depth: Cell::new(0),
            closed: Cell::new(false),
            held: held.clone(),
        })
    }

    pub fn kind(&self) -> SeqKind {
        self.kind.get()
    }

    /// Whether it may get items as a container of this kind does.
    pub fn becomes(&self, kind: SeqKind) -> bool {
        if self.kind() == SeqKind::Instance && self.class.is_some() && kind != SeqKind::Set {
            self.kind.set(kind);
        }
        self.kind() == kind
    }

    /// Forgets the items.
    pub fn clear(&self) {
        let items = std::mem::take(&mut *self.items.borrow_mut());
        self.held.remove(items.len());
    }

    /// Becomes an object whose items are not known, and gets no more.
    pub fn forget(&self) {
        self.clear();
        self.kind.set(SeqKind::Instance);
    }

    /// Appends items. Returns false if containers are nested too deep.
    pub fn extend(&self, items: impl Iterator<Item = Item>) -> bool {
        let mut own = self.items.borrow_mut();
        let before = own.len();
        let mut depth = self.depth.get();
        for item in items {
            match &item {
                // It may hold this container: a cycle, which would never be freed.
                Item::Seq(seq) if self.closed.get() || std::ptr::eq(&raw const **seq, self) => {
                    own.push(Item::Back);
                    continue;
                }
                Item::Seq(seq) => {
                    seq.closed.set(true);
                    depth = depth.max(seq.depth.get() + 1);
                }
                _ => {}
            }
            own.push(item);
        }
        self.held.add(own.len() - before);
        self.depth.set(depth);
        depth <= MOST_DEEP
    }
}

impl Drop for Seq {
    fn drop(&mut self) {
        self.held.remove(EMPTY + self.items.get_mut().len());
    }
}

impl Item {
    /// What a Python programmer calls the type.
    pub fn type_name(&self) -> &'static str {
        match self {
            Item::Mark => "mark",
            Item::Span(span) => match span.kind {
                Kind::Utf8 | Kind::Escaped | Kind::Ucs4 | Kind::Ucs4OfUtf8 | Kind::Ucs4OfEscaped => "str",
                Kind::Bytes | Kind::Latin1OfUtf8 | Kind::Latin1OfEscaped => "bytes object",
                Kind::Old | Kind::OldQuoted => "Python 2 str",
                Kind::LongBinary | Kind::LongDigits => "int",
            },
            Item::None => "None",
            Item::Bool(_) => "bool",
            Item::Int(_) | Item::Big(_) => "int",
            Item::Float(_) => "float",
            Item::Seq(seq) => match seq.kind() {
                SeqKind::Tuple => "tuple",
                SeqKind::List => "list",
                SeqKind::Dict => "dict",
                SeqKind::Set => "set",
                SeqKind::Instance => "object",
            },
            Item::Global(_) | Item::Class(_) => "type",
            Item::Opaque(_) => "object",
            Item::Object(object) => object.type_name(),
            Item::Back => "container that contains itself",
            Item::Stream | Item::Dropped => "dict or list",
        }
    }

    /// The name with its article.
    pub fn a_type(&self) -> String {
        if let Some(class) = self.foreign_class() {
            return format!("an object of {}", class.path);
        }
        match self.type_name() {
            "None" => "None".to_owned(),
            name @ ("int" | "object") => format!("an {name}"),
            name => format!("a {name}"),
        }
    }
}
