//! The Python package's compiled half: `hashlith._native`.
//!
//! Thin over the crate `hashlith`: it converts Python objects to bytes and back, releases the GIL while it works without
//! Python, and raises exceptions. Everything that Python can do is in `hashlith/*.py`.
#![deny(unsafe_code)]

mod advice;
mod arena;
mod arrow;
mod batch;
mod block;
mod builder;
mod building;
mod capsule;
mod check;
mod chunk;
mod column;
mod errors;
mod files;
mod foreign;
mod handle;
mod index;
mod kinds;
mod many;
mod missing;
mod numbers;
mod open;
mod pairs;
mod paths;
mod progress;
mod records;
mod sets;
mod settings;
mod table;

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
        handle::Index,
        records::Records,
        sets::{
            after_fork_in_child, after_fork_in_parent, before_fork, commit_set, part_numbers, prepare_set,
        },
    };

    #[pymodule_export]
    #[allow(non_upper_case_globals, reason = "the name that Python modules have for it")]
    const __version__: &str = env!("CARGO_PKG_VERSION");
}
