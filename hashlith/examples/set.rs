//! Builds the parts of a set apart, as several machines would, and joins them.
//!
//!     cargo run --release -p hashlith --example set -- squares-set

use hashlith::{Builder, Index, KeyHasher, Progress, commit_set};
use std::path::PathBuf;

const PARTS: u32 = 4;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let set = std::env::args_os().nth(1).map_or_else(|| "squares-set".into(), PathBuf::from);
    let hasher = KeyHasher::xxh3(0);
    let mut files = Vec::new();
    for part in 0..PARTS {
        // Each machine has the records of its part: the hash of the key says which that is.
        let mut builder = Builder::new().memory_limit(64 << 20).threads(1).part(part, PARTS);
        for n in 0..10_000u64 {
            let key = n.to_string();
            if hasher.hash(key.as_bytes()).part(PARTS) == part {
                builder.add(key.as_bytes(), (n * n).to_string().as_bytes())?;
            }
        }
        let file = set.with_extension(format!("{part}.tmp"));
        builder.finish(&file)?;
        files.push(file);
    }
    // All parts come into force at once, in place of an older set at this path.
    let keys = commit_set(&set, &files, &Progress::new())?;
    let index = Index::load(&set)?;
    println!(
        "{}: {keys} keys in {} parts; 99 -> {:?}",
        set.display(),
        index.parts().len(),
        index.get_str("99")?
    );
    Ok(())
}
