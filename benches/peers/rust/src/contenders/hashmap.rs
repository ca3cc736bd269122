//! The standard library's hash map, loaded once and shared by fork.

use super::{About, Answer, Contender, Reader, Result, read};
use crate::data::for_each_pair;
use std::{collections::HashMap, path::Path};

pub struct StdHashMap;

struct Open(HashMap<Box<[u8]>, Box<[u8]>>);

fn load(source: &Path) -> Result<Open> {
    let mut map = HashMap::new();
    for_each_pair(source, |key, value| {
        map.insert(key.into(), value.into());
        Ok::<_, std::io::Error>(())
    })?;
    Ok(Open(map))
}

impl Contender for StdHashMap {
    fn about(&self) -> About {
        About {
            name: "std HashMap",
            version: env!("RUST_VERSION").to_owned(),
            settings: "Box<[u8]> to Box<[u8]>, SipHash; loaded once, workers forked from it",
            kind: "in memory",
            limit: None,
            before_fork: true,
        }
    }

    fn build(&self, source: &Path, _: &Path) -> Result<()> {
        // Freeing ten million boxes is not part of a build.
        std::mem::forget(load(source)?);
        Ok(())
    }

    fn open(&self, source: &Path, _: &Path) -> Result<Box<dyn Reader>> {
        Ok(Box::new(load(source)?))
    }
}

impl Reader for Open {
    fn count(&self, keys: &[&[u8]]) -> usize {
        keys.iter().filter(|key| self.0.get(**key).inspect(|value| read(value)).is_some()).count()
    }

    fn value(&self, key: &[u8]) -> Answer {
        self.0.get(key).map(|value| &value[..]).into()
    }
}
