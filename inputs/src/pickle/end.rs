//! The end of a pickle: what is on the stack is the outermost object.

use crate::bad_row::BadRow;
use crate::pickle::build::is_dict;
use crate::pickle::item::{Item, SeqKind};
use crate::pickle::machine::{Dumps, Machine, Outermost, Parts};
use crate::pickle::window::Token;
use crate::sink::Sink;
use crate::stop::Stop;

impl<S: Sink> Machine<'_, '_, '_, S> {
    /// The end of a pickle: its container on the stack goes to the sink, unless its items went there before.
    pub(super) fn stop(&mut self, token: &Token) -> Result<(), Stop<S::Error>> {
        let at = token.at;
        let [top] = &self.stack.entries[..] else {
            let count = self.stack.entries.len();
            return Err(
                BadRow::new(at, format!("the pickle is malformed: it ends with {count} objects")).into()
            );
        };
        let (begin, item) = (top.at, top.item.clone());
        match &self.parts {
            Parts::All => {}
            Parts::Scan => {
                self.scanned = Some(item);
                return Ok(());
            }
            Parts::Picked { .. } => return self.end_of_picked(token),
        }
        // Items went to the sink as items of the outermost container, so the pickle must be that container.
        let sent = self.outermost.is_some() || self.sent_early.is_some();
        if sent && !matches!(item, Item::Stream) {
            self.misfit = true;
            let what = "the pickle is malformed: it builds a container and then does not use it";
            return Err(BadRow::new(at, what).into());
        }
        let first = self.dumps == Dumps::First;
        if first {
            let is_pair = !self.rows.names_fields() && is_tuple_of_two(&item);
            self.dumps = if is_pair && self.window.fill(1, begin).map_err(Stop::for_sink)? {
                Dumps::Pairs
            } else {
                Dumps::Any
            };
        }
        if self.dumps == Dumps::Pairs {
            return self.pair_of_dump(begin, &item);
        }
        // A record may begin with a reference to a string far back, but positions must rise.
        let mut last = begin.wrapping_sub(1);
        let mut rising = |item: &Item| {
            last = offset(item, begin).max(last.wrapping_add(1));
            last
        };
        match &item {
            Item::Stream if self.outermost == Some(Outermost::Instance) => {
                let class = self.outer_class.take();
                return Err(self.class_error(class, token).into());
            }
            Item::Stream => return Ok(()),
            Item::Seq(seq) if seq.kind() == SeqKind::Dict && self.rows.names_fields() => {
                self.understood = true;
                return self.rows.dict_of_fields(self.window, begin, seq, first);
            }
            Item::Seq(seq) if seq.kind() == SeqKind::Dict => {
                self.understood = true;
                for pair in seq.items.borrow().chunks_exact(2) {
                    self.rows.pair(self.window, rising(&pair[0]), &pair[0], &pair[1])?;
                }
                return Ok(());
            }
            Item::Seq(seq) if self.rows.is_pair(seq) => {
                let items = seq.items.borrow();
                return self.rows.pair(self.window, begin, &items[0], &items[1]);
            }
            Item::Seq(seq) if matches!(seq.kind(), SeqKind::Tuple | SeqKind::List) => {
                self.misfit = seq.items.borrow().iter().any(is_dict);
                for element in seq.items.borrow().iter() {
                    self.rows.element(self.window, rising(element), element)?;
                }
                return Ok(());
            }
            _ => {}
        }
        if let Some(class) = item.foreign_class() {
            return Err(self.foreign(class).into());
        }
        let what = format!(
            "the pickle is {}; it must be a dict, or a list or tuple of (key, value) pairs",
            item.a_type()
        );
        Err(BadRow::new(begin, what).into())
    }

    /// The end of the picked container, which is none if it is an object that got no items.
    pub(super) fn end_of_picked(&mut self, token: &Token) -> Result<(), Stop<S::Error>> {
        if self.outermost == Some(Outermost::Instance) {
            let class = self.outer_class.take();
            return Err(self.class_error(class, token).into());
        }
        Ok(())
    }

    /// A pickle of a file whose first one is a pair of key and value.
    fn pair_of_dump(&mut self, begin: u64, item: &Item) -> Result<(), Stop<S::Error>> {
        if let Item::Seq(seq) = item
            && is_tuple_of_two(item)
        {
            let items = seq.items.borrow();
            return self.rows.pair(self.window, begin, &items[0], &items[1]);
        }
        let found = match item {
            Item::Seq(seq) if seq.kind() == SeqKind::Tuple => {
                format!("a tuple of {} elements", seq.items.borrow().len())
            }
            _ => item.a_type(),
        };
        let what =
            format!("this pickle is {found}, not a tuple of key and value as the first one of the file");
        self.rows.bad(begin, what.into())
    }
}

fn is_tuple_of_two(item: &Item) -> bool {
    matches!(item, Item::Seq(seq) if seq.kind() == SeqKind::Tuple && seq.items.borrow().len() == 2)
}

/// The offset of an item of a container, or `begin` if it is not known.
fn offset(item: &Item, begin: u64) -> u64 {
    match item {
        Item::Span(span) => span.op,
        Item::Seq(seq) => seq.items.borrow().first().map_or(begin, |first| offset(first, begin)),
        _ => begin,
    }
}
