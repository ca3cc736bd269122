//! What the builder promises, through its public functions.
#![allow(clippy::unwrap_used, reason = "a test may fail by a panic")]

mod access;
mod control_groups;
mod duplicates;
mod endings;
mod hostile_keys;
mod large;
mod model;
mod moving;
mod parts;
mod recut;
mod replacing;
mod sets;
#[path = "../support/mod.rs"]
mod support;
mod temp_files;

use hashlith_builder::Builder;
use std::{fs, path::Path};

/// A builder with the least memory.
fn small() -> Builder {
    Builder::new().threads(2).memory_limit(Builder::smallest_memory(2))
}

/// The names in a directory, sorted.
fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}
