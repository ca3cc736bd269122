//! Numbers of pickles as values: single ones, lists of them and arrays of numpy.

use hashlith_format::Row;

use crate::pickle::input::Input;
use crate::pickle::item::{Item, Kind, SeqKind, Span, is_number};
use crate::pickle::number::{write_binary, write_digits};
use crate::pickle::object::{Array, Element};
use crate::pickle::row_error::RowError;
use crate::pickle::texts::Texts;
use crate::pickle::window::Window;
use crate::typed::{Numbers, not_so_many};

/// A long integer in decimal.
pub(crate) fn digits(
    span: Span,
    window: &mut Window<Input<'_>>,
    texts: &mut Texts,
) -> Result<String, RowError> {
    // No number of 64 bits is as long.
    if span.length > 1 << 10 {
        return Err("is an int of more than 64 bits".to_owned().into());
    }
    texts.load_part(span, window)?;
    let mut text = Vec::new();
    let write = if span.kind == Kind::LongBinary { write_binary } else { write_digits };
    if !write(&texts.part, &mut text) {
        return Err("is a malformed int".to_owned().into());
    }
    Ok(String::from_utf8(text).unwrap_or_default())
}

/// Puts the bytes of a number, or of a list or tuple of numbers, into `texts.value`. An error text begins with a verb.
pub(crate) fn write_numbers(
    row: Row,
    value: &Item,
    window: &mut Window<Input<'_>>,
    texts: &mut Texts,
) -> Result<(), RowError> {
    let mut out = std::mem::take(&mut texts.value);
    out.clear();
    let mut numbers = Numbers::new(row, &mut out);
    let pushed = match value {
        Item::Object(object) if object.array().is_some() => {
            object.array().map_or(Ok(()), |array| push_array(row, array, window, texts, &mut numbers))
        }
        Item::Seq(seq) if row.dimension > 0 && matches!(seq.kind(), SeqKind::List | SeqKind::Tuple) => {
            seq.items.borrow().iter().try_for_each(|item| push(item, row, window, texts, &mut numbers))
        }
        _ if row.dimension > 0 => {
            Err(format!("is {}, not a list of {} numbers", value.a_type(), row.dimension).into())
        }
        _ => push(value, row, window, texts, &mut numbers),
    };
    let done = pushed.and_then(|()| numbers.finish().map_err(RowError::from));
    texts.value = out;
    done
}

fn push(
    item: &Item,
    row: Row,
    window: &mut Window<Input<'_>>,
    texts: &mut Texts,
    numbers: &mut Numbers<'_>,
) -> Result<(), RowError> {
    match item {
        Item::Int(number) => numbers.int(i128::from(*number))?,
        Item::Big(number) => numbers.int(i128::from(*number))?,
        Item::Float(number) if row.number.is_float() => numbers.float(*number, &format!("{number:?}"))?,
        Item::Span(span) if is_number(span.kind) => numbers.text(&digits(*span, window, texts)?)?,
        _ => return Err(numbers.refused(&item.a_type()).into()),
    }
    Ok(())
}

/// An array of one dimension as a vector, or of none as a number.
fn push_array(
    row: Row,
    array: Array,
    window: &mut Window<Input<'_>>,
    texts: &mut Texts,
    numbers: &mut Numbers<'_>,
) -> Result<(), RowError> {
    let dimensions = array.shape.sizes().len();
    if dimensions > 1 {
        return Err(format!("is a numpy array of {dimensions} dimensions, not of one").into());
    }
    if row.dimension == 0 && dimensions > 0 {
        return Err(format!("is a numpy array of {} numbers, not one number", array.length).into());
    }
    if array.length != u64::from(row.count()) || row.dimension > 0 && dimensions == 0 {
        let found = if dimensions == 0 { 0 } else { array.length };
        return Err(not_so_many(row, found).into());
    }
    load_array(array, window, texts)?;
    let elements = std::mem::take(&mut texts.part);
    let dtype = array.dtype;
    let mut result = Ok(());
    if dtype.element == Element::Number(row.number) {
        numbers.raw(&elements, dtype.is_big_endian);
    } else {
        result = elements.chunks_exact(dtype.size as usize).try_for_each(|bytes| match dtype.item(bytes) {
            Some(item) => push(&item, row, window, texts, numbers),
            None => Err(numbers.refused("a text").into()),
        });
    }
    texts.part = elements;
    result
}

/// Puts the bytes of an array's elements into `texts.part`. The caller has checked that they are not too many.
pub(crate) fn load_array(
    array: Array,
    window: &mut Window<Input<'_>>,
    texts: &mut Texts,
) -> Result<(), RowError> {
    let size = array.length.saturating_mul(u64::from(array.dtype.size));
    // Written as text, each byte takes at most six.
    if array.data.length > size.saturating_mul(6) {
        return Err("is a malformed numpy array".to_owned().into());
    }
    texts.load_part(array.data, window)?;
    if texts.part.len() as u64 != size {
        return Err("is a malformed numpy array".to_owned().into());
    }
    Ok(())
}
