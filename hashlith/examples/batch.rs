//! Looks up many keys at once, and compares the time with one lookup after the other.
//!
//!     cargo run --release -p hashlith --example batch -- squares.hlith

use hashlith::{Index, MapOptions};
use std::time::Instant;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args_os().nth(1).ok_or("usage: batch INDEX")?;
    // SAFETY: this file is not changed in place while the program runs.
    let index = unsafe { Index::map(path, &MapOptions { preload: true, ..MapOptions::default() })? };
    let keys: Vec<String> = (0..200_000u64).map(|i| (i * 7919 % 2_000_000).to_string()).collect();

    let began = Instant::now();
    let mut single = 0;
    for key in &keys {
        single += usize::from(index.get(key.as_bytes())?.is_some());
    }
    let one_by_one = began.elapsed();

    let began = Instant::now();
    let mut found = 0;
    // Any number of keys per call will do: they go through memory 64 at a time.
    index.lookup_many(&keys, |one| -> Result<(), hashlith::format::Error> {
        found += usize::from(one.is_some());
        Ok(())
    })?;
    let together = began.elapsed();

    assert_eq!(single, found);
    let each = |time: std::time::Duration| time.as_nanos() / keys.len() as u128;
    println!(
        "{found} of {} keys found: {} ns each, {} ns in a batch",
        keys.len(),
        each(one_by_one),
        each(together)
    );
    Ok(())
}
