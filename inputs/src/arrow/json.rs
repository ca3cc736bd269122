//! Values of any type as compact JSON text, like that of a pickle's values.

use std::collections::HashSet;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Decimal32Type, Decimal64Type, Decimal128Type, Decimal256Type, Float16Type, Float32Type, Float64Type,
};
use arrow_array::{Array, ArrayRef, StructArray, make_array};
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_schema::DataType;

use crate::arrow::cells::{Texts, index_at, int_at, is_text};
use crate::arrow::guarded::guarded;
use crate::pickle::{write_float, write_string};

/// Whether values of this type have a JSON text.
///
/// # Errors
/// Words that follow "the column".
pub(crate) fn check(data_type: &DataType) -> Result<(), String> {
    use DataType as T;
    match data_type {
        T::Null | T::Boolean => Ok(()),
        _ if data_type.is_numeric() || data_type.is_temporal() || is_text(data_type) => Ok(()),
        T::List(item) | T::LargeList(item) | T::FixedSizeList(item, _) => check(item.data_type()),
        T::Struct(fields) => {
            let mut names = HashSet::new();
            fields.iter().try_for_each(|field| match names.insert(field.name()) {
                true => check(field.data_type()),
                false => Err(twice(field.name())),
            })
        }
        T::Dictionary(_, values) => check(values),
        T::Map(entries, _) => match entries.data_type() {
            T::Struct(fields) if fields.len() == 2 && is_text(fields[0].data_type()) => {
                check(fields[1].data_type())
            }
            _ => Err("holds maps whose keys are no text, which JSON does not have".to_owned()),
        },
        _ => Err(format!("holds values of type {data_type}, which JSON does not have: cast them before")),
    }
}

/// Appends the JSON text of a value.
///
/// # Errors
/// Words that follow "the value".
pub(crate) fn write(array: &dyn Array, row: usize, out: &mut Vec<u8>) -> Result<(), String> {
    use DataType as T;
    if array.is_null(row) {
        out.extend_from_slice(b"null");
        return Ok(());
    }
    match array.data_type() {
        T::Null => out.extend_from_slice(b"null"),
        T::Boolean => out.extend_from_slice(if array.as_boolean().value(row) { b"true" } else { b"false" }),
        other if other.is_integer() => {
            out.extend_from_slice(int_at(array, row).to_string().as_bytes());
        }
        T::Float16 => float(array.as_primitive::<Float16Type>().value(row).into(), out)?,
        T::Float32 => float(array.as_primitive::<Float32Type>().value(row).into(), out)?,
        T::Float64 => float(array.as_primitive::<Float64Type>().value(row), out)?,
        T::Utf8 | T::LargeUtf8 | T::Utf8View => {
            write_string(Texts::new(array).get(row).unwrap_or_default(), out);
        }
        T::Dictionary(..) => {
            let dictionary = array.as_any_dictionary();
            write(dictionary.values(), index_at(dictionary.keys(), row), out)?;
        }
        T::List(_) => items(&array.as_list::<i32>().value(row), out)?,
        T::LargeList(_) => items(&array.as_list::<i64>().value(row), out)?,
        T::FixedSizeList(..) => items(&array.as_fixed_size_list().value(row), out)?,
        T::Struct(_) => fields(array.as_struct(), row, out)?,
        T::Map(..) => entries(&array.as_map().value(row), out)?,
        &T::Decimal32(_, scale) => decimal(array.as_primitive::<Decimal32Type>().value(row), scale, out),
        &T::Decimal64(_, scale) => decimal(array.as_primitive::<Decimal64Type>().value(row), scale, out),
        &T::Decimal128(_, scale) => decimal(array.as_primitive::<Decimal128Type>().value(row), scale, out),
        &T::Decimal256(_, scale) => decimal(array.as_primitive::<Decimal256Type>().value(row), scale, out),
        // An instant: written in UTC, as the rules of time zones are not known here.
        T::Timestamp(unit, Some(zone)) if !zone.starts_with(['+', '-']) => {
            let utc = array.slice(row, 1).to_data().into_builder();
            let utc = utc.data_type(T::Timestamp(*unit, Some("+00:00".into()))).build();
            write(&make_array(utc.map_err(|error| error.to_string())?), 0, out)?;
        }
        _ => {
            let options = FormatOptions::default();
            let text = guarded(|| ArrayFormatter::try_new(array, &options)?.value(row).try_to_string());
            write_string(text.map_err(|error| format!("has no text: {error}"))?.as_bytes(), out);
        }
    }
    Ok(())
}

/// Appends a number whose last `scale` digits are behind the point. It may have more digits than its type says.
fn decimal(number: impl ToString, scale: i8, out: &mut Vec<u8>) {
    let text = number.to_string();
    let digits = text.trim_start_matches('-');
    out.extend_from_slice(&text.as_bytes()[..text.len() - digits.len()]);
    let places = usize::from(scale.unsigned_abs());
    if scale > 0 {
        let digits = format!("{digits:0>width$}", width = places + 1);
        let (whole, part) = digits.split_at(digits.len() - places);
        out.extend_from_slice(format!("{whole}.{part}").as_bytes());
    } else {
        out.extend_from_slice(digits.as_bytes());
        out.resize(out.len() + if digits == "0" { 0 } else { places }, b'0');
    }
}

fn float(number: f64, out: &mut Vec<u8>) -> Result<(), String> {
    match write_float(number, out) {
        true => Ok(()),
        false => Err(format!("is or holds {number}, a float that JSON does not have")),
    }
}

fn items(items: &ArrayRef, out: &mut Vec<u8>) -> Result<(), String> {
    out.push(b'[');
    for row in 0..items.len() {
        if row > 0 {
            out.push(b',');
        }
        write(items, row, out)?;
    }
    out.push(b']');
    Ok(())
}

fn fields(array: &StructArray, row: usize, out: &mut Vec<u8>) -> Result<(), String> {
    out.push(b'{');
    for (number, (field, column)) in array.fields().iter().zip(array.columns()).enumerate() {
        if number > 0 {
            out.push(b',');
        }
        write_string(field.name().as_bytes(), out);
        out.push(b':');
        write(column, row, out)?;
    }
    out.push(b'}');
    Ok(())
}

#[cold]
fn twice(name: &str) -> String {
    format!("holds {name:?} twice, and a JSON object has each name once")
}

fn entries(entries: &StructArray, out: &mut Vec<u8>) -> Result<(), String> {
    let (keys, values) = (Texts::new(entries.column(0)), entries.column(1));
    let mut names = HashSet::new();
    out.push(b'{');
    for row in 0..entries.len() {
        if row > 0 {
            out.push(b',');
        }
        let name = keys.get(row).ok_or("holds a map with a null as a key")?;
        if !names.insert(name) {
            return Err(twice(&String::from_utf8_lossy(name)));
        }
        write_string(name, out);
        out.push(b':');
        write(values, row, out)?;
    }
    out.push(b'}');
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_have_all_their_digits() {
        for (number, scale, wanted) in [
            (0, 0, "0"),
            (0, 2, "0.00"),
            (0, -2, "0"),
            (7, 0, "7"),
            (-7, 1, "-0.7"),
            (7, 3, "0.007"),
            (-1234, 2, "-12.34"),
            (12, -3, "12000"),
            (i128::MIN, 38, "-1.70141183460469231731687303715884105728"),
        ] {
            let mut out = Vec::new();
            decimal(number, scale, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), wanted);
        }
    }
}
