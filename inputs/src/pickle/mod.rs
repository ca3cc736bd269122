//! Pickles, streamed: a dict of any size goes record by record to the sink, and nothing in a pickle is ever run.
//!
//! CPython writes a dict as `EMPTY_DICT`, then batches of at most 1,000 pairs, each batch `MARK key value ... SETITEMS`,
//! with a memo number after every string. [`run`] handles these in a tight loop, and everything else on the small stack of a
//! [`machine`]. A string on the stack is only its place in the pickle; its bytes are read when its batch ends.

mod array;
mod build;
mod calls;
mod end;
mod global;
mod held;
mod input;
mod item;
mod json;
mod machine;
mod memo;
mod number;
mod numbers;
mod object;
mod opaque;
mod opcode;
mod pick;
mod references;
mod row_error;
mod rows;
mod run;
mod slots;
mod span;
mod stack;
mod text;
mod texts;
mod window;

use std::io::Read;

use crate::bad_row::BadRow;
use crate::format::Format;
use crate::magic;
use crate::options::ReadOptions;
use crate::outlet::Outlet;
use crate::sink::Sink;
use crate::source::Source;
use crate::stop::Stop;
use input::Input;
use machine::{Dumps, Machine, Parts};
use references::Wanted;
use window::Window;

pub(crate) use {json::write_string, number::write_float};

/// Passes all records of all pickles in a source to the sink.
pub(crate) fn read_source<'a, S: Sink>(
    source: &'a Source,
    options: &'a ReadOptions,
    outlet: &mut Outlet<'a, S>,
) -> Result<(), Stop<S::Error>> {
    let input = Input::open(source, options.temp_dir.as_deref(), outlet.shared.progress);
    let input = input.map_err(Stop::for_sink)?;
    let mut window = Window::new(input, Vec::new(), options.block_bytes, 0);
    if !window.fill(1, 0).map_err(Stop::for_sink)? {
        return Err(BadRow::new(0, "the file is empty: the pickle ends early at byte 0").into());
    }
    let marked = window.rest().first() == Some(&opcode::PROTO);
    let mut dumps = Dumps::First;
    while window.fill(1, window.at()).map_err(Stop::for_sink)? {
        let mut understood = marked;
        let result = read_pickle(&mut window, options, outlet, &mut dumps, &mut understood);
        let Err(stop) = result else { continue };
        return Err(match stop {
            Stop::BadRow(row) if !understood => no_pickle(&mut window, row).into(),
            stop => stop,
        });
    }
    Ok(())
}

/// What is wrong with a file that may be no pickle.
fn no_pickle(window: &mut Window<Input<'_>>, mut row: BadRow) -> BadRow {
    let mut head = Vec::new();
    let read = window.reader.reader_at(0).take(magic::LOOKED_AT as u64).read_to_end(&mut head);
    if let Some(reason) = read.ok().and_then(|_| magic::mismatch(&head, Format::Pickle)) {
        return BadRow { at: 0, reason, ..row };
    }
    if row.at < 16 {
        row.reason.what = format!("{} (is this file a pickle at all?)", row.reason.what).into();
    }
    row
}

/// Reads one pickle. `understood` becomes true if it is one, whatever is wrong with it.
fn read_pickle<'a, S: Sink>(
    window: &mut Window<Input<'a>>,
    options: &ReadOptions,
    outlet: &mut Outlet<'_, S>,
    dumps: &mut Dumps,
    understood: &mut bool,
) -> Result<(), Stop<S::Error>> {
    let start = window.at();
    if let Some(wanted) = &options.pick {
        let scan = pick::Scan::run(window, outlet, options, start)?;
        *understood = true;
        let parts = pick::picked(&scan, wanted, options.takes_keys(), window)?;
        return_to(window, start);
        let result = read_parts(window, options, outlet, parts, dumps, start).map_err(|failed| failed.stop);
        return_to(window, scan.end);
        return result;
    }
    read_parts(window, options, outlet, Parts::All, dumps, start).map_err(|failed| {
        *understood |= failed.understood;
        if !failed.misfit || !matches!(failed.stop, Stop::BadRow(_)) {
            return failed.stop;
        }
        return_to(window, start);
        let scan = pick::Scan::run(window, outlet, options, start);
        match scan.map(|scan| pick::describe(&scan, window)) {
            Ok(Ok(Some(reason))) => BadRow::new(start, reason).into(),
            _ => failed.stop,
        }
    })
}

/// Continues at another offset.
fn return_to(window: &mut Window<Input<'_>>, at: u64) {
    window.reader.seek(at);
    window.restart(at);
}

/// Why reading failed, and what is known of the pickle.
struct Failed<E> {
    stop: Stop<E>,
    /// The pickle may hold dicts of which one can be picked.
    misfit: bool,
    understood: bool,
}

/// Reads one pickle, or some of its parts.
fn read_parts<'a, S: Sink>(
    window: &mut Window<Input<'a>>,
    options: &ReadOptions,
    outlet: &mut Outlet<'_, S>,
    parts: Parts,
    dumps: &mut Dumps,
    start: u64,
) -> Result<(), Failed<S::Error>> {
    let again = parts.clone();
    let mut machine = Machine::new(window, outlet, options, parts, None);
    machine.dumps = *dumps;
    let result = machine.run();
    let (missed, sent) = (machine.missed && !machine.memo.holds_data(), machine.rows.seen);
    let failed = |machine: &Machine<'_, '_, '_, S>, stop| Failed {
        stop,
        misfit: machine.misfit,
        understood: machine.understood || machine.rows.seen > 0,
    };
    if !missed {
        *dumps = machine.dumps;
        return result.map_err(|stop| failed(&machine, stop));
    }
    drop(machine);
    // There are too many numbered objects (other than strings) to keep all of them. One pass over the whole pickle collects
    // the numbers that it refers to; then the pickle is read again, and only these objects are kept.
    return_to(window, start);
    let pause = || if outlet.shared.must_stop() { Err(Stop::Asked) } else { Ok(()) };
    let wanted = Wanted::collect(window, pause).map_err(|stop| Failed {
        stop: stop.for_sink(),
        misfit: false,
        understood: true,
    })?;
    return_to(window, start);
    let mut machine = Machine::new(window, outlet, options, again, Some(wanted));
    machine.rows.before = sent;
    machine.dumps = *dumps;
    let result = machine.run();
    *dumps = machine.dumps;
    result.map_err(|stop| failed(&machine, stop))
}
