//! hashlith itself.

use super::{About, Answer, Contender, Reader, Result, read, version_of};
use crate::data::for_each_pair;
use hashlith_builder::Builder;
use hashlith_reader::{Index, MapOptions, Mapping};
use std::path::Path;

pub struct Hashlith;

struct Open(Index<Mapping>);

impl Contender for Hashlith {
    fn about(&self) -> About {
        About {
            name: "hashlith",
            version: version_of("hashlith-reader"),
            settings: "Builder::add of one thread; defaults (1 GiB, all cores); Index::map",
            kind: "uncompressed",
            limit: None,
            before_fork: false,
        }
    }

    fn build(&self, source: &Path, dir: &Path) -> Result<()> {
        let mut builder = Builder::new().temp_dir(dir);
        for_each_pair(source, |key, value| {
            builder.add(key, value).map_err(Box::<dyn std::error::Error>::from)
        })?;
        builder.finish(dir.join("index.hlith"))?;
        Ok(())
    }

    fn open(&self, _: &Path, dir: &Path) -> Result<Box<dyn Reader>> {
        // SAFETY: nobody writes to the file while it is measured.
        let index = unsafe { Index::map(dir.join("index.hlith"), &MapOptions::default())? };
        Ok(Box::new(Open(index)))
    }
}

impl Reader for Open {
    fn count(&self, keys: &[&[u8]]) -> usize {
        keys.iter()
            .filter(|key| self.0.get(key).expect("a sound index").inspect(|value| read(value)).is_some())
            .count()
    }

    fn count_many(&self, keys: &[&[u8]]) -> Option<usize> {
        let values = self.0.get_many(keys).expect("a sound index");
        Some(values.iter().flatten().inspect(|value| read(value)).count())
    }

    fn value(&self, key: &[u8]) -> Answer {
        self.0.get(key).expect("a sound index").as_deref().into()
    }
}
