//! Runs a pickle's opcodes: those for strings and plain values here, those for containers in `build.rs`.

use crate::bad_row::BadRow;
use crate::pickle::item::{Item, Kind, Span};
use crate::pickle::machine::{Dumps, Machine, Outermost, Parts};
use crate::pickle::memo::{Fetched, string_span};
use crate::pickle::opcode as op;
use crate::pickle::stack::Entry;
use crate::pickle::window::{MOST_KEPT, Token, decimal, named};
use crate::scan;
use crate::sink::Sink;
use crate::stop::Stop;

/// Items that may wait for the end of their batch. CPython ends a batch after 1,000 pairs.
const MOST_WAITING: usize = 8_192;
/// Items in all containers that may wait.
const MOST_WAITING_INSIDE: usize = 100_000;
/// Most items on the stack and in containers.
const MOST_HELD: usize = 400_000;
/// When the older items of a batch go to the sink before it ends, this many topmost items stay: a tuple may still be built
/// from them.
const STAYING: usize = 64;

impl<S: Sink> Machine<'_, '_, '_, S> {
    /// Reads one pickle, from its first opcode to its `STOP`.
    pub(super) fn run(&mut self) -> Result<(), Stop<S::Error>> {
        loop {
            self.quick()?;
            let token = self.token()?;
            if token.op == op::STOP {
                return self.stop(&token);
            }
            if matches!(self.parts, Parts::Picked { end, .. } if token.at >= end) {
                return self.end_of_picked(&token);
            }
            self.execute(&token)?;
            let inside = self.held.get();
            if self.stack.entries.len() >= MOST_WAITING || inside > MOST_WAITING_INSIDE {
                self.relieve(token.at)?;
            }
        }
    }

    /// Pushes strings, each with its memo number, which are most of most pickles. Ends at any other opcode, and at the end
    /// of the window.
    fn quick(&mut self) -> Result<(), Stop<S::Error>> {
        let start = self.window.at();
        let bytes = self.window.rest();
        let mut done = 0;
        let mut waiting = self.stack.entries.len();
        while let Some(head) = bytes.get(done..done + 9) {
            let (header, length, kind) = match head[0] {
                op::SHORT_BINUNICODE => (2, usize::from(head[1]), Kind::Utf8),
                op::BINUNICODE => (5, four(head), Kind::Utf8),
                op::SHORT_BINBYTES => (2, usize::from(head[1]), Kind::Bytes),
                op::BINBYTES => (5, four(head), Kind::Bytes),
                op::SHORT_BINSTRING => (2, usize::from(head[1]), Kind::Old),
                _ => break,
            };
            let end = done + header + length;
            let Some(after) = bytes.get(end..end + 5) else { break };
            if waiting >= MOST_WAITING {
                break;
            }
            waiting += 1;
            let at = start + done as u64;
            let span = Span { op: at, length: length as u64, kind, header: header as u8 };
            self.stack.push(at, Item::Span(span));
            self.fresh = None;
            let numbered = match after[0] {
                op::MEMOIZE => {
                    done = end + 1;
                    self.memo.memoize_string(span)
                }
                op::BINPUT => {
                    done = end + 2;
                    self.memo.put_string(u64::from(after[1]), span)
                }
                op::LONG_BINPUT => {
                    done = end + 5;
                    self.memo.put_string(four(after) as u64, span)
                }
                _ => {
                    self.fresh = Some(span);
                    done = end;
                    Ok(())
                }
            };
            numbered.map_err(|what| BadRow::new(start + end as u64, what))?;
        }
        self.window.advance(done);
        Ok(())
    }

    /// The next opcode. If it must read more bytes, it also makes room and checks whether to stop.
    fn token(&mut self) -> Result<Token, Stop<S::Error>> {
        if let Some(token) = self.window.token_at_hand()? {
            return Ok(token);
        }
        self.rows.outlet.pause()?;
        let at = self.window.at();
        if self.stack.needs_from().is_some_and(|from| at - from > MOST_KEPT / 2) {
            self.send_early()?;
        }
        let keep = self.stack.needs_from().filter(|_| !self.is_scan()).unwrap_or(at);
        self.window.token(keep).map_err(Stop::for_sink)
    }

    /// Makes room if many items wait on the stack or in containers.
    #[cold]
    fn relieve(&mut self, at: u64) -> Result<(), Stop<S::Error>> {
        self.send_early()?;
        let much = |machine: &Self| machine.held.get() + machine.stack.entries.len() > MOST_HELD;
        if much(self) && (!self.memo.drop_objects() || much(self)) {
            let what = format!(
                "one value, or the objects that are referred to again, add up to more than {MOST_HELD} items, which \
                 is more than this reader holds in memory"
            );
            // The values of a dict may be too large, and its parts not.
            self.misfit = self.outermost != Some(Outermost::Dict) || !self.rows.takes_any_value();
            return Err(BadRow::new(at, what).into());
        }
        Ok(())
    }

    /// Passes the older items of a long batch to the sink before the batch ends.
    fn send_early(&mut self) -> Result<(), Stop<S::Error>> {
        let Some(&mark) = self.stack.marks.first().filter(|_| !self.is_scan()) else { return Ok(()) };
        let first = mark + 1;
        let end = self.stack.marks.get(1).copied().unwrap_or(self.stack.entries.len());
        let mut count = end.saturating_sub(first + STAYING) / 2 * 2;
        if count == 0 {
            return Ok(());
        }
        let below = mark.checked_sub(1).map(|below| &self.stack.entries[below].item);
        let outermost = match (below, self.outermost) {
            (Some(Item::Stream), Some(outermost)) => outermost,
            (None, None) if matches!(self.parts, Parts::All) && self.dumps != Dumps::Pairs => {
                let waiting = &self.stack.entries[first..first + count];
                let is_container = |entry: &Entry| matches!(entry.item, Item::Seq(_));
                let sent = *self.sent_early.get_or_insert(match &waiting[0] {
                    first if is_container(first) => Outermost::Pairs,
                    _ if self.rows.takes_keys() => Outermost::Keys,
                    _ => Outermost::Dict,
                });
                if sent == Outermost::Keys {
                    // A container is a key in a set and a pair in a tuple, so it waits for the end.
                    count = waiting.iter().position(is_container).unwrap_or(count);
                }
                sent
            }
            _ => return Ok(()),
        };
        self.send(outermost, first, first + count)?;
        scan::looked_at(self.stack.entries.len() - first);
        self.stack.entries.drain(first..first + count);
        for later in &mut self.stack.marks[1..] {
            *later -= count;
        }
        Ok(())
    }

    /// Runs any opcode but `STOP`.
    fn execute(&mut self, token: &Token) -> Result<(), Stop<S::Error>> {
        let at = token.at;
        scan::looked_at(1);
        let fresh = self.fresh.take();
        if let Some(span) = string_span(token) {
            self.stack.push(at, Item::Span(span));
            self.fresh = Some(span);
            return Ok(());
        }
        if let Some(item) = self.scalar(token)? {
            self.stack.push(at, item);
            return Ok(());
        }
        match token.op {
            op::MEMOIZE | op::BINPUT | op::LONG_BINPUT | op::PUT => self.number(token, fresh)?,
            op::BINGET | op::LONG_BINGET | op::GET => self.fetch(token)?,
            op::MARK => self.stack.mark(at)?,
            // A large string is outside the frames, so a frame may begin between it and its number.
            op::FRAME => self.fresh = fresh,
            op::PROTO if token.number > 5 => {
                let what = format!(
                    "pickle protocol {} is not known; write it with protocol 5 or lower",
                    token.number
                );
                return Err(BadRow::new(at, what).into());
            }
            op::PROTO => {}
            op::POP => match self.stack.entries.last() {
                Some(entry) if matches!(entry.item, Item::Mark) => {
                    let first = self.stack.unmark(at)?;
                    self.stack.entries.truncate(first - 1);
                }
                _ => drop(self.stack.pop(at)?),
            },
            op::POP_MARK => {
                let first = self.stack.unmark(at)?;
                self.stack.entries.truncate(first - 1);
            }
            op::DUP => {
                let item = self.stack.top(at)?.item.clone();
                let item = self.referred(item);
                self.stack.push(at, item);
            }
            _ => return self.build(token),
        }
        Ok(())
    }

    /// The plain value in a token, if it is a plain value.
    fn scalar(&mut self, token: &Token) -> Result<Option<Item>, BadRow> {
        let long = |kind| {
            let header = (token.payload - token.at) as u8;
            Item::Span(Span { op: token.at, length: token.length, kind, header })
        };
        Ok(Some(match token.op {
            op::NONE => Item::None,
            op::NEWTRUE => Item::Bool(true),
            op::NEWFALSE => Item::Bool(false),
            op::BININT1 | op::BININT2 => Item::Int(token.number as i64),
            op::BININT => Item::Int(i64::from(token.number as u32 as i32)),
            // The only number that pickles write in big-endian order.
            op::BINFLOAT => Item::Float(f64::from_bits(token.number.swap_bytes())),
            op::LONG1 | op::LONG4 => long(Kind::LongBinary),
            op::LONG => long(Kind::LongDigits),
            op::INT => match self.text(token)? {
                "00" => Item::Bool(false),
                "01" => Item::Bool(true),
                text => text.parse().map_or_else(|_| long(Kind::LongDigits), Item::Int),
            },
            op::FLOAT => Item::Float(self.text(token)?.parse().map_err(|_| bad_line(token))?),
            _ => return Ok(None),
        }))
    }

    /// The text of an opcode's line.
    fn text(&self, token: &Token) -> Result<&str, BadRow> {
        let line = self.window.slice(token.payload, token.length).filter(|line| line.len() <= 10_000);
        line.and_then(|line| std::str::from_utf8(line.trim_ascii()).ok()).ok_or_else(|| bad_line(token))
    }

    /// The number in a token that numbers an object or refers to one.
    fn memo_number(&self, token: &Token) -> Result<u64, BadRow> {
        match token.op {
            op::PUT | op::GET => decimal(self.text(token)?.as_bytes()).ok_or_else(|| bad_line(token)),
            _ => Ok(token.number),
        }
    }

    /// Numbers the top item.
    fn number(&mut self, token: &Token, fresh: Option<Span>) -> Result<(), BadRow> {
        let held = self.held.get();
        let number = self.memo_number(token)?;
        let item = &self.stack.top(token.at)?.item;
        let numbered = match (token.op, fresh) {
            (op::MEMOIZE, Some(span)) => self.memo.memoize_string(span),
            (op::MEMOIZE, None) => self.memo.memoize(item, held),
            (_, Some(span)) => self.memo.put_string(number, span),
            (_, None) => self.memo.put(number, item, held),
        };
        numbered.map_err(|what| BadRow::new(token.at, what))
    }

    /// Pushes the item that a token refers to.
    fn fetch(&mut self, token: &Token) -> Result<(), Stop<S::Error>> {
        let number = self.memo_number(token)?;
        match self
            .memo
            .fetch(number, token.at, &mut self.window.reader, &mut self.rows.texts)
            .map_err(Stop::for_sink)?
        {
            Fetched::Item(item) => {
                let item = self.referred(item);
                self.stack.push(token.at, item);
                Ok(())
            }
            Fetched::Gone if self.is_scan() => {
                self.stack.push(token.at, Item::None);
                Ok(())
            }
            Fetched::Gone => {
                self.missed = !self.memo.knows_wanted();
                let what = format!(
                    "the pickle refers back to object number {number}, which is not a string; there are more such \
                     objects than this reader holds in memory"
                );
                Err(BadRow::new(token.at, what).into())
            }
        }
    }
}

fn four(head: &[u8]) -> usize {
    u32::from_le_bytes([head[1], head[2], head[3], head[4]]) as usize
}

#[cold]
fn bad_line(token: &Token) -> BadRow {
    BadRow::new(
        token.at,
        format!("the pickle is malformed: {} is followed by a malformed line", named(token.op)),
    )
}
