//! `ptr_hash` alone: from keys to numbers, without keys and values, so that absent keys get a number too.

use super::{About, Answer, Contender, Reader, Result, version_of};
use crate::data::for_each_pair;
use ptr_hash::{FastPtrHash, PtrHashParams, hash::FastIntHash};
use std::{hint::black_box, path::Path};
use xxhash_rust::xxh3::xxh3_64;

pub struct Bare;

struct Open(FastPtrHash<FastIntHash>);

fn load(source: &Path) -> Result<Open> {
    let mut hashes = Vec::new();
    for_each_pair(source, |key, _| {
        hashes.push(xxh3_64(key));
        Ok::<_, std::io::Error>(())
    })?;
    Ok(Open(FastPtrHash::new(&hashes, PtrHashParams::default_fast())))
}

impl Contender for Bare {
    fn about(&self) -> About {
        About {
            name: "ptr_hash alone",
            version: version_of("ptr_hash"),
            settings: "no keys, no values, no file; xxh3 of the key, default_fast; index, index_stream; says yes to all",
            kind: "ids only",
            limit: None,
            before_fork: true,
        }
    }

    fn build(&self, source: &Path, _: &Path) -> Result<()> {
        load(source).map(drop)
    }

    fn open(&self, source: &Path, _: &Path) -> Result<Box<dyn Reader>> {
        Ok(Box::new(load(source)?))
    }
}

impl Reader for Open {
    fn count(&self, keys: &[&[u8]]) -> usize {
        for key in keys {
            black_box(self.0.index(&xxh3_64(key)));
        }
        keys.len()
    }

    fn count_many(&self, keys: &[&[u8]]) -> Option<usize> {
        let hashes = keys.iter().map(|key| xxh3_64(key));
        Some(self.0.index_stream::<32, u64>(hashes).map(black_box).count())
    }

    fn value(&self, _: &[u8]) -> Answer {
        Answer::Unknowable
    }
}
