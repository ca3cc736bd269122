//! `+klen,vlen:key->value` records, the input of D. J. Bernstein's `cdbmake` (<https://cr.yp.to/cdb/cdbmake.html>).

use crate::block::Block;
use crate::cdb::Cdb;
use crate::check::{Check, Typed};
use crate::options::ReadOptions;
use crate::outlet::Outlet;
use crate::scan;
use crate::sink::Sink;
use crate::stop::Stop;

/// What comes next.
enum Step {
    /// A record: where its key and value begin and end, and where it ends.
    Record { key: (usize, usize), value: (usize, usize), end: usize },
    /// The empty line that ends the records.
    Close,
    /// More bytes are needed: these end within a record or before the empty line.
    More,
}

/// Reads the record that begins at `start`. A length takes no memory; it only says where to look.
fn step(bytes: &[u8], start: usize) -> Result<Step, (usize, String)> {
    let wrong = |at: usize, wanted: &str| {
        let found = char::from(bytes[at]).escape_default();
        Err((
            at,
            format!("expected {wanted}, found '{found}'; a record is +klen,vlen:key->value and a newline"),
        ))
    };
    match bytes.get(start) {
        None => return Ok(Step::More),
        Some(b'\n') => return Ok(Step::Close),
        Some(b'+') => {}
        Some(_) => return wrong(start, "'+' or the empty line that ends the file"),
    }
    let mut at = start + 1;
    let mut lengths = [0usize; 2];
    for (length, (separator, wanted)) in lengths
        .iter_mut()
        .zip([(b',', "a digit or ',' in the key's length"), (b':', "a digit or ':' in the value's length")])
    {
        let first = at;
        loop {
            scan::looked_at(1);
            match bytes.get(at) {
                None => return Ok(Step::More),
                Some(digit @ b'0'..=b'9') => {
                    let grown = length.checked_mul(10).and_then(|l| l.checked_add(usize::from(digit - b'0')));
                    // Far below the end of the number range, so that sums cannot overflow.
                    let Some(grown) = grown.filter(|&l| l < usize::MAX / 8) else {
                        return Err((first, "a length this large cannot be right".into()));
                    };
                    *length = grown;
                }
                Some(&byte) if byte == separator && at > first => break,
                Some(_) => return wrong(at, wanted),
            }
            at += 1;
        }
        at += 1;
    }
    let [key, value] = lengths;
    let arrow = at + key;
    let end = arrow + 2 + value;
    for (offset, byte, wanted) in
        [(arrow, b'-', "'->'"), (arrow + 1, b'>', "'->'"), (end, b'\n', "a newline")]
    {
        match bytes.get(offset) {
            None => return Ok(Step::More),
            Some(&found) if found == byte => {}
            Some(_) => return wrong(offset, &format!("{wanted} after as many bytes as the lengths say")),
        }
    }
    Ok(Step::Record { key: (at, arrow), value: (arrow + 2, end), end: end + 1 })
}

/// How many bytes are whole records, and whether the empty line that ends them has been read; `closed` says that it was
/// read before. What is wrong is an error only once no record comes before it, so that errors come in the order of the
/// file.
pub(crate) fn cut(bytes: &[u8], at_end: bool, closed: bool) -> Result<(usize, bool), (usize, String)> {
    let mut at = 0;
    let mut closed = closed;
    loop {
        let bad = if closed {
            if at == bytes.len() {
                return Ok((at, true));
            }
            (at, "there are bytes after the empty line that ends the records".into())
        } else {
            match step(bytes, at) {
                Ok(Step::Record { end, .. }) => {
                    at = end;
                    continue;
                }
                Ok(Step::Close) => {
                    at += 1;
                    closed = true;
                    continue;
                }
                Ok(Step::More) if at_end => {
                    let what = "the file ends early: the last record or the empty line that ends the records is \
                                missing; is the file complete?";
                    (bytes.len(), what.into())
                }
                Ok(Step::More) => return Ok((at, false)),
                Err(bad) => bad,
            }
        };
        return if at > 0 { Ok((at, closed)) } else { Err(bad) };
    }
}

/// Gives all records of a block to the sink.
pub(crate) fn parse<S: Sink>(
    block: &Block<'_>,
    options: &ReadOptions,
    outlet: &mut Outlet<'_, S>,
) -> Result<(), Stop<S::Error>> {
    let bytes = block.bytes();
    // Lengths delimit fields here, so a field may end within a character even if the whole block is UTF-8.
    let check = Check::each(options);
    let mut typed = Typed::default();
    let mut at = 0;
    while let Ok(Step::Record { key, value, end }) = step(bytes, at) {
        let (key, value) = (&bytes[key.0..key.1], &bytes[value.0..value.1]);
        outlet.row(block, at, check.row(key, value, &mut typed))?;
        at = end;
    }
    Ok(())
}

/// Gives all records of a block of a binary cdb to the sink.
pub(crate) fn parse_binary<S: Sink>(
    block: &Block<'_>,
    cdb: Cdb,
    options: &ReadOptions,
    outlet: &mut Outlet<'_, S>,
) -> Result<(), Stop<S::Error>> {
    let bytes = block.bytes();
    let check = Check::each(options);
    let mut typed = Typed::default();
    let left = usize::try_from(cdb.end.saturating_sub(block.start)).unwrap_or(usize::MAX);
    let records = &bytes[..left.min(bytes.len())];
    let mut at = 0;
    while let Some((key, value, length)) = cdb.record(&records[at..]) {
        outlet.row(block, at, check.row(key, value, &mut typed))?;
        at += length;
    }
    Ok(())
}
