//! Which columns of a table make a key and a value, and whether their types can.

use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, Schema};
use hashlith_feedback::Advice;
use hashlith_format::{KeyType, ValueType};

use crate::arrow::cells::is_string;
use crate::arrow::json;
use crate::arrow::uuid::{self, is_uuid};
use crate::bad_row::Reason;
use crate::columns::{Cells, numbers};
use crate::options::ReadOptions;

/// How the rows of a table become records.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// With numbers of columns among those of `needed`.
    pub key: Cells,
    pub value: Cells,
    /// The columns of the table that are read, in rising order.
    pub needed: Vec<usize>,
    /// Their types.
    pub types: Vec<DataType>,
    /// Which of them are UUIDs.
    uuids: Vec<bool>,
}

impl Plan {
    /// # Errors
    /// For a column that is missing, or whose type makes no such key or value.
    pub fn new(schema: &Schema, options: &ReadOptions) -> Result<Self, Reason> {
        let names: Vec<String> = schema.fields().iter().map(|field| field.name().clone()).collect();
        let key = numbers(&options.key_columns, 0, &names)?;
        let no_value = options.value_type == ValueType::None;
        let value = if no_value { vec![] } else { numbers(&options.value_columns, 1, &names)? };
        let mut needed = [&key[..], &value].concat();
        needed.sort_unstable();
        needed.dedup();
        let local = |columns: &[usize]| -> Vec<usize> {
            columns.iter().map(|column| needed.partition_point(|other| other < column)).collect()
        };
        let local_names: Vec<String> = needed.iter().map(|&column| names[column].clone()).collect();
        let key_cells = Cells::of(&local(&key), None, options.join.as_ref());
        let value_cells = if no_value {
            Cells::None
        } else {
            Cells::of(&local(&value), Some(&local_names), options.join.as_ref())
        };
        value_cells.check_names()?;
        for &column in &key {
            let field = schema.field(column);
            stored_type(field, options.key_type == KeyType::Text)
                .and_then(|data_type| check_key(&key_cells, &data_type, options))
                .map_err(|reason| prefixed(field.name(), reason))?;
        }
        for &column in &value {
            let field = schema.field(column);
            stored_type(field, options.value_type.is_text())
                .and_then(|data_type| check_value(&value_cells, &data_type, options.value_type))
                .map_err(|reason| prefixed(field.name(), reason))?;
        }
        let types = needed.iter().map(|&column| schema.field(column).data_type().clone()).collect();
        let uuids = needed.iter().map(|&column| is_uuid(schema.field(column))).collect();
        Ok(Plan { key: key_cells, value: value_cells, needed, types, uuids })
    }

    /// The columns of a batch, for keys or values that are text or not.
    pub fn columns(&self, batch: &RecordBatch, as_text: bool) -> Vec<ArrayRef> {
        let stored = |(column, is_uuid): (&ArrayRef, &bool)| match as_text && *is_uuid {
            true => uuid::texts(column),
            false => ArrayRef::clone(column),
        };
        batch.columns().iter().zip(&self.uuids).map(stored).collect()
    }
}

/// The type of a column, of which text is made or not.
fn stored_type(field: &Field, as_text: bool) -> Result<DataType, Reason> {
    match field.extension_type_name() {
        Some("pandas.period") => {
            Err("holds periods of pandas, which are stored as bare numbers: cast it to text"
                .to_owned()
                .into())
        }
        _ if as_text && is_uuid(field) => Ok(DataType::Utf8),
        _ => Ok(field.data_type().clone()),
    }
}

fn prefixed(name: &str, reason: Reason) -> Reason {
    Reason { what: format!("the column {name:?} {}", reason.what).into(), ..reason }
}

/// The items of a list.
pub(crate) fn item_type(data_type: &DataType) -> Option<&DataType> {
    match data_type {
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            Some(item.data_type())
        }
        _ => None,
    }
}

fn is_number(data_type: &DataType) -> bool {
    data_type.is_integer() || data_type.is_floating()
}

/// What joined texts may be made of.
fn is_joinable(data_type: &DataType) -> Result<(), Reason> {
    match is_string(data_type) || is_number(data_type) {
        true => Ok(()),
        false => Err(format!("is of type {data_type}; only text and numbers can be joined").into()),
    }
}

fn check_key(cells: &Cells, data_type: &DataType, options: &ReadOptions) -> Result<(), Reason> {
    let key_type = options.key_type;
    match cells {
        Cells::Joined(..) if key_type == KeyType::Int => {
            Err("is one of several that are joined: these make no integers".into())
        }
        Cells::Joined(..) => is_joinable(data_type),
        Cells::Array(_) => json::check(data_type).map_err(Reason::from),
        // A column without a type has nulls only, or no rows.
        _ if *data_type == DataType::Null => Ok(()),
        _ if key_type == KeyType::Int && data_type.is_integer() => Ok(()),
        _ if key_type == KeyType::Int => {
            Err(format!("is of type {data_type}: its keys are no integers").into())
        }
        _ if is_string(data_type) => Ok(()),
        _ if options.json_keys => json::check(data_type).map_err(Reason::from),
        _ if data_type.is_integer() => {
            Err(Reason::with(Advice::IntKeys, format!("is of type {data_type}, not text")))
        }
        _ => Err(format!("is of type {data_type}, which makes no keys: cast it to text").into()),
    }
}

fn check_value(cells: &Cells, data_type: &DataType, value_type: ValueType) -> Result<(), Reason> {
    let row = match (cells, value_type) {
        (Cells::Joined(..), _) => return is_joinable(data_type),
        (_, ValueType::Json) => return json::check(data_type).map_err(Reason::from),
        (_, ValueType::Numbers(row)) => row,
        _ if is_string(data_type) => return Ok(()),
        _ => {
            let what = format!("is of type {data_type}, not text");
            return Err(match json::check(data_type) {
                Ok(()) => Reason::with(Advice::JsonValues, what),
                Err(why) => format!("{what}, and {why}").into(),
            });
        }
    };
    let item = if row.dimension == 0 { Some(data_type) } else { item_type(data_type) };
    match item.is_some_and(is_number) || *data_type == DataType::Null {
        true => Ok(()),
        false => Err(format!("is of type {data_type}, which makes no {}", ValueType::Numbers(row)).into()),
    }
}
