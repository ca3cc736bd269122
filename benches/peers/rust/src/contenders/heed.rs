//! LMDB by way of heed.

use super::{About, Answer, Contender, Reader, Result, read, version_of};
use crate::data::for_each_sorted;
use heed::{CommitOrAbort, Database, Env, EnvFlags, EnvOpenOptions, PutFlags, RoTxn, WithTls, types::Bytes};
use std::path::Path;

pub struct Heed;

struct Open {
    txn: RoTxn<'static, WithTls>,
    pairs: Database<'static, Bytes, Bytes>,
}

/// An environment that stays open until the process ends.
fn environment(source: &Path, dir: &Path, flags: EnvFlags) -> Result<&'static Env> {
    // Enough for the pairs in any order, in whole pages. The file has this length, most of it a hole.
    let size = (8 * source.metadata()?.len() + (64 << 20)).next_multiple_of(1 << 16) as usize;
    // SAFETY: one process writes, and ends before others read. So no locks are needed, and one sync is enough.
    let env = unsafe { EnvOpenOptions::new().map_size(size).flags(flags).open(dir)? };
    Ok(Box::leak(Box::new(env)))
}

impl Contender for Heed {
    fn about(&self) -> About {
        About {
            name: "heed (LMDB)",
            version: version_of("heed"),
            settings: "sorted, APPEND, WRITE_MAP, one transaction, one sync; NO_LOCK, NO_READ_AHEAD, one read transaction",
            kind: "uncompressed",
            limit: None,
            before_fork: false,
        }
    }

    fn build(&self, source: &Path, dir: &Path) -> Result<()> {
        let env = environment(source, dir, EnvFlags::WRITE_MAP | EnvFlags::NO_SYNC | EnvFlags::NO_MEM_INIT)?;
        let pairs: Database<Bytes, Bytes> = env
            .create_databases_and_commit(env.write_txn()?, |options, txn| {
                options.create_database(txn, None).map(CommitOrAbort::<_, ()>::Commit)
            })?
            .unwrap_commit();
        let mut txn = env.write_txn()?;
        for_each_sorted(source, |key, value| {
            pairs
                .put_with_flags(&mut txn, PutFlags::APPEND, key, value)
                .map_err(Box::<dyn std::error::Error>::from)
        })?;
        txn.commit()?;
        env.force_sync()?;
        Ok(())
    }

    fn open(&self, source: &Path, dir: &Path) -> Result<Box<dyn Reader>> {
        let env =
            environment(source, dir, EnvFlags::READ_ONLY | EnvFlags::NO_LOCK | EnvFlags::NO_READ_AHEAD)?;
        let pairs = env
            .open_databases_and_commit(env.read_txn()?, |options, txn| {
                options.open_database(txn, None).map(CommitOrAbort::<_, ()>::Commit)
            })?
            .unwrap_commit()
            .ok_or("no database")?;
        Ok(Box::new(Open { txn: env.read_txn()?, pairs }))
    }
}

impl Open {
    fn get(&self, key: &[u8]) -> Option<&[u8]> {
        self.pairs.get(&self.txn, key).expect("a sound database")
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
