//! Pickles, streamed: a dict of any size goes record by record to the sink, and nothing a pickle says is ever run.
//!
//! CPython writes a dict as `EMPTY_DICT`, then batches of up to 1,000 pairs, each batch `MARK key value ...
//! SETITEMS`, with a memo number after every string. [`machine`] runs that in a tight loop and the rest on a small
//! stack. A string on the stack is only the place where it stands; its bytes are looked at when its batch ends.

mod build;
mod input;
mod item;
mod json;
mod machine;
mod memo;
mod number;
mod opcode;
mod references;
mod rows;
mod stack;
mod text;
mod texts;
mod window;

use crate::error::{Fault, Halt};
use crate::options::Options;
use crate::outlet::Outlet;
use crate::read::Sink;
use crate::source::Source;
use input::Input;
use machine::Machine;
use references::Wanted;
use window::Window;

/// Feeds all records of all pickles in a source to the sink.
pub(crate) fn read_source<'a, S: Sink>(
    source: &'a Source,
    options: &'a Options,
    outlet: &mut Outlet<'a, S>,
) -> Result<(), Halt<S::Error>> {
    let input = Input::open(source, options.temp_dir.as_deref(), outlet.shared.watch);
    let input = input.map_err(Halt::for_sink)?;
    let mut window = Window::new(input, Vec::new(), options.block_bytes, 0);
    if !window.fill(1, 0).map_err(Halt::for_sink)? {
        return Err(Fault::new(0, "the file is empty: the pickle ends early at byte 0").into());
    }
    let marked = window.rest().first() == Some(&opcode::PROTO);
    while window.fill(1, window.at()).map_err(Halt::for_sink)? {
        read_pickle(&mut window, options, outlet).map_err(|halt| match halt {
            Halt::Fault(fault) if !marked && fault.at < 16 => {
                let what = format!("{} (is this file a pickle at all?)", fault.what);
                Halt::Fault(Fault { what, ..fault })
            }
            halt => halt,
        })?;
    }
    Ok(())
}

/// Reads one pickle.
fn read_pickle<'a, S: Sink>(
    window: &mut Window<Input<'a>>,
    options: &Options,
    outlet: &mut Outlet<'_, S>,
) -> Result<(), Halt<S::Error>> {
    let start = window.at();
    let mut machine = Machine::new(window, outlet, options, None);
    let result = machine.run();
    let (missed, sent) = (machine.missed, machine.rows.seen);
    drop(machine);
    if !missed {
        return result;
    }
    // Too many objects other than strings are numbered to keep them all. Which of them are referred to is found
    // out by going over the whole pickle; then it is read again with those kept.
    window.reader.seek(start);
    window.restart(start);
    let pause = || if outlet.shared.must_stop() { Err(Halt::Stopped) } else { Ok(()) };
    let wanted = Wanted::collect(window, pause).map_err(Halt::for_sink)?;
    window.reader.seek(start);
    window.restart(start);
    let mut machine = Machine::new(window, outlet, options, Some(wanted));
    machine.rows.before = sent;
    machine.run()
}
