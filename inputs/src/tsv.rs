//! Lines of key, TAB, value.

use crate::bad_row::Reason;
use crate::block::{Block, Scratch};
use crate::check::{Check, Typed, shown};
use crate::escape::unescape;
use crate::options::ReadOptions;
use crate::outlet::Outlet;
use crate::scan;
use crate::sink::Sink;
use crate::stop::Stop;

/// Gives all records of a block to the sink.
pub(crate) fn parse<S: Sink>(
    block: &Block<'_>,
    options: &ReadOptions,
    outlet: &mut Outlet<'_, S>,
    scratch: &mut Scratch,
) -> Result<(), Stop<S::Error>> {
    let bytes = block.bytes();
    let check = Check::new(options, bytes);
    let mut typed = Typed::default();
    let mut start = 0;
    while start < bytes.len() {
        let rest = &bytes[start..];
        let length = scan::first(b'\n', rest).unwrap_or(rest.len());
        let line = &rest[..length];
        let row = match scan::first(b'\t', line) {
            None if check.no_value() && !line.is_empty() => {
                fields(line, &[], check, options.escape, scratch, &mut typed)
            }
            None => Err(no_tab(line).into()),
            Some(tab) => fields(&line[..tab], &line[tab + 1..], check, options.escape, scratch, &mut typed),
        };
        match row {
            Ok((key, value)) => outlet.record(block.start + start as u64, key, value)?,
            Err(reason) => outlet.bad_row(block.bad_row(start, reason))?,
        }
        start += length + 1;
    }
    Ok(())
}

#[inline]
fn fields<'a>(
    key: &'a [u8],
    value: &'a [u8],
    check: Check,
    escape: bool,
    scratch: &'a mut Scratch,
    typed: &'a mut Typed,
) -> Result<(&'a [u8], &'a [u8]), Reason> {
    if !escape {
        return check.row(key, value, typed);
    }
    scratch.key.clear();
    unescape(key, &mut scratch.key).map_err(|error| format!("the key has an {error}"))?;
    scratch.value.clear();
    unescape(value, &mut scratch.value)
        .map_err(|error| format!("the value of key {} has an {error}", shown(key)))?;
    check.row(&scratch.key, &scratch.value, typed)
}

#[cold]
fn no_tab(line: &[u8]) -> String {
    if line.is_empty() {
        return "the line is empty; every line must be a key, a TAB and a value".into();
    }
    format!("the line {} has no TAB; every line must be a key, a TAB and a value", shown(line))
}
