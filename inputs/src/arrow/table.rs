//! Rows of record batches as records.

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::{DataType, Schema};
use hashlith_feedback::Advice;
use hashlith_format::{KeyType, Row, ValueType, int_key};

use crate::arrow::cells::{Texts, index_at, int_at, is_string, write_row};
use crate::arrow::json;
use crate::arrow::plan::Plan;
use crate::bad_row::Reason;
use crate::check::Check;
use crate::columns::Cells;
use crate::format::Format;
use crate::options::ReadOptions;
use crate::shown::shown;
use crate::typed::{not_a_key, parse_row, write_key};

/// Turns the rows of a table into records: the columns of [`ReadOptions::key_columns`] and [`ReadOptions::value_columns`] into keys
/// and values of [`ReadOptions::key_type`] and [`ReadOptions::value_type`].
#[derive(Debug, Clone)]
pub struct Table {
    plan: Plan,
    options: ReadOptions,
}

/// Why a table, or a row of it, makes no records: what is wrong, and what helps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfit {
    /// What is wrong.
    pub what: String,
    /// What helps.
    pub advice: Option<Advice>,
}

impl From<Reason> for Unfit {
    fn from(reason: Reason) -> Self {
        Unfit { what: reason.what.into(), advice: reason.advice }
    }
}

impl Table {
    /// For batches of this schema.
    ///
    /// # Errors
    /// For a column that is missing, or whose type makes no such key or value, and for options that contradict each other.
    pub fn new(schema: &Schema, options: &ReadOptions) -> Result<Self, Unfit> {
        options.check(&[Format::Arrow]).map_err(|error| Reason::from(error.to_string()))?;
        Ok(Self::plan(schema, options)?)
    }

    pub(crate) fn plan(schema: &Schema, options: &ReadOptions) -> Result<Self, Reason> {
        Ok(Table { plan: Plan::new(schema, options)?, options: options.clone() })
    }

    /// The numbers of the columns that are read, from 0 and in rising order. A batch may have only these, see [`Self::rows`].
    #[must_use]
    pub fn needed(&self) -> &[usize] {
        &self.plan.needed
    }

    /// Whether the numbers of a batch are what the schema said.
    pub(crate) fn fits(&self, batch: &RecordBatch) -> bool {
        let planned = self.plan.types.iter();
        batch.num_columns() == planned.len()
            && planned.zip(batch.columns()).all(|(planned, column)| {
                !planned.is_numeric() && !column.data_type().is_numeric() || planned == column.data_type()
            })
    }

    /// Passes each row of a batch, which has only the columns of [`Self::needed`], to `each`: its number in the batch, and its key and
    /// value, or what is wrong with it.
    ///
    /// # Errors
    /// Those of `each`.
    pub fn rows<E>(
        &self,
        batch: &RecordBatch,
        mut each: impl FnMut(usize, Result<(&[u8], &[u8]), Unfit>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.each(batch, |row, record| each(row, record.map_err(Unfit::from)))
    }

    pub(crate) fn each<E>(
        &self,
        batch: &RecordBatch,
        mut each: impl FnMut(usize, Result<(&[u8], &[u8]), Reason>) -> Result<(), E>,
    ) -> Result<(), E> {
        let keys = self.plan.columns(batch, self.options.key_type == KeyType::Text);
        let values = self.plan.columns(batch, self.options.value_type.is_text());
        let parts = Parts::new(&self.plan, &keys, &values, &self.options);
        let (mut key, mut value) = (Vec::new(), Vec::new());
        for row in 0..batch.num_rows() {
            each(row, parts.record(row, &mut key, &mut value))?;
        }
        Ok(())
    }
}

const IS_NULL: &str = "is null: leave such rows out, or fill them";

/// The columns of one batch.
struct Parts<'a> {
    key: Part<'a>,
    value: Part<'a>,
    key_type: KeyType,
    check: Check,
}

/// How a key or a value is made.
enum Part<'a> {
    Nothing,
    Texts(Texts<'a>),
    Int(&'a dyn Array),
    Numbers(Row, &'a dyn Array),
    Json(&'a dyn Array),
    /// The JSON text of a key that is no text.
    JsonKey(&'a dyn Array),
    /// Texts with another one between them, which may be the numbers of a vector.
    Joined(Vec<&'a dyn Array>, &'a str, Option<Row>),
    Array(Vec<&'a dyn Array>),
    Object(Vec<(&'a str, &'a dyn Array)>),
}

impl<'a> Part<'a> {
    fn several(cells: &'a Cells, columns: &[&'a dyn Array], row: Option<Row>) -> Self {
        let pick = |picked: &[usize]| picked.iter().map(|&column| columns[column]).collect();
        match cells {
            Cells::Joined(picked, join) => Part::Joined(pick(picked), join, row),
            Cells::Array(picked) => Part::Array(pick(picked)),
            Cells::Object(picked) => {
                Part::Object(picked.iter().map(|(column, name)| (&name[..], columns[*column])).collect())
            }
            Cells::None | Cells::Row | Cells::One(_) => Part::Nothing,
        }
    }

    /// Appends the bytes of anything but a text.
    ///
    /// # Errors
    /// Words that follow "the key" or "the value".
    fn append(&self, row: usize, out: &mut Vec<u8>) -> Result<(), String> {
        let is_null = || IS_NULL.to_owned();
        match self {
            Part::Nothing | Part::Texts(_) => Ok(()),
            Part::Int(array) if is_null_at(*array, row) => Err(is_null()),
            Part::Int(array) => {
                let number = int_at(*array, row);
                let key = i64::try_from(number)
                    .map_err(|_| format!("{number} {}", not_a_key(number.to_string().as_bytes())))?;
                out.extend_from_slice(&int_key(key));
                Ok(())
            }
            Part::Numbers(_, array) if is_null_at(*array, row) => Err(is_null()),
            Part::Numbers(kind, array) => write_row(*kind, *array, row, out),
            Part::Json(array) => json::write(*array, row, out),
            Part::JsonKey(array) if is_null_at(*array, row) => Err(is_null()),
            Part::JsonKey(array) => {
                let mut text = Vec::new();
                json::write(*array, row, &mut text)?;
                // A time is a string, without escapes, and so stands for itself.
                let inner = text.strip_prefix(b"\"").and_then(|text| text.strip_suffix(b"\""));
                out.extend_from_slice(inner.unwrap_or(&text));
                Ok(())
            }
            Part::Joined(columns, join, kind) => {
                let mut text = Vec::new();
                for (number, column) in columns.iter().enumerate() {
                    if number > 0 {
                        text.extend_from_slice(join.as_bytes());
                    }
                    match Texts::new(*column).get(row) {
                        Some(part) => text.extend_from_slice(part),
                        None if is_null_at(*column, row) => return Err(is_null()),
                        None => json::write(*column, row, &mut text)?,
                    }
                }
                match kind {
                    Some(kind) => parse_row(*kind, &text, out),
                    None => {
                        out.append(&mut text);
                        Ok(())
                    }
                }
            }
            Part::Array(columns) => {
                for (number, column) in columns.iter().enumerate() {
                    out.push(if number == 0 { b'[' } else { b',' });
                    if is_null_at(*column, row) {
                        return Err(is_null());
                    }
                    json::write(*column, row, out)?;
                }
                out.push(b']');
                Ok(())
            }
            Part::Object(columns) => {
                for (number, (name, column)) in columns.iter().enumerate() {
                    out.push(if number == 0 { b'{' } else { b',' });
                    out.extend_from_slice(name.as_bytes());
                    json::write(*column, row, out)?;
                }
                out.push(b'}');
                Ok(())
            }
        }
    }
}

/// A column of the type of nulls has no bits that say so; of a dictionary, a value may be null.
fn is_null_at(array: &dyn Array, row: usize) -> bool {
    array.is_null(row)
        || match array.data_type() {
            DataType::Null => true,
            DataType::Dictionary(..) => {
                let dictionary = array.as_any_dictionary();
                is_null_at(dictionary.values(), index_at(dictionary.keys(), row))
            }
            _ => false,
        }
}

impl<'a> Parts<'a> {
    fn new(plan: &'a Plan, keys: &'a [ArrayRef], values: &'a [ArrayRef], options: &ReadOptions) -> Self {
        let columns: Vec<&dyn Array> = keys.iter().map(|column| &**column).collect();
        let key = match &plan.key {
            Cells::One(column) if options.key_type == KeyType::Int => Part::Int(columns[*column]),
            Cells::One(column) if !is_string(columns[*column].data_type()) => Part::JsonKey(columns[*column]),
            Cells::One(column) => Part::Texts(Texts::new(columns[*column])),
            cells => Part::several(cells, &columns, None),
        };
        let columns: Vec<&dyn Array> = values.iter().map(|column| &**column).collect();
        let value = match (&plan.value, options.value_type) {
            (Cells::One(column), ValueType::Numbers(row)) => Part::Numbers(row, columns[*column]),
            (Cells::One(column), ValueType::Json) => Part::Json(columns[*column]),
            (Cells::One(column), _) => Part::Texts(Texts::new(columns[*column])),
            (cells, kind) => Part::several(cells, &columns, kind.row()),
        };
        Parts { key, value, key_type: options.key_type, check: Check::each(options) }
    }

    #[inline]
    fn record<'r>(
        &'r self,
        row: usize,
        key: &'r mut Vec<u8>,
        value: &'r mut Vec<u8>,
    ) -> Result<(&'r [u8], &'r [u8]), Reason> {
        let key = match &self.key {
            Part::Texts(texts) => texts.get(row).ok_or_else(|| format!("the key {IS_NULL}"))?,
            part => {
                key.clear();
                part.append(row, key).map_err(|what| format!("the key {what}"))?;
                key
            }
        };
        self.check.key(key)?;
        let named = |what: String| {
            let mut text = Vec::new();
            write_key(self.key_type, key, &mut text);
            format!("the value of key {} {what}", shown(&text))
        };
        match &self.value {
            Part::Texts(texts) => {
                let value = texts.get(row).ok_or_else(|| named(IS_NULL.to_owned()))?;
                self.check.value(key, value)?;
                Ok((key, value))
            }
            part => {
                value.clear();
                part.append(row, value).map_err(named)?;
                if matches!(part, Part::Joined(_, _, None)) {
                    self.check.value(key, value)?;
                }
                Ok((key, value))
            }
        }
    }
}
