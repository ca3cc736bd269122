//! Delimited text: TSV, CSV, and all between.

use hashlith_feedback::Advice;

use crate::bad_row::Reason;
use crate::block::{Block, Picked, Scratch};
use crate::check::{Check, Typed};
use crate::columns::{Cells, Layout};
use crate::dialect::{Delimiter, Quotes};
use crate::escape::{NULL, unescape};
use crate::options::ReadOptions;
use crate::outlet::Outlet;
use crate::rows::Rows;
use crate::scan;
use crate::shown::shown;
use crate::sink::Sink;
use crate::stop::Stop;

/// Gives all records of a block to the sink.
pub(crate) fn parse<S: Sink>(
    block: &Block<'_>,
    options: &ReadOptions,
    outlet: &mut Outlet<'_, S>,
    scratch: &mut Scratch,
) -> Result<(), Stop<S::Error>> {
    let Some(layout) = block.layout.as_deref() else { return Ok(()) };
    match layout.dialect.delimiter {
        Delimiter::Text(ref text) if text.len() == 1 && layout.is_pair() => {
            lines(block, text[0], options, outlet, scratch)
        }
        _ => rows(block, layout, options, outlet, scratch),
    }
}

impl Layout {
    /// Whether each line is a key, a delimiter, and a value that is all the rest.
    fn is_pair(&self) -> bool {
        let Layout { dialect, key, value, most, .. } = self;
        let value = matches!(value, Cells::None | Cells::One(1));
        dialect.quotes == Quotes::Off
            && dialect.comment.is_none()
            && *key == Cells::One(0)
            && value
            && *most == 2
    }
}

/// Lines of key, delimiter, value: the usual case.
fn lines<S: Sink>(
    block: &Block<'_>,
    delimiter: u8,
    options: &ReadOptions,
    outlet: &mut Outlet<'_, S>,
    scratch: &mut Scratch,
) -> Result<(), Stop<S::Error>> {
    let bytes = block.bytes();
    let check = Check::new(options, bytes, &[delimiter]);
    let as_is = check.as_is && !options.escape;
    let mut typed = Typed::default();
    let mut start = 0;
    while start < bytes.len() {
        let rest = &bytes[start..];
        let length = scan::first(b'\n', rest).unwrap_or(rest.len());
        let line = rest[..length].strip_suffix(b"\r").unwrap_or(&rest[..length]);
        let row = match scan::first(delimiter, line) {
            Some(at) if as_is => Ok((&line[..at], &line[at + 1..])),
            None if check.no_value() && !line.is_empty() => {
                fields(line, &[], check, options.escape, scratch, &mut typed)
            }
            None => {
                // Behind a byte order mark, at most.
                let is_first = block.start + start as u64 <= 3;
                Err(no_delimiter(line, delimiter, check.no_value(), is_first && options.delimiter.is_none()))
            }
            Some(at) => fields(&line[..at], &line[at + 1..], check, options.escape, scratch, &mut typed),
        };
        outlet.row(block, start, row)?;
        start += length + 1;
    }
    Ok(())
}

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
    if key == NULL {
        return Err(format!("the key {IS_NULL}").into());
    }
    unescape(key, &mut scratch.key).map_err(|error| format!("the key has an {error}"))?;
    scratch.value.clear();
    if check.no_value() {
        return check.row(&scratch.key, &[], typed);
    }
    if value == NULL {
        if !check.has_nulls() {
            return Err(format!("the value of key {} {IS_NULL}", shown(key)).into());
        }
        scratch.value.extend_from_slice(b"null");
        return check.row(&scratch.key, &scratch.value, typed);
    }
    unescape(value, &mut scratch.value)
        .map_err(|error| format!("the value of key {} has an {error}", shown(key)))?;
    check.row(&scratch.key, &scratch.value, typed)
}

#[cold]
fn no_delimiter(line: &[u8], delimiter: u8, no_value: bool, may_be_another: bool) -> Reason {
    if no_value {
        return EMPTY.into();
    }
    let name = match delimiter {
        b'\t' => "TAB".to_owned(),
        0x80.. => format!("byte {delimiter:#04x}"),
        _ => format!("{:?}", char::from(delimiter)),
    };
    if line.is_empty() {
        return format!("the line is empty; every line must be a key, a {name} and a value").into();
    }
    let what =
        format!("the line {} has no {name}; every line must be a key, a {name} and a value", shown(line));
    Reason { what: what.into(), advice: may_be_another.then_some(Advice::Delimiter) }
}

const IS_NULL: &str = "is \\N, a null";
const EMPTY: &str = "the line is empty; every line must have a key";

/// Any other rows.
fn rows<S: Sink>(
    block: &Block<'_>,
    layout: &Layout,
    options: &ReadOptions,
    outlet: &mut Outlet<'_, S>,
    scratch: &mut Scratch,
) -> Result<(), Stop<S::Error>> {
    let bytes = block.bytes();
    let check = Check::new(options, bytes, layout.dialect.text());
    let escape = options.escape && layout.dialect.quotes == Quotes::Off;
    let mut typed = Typed::default();
    let mut rows = Rows::new(&layout.dialect, bytes, layout.most, std::mem::take(&mut scratch.fields));
    while let Some((row, read)) = rows.next() {
        let mut at = row.start;
        let record = match read {
            Err(wrong) => {
                at = wrong.at;
                Err(wrong.reason(layout.dialect.quotes))
            }
            Ok(()) => {
                pick(layout, &rows, rows.row(&row), escape, &mut scratch.picked).and_then(|(key, value)| {
                    if check.as_is { Ok((key, value)) } else { check.row(key, value, &mut typed) }
                })
            }
        };
        outlet.row(block, at, record)?;
    }
    scratch.fields = rows.fields;
    Ok(())
}

/// The key and the value of a row. What is not a field as it stands is put into `scratch`.
fn pick<'a>(
    layout: &Layout,
    rows: &'a Rows<'_>,
    row: &'a [u8],
    escape: bool,
    scratch: &'a mut Picked,
) -> Result<(&'a [u8], &'a [u8]), Reason> {
    let len = rows.len();
    if row.is_empty() {
        return Err(EMPTY.into());
    }
    if let Some(width) = layout.width.filter(|width| *width != len) {
        let hint = if len > width && layout.dialect.quotes.is_strict() {
            "; quote a field that has a delimiter in it"
        } else {
            ""
        };
        return Err(format!("the row has {} where {width} are expected{hint}", columns(len)).into());
    }
    if len < layout.needed {
        return Err(format!("the row has {}, but column {} is needed", columns(len), layout.needed).into());
    }
    let Picked { key, value, decoded } = scratch;
    if escape {
        decoded.resize_with(len, Default::default);
        let values = layout.value.columns().map(|column| (column, layout.has_nulls));
        for (column, may_be_null) in layout.key.columns().map(|column| (column, false)).chain(values) {
            let (found, (field, is_null)) = (rows.field(column).unwrap_or_default(), &mut decoded[column]);
            field.clear();
            *is_null = found == NULL;
            match *is_null {
                true if may_be_null => field.extend_from_slice(b"null"),
                true => return Err(format!("column {} {IS_NULL}", column + 1).into()),
                false => {
                    unescape(found, field).map_err(|error| format!("column {} has an {error}", column + 1))?
                }
            }
        }
    }
    let decoded = &*decoded;
    let field = move |column: usize| match escape {
        true => decoded.get(column).map(|(field, _)| &field[..]).unwrap_or_default(),
        false => rows.field(column).unwrap_or_default(),
    };
    let is_null = |column: usize| escape && decoded.get(column).is_some_and(|(_, is_null)| *is_null);
    let part = |cells: &Cells, out: &'a mut Vec<u8>| match cells {
        Cells::None => Ok(&[][..]),
        Cells::Row => Ok(row),
        Cells::One(column) => Ok(field(*column)),
        _ => {
            out.clear();
            cells.append(field, is_null, out).map(|()| &out[..])
        }
    };
    Ok((part(&layout.key, key)?, part(&layout.value, value)?))
}

fn columns(count: usize) -> String {
    format!("{count} column{}", if count == 1 { "" } else { "s" })
}
