//! The contenders, a file each.

mod cdb;
mod contender;
mod fst;
mod hashlith;
mod hashmap;
mod heed;
mod odht;
mod pool;
mod ptr_hash;
mod redb;

pub use contender::{About, Answer, Contender, Reader, Result, read, version_of};

/// All contenders, in the order of the table.
pub fn all() -> Vec<Box<dyn Contender>> {
    vec![
        Box::new(hashlith::Hashlith),
        Box::new(hashmap::StdHashMap),
        Box::new(heed::Heed),
        Box::new(fst::Fst),
        Box::new(odht::Odht),
        Box::new(redb::Redb),
        Box::new(cdb::Cdb),
        Box::new(ptr_hash::Bare),
    ]
}
