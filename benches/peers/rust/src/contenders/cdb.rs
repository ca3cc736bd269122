//! cdb, by a crate that maps its file.

use super::{About, Answer, Contender, Reader, Result, read, version_of};
use crate::data::for_each_pair;
use cdb2::{CDB, CDBWriter};
use std::path::Path;

pub struct Cdb;

struct Open(CDB);

impl Contender for Cdb {
    fn about(&self) -> About {
        About {
            name: "cdb2 (cdb)",
            version: version_of("cdb2"),
            settings: "CDBWriter; mapped, CDB::get",
            kind: "uncompressed",
            limit: Some(u32::MAX.into()),
            before_fork: false,
        }
    }

    fn build(&self, source: &Path, dir: &Path) -> Result<()> {
        let mut writer = CDBWriter::create(dir.join("pairs.cdb"))?;
        for_each_pair(source, |key, value| writer.add(key, value))?;
        writer.finish()?;
        Ok(())
    }

    fn open(&self, _: &Path, dir: &Path) -> Result<Box<dyn Reader>> {
        Ok(Box::new(Open(CDB::open(dir.join("pairs.cdb"))?)))
    }
}

impl Open {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.0.get(key).map(|value| value.expect("a sound file"))
    }
}

impl Reader for Open {
    fn count(&self, keys: &[&[u8]]) -> usize {
        keys.iter().filter(|key| self.get(key).inspect(|value| read(value)).is_some()).count()
    }

    fn value(&self, key: &[u8]) -> Answer {
        self.get(key).as_deref().into()
    }
}
