//! Numbers and vectors of numbers as Python objects, and back.

use crate::{block::Block, kinds::type_name, open::Open};
use half::f16;
use hashlith::{Number, Row, inputs::typed::Numbers};
use pyo3::{
    IntoPyObjectExt,
    prelude::*,
    sync::PyOnceLock,
    types::{PyBool, PyBytes, PyFloat, PyInt, PyList, PyTuple},
};
use std::sync::Arc;

/// The name of a type of numbers in numpy's array interface.
pub fn dtype(number: Number) -> &'static str {
    match number {
        Number::Int8 => "|i1",
        Number::Int16 => "<i2",
        Number::Int32 => "<i4",
        Number::Int64 => "<i8",
        Number::Uint8 => "|u1",
        Number::Uint16 => "<u2",
        Number::Uint32 => "<u4",
        Number::Uint64 => "<u8",
        Number::Float16 => "<f2",
        Number::Float32 => "<f4",
        Number::Float64 => "<f8",
    }
}

/// The type of values like this numpy array or scalar; `None` for another object.
pub fn row_of(value: &Bound<'_, PyAny>) -> Option<Row> {
    let name: String = value.getattr("dtype").ok()?.getattr("name").ok()?.extract().ok()?;
    let number = Number::ALL.into_iter().find(|number| number.name() == name)?;
    let shape = value.getattr("shape").ok()?;
    let shape = shape.cast::<PyTuple>().ok()?;
    match shape.len() {
        0 => Some(Row { number, dimension: 0 }),
        1 => {
            let dimension = shape.get_item(0).ok()?.extract().ok()?;
            (dimension > 0).then_some(Row { number, dimension })
        }
        _ => None,
    }
}

/// Appends the bytes of a value. The inner error says what is wrong, as words that follow "the value".
pub fn encode(row: Row, value: &Bound<'_, PyAny>, out: &mut Vec<u8>) -> PyResult<Result<(), String>> {
    // Others, such as masked arrays, may mean something else than their bytes.
    let is_array = value.get_type().name()?.to_cow()? == "ndarray";
    if row.dimension > 0 && is_array && row_of(value) == Some(row) {
        let bytes = value.call_method0("tobytes")?;
        let stored = value.getattr("dtype")?.getattr("str")?.extract::<String>()? == dtype(row.number);
        if stored {
            out.extend_from_slice(bytes.cast::<PyBytes>()?.as_bytes());
            return Ok(Ok(()));
        }
    }
    let mut numbers = Numbers::new(row, out);
    if row.dimension == 0 {
        let one = match is_array && value.getattr("ndim")?.extract::<usize>()? == 0 {
            true => &value.call_method0("item")?,
            false => value,
        };
        return Ok(push(&mut numbers, one).and_then(|()| numbers.finish()));
    }
    // An array of other numbers becomes a list of them, each of which is checked.
    let list = match value.hasattr("dtype")? {
        true => value.call_method0("tolist")?,
        false => value.clone(),
    };
    let pushed = if let Ok(list) = list.cast::<PyList>() {
        list.iter().try_for_each(|item| push(&mut numbers, &item))
    } else if let Ok(tuple) = list.cast::<PyTuple>() {
        tuple.iter().try_for_each(|item| push(&mut numbers, &item))
    } else {
        Err(format!("is not a list, a tuple or an array of {} numbers", row.dimension))
    };
    Ok(pushed.and_then(|()| numbers.finish()))
}

fn push(numbers: &mut Numbers<'_>, item: &Bound<'_, PyAny>) -> Result<(), String> {
    if item.is_instance_of::<PyBool>() {
        return Err(numbers.refused("a bool"));
    }
    if let Ok(float) = item.cast::<PyFloat>() {
        let float = float.value();
        return numbers.float(float, &format!("{float:?}"));
    }
    // Integers of numpy too.
    let is_int = item.is_instance_of::<PyInt>() || item.hasattr("__index__").unwrap_or(false);
    match item.extract::<i128>() {
        Ok(int) if is_int => numbers.int(int),
        Err(_) if is_int => {
            Err(numbers.refused(&item.str().map_or_else(|_| "an int".into(), |text| text.to_string())))
        }
        _ => match item.extract::<f64>() {
            // Other scalars of numpy.
            Ok(float) if item.hasattr("dtype").unwrap_or(false) => {
                numbers.float(float, &format!("{float:?}"))
            }
            _ => Err(numbers.refused(&type_name(item))),
        },
    }
}

/// A number as an `int` or a `float`.
pub fn scalar<'py>(py: Python<'py>, number: Number, bytes: &[u8]) -> PyResult<Bound<'py, PyAny>> {
    macro_rules! read {
        ($type:ty) => {
            <$type>::from_le_bytes(bytes.try_into().unwrap_or_default())
        };
    }
    match number {
        Number::Int8 => read!(i8).into_bound_py_any(py),
        Number::Int16 => read!(i16).into_bound_py_any(py),
        Number::Int32 => read!(i32).into_bound_py_any(py),
        Number::Int64 => read!(i64).into_bound_py_any(py),
        Number::Uint8 => read!(u8).into_bound_py_any(py),
        Number::Uint16 => read!(u16).into_bound_py_any(py),
        Number::Uint32 => read!(u32).into_bound_py_any(py),
        Number::Uint64 => read!(u64).into_bound_py_any(py),
        Number::Float16 => {
            f16::from_le_bytes(bytes.try_into().unwrap_or_default()).to_f32().into_bound_py_any(py)
        }
        Number::Float32 => read!(f32).into_bound_py_any(py),
        Number::Float64 => read!(f64).into_bound_py_any(py),
    }
}

/// Bytes of numbers as a numpy array, which may be written to if the object may.
pub fn array<'py>(bytes: &Bound<'py, PyAny>, number: Number) -> PyResult<Bound<'py, PyAny>> {
    static FROMBUFFER: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let py = bytes.py();
    let frombuffer = FROMBUFFER
        .get_or_try_init(py, || Ok::<_, PyErr>(py.import("numpy")?.getattr("frombuffer")?.unbind()))?;
    frombuffer.bind(py).call1((bytes, dtype(number)))
}

/// Numbers of an open index, where they lie, as a numpy array that cannot be written to.
pub fn view<'py>(
    py: Python<'py>,
    index: Arc<Open>,
    part: usize,
    bytes: &[u8],
    number: Number,
) -> PyResult<Bound<'py, PyAny>> {
    array(&Block::new(py, index, part, bytes)?.into_any(), number)
}
