//! Looks up one key, and prints its value.
//!
//!     cargo run --release -p hashlith --example lookup -- squares.hlith 1234

use hashlith::{Index, MapOptions, shown_key};
use std::os::unix::ffi::OsStrExt;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let [path, key] = arguments.as_slice() else { return Err("usage: lookup INDEX KEY".into()) };

    // SAFETY: this file is not changed in place while the program runs; a new version replaces it by a rename.
    // `Index::load`, which reads the file into memory, needs no such promise.
    let index = unsafe { Index::map(path, &MapOptions::default())? };
    match index.find(key.as_bytes())? {
        Some(record) => println!("{} (record {} of {})", shown_key(&record.value), record.id, index.len()),
        None => println!("{} is not in the index", shown_key(key.as_bytes())),
    }
    Ok(())
}
