//! The opcodes that make objects. Nothing is called: a few shapes of name and arguments stand for data.

use std::rc::Rc;

use crate::bad_row::BadRow;
use crate::pickle::array::array;
use crate::pickle::build::flatten;
use crate::pickle::global::{Class, Global};
use crate::pickle::item::{Item, Kind, Seq, SeqKind, Span};
use crate::pickle::machine::{Machine, Outermost};
use crate::pickle::object::{Dtype, Element, Object, What};
use crate::pickle::opcode as op;
use crate::pickle::stack::Entry;
use crate::pickle::texts::Which;
use crate::pickle::window::Token;
use crate::sink::Sink;
use crate::stop::Stop;

impl<S: Sink> Machine<'_, '_, '_, S> {
    /// Pushes a name.
    pub(super) fn name(&mut self, token: &Token, module: &[u8], name: &[u8]) {
        if let Some(global) = Global::named(module, name) {
            return self.stack.push(token.at, Item::Global(global));
        }
        let class = Rc::new(Class::new(token.at, token.op, module, name, &self.held));
        // No class of a user is there.
        let is_python =
            matches!(module, b"builtins" | b"__builtin__" | b"_codecs" | b"copyreg" | b"copy_reg");
        self.stack.push(token.at, if is_python { Item::Opaque(class) } else { Item::Class(class) });
    }

    /// Takes the arguments, which are a tuple, and the name below them.
    fn named_call(&mut self, token: &Token) -> Result<(Entry, Rc<Seq>), BadRow> {
        let arguments = self.stack.pop(token.at)?.item;
        let function = self.stack.pop(token.at)?;
        match (arguments, &function.item) {
            (Item::Seq(seq), Item::Global(_) | Item::Class(_) | Item::Opaque(_))
                if seq.kind() == SeqKind::Tuple =>
            {
                Ok((function, seq))
            }
            (_, function) => Err(self.class_error(function.callee().cloned(), token)),
        }
    }

    /// `REDUCE`.
    pub(super) fn call(&mut self, token: &Token) -> Result<(), Stop<S::Error>> {
        let (function, arguments) = self.named_call(token)?;
        let (begin, items) = (function.at, arguments.items.borrow());
        let global = match &function.item {
            Item::Global(global) => *global,
            // The argument of a class derived from defaultdict is a type.
            Item::Class(class) if is_factory(&items) => {
                self.container(begin, SeqKind::Instance, Some(Rc::clone(class)));
                return Ok(());
            }
            Item::Class(class) | Item::Opaque(class) => {
                self.stack.push(begin, Item::Opaque(Rc::clone(class)));
                return Ok(());
            }
            _ => return Err(self.refuse(token).into()),
        };
        let item = match (global, &items[..]) {
            (Global::Encode, [Item::Span(text), Item::Span(encoding)]) => {
                self.encoded(token, *text, *encoding)?
            }
            (Global::Bytes | Global::Bytearray, []) => {
                Item::Span(Span { op: token.at, length: 0, kind: Kind::Bytes, header: 0 })
            }
            (Global::Bytearray, [Item::Span(bytes)])
                if matches!(bytes.kind, Kind::Bytes | Kind::Latin1OfUtf8 | Kind::Latin1OfEscaped) =>
            {
                Item::Span(*bytes)
            }
            (Global::Bytearray, [Item::Span(text), Item::Span(encoding)]) => {
                self.encoded(token, *text, *encoding)?
            }
            (Global::Set, []) => {
                self.container(begin, SeqKind::Set, None);
                return Ok(());
            }
            (Global::Set, [Item::Stream]) if self.outermost == Some(Outermost::Keys) => Item::Stream,
            (Global::Set, [Item::Dropped]) => Item::Dropped,
            (Global::Set, [Item::Seq(list)]) => Item::Seq(Seq::new(SeqKind::Set, list.at, &self.held)),
            (Global::Set, [_]) => Item::Seq(Seq::new(SeqKind::Set, begin, &self.held)),
            (Global::DefaultDict, factory) if is_factory(factory) || matches!(factory, [Item::None]) => {
                self.container(begin, SeqKind::Dict, None);
                return Ok(());
            }
            (Global::Deque, [] | [_] | [_, Item::Int(_) | Item::None]) => self.deque(token, begin, &items)?,
            (global, []) if global.is_dict() => {
                self.container(begin, SeqKind::Dict, None);
                return Ok(());
            }
            (Global::OrderedDict | Global::Counter, [Item::Stream]) => {
                self.outermost = Some(Outermost::Dict);
                Item::Stream
            }
            (Global::OrderedDict | Global::Counter, [Item::Dropped]) => Item::Dropped,
            (Global::OrderedDict | Global::Counter, [Item::Seq(inner)]) => {
                return self.dict_of(token, begin, inner);
            }
            (Global::Reconstructor, [class, Item::Global(base), state]) => {
                self.reconstructed(token, class, *base, state)?
            }
            (Global::Reconstructor | Global::Reconstruct, [Item::Class(class), ..]) => {
                Item::Opaque(Rc::clone(class))
            }
            (Global::Dtype, [Item::Span(name), ..]) => {
                self.short_text(*name, Which::Key, token.at)?;
                let dtype = Dtype::named(&self.rows.texts.key);
                self.object(What::Dtype(dtype))
            }
            (Global::Reconstruct, [Item::Global(Global::Ndarray), ..]) => self.object(What::NoArray),
            (Global::Scalar, [Item::Object(dtype), data]) => self.scalar_of_numpy(token, dtype, data)?,
            (Global::FromBuffer, [data, Item::Object(dtype), Item::Seq(shape), order]) => {
                let What::Dtype(dtype) = dtype.what.get() else { return Err(self.refuse(token).into()) };
                let in_fortran_order = self.is_text(order, b"F", token.at)?;
                let is_known = in_fortran_order || self.is_text(order, b"C", token.at)?;
                let shape = &shape.items.borrow()[..];
                self.object(if is_known || shape.len() < 2 {
                    array(dtype, shape, in_fortran_order, data)
                } else {
                    What::Unread("numpy array in an order that is not known")
                })
            }
            _ => return Err(self.refuse(token).into()),
        };
        self.stack.push(begin, item);
        Ok(())
    }

    fn object(&self, what: What) -> Item {
        Item::Object(Rc::new(Object::new(what, &self.held)))
    }

    /// Bytes that are written as text and its encoding, `'latin1'`.
    fn encoded(&mut self, token: &Token, text: Span, encoding: Span) -> Result<Item, Stop<S::Error>> {
        if self.latin1 != Some(encoding.op) {
            self.short_text(encoding, Which::Key, token.at)?;
            if !matches!(&self.rows.texts.key[..], b"latin1" | b"latin-1") {
                return Err(self.refuse(token).into());
            }
            self.latin1 = Some(encoding.op);
        }
        let kind = match text.kind {
            Kind::Utf8 => Kind::Latin1OfUtf8,
            Kind::Escaped => Kind::Latin1OfEscaped,
            _ => return Err(self.refuse(token).into()),
        };
        Ok(Item::Span(Span { kind, ..text }))
    }

    /// A list in place of a deque, whose items follow.
    fn deque(&mut self, token: &Token, begin: u64, arguments: &[Item]) -> Result<Item, BadRow> {
        let list = Seq::new(SeqKind::List, begin, &self.held);
        match arguments {
            [Item::Seq(first), ..] if first.items.borrow().is_empty() => {}
            // Python 2 writes the items as an argument.
            [Item::Seq(first), ..] => self.fill(&list, first.items.borrow().iter().cloned(), token.at)?,
            [] => {}
            _ => return Err(self.refuse(token)),
        }
        Ok(Item::Seq(list))
    }

    /// An `OrderedDict` of pairs, or a `Counter` of a dict.
    fn dict_of(&mut self, token: &Token, begin: u64, inner: &Seq) -> Result<(), Stop<S::Error>> {
        self.container(begin, SeqKind::Dict, None);
        if self.is_scan() {
            return Ok(());
        }
        let flat = flatten(inner, token.at)?;
        let first = self.stack.entries.len();
        // Each item takes at least a byte, so these offsets rise and stay below the next record's.
        self.stack.entries.extend((begin..).zip(flat).map(|(at, item)| Entry { at, item }));
        self.grow(&Token { op: op::SETITEMS, ..*token }, first, first)
    }

    /// `copyreg._reconstructor(class, base, state)`: an object of a class that is derived from a plain type.
    fn reconstructed(
        &mut self,
        token: &Token,
        class: &Item,
        base: Global,
        state: &Item,
    ) -> Result<Item, BadRow> {
        let kind = if let Item::Seq(seq) = state { Some(seq.kind()) } else { None };
        let name = if let Item::Class(name) = class { Some(Rc::clone(name)) } else { None };
        match (base, state) {
            (Global::Dict, Item::Stream) => {
                self.outer_class = name;
                Ok(Item::Stream)
            }
            (Global::Dict, Item::Dropped) => Ok(Item::Dropped),
            (Global::Dict | Global::List, Item::Seq(items))
                if kind == Some(if base == Global::Dict { SeqKind::Dict } else { SeqKind::List }) =>
            {
                let own = Seq::of_class(items.kind(), items.at, name, &self.held);
                self.fill(&own, items.items.borrow().iter().cloned(), token.at)?;
                Ok(Item::Seq(own))
            }
            (Global::Tuple, _) if kind == Some(SeqKind::Tuple) => Ok(state.clone()),
            (Global::Type, Item::Span(_) | Item::Int(_) | Item::Float(_)) => Ok(state.clone()),
            _ => match (base, class) {
                (Global::Object, Item::Global(Global::UserDict)) => Ok(self.object(What::UserDict)),
                (Global::Object, Item::Global(Global::Wrapper)) => Ok(self.object(What::Wrapper)),
                (_, Item::Class(class)) => Ok(Item::Opaque(Rc::clone(class))),
                _ => Err(self.refuse(token)),
            },
        }
    }

    /// A scalar of numpy, as what it stands for.
    fn scalar_of_numpy(
        &mut self,
        token: &Token,
        dtype: &Object,
        data: &Item,
    ) -> Result<Item, Stop<S::Error>> {
        let What::Dtype(dtype) = dtype.what.get() else { return Err(self.refuse(token).into()) };
        if let (Element::Bytes | Element::Str, Item::Span(span)) = (dtype.element, data)
            && !dtype.is_big_endian
        {
            let kind = match (dtype.element, span.kind) {
                (_, Kind::Utf8 | Kind::Escaped) => return Err(self.refuse(token).into()),
                (Element::Bytes, kind) => kind,
                (_, Kind::Latin1OfUtf8) => Kind::Ucs4OfUtf8,
                (_, Kind::Latin1OfEscaped) => Kind::Ucs4OfEscaped,
                (_, _) => Kind::Ucs4,
            };
            return Ok(Item::Span(Span { kind, ..*span }));
        }
        let what = array(dtype, &[], false, data);
        let What::Array(array) = what else { return Ok(self.object(what)) };
        let span = array.data;
        self.short_part(span, token.at)?;
        let bytes = &self.rows.texts.part;
        let item = if bytes.len() == dtype.size as usize { dtype.item(bytes) } else { None };
        Ok(item.unwrap_or_else(|| self.object(What::Unread("malformed number of numpy"))))
    }

    /// `NEWOBJ`: an object of a class.
    pub(super) fn new_object(&mut self, token: &Token) -> Result<(), Stop<S::Error>> {
        let (class, arguments) = self.named_call(token)?;
        let count = arguments.items.borrow().len();
        match (class.item, count) {
            (Item::Class(name), 0) => self.container(class.at, SeqKind::Instance, Some(name)),
            (Item::Global(global), 0) if global.is_dict() => {
                self.container(class.at, SeqKind::Dict, None);
            }
            (Item::Global(Global::UserDict), 0) => {
                let object = self.object(What::UserDict);
                self.stack.push(class.at, object);
            }
            (Item::Global(Global::Wrapper), 0) => {
                let object = self.object(What::Wrapper);
                self.stack.push(class.at, object);
            }
            // A named tuple. With one argument it may be anything.
            (Item::Class(_), 2..) => self.stack.push(class.at, Item::Seq(arguments)),
            (Item::Class(name) | Item::Opaque(name), _) => self.stack.push(class.at, Item::Opaque(name)),
            _ => return Err(self.refuse(token).into()),
        }
        Ok(())
    }

    /// `BUILD`: the state of an object.
    pub(super) fn build_state(&mut self, token: &Token) -> Result<(), Stop<S::Error>> {
        let at = token.at;
        let state = self.stack.pop(at)?.item;
        let target = self.stack.top(at)?.item.clone();
        match (&target, &state) {
            // Attributes. A dict or list got its items before.
            (Item::Stream, _) if self.outermost != Some(Outermost::Instance) => {}
            // A tuple of arguments and attributes is no named tuple.
            (Item::Seq(seq), _) if seq.kind() == SeqKind::Tuple => seq.forget(),
            (Item::Dropped | Item::Seq(_) | Item::Class(_) | Item::Opaque(_), _) => {}
            (Item::Span(_) | Item::Int(_) | Item::Float(_), _) => {}
            (Item::Object(object), Item::Seq(state)) => {
                let what = object.what.get();
                match (what, state.kind()) {
                    (What::Dtype(dtype), SeqKind::Tuple) => {
                        if let [_, order, ..] = &state.items.borrow()[..] {
                            let is_big_endian = self.is_text(order, b">", at)?;
                            object.what.set(What::Dtype(Dtype { is_big_endian, ..dtype }));
                        }
                    }
                    (What::NoArray, SeqKind::Tuple) => {
                        let items = state.items.borrow();
                        let [_, Item::Seq(shape), Item::Object(dtype), Item::Bool(in_fortran_order), data] =
                            &items[..]
                        else {
                            return Err(self.refuse(token).into());
                        };
                        let What::Dtype(dtype) = dtype.what.get() else {
                            return Err(self.refuse(token).into());
                        };
                        let array = array(dtype, &shape.items.borrow(), *in_fortran_order, data);
                        object.what.set(array);
                    }
                    (What::UserDict, SeqKind::Dict) => {
                        let Some(data) = self.attribute(state, b"data", at)? else {
                            return Err(self.refuse(token).into());
                        };
                        let begin = self.stack.pop(at)?.at;
                        self.stack.push(begin, data);
                    }
                    (What::Wrapper, SeqKind::Dict) => {
                        let array = self.array_behind(state, token)?;
                        object.what.set(array);
                    }
                    _ => return Err(self.refuse(token).into()),
                }
            }
            (Item::Stream, _) => {
                let class = self.outer_class.clone();
                return Err(self.class_error(class, token).into());
            }
            _ => return Err(self.refuse(token).into()),
        }
        Ok(())
    }

    /// The value of a key in an object's state.
    fn attribute(&mut self, state: &Seq, name: &[u8], at: u64) -> Result<Option<Item>, Stop<S::Error>> {
        for pair in state.items.borrow().chunks_exact(2) {
            if self.is_text(&pair[0], name, at)? {
                return Ok(Some(pair[1].clone()));
            }
        }
        Ok(None)
    }

    /// An array that joblib wrote after its wrapper, and steps over it: a byte that says how many bytes follow to align
    /// the elements, and the elements.
    fn array_behind(&mut self, state: &Seq, token: &Token) -> Result<What, Stop<S::Error>> {
        let at = token.at;
        let dtype = match self.attribute(state, b"dtype", at)? {
            Some(Item::Object(object)) => match object.what.get() {
                What::Dtype(dtype) => dtype,
                _ => return Err(self.refuse(token).into()),
            },
            _ => return Err(self.refuse(token).into()),
        };
        let Some(Item::Seq(shape)) = self.attribute(state, b"shape", at)? else {
            return Err(self.refuse(token).into());
        };
        let alignment = self.attribute(state, b"numpy_array_alignment_bytes", at)?;
        let order = self.attribute(state, b"order", at)?;
        let in_c_order = order.map_or(Ok(true), |order| self.is_text(&order, b"C", at))?;
        let count = shape.items.borrow().iter().try_fold(1u64, |count, length| match length {
            Item::Int(length) => count.checked_mul(u64::try_from(*length).ok()?),
            _ => None,
        });
        let size = count.and_then(|count| count.checked_mul(u64::from(dtype.size)));
        let (Some(size), false) = (size, dtype.element == Element::Other) else {
            let what = "an array that joblib wrote holds something other than numbers, truth values or texts";
            return Err(BadRow::new(at, what).into());
        };
        let begin = self.window.at();
        let mut header = 0;
        if matches!(alignment, Some(Item::Int(_))) {
            header = 1 + u64::from(self.window.byte().map_err(Stop::for_sink)?);
        }
        let keep = self.stack.needs_from().unwrap_or(at);
        self.window
            .pass((header + size).saturating_sub(self.window.at() - begin), keep)
            .map_err(Stop::for_sink)?;
        self.memo.skip_data(begin, self.window.at()).map_err(|what| BadRow::new(at, what))?;
        // The header's length has one byte, and begins where the window can read it again.
        let data = Span { op: begin + header, length: size, kind: Kind::Bytes, header: 0 };
        Ok(array(dtype, &shape.items.borrow(), !in_c_order, &Item::Span(data)))
    }

    /// True if it is this text, which is short.
    fn is_text(&mut self, item: &Item, text: &[u8], at: u64) -> Result<bool, Stop<S::Error>> {
        let Item::Span(span) = item else { return Ok(false) };
        if span.length > 100 {
            return Ok(false);
        }
        self.short_part(*span, at)?;
        Ok(self.rows.texts.part == text)
    }
}

/// Whether there are no arguments, or what makes the values of a defaultdict: a type or a function.
fn is_factory(arguments: &[Item]) -> bool {
    match arguments {
        [] | [Item::Global(_) | Item::Class(_)] => true,
        [object] => object.foreign_class().is_some(),
        _ => false,
    }
}
