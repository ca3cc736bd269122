//! fst: a transducer from keys to places in a file of values.

use super::{
    About, Answer, Contender, Reader, Result,
    pool::{PoolWriter, map, text_at},
    read, version_of,
};
use crate::data::for_each_sorted;
use fst::{Map, MapBuilder};
use memmap2::Mmap;
use std::{fs::File, io::BufWriter, path::Path};

pub struct Fst;

struct Open {
    map: Map<Mmap>,
    values: Mmap,
}

impl Contender for Fst {
    fn about(&self) -> About {
        About {
            name: "fst, values in a pool",
            version: version_of("fst"),
            settings: "sorted; MapBuilder into a file; both files mapped; each of up to 65,536 values stored once",
            kind: "compressed",
            limit: None,
            before_fork: false,
        }
    }

    fn build(&self, source: &Path, dir: &Path) -> Result<()> {
        let file = File::create(dir.join("keys.fst"))?;
        let mut keys = MapBuilder::new(BufWriter::with_capacity(1 << 20, file))?;
        let mut values = PoolWriter::create(&dir.join("values"))?;
        for_each_sorted(source, |key, value| {
            keys.insert(key, values.push_once(value)?)?;
            Ok::<_, Box<dyn std::error::Error>>(())
        })?;
        keys.into_inner()?.into_inner()?.sync_all()?;
        values.finish()
    }

    fn open(&self, _: &Path, dir: &Path) -> Result<Box<dyn Reader>> {
        Ok(Box::new(Open { map: Map::new(map(&dir.join("keys.fst"))?)?, values: map(&dir.join("values"))? }))
    }
}

impl Open {
    fn get(&self, key: &[u8]) -> Option<&[u8]> {
        self.map.get(key).map(|at| text_at(&self.values, at as usize).0)
    }
}

impl Reader for Open {
    fn count(&self, keys: &[&[u8]]) -> usize {
        keys.iter().filter(|key| self.get(key).inspect(|value| read(value)).is_some()).count()
    }

    fn value(&self, key: &[u8]) -> Answer {
        self.get(key).into()
    }
}
