//! The Python package's compiled half: `hashlith._native`.
//!
//! Thin over the reader, the builder and the checker: it turns Python objects into bytes and back, lets go of the GIL
//! while there is work without Python, and raises exceptions. What can be said in Python is said in `hashlith/*.py`.
#![deny(unsafe_code)]

mod arena;
mod arrow;
mod builder;
mod check;
mod errors;
mod files;
mod index;
mod kinds;
mod many;
mod open;
mod progress;
mod records;
mod sets;
mod settings;

use pyo3::prelude::*;

/// The compiled half of the package; use `hashlith` itself.
#[pymodule(gil_used = false)]
mod _native {
    #[pymodule_export]
    use crate::{
        arrow::ArrowArray,
        builder::Builder,
        check::{info, run, verify},
        files::build_from_files,
        index::Index,
        records::Records,
        sets::{commit_set, part_numbers, prepare_set},
    };
}
