//! One dict out of the several that a pickle holds in a tuple, a list or a dict.

use std::rc::Rc;

use hashlith_feedback::Advice;

use crate::bad_row::{BadRow, Reason};
use crate::options::ReadOptions;
use crate::outlet::Outlet;
use crate::pickle::build::{MOST_PARTS, is_dict};
use crate::pickle::input::Input;
use crate::pickle::item::{Item, Seq, SeqKind, is_number};
use crate::pickle::machine::{Machine, Parts};
use crate::pickle::row_error::RowError;
use crate::pickle::texts::Texts;
use crate::pickle::window::Window;
use crate::shown::shown;
use crate::sink::Sink;
use crate::stop::Stop;

/// Most parts that a message lists.
const LISTED: usize = 10;

/// What a scan of a pickle found.
pub(crate) struct Scan {
    outermost: Option<Item>,
    start: u64,
    /// Where the pickle ends.
    pub end: u64,
}

impl Scan {
    /// Looks through a pickle and sends nothing.
    pub fn run<'a, S: Sink>(
        window: &mut Window<Input<'a>>,
        outlet: &mut Outlet<'_, S>,
        options: &ReadOptions,
        start: u64,
    ) -> Result<Self, Stop<S::Error>> {
        let mut machine = Machine::new(window, outlet, options, Parts::Scan, None);
        machine.run()?;
        let outermost = machine.scanned.take();
        drop(machine);
        Ok(Scan { outermost, start, end: window.at() })
    }

    fn seq(&self) -> Option<&Rc<Seq>> {
        if let Some(Item::Seq(seq)) = &self.outermost { Some(seq) } else { None }
    }

    /// The parts of the outermost container, each with its name or number.
    fn parts(&self, window: &mut Window<Input<'_>>) -> Result<Vec<(String, Item)>, RowError> {
        let Some(seq) = self.seq() else { return Ok(Vec::new()) };
        let items = seq.items.borrow();
        if seq.kind() != SeqKind::Dict {
            return Ok(items.iter().enumerate().map(|(at, item)| (at.to_string(), item.clone())).collect());
        }
        let (mut texts, mut parts) = (Texts::new(None), Vec::new());
        for pair in items.chunks_exact(2) {
            let name = match &pair[0] {
                Item::Int(number) => number.to_string(),
                Item::Span(span) if !is_number(span.kind) && span.length < 1 << 10 => {
                    texts.load_part(*span, window)?;
                    String::from_utf8_lossy(&texts.part).into_owned()
                }
                _ => continue,
            };
            parts.push((name, pair[1].clone()));
        }
        Ok(parts)
    }
}

/// What a pickle with several dicts is, with the advice to pick one; `None` if it holds no dicts.
pub(crate) fn describe(scan: &Scan, window: &mut Window<Input<'_>>) -> Result<Option<Reason>, RowError> {
    let Some(seq) = scan.seq() else { return Ok(None) };
    let parts = scan.parts(window)?;
    let dicts: Vec<&str> =
        parts.iter().filter(|(_, item)| is_dict(item)).map(|(name, _)| name.as_str()).collect();
    let (Some(first), Some(last)) = (dicts.first(), dicts.last()) else { return Ok(None) };
    let kind = Item::Seq(Rc::clone(seq)).a_type();
    let what = match (seq.kind(), dicts.len() == parts.len()) {
        (SeqKind::Tuple | SeqKind::List, true) if dicts.len() > 1 => {
            format!("the pickle is {kind} of {} dicts, {first} to {last}", dicts.len())
        }
        _ => {
            let named = seq.kind() == SeqKind::Dict;
            let list: Vec<String> = dicts
                .iter()
                .take(LISTED)
                .map(|&name| if named { shown(name.as_bytes()) } else { name.to_owned() })
                .collect();
            let more = if dicts.len() > LISTED { " and more" } else { "" };
            format!("the pickle is {kind} that holds dicts: {}{more}", list.join(", "))
        }
    };
    Ok(Some(Reason::with(Advice::Pick, what)))
}

/// Where the part with this name or number is.
pub(crate) fn picked<E>(
    scan: &Scan,
    wanted: &str,
    takes_keys: bool,
    window: &mut Window<Input<'_>>,
) -> Result<Parts, Stop<E>> {
    let bad = |what: String| Stop::BadRow(BadRow::new(scan.start, what));
    let failed = |error: RowError| match error {
        RowError::Bad(reason) => Stop::BadRow(BadRow::new(scan.start, reason)),
        RowError::Stop(stop) => stop.for_sink(),
    };
    let parts = scan.parts(window).map_err(failed)?;
    let kind = scan.outermost.as_ref().map_or_else(|| "empty".to_owned(), Item::a_type);
    let Some((_, item)) = parts.iter().find(|(name, _)| name == wanted) else {
        if parts.len() >= MOST_PARTS {
            return Err(bad(format!(
                "the pickle is {kind}; only one of its first {MOST_PARTS} parts can be picked"
            )));
        }
        let names: Vec<String> = parts.iter().take(LISTED).map(|(name, _)| shown(name.as_bytes())).collect();
        let holds = if names.is_empty() { "nothing that can be picked".to_owned() } else { names.join(", ") };
        return Err(bad(format!(
            "the pickle has no part {wanted:?} to pick: it is {kind} and holds {holds}"
        )));
    };
    let at = match item {
        Item::Seq(seq) if matches!(seq.kind(), SeqKind::Dict | SeqKind::List | SeqKind::Instance) => seq.at,
        Item::Seq(seq) if takes_keys && seq.kind() == SeqKind::Set => seq.at,
        _ => return Err(bad(format!("the picked part {wanted:?} is {}, not a dict", item.a_type()))),
    };
    let starts =
        || parts.iter().filter_map(|(_, item)| if let Item::Seq(seq) = item { Some(seq.at) } else { None });
    let before = starts().filter(|&start| start < at).collect();
    Ok(Parts::Picked { at, before, end: starts().filter(|&start| start > at).min().unwrap_or(u64::MAX) })
}
