//! Rows of a query as records.

use hashlith_feedback::Advice;
use hashlith_format::{KeyType, Row, ValueType, int_key};
use rusqlite::Statement;
use rusqlite::types::ValueRef;

use crate::bad_row::Reason;
use crate::check::Check;
use crate::columns::{Cells, numbers};
use crate::options::ReadOptions;
use crate::pickle::{write_float, write_string};
use crate::shown::shown;
use crate::typed::{Numbers, parse_key, parse_row, write_key};

/// How rows become records.
pub(crate) struct Plan {
    key: Cells,
    value: Cells,
    key_type: KeyType,
    value_type: ValueType,
    json_keys: bool,
    row: Option<Row>,
    check: Check,
}

impl Plan {
    pub fn new(statement: &Statement<'_>, options: &ReadOptions) -> Result<Self, Reason> {
        let names: Vec<String> = statement.column_names().map(str::to_owned).collect();
        let join = options.join.as_ref();
        let value = match options.value_type {
            ValueType::None => Cells::None,
            _ => Cells::of(&numbers(&options.value_columns, 1, &names)?, Some(&names), join),
        };
        value.check_names()?;
        Ok(Plan {
            key: Cells::of(&numbers(&options.key_columns, 0, &names)?, None, join),
            value,
            key_type: options.key_type,
            value_type: options.value_type,
            json_keys: options.json_keys,
            row: options.value_type.row(),
            check: Check::each(options),
        })
    }

    /// Appends the key and the value of a row.
    pub fn record<'r>(
        &self,
        cell: impl Fn(usize) -> ValueRef<'r>,
        key: &mut Vec<u8>,
        value: &mut Vec<u8>,
    ) -> Result<(), Reason> {
        self.append_key(&cell, key).map_err(|reason| behind("the key", reason))?;
        self.check.key(key)?;
        let named = |reason: Reason| {
            let mut text = Vec::new();
            write_key(self.key_type, key, &mut text);
            behind(&format!("the value of key {}", shown(&text)), reason)
        };
        self.append_value(&cell, value).map_err(named)?;
        // JSON is made here, and a number has been checked.
        if self.value_type == ValueType::Text || self.value.is_joined() && self.row.is_none() {
            self.check.value(key, value)?;
        }
        Ok(())
    }

    fn append_key<'r>(&self, cell: impl Fn(usize) -> ValueRef<'r>, out: &mut Vec<u8>) -> Result<(), Reason> {
        match &self.key {
            Cells::One(column) if self.key_type == KeyType::Int => match cell(*column) {
                ValueRef::Integer(number) => out.extend_from_slice(&int_key(number)),
                ValueRef::Text(text) => {
                    out.extend_from_slice(&parse_key(text).map_err(|what| format!("{} {what}", shown(text)))?)
                }
                other => return Err(format!("is {}, not an integer", kind(other)).into()),
            },
            Cells::One(column) if self.json_keys => match cell(*column) {
                ValueRef::Text(text) => out.extend_from_slice(text),
                ValueRef::Null => return Err(IS_NULL.into()),
                other => json(other, out)?,
            },
            Cells::One(column) => {
                let cell = cell(*column);
                let for_numbers = match cell {
                    ValueRef::Integer(_) => Advice::IntOrJsonKeys,
                    _ => Advice::JsonKeys,
                };
                text(cell, for_numbers, Advice::BytesKeys, self.key_type == KeyType::Bytes, out)?
            }
            cells => several(cells, cell, true, out)?,
        }
        Ok(())
    }

    fn append_value<'r>(
        &self,
        cell: impl Fn(usize) -> ValueRef<'r>,
        out: &mut Vec<u8>,
    ) -> Result<(), Reason> {
        match (&self.value, self.row) {
            (Cells::None, _) => Ok(()),
            (Cells::One(column), Some(row)) => Ok(number(row, cell(*column), out)?),
            (Cells::One(column), None) if self.value_type == ValueType::Json => Ok(json(cell(*column), out)?),
            (Cells::One(column), None) => text(
                cell(*column),
                Advice::JsonValues,
                Advice::BytesValues,
                self.value_type == ValueType::Bytes,
                out,
            ),
            (cells, Some(row)) => {
                let mut joined = Vec::new();
                several(cells, cell, false, &mut joined)?;
                Ok(parse_row(row, &joined, out)?)
            }
            (cells, None) => several(cells, cell, false, out),
        }
    }
}

fn behind(whose: &str, reason: Reason) -> Reason {
    Reason { what: format!("{whose} {}", reason.what).into(), ..reason }
}

const IS_NULL: &str = "is null: leave such rows out, or fill them";

fn kind(cell: ValueRef<'_>) -> &'static str {
    match cell {
        ValueRef::Null => "null",
        ValueRef::Integer(_) => "an integer",
        ValueRef::Real(_) => "a float",
        ValueRef::Text(_) => "text",
        ValueRef::Blob(_) => "a blob",
    }
}

/// Appends a text, or a blob where any bytes may be.
///
/// # Errors
/// What follows "the key" or "the value"; so for the others.
fn text(
    cell: ValueRef<'_>,
    for_numbers: Advice,
    for_blobs: Advice,
    any: bool,
    out: &mut Vec<u8>,
) -> Result<(), Reason> {
    match cell {
        ValueRef::Text(text) => out.extend_from_slice(text),
        ValueRef::Blob(bytes) if any => out.extend_from_slice(bytes),
        ValueRef::Null => return Err(IS_NULL.into()),
        ValueRef::Blob(_) => return Err(Reason::with(for_blobs, "is a blob, not text")),
        other => return Err(Reason::with(for_numbers, format!("is {}, not text", kind(other)))),
    }
    Ok(())
}

/// Appends a number, or a vector: text, or a blob of the numbers' bytes, the lowest first.
fn number(row: Row, cell: ValueRef<'_>, out: &mut Vec<u8>) -> Result<(), String> {
    if let ValueRef::Text(text) = cell {
        return parse_row(row, text, out);
    }
    let mut numbers = Numbers::new(row, out);
    match cell {
        ValueRef::Null | ValueRef::Text(_) => return Err(IS_NULL.to_owned()),
        ValueRef::Integer(number) => numbers.int(number.into())?,
        ValueRef::Real(number) => numbers.float(number, &format!("{number:?}"))?,
        ValueRef::Blob(bytes) if bytes.len() as u64 == row.width() => numbers.raw(bytes, false),
        ValueRef::Blob(bytes) => {
            return Err(format!("is a blob of {} bytes, not of {}", bytes.len(), row.width()));
        }
    }
    numbers.finish()
}

/// Appends JSON text.
fn json(cell: ValueRef<'_>, out: &mut Vec<u8>) -> Result<(), String> {
    match cell {
        ValueRef::Null => out.extend_from_slice(b"null"),
        ValueRef::Integer(number) => out.extend_from_slice(number.to_string().as_bytes()),
        ValueRef::Real(number) if !write_float(number, out) => {
            return Err(format!("is {number}, a float that JSON does not have"));
        }
        ValueRef::Real(_) => {}
        ValueRef::Text(text) if std::str::from_utf8(text).is_ok() => write_string(text, out),
        ValueRef::Text(_) => return Err("is not valid UTF-8, which JSON needs".to_owned()),
        ValueRef::Blob(_) => return Err("is a blob, which JSON does not have".to_owned()),
    }
    Ok(())
}

/// Appends what several columns make. In a key, none may be null.
fn several<'r>(
    cells: &Cells,
    cell: impl Fn(usize) -> ValueRef<'r>,
    is_key: bool,
    out: &mut Vec<u8>,
) -> Result<(), Reason> {
    let not_null = |cell: ValueRef<'r>| match cell {
        ValueRef::Null => Err(Reason::from(IS_NULL)),
        cell => Ok(cell),
    };
    match cells {
        Cells::None | Cells::Row | Cells::One(_) => {}
        Cells::Joined(columns, join) => {
            for (number, &column) in columns.iter().enumerate() {
                if number > 0 {
                    out.extend_from_slice(join.as_bytes());
                }
                match not_null(cell(column))? {
                    ValueRef::Text(text) => out.extend_from_slice(text),
                    ValueRef::Blob(_) => return Err("has a blob, which cannot be joined".into()),
                    other => json(other, out)?,
                }
            }
        }
        Cells::Array(columns) => {
            for (number, &column) in columns.iter().enumerate() {
                out.push(if number == 0 { b'[' } else { b',' });
                let cell = cell(column);
                json(if is_key { not_null(cell)? } else { cell }, out)?;
            }
            out.push(b']');
        }
        Cells::Object(columns) => {
            for (number, (column, name)) in columns.iter().enumerate() {
                out.push(if number == 0 { b'{' } else { b',' });
                out.extend_from_slice(name.as_bytes());
                json(cell(*column), out)?;
            }
            out.push(b'}');
        }
    }
    Ok(())
}
