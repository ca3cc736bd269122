//! Pickles, streamed: a dict of any size goes record by record to the sink, and nothing in a pickle is ever run.
//!
//! CPython writes a dict as `EMPTY_DICT`, then batches of at most 1,000 pairs, each batch `MARK key value ... SETITEMS`,
//! with a memo number after every string. [`run`] handles these in a tight loop, and everything else on the small stack of a
//! [`machine`]. A string on the stack is only its place in the pickle; its bytes are read when its batch ends.

mod build;
mod input;
mod item;
mod json;
mod machine;
mod memo;
mod number;
mod opcode;
mod references;
mod row_error;
mod rows;
mod run;
mod slots;
mod stack;
mod text;
mod texts;
mod window;

use crate::bad_row::BadRow;
use crate::options::ReadOptions;
use crate::outlet::Outlet;
use crate::sink::Sink;
use crate::source::Source;
use crate::stop::Stop;
use input::Input;
use machine::Machine;
use references::Wanted;
use window::Window;

#[cfg(feature = "arrow")]
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
    while window.fill(1, window.at()).map_err(Stop::for_sink)? {
        read_pickle(&mut window, options, outlet).map_err(|stop| match stop {
            // A row with advice was understood, so the file is a pickle.
            Stop::BadRow(mut row) if !marked && row.at < 16 && row.reason.advice.is_none() => {
                row.reason.what = format!("{} (is this file a pickle at all?)", row.reason.what).into();
                Stop::BadRow(row)
            }
            stop => stop,
        })?;
    }
    Ok(())
}

/// Reads one pickle.
fn read_pickle<'a, S: Sink>(
    window: &mut Window<Input<'a>>,
    options: &ReadOptions,
    outlet: &mut Outlet<'_, S>,
) -> Result<(), Stop<S::Error>> {
    let start = window.at();
    let mut machine = Machine::new(window, outlet, options, None);
    let result = machine.run();
    let (missed, sent) = (machine.missed, machine.rows.seen);
    drop(machine);
    if !missed {
        return result;
    }
    // There are too many numbered objects (other than strings) to keep all of them. One pass over the whole pickle collects
    // the numbers that it refers to; then the pickle is read again, and only these objects are kept.
    window.reader.seek(start);
    window.restart(start);
    let pause = || if outlet.shared.must_stop() { Err(Stop::Asked) } else { Ok(()) };
    let wanted = Wanted::collect(window, pause).map_err(Stop::for_sink)?;
    window.reader.seek(start);
    window.restart(start);
    let mut machine = Machine::new(window, outlet, options, Some(wanted));
    machine.rows.before = sent;
    machine.run()
}
