//! odht: a hash table of keys and values of fixed size; here from a key's hash to its record in a file.

use super::{
    About, Answer, Contender, Reader, Result,
    pool::{PoolWriter, map, text_at},
    read, version_of,
};
use crate::data::for_each_pair;
use memmap2::Mmap;
use odht::{Config, FxHashFn, HashTable, HashTableOwned};
use std::path::Path;
use xxhash_rust::xxh3::xxh3_64;

pub struct Odht;

struct HashToPlace;

impl Config for HashToPlace {
    type Key = u64;
    type Value = u64;
    type EncodedKey = [u8; 8];
    type EncodedValue = [u8; 5];
    type H = FxHashFn;

    fn encode_key(key: &u64) -> [u8; 8] {
        key.to_le_bytes()
    }

    fn encode_value(value: &u64) -> [u8; 5] {
        let bytes = value.to_le_bytes();
        [bytes[0], bytes[1], bytes[2], bytes[3], bytes[4]]
    }

    fn decode_key(key: &[u8; 8]) -> u64 {
        u64::from_le_bytes(*key)
    }

    fn decode_value(&[a, b, c, d, e]: &[u8; 5]) -> u64 {
        u64::from_le_bytes([a, b, c, d, e, 0, 0, 0])
    }
}

struct Open {
    table: HashTable<HashToPlace, Mapped>,
    records: Mmap,
}

struct Mapped(Mmap);

impl std::borrow::Borrow<[u8]> for Mapped {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

impl Contender for Odht {
    fn about(&self) -> About {
        About {
            name: "odht, records in a pool",
            version: version_of("odht"),
            settings: "64-bit hash (xxh3) to the place of the record, FxHashFn, load factor 87 %; both files mapped",
            kind: "uncompressed",
            limit: None,
            before_fork: false,
        }
    }

    fn build(&self, source: &Path, dir: &Path) -> Result<()> {
        let mut count = 0;
        for_each_pair(source, |_, _| {
            count += 1;
            Ok::<_, std::io::Error>(())
        })?;
        let mut table = HashTableOwned::<HashToPlace>::with_capacity(count, 87);
        let mut records = PoolWriter::create(&dir.join("records"))?;
        for_each_pair(source, |key, value| {
            let at = records.push(key)?;
            records.push(value)?;
            match table.insert(&xxh3_64(key), &at) {
                None => Ok::<_, Box<dyn std::error::Error>>(()),
                Some(_) => Err("two keys with one hash".into()),
            }
        })?;
        std::fs::write(dir.join("table.odht"), table.raw_bytes())?;
        std::fs::File::open(dir.join("table.odht"))?.sync_all()?;
        records.finish()
    }

    fn open(&self, _: &Path, dir: &Path) -> Result<Box<dyn Reader>> {
        let table =
            HashTable::from_raw_bytes(Mapped(map(&dir.join("table.odht"))?)).map_err(|e| e.to_string())?;
        Ok(Box::new(Open { table, records: map(&dir.join("records"))? }))
    }
}

impl Open {
    fn get(&self, key: &[u8]) -> Option<&[u8]> {
        let (stored, next) = text_at(&self.records, self.table.get(&xxh3_64(key))? as usize);
        (stored == key).then(|| text_at(&self.records, next).0)
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
