//! Bytes of an open index for other libraries, without a copy: through Python's buffer protocol.
#![allow(unsafe_code)]

use crate::open::Open;
use pyo3::{exceptions::PyBufferError, ffi, prelude::*};
use std::{ffi::c_int, ops::Range, sync::Arc};

/// Bytes of a part of an open index. They stay mapped as long as this object lives, even if the index is closed.
#[pyclass(frozen, module = "hashlith._native")]
pub struct Block {
    index: Arc<Open>,
    part: usize,
    bytes: Range<usize>,
}

impl Block {
    /// For bytes that lie in a part of the index.
    pub fn new<'py>(
        py: Python<'py>,
        index: Arc<Open>,
        part: usize,
        bytes: &[u8],
    ) -> PyResult<Bound<'py, Self>> {
        let start = index.parts().get(part).map_or(0, |part| part.offset_of(bytes)) as usize;
        Bound::new(py, Block { index, part, bytes: start..start.saturating_add(bytes.len()) })
    }

    fn bytes(&self) -> Option<&[u8]> {
        self.index.parts().get(self.part)?.as_bytes().get(self.bytes.clone())
    }
}

#[pymethods]
impl Block {
    unsafe fn __getbuffer__(slf: Bound<'_, Self>, view: *mut ffi::Py_buffer, flags: c_int) -> PyResult<()> {
        let Some(bytes) = slf.get().bytes() else {
            return Err(PyBufferError::new_err("the bytes are not in the index"));
        };
        let (address, len) = (bytes.as_ptr().cast_mut().cast(), bytes.len().cast_signed());
        // SAFETY: CPython passes a view to fill. The bytes live as long as the index, which this object keeps, and the view
        // keeps this object; they neither move nor change, for the view is read-only: a request to write is an error.
        let code = unsafe { ffi::PyBuffer_FillInfo(view, slf.as_ptr(), address, len, 1, flags) };
        if code == 0 { Ok(()) } else { Err(PyErr::fetch(slf.py())) }
    }
}
