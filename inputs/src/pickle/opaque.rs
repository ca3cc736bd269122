//! Objects of classes that are not known. They are carried along, and what they are made of is dropped: only a record that
//! needs one is bad.

use std::rc::Rc;

use crate::bad_row::BadRow;
use crate::pickle::global::{Class, DATA_ONLY};
use crate::pickle::item::{Item, SeqKind};
use crate::pickle::machine::Machine;
use crate::pickle::opcode as op;
use crate::pickle::window::{Token, named};
use crate::sink::Sink;
use crate::stop::Stop;

impl Item {
    /// The class of an object that is known by that only, or of what a function that is not known returns.
    pub fn foreign_class(&self) -> Option<&Rc<Class>> {
        match self {
            Item::Opaque(class) => Some(class),
            Item::Seq(seq) if seq.kind() == SeqKind::Instance => seq.class.as_ref(),
            _ => None,
        }
    }

    /// The name that is called, if it is not known.
    pub fn callee(&self) -> Option<&Rc<Class>> {
        if let Item::Class(class) | Item::Opaque(class) = self { Some(class) } else { None }
    }
}

impl<S: Sink> Machine<'_, '_, '_, S> {
    /// Module and name in a token.
    pub(super) fn names(&self, token: &Token) -> (Vec<u8>, Vec<u8>) {
        let line = self.window.slice(token.payload, token.length).unwrap_or_default();
        let mut lines =
            line.splitn(2, |&byte| byte == b'\n').map(|part| part[..part.len().min(1_000)].to_vec());
        (lines.next().unwrap_or_default(), lines.next().unwrap_or_default())
    }

    /// `INST`, `OBJ` and `NEWOBJ_EX`.
    pub(super) fn other_object(&mut self, token: &Token) -> Result<(), Stop<S::Error>> {
        let at = token.at;
        let (begin, class) = match token.op {
            op::INST => {
                let (module, name) = self.names(token);
                let first = self.stack.unmark(at)?;
                let begin = self.stack.entries[first - 1].at;
                self.stack.cut(first - 1);
                (begin, Some(Rc::new(Class::new(at, token.op, &module, &name, &self.held))))
            }
            op::OBJ => {
                let first = self.stack.unmark(at)?;
                let begin = self.stack.entries[first - 1].at;
                let class = self.stack.entries.get(first).and_then(|entry| entry.item.callee().cloned());
                self.stack.cut(first - 1);
                (begin, class)
            }
            _ => {
                self.stack.pop(at)?;
                self.stack.pop(at)?;
                let class = self.stack.pop(at)?;
                (class.at, class.item.callee().cloned())
            }
        };
        let class = class.ok_or_else(|| self.refuse(token))?;
        self.stack.push(begin, Item::Opaque(class));
        Ok(())
    }

    /// The error for an object of a class that is known by name only, where a container is needed.
    #[cold]
    pub(super) fn class_error(&mut self, class: Option<Rc<Class>>, token: &Token) -> BadRow {
        match class {
            Some(class) => self.foreign(&class),
            None => self.refuse(token),
        }
    }

    #[cold]
    pub(super) fn refuse(&mut self, token: &Token) -> BadRow {
        self.understood |= token.at > 0;
        BadRow::new(token.at, format!("{} at byte {} would run code: {DATA_ONLY}", named(token.op), token.at))
    }

    #[cold]
    pub(super) fn foreign(&mut self, class: &Class) -> BadRow {
        self.understood |= class.is_plausible();
        let (op, at, path) = (named(class.op), class.at, &class.path);
        BadRow::new(at, format!("{op} at byte {at} asks for {path}: {DATA_ONLY}"))
    }
}
