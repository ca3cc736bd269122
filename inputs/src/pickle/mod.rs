//! Pickles (being written).
use crate::error::{Fault, Halt};
use crate::options::Options;
use crate::outlet::Outlet;
use crate::read::Sink;
use crate::source::Source;

pub(crate) fn read_source<S: Sink>(
    _source: &Source,
    _options: &Options,
    _outlet: &mut Outlet<'_, S>,
) -> Result<(), Halt<S::Error>> {
    Err(Halt::Fault(Fault::new(0, "pickles cannot be read yet")))
}
