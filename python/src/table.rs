//! Tables of other libraries as records: which columns, and of which types.

use crate::{
    batch::Encoder,
    capsule::Batches,
    chunk::{is_binary, is_int, is_text, row_of},
    column::{OBJECT, is_object},
    errors,
    kinds::type_name,
};
use arrow_array::RecordBatch;
use arrow_schema::{DataType, Schema};
use hashlith::{
    Column, KeyType, ReadOptions, ValueType,
    inputs::{self, Unfit},
};
use pyo3::{
    exceptions::{PyTypeError, PyValueError},
    prelude::*,
    types::{PyList, PyString, PyTuple},
};

/// A table whose batches arrive one by one.
pub struct Table {
    batches: Batches,
    rows: inputs::Table,
    /// Rows in the batches before.
    before: u64,
}

impl Table {
    /// # Errors
    /// TypeError for an object that is no table, and for columns whose types make no such keys and values; ValueError for a
    /// column that is missing.
    pub fn new(
        table: &Bound<'_, PyAny>,
        key: &Bound<'_, PyAny>,
        value: Option<&Bound<'_, PyAny>>,
        encoder: &Encoder,
    ) -> PyResult<Self> {
        let no_table = || {
            PyTypeError::new_err(format!(
                "with key= a table is needed, which pyarrow, Polars or pandas made (an object with __arrow_c_stream__), not {}",
                type_name(table)
            ))
        };
        let batches = Batches::of(table)?.ok_or_else(no_table)?;
        let schema = batches.schema();
        let keys = names("key", key)?;
        let values = match value {
            Some(value) => names("value", value)?,
            None if encoder.values.get() == Some(&ValueType::None) => Vec::new(),
            None => others(&schema, &keys)?,
        };
        for name in keys.iter().chain(&values) {
            refuse_objects(table, &schema, name)?;
        }
        let type_of = |columns: &[String]| match columns {
            [column] => schema.field_with_name(column).ok().map(|field| field.data_type()),
            _ => None,
        };
        let key_type = *encoder.keys.get_or_init(|| key_type(type_of(&keys)));
        if encoder.values.get() != Some(&ValueType::Json) && values.len() > 1 {
            return Err(PyValueError::new_err(format!(
                "the values are several columns ({}): use values=\"json\" to make JSON objects of them, or name one with value=",
                listed(&values)
            )));
        }
        let value_type = *encoder.values.get_or_init(|| value_type(type_of(&values)));
        let columns = |names: Vec<String>| names.into_iter().map(Column::Name).collect();
        let options = ReadOptions {
            key_type,
            value_type,
            key_columns: columns(keys),
            value_columns: columns(values),
            json_keys: encoder.json_keys,
            ..ReadOptions::default()
        };
        let rows = inputs::Table::new(&schema, &options).map_err(|why| PyTypeError::new_err(text(&why)))?;
        Ok(Table { batches, rows, before: 0 })
    }

    /// The next batch, of the columns that are needed.
    pub fn next(&mut self) -> PyResult<Option<RecordBatch>> {
        let Some(batch) = self.batches.next()? else { return Ok(None) };
        let needed = batch.project(self.rows.needed());
        needed.map(Some).map_err(|error| PyValueError::new_err(error.to_string()))
    }

    /// Passes the records of the next batch to `push`, after the row's number in the table, from 1.
    pub fn rows<E>(
        &mut self,
        batch: &RecordBatch,
        mut push: impl FnMut(u64, Result<(&[u8], &[u8]), Unfit>) -> Result<(), E>,
    ) -> Result<(), E> {
        let before = self.before;
        self.before += batch.num_rows() as u64;
        self.rows.rows(batch, |row, record| push(before + row as u64 + 1, record))
    }
}

/// The error for record `number` of the build, which is this row of the table, from 1.
#[cold]
pub fn bad_row(py: Python<'_>, number: u64, row: u64, why: &Unfit) -> PyErr {
    errors::row_error(py, &format!("record {number}: {}", text(why)), row)
}

/// What is wrong, and what to do.
fn text(why: &Unfit) -> String {
    why.advice
        .map_or_else(|| why.what.clone(), |advice| format!("{}; {}", why.what, crate::advice::words(advice)))
}

/// # Errors
/// TypeError for a column of Python objects, of which the table gives away only addresses.
fn refuse_objects(table: &Bound<'_, PyAny>, schema: &Schema, name: &str) -> PyResult<()> {
    let is_suspect = schema.field_with_name(name).is_ok_and(|field| *field.data_type() == OBJECT);
    let dtype = || table.getattr("schema").and_then(|schema| schema.get_item(name));
    match is_suspect && dtype().is_ok_and(|dtype| is_object(&dtype)) {
        true => Err(PyTypeError::new_err(format!(
            "the column {name:?} holds Python objects (Object of Polars), which cannot be read: make text of them first, \
             table.with_columns(polars.Series({name:?}, [str(one) for one in table[{name:?}]]))"
        ))),
        false => Ok(()),
    }
}

/// A name, or a list of names.
fn names(keyword: &str, value: &Bound<'_, PyAny>) -> PyResult<Vec<String>> {
    let wrong = || {
        PyTypeError::new_err(format!(
            "{keyword} must be the name of a column as text (for a number of pandas such as \"0\"), or a list of names"
        ))
    };
    if value.is_instance_of::<PyString>() {
        return Ok(vec![value.extract()?]);
    }
    // Not any sequence: one may claim a length that it does not have.
    if !value.is_instance_of::<PyList>() && !value.is_instance_of::<PyTuple>() {
        return Err(wrong());
    }
    let mut names = Vec::new();
    for name in value.try_iter()? {
        names.push(name?.extract::<String>().map_err(|_| wrong())?);
    }
    if names.is_empty() { Err(wrong()) } else { Ok(names) }
}

/// The columns that are no keys.
fn others(schema: &Schema, keys: &[String]) -> PyResult<Vec<String>> {
    let names = schema.fields().iter().map(|field| field.name());
    let others: Vec<String> = names.filter(|name| !keys.contains(name)).cloned().collect();
    match others.is_empty() {
        true => Err(PyValueError::new_err(
            "the table has no column but those of the key: use values=\"none\" for keys without values",
        )),
        false => Ok(others),
    }
}

fn listed(names: &[String]) -> String {
    let shown: Vec<String> = names.iter().take(5).map(|name| format!("{name:?}")).collect();
    let more = if names.len() > shown.len() { ", ..." } else { "" };
    shown.join(", ") + more
}

fn key_type(data_type: Option<&DataType>) -> KeyType {
    match data_type {
        Some(data_type) if is_text(data_type) => KeyType::Text,
        Some(data_type) if is_int(data_type) => KeyType::Int,
        Some(data_type) if is_binary(data_type) => KeyType::Bytes,
        _ => KeyType::Text,
    }
}

fn value_type(data_type: Option<&DataType>) -> ValueType {
    match data_type {
        Some(data_type) if is_text(data_type) => ValueType::Text,
        Some(data_type) if is_binary(data_type) => ValueType::Bytes,
        Some(data_type) => row_of(data_type).map_or(ValueType::Text, ValueType::Numbers),
        None => ValueType::Text,
    }
}
