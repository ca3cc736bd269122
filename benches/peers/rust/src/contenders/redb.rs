//! redb.

use super::{About, Answer, Contender, Reader, Result, read, version_of};
use crate::data::for_each_sorted;
use redb::{AccessGuard, Builder, ReadOnlyDatabase, ReadOnlyTable, ReadableDatabase, TableDefinition};
use std::path::Path;

const PAIRS: TableDefinition<&[u8], &[u8]> = TableDefinition::new("pairs");

pub struct Redb;

struct Open {
    table: ReadOnlyTable<&'static [u8], &'static [u8]>,
    _database: ReadOnlyDatabase,
}

impl Contender for Redb {
    fn about(&self) -> About {
        About {
            name: "redb",
            version: version_of("redb"),
            settings: "sorted, one transaction, then compact; read-only, one read transaction, cache of 1 GiB",
            kind: "uncompressed",
            limit: None,
            before_fork: false,
        }
    }

    fn build(&self, source: &Path, dir: &Path) -> Result<()> {
        let mut database = Builder::new().set_cache_size(1 << 30).create(dir.join("pairs.redb"))?;
        let txn = database.begin_write()?;
        {
            let mut table = txn.open_table(PAIRS)?;
            for_each_sorted(source, |key, value| {
                table.insert(key, value)?;
                Ok::<_, Box<dyn std::error::Error>>(())
            })?;
        }
        txn.commit()?;
        database.compact()?;
        Ok(())
    }

    fn open(&self, _: &Path, dir: &Path) -> Result<Box<dyn Reader>> {
        let database = Builder::new().set_cache_size(1 << 30).open_read_only(dir.join("pairs.redb"))?;
        let table = database.begin_read()?.open_table(PAIRS)?;
        Ok(Box::new(Open { table, _database: database }))
    }
}

impl Open {
    fn get(&self, key: &[u8]) -> Option<AccessGuard<'_, &'static [u8]>> {
        self.table.get(key).expect("a sound database")
    }
}

impl Reader for Open {
    fn count(&self, keys: &[&[u8]]) -> usize {
        keys.iter().filter(|key| self.get(key).inspect(|guard| read(guard.value())).is_some()).count()
    }

    fn value(&self, key: &[u8]) -> Answer {
        self.get(key).as_ref().map(|guard| guard.value()).into()
    }
}
