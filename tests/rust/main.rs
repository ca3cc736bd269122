//! Tests that need several crates, `spec.md`, or the golden files in `tests/golden`.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod built;
mod coded;
mod compressed;
mod damage_matrix;
mod golden;
mod golden_bad;
mod hostile;
mod mapped;
mod numbers;
mod sets;
mod shared;
mod spec;
mod typed;

use std::path::{Path, PathBuf};

/// The specification itself: the tests use its tables, not a copy of them.
const SPEC: &str = include_str!("../../spec.md");

/// A path below `tests/golden`.
fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../golden").join(name)
}
