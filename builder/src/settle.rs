//! Settles duplicates before the cells are built, so that all choices of a build follow from the records that stay.

use crate::{
    Error, OnDuplicate,
    chunk::{Long, value_at},
    collected::Collected,
    feeder::{Feeder, Intake, Taken},
    options::Options,
    origin::Origin,
    sort::{Body, Row, Sorter, Sorting},
    spill::{Disk, Partition, READ, Spill},
};
use hashlith_feedback::{Phase, Unit};
use hashlith_format::ValueType;
use parking_lot::Mutex;
use std::sync::Arc;

/// Records that stay are in the new records; the others are counted.
pub(crate) struct Settled {
    pub taken: Taken,
    pub dropped: u64,
    /// Bytes that went through the temporary files of the records before.
    pub spilled: u64,
}

/// What [`OnDuplicate`] leaves of these records. With [`OnDuplicate::Collect`] the values become JSON in `options` too.
pub(crate) fn settle(taken: Taken, intake: &Intake, options: &mut Options) -> Result<Settled, Error> {
    let Taken { partitions, disk, records, .. } = taken;
    let (threads, policy) = (options.threads, options.on_duplicate);
    let is_text = options.value_type == ValueType::Text;
    if policy == OnDuplicate::Collect {
        options.value_type = ValueType::Json;
    }
    let memory = options.memory();
    let spill = Spill::new(partitions.len(), memory / 16 * 7, disk.dir.clone(), options.page_cache);
    spill.reserve(partitions.iter().map(|one| one.held()).sum());
    let new = Arc::new(Intake::new(spill, partitions.len(), options, intake.progress.clone()));
    // What comes next holds as much again.
    let share = memory / 4 / threads as u64;
    let last_first = policy == OnDuplicate::Last;
    let sorting = Sorting { disk: &disk, hasher: options.hasher, share, last_first };
    intake.progress.enter(Phase::Settling, Unit::Records, Some(records));
    let waiting = Mutex::new(partitions.into_iter().enumerate());
    let (counts, failure) = (Mutex::new((0, 0)), Mutex::new(None::<Error>));
    let work = || -> Result<(), Error> {
        loop {
            let Some((number, partition)) = waiting.lock().next() else { return Ok(()) };
            let mut settler = Settler::new(Feeder::new(&new), number, policy, &disk, is_text);
            settler.run(partition, sorting, &new)?;
            let mut counts = counts.lock();
            counts.0 += settler.loaded;
            counts.1 += settler.dropped;
            drop(counts);
            settler.feeder.finish()?;
        }
    };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
    let pool = pool.thread_name(|number| format!("settle-{number}")).build();
    pool.map_err(|_| Error::Threads { threads })?.in_place_scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|_| {
                if let Err(error) = work() {
                    // No other partition is begun.
                    waiting.lock().by_ref().for_each(drop);
                    let mut failure = failure.lock();
                    *failure = Some(match failure.take() {
                        Some(other) => other.or(error),
                        None => error,
                    });
                }
            });
        }
    });
    if let Some(error) = failure.into_inner() {
        return Err(error);
    }
    let (found, dropped) = counts.into_inner();
    // No record is lost or invented, whatever happened to the temporary files.
    if found != records {
        return Err(Error::Lost { expected: records, found });
    }
    Ok(Settled { taken: new.close()?, dropped, spilled: disk.written() })
}

/// Goes through the records of a partition in order.
struct Settler<'s> {
    feeder: Feeder,
    /// Number of the partition.
    number: usize,
    policy: OnDuplicate,
    disk: &'s Disk,
    /// The first record of the current key; no key before the first record.
    key: Option<Vec<u8>>,
    origin: Origin,
    /// With [`OnDuplicate::Unique`] its value.
    value: Value,
    /// With [`OnDuplicate::Collect`] the values so far.
    collected: Collected<'s>,
    loaded: u64,
    dropped: u64,
}

/// A value that others are compared with.
enum Value {
    Short(Vec<u8>),
    Long(Arc<Long>),
}

impl<'s> Settler<'s> {
    fn new(feeder: Feeder, number: usize, policy: OnDuplicate, disk: &'s Disk, is_text: bool) -> Self {
        Settler {
            feeder,
            number,
            policy,
            disk,
            key: None,
            origin: Origin { source: 0, position: 0 },
            value: Value::Short(Vec::new()),
            collected: Collected::new(disk, is_text),
            loaded: 0,
            dropped: 0,
        }
    }

    fn run(&mut self, partition: Arc<Partition>, sorting: Sorting<'_>, new: &Intake) -> Result<(), Error> {
        let progress = &new.progress;
        let held = partition.held();
        let mut sorter = Sorter::new(sorting);
        partition.drain(self.disk, true, |chunk| {
            progress.check()?;
            sorter.add(chunk)
        })?;
        if let Some(spill) = &*new.spill.read() {
            spill.release(held);
        }
        let mut checked = 0u32;
        sorter.finish(|row| {
            checked = checked.wrapping_add(1);
            if checked.is_multiple_of(1024) {
                progress.check()?;
            }
            self.take(row)
        })?;
        self.end_key()?;
        // The feeder counts those that stay.
        progress.add(Unit::Records, self.dropped);
        Ok(())
    }

    fn take(&mut self, row: &Row<'_>) -> Result<(), Error> {
        self.loaded += 1;
        let again = self.key.as_deref() == Some(row.key());
        if !again {
            self.end_key()?;
            let key = self.key.get_or_insert_default();
            key.clear();
            key.extend_from_slice(row.key());
            self.origin = row.origin;
        }
        match self.policy {
            OnDuplicate::Collect => self.collect(row),
            _ if !again => self.keep(row),
            OnDuplicate::First | OnDuplicate::Last => {
                self.dropped += 1;
                Ok(())
            }
            OnDuplicate::Unique if self.has_value_of(row)? => {
                self.dropped += 1;
                Ok(())
            }
            OnDuplicate::Unique | OnDuplicate::Error => Err(Error::Duplicate {
                key: row.key().to_vec(),
                first: self.origin,
                second: row.origin,
                differ: self.policy == OnDuplicate::Unique,
            }),
        }
    }

    fn keep(&mut self, row: &Row<'_>) -> Result<(), Error> {
        let is_unique = self.policy == OnDuplicate::Unique;
        match row.body {
            Body::Short { bytes, lengths } => {
                let value = value_at(bytes, 0, lengths);
                if is_unique {
                    match &mut self.value {
                        Value::Short(own) => {
                            own.clear();
                            own.extend_from_slice(value);
                        }
                        Value::Long(_) => self.value = Value::Short(value.to_vec()),
                    }
                }
                self.feeder.add_from(row.origin.source, row.origin.position, row.key(), value)
            }
            Body::Long(long) => {
                if is_unique {
                    self.value = Value::Long(long.clone());
                }
                self.feeder.add_copy(self.number, long, self.disk)
            }
        }
    }

    /// True if the record has the value of the first one.
    fn has_value_of(&self, row: &Row<'_>) -> Result<bool, Error> {
        match (&self.value, row.body) {
            (Value::Short(own), Body::Short { bytes, lengths }) => Ok(own == value_at(bytes, 0, lengths)),
            (Value::Long(own), Body::Long(long)) => own.has_value_of(long).map_err(self.disk.failed(READ)),
            // They have equal keys, so the values have different lengths.
            _ => Ok(false),
        }
    }

    fn collect(&mut self, row: &Row<'_>) -> Result<(), Error> {
        self.collected.begin();
        match row.body {
            Body::Short { bytes, lengths } => self.collected.push(value_at(bytes, 0, lengths))?,
            Body::Long(long) => {
                long.each_block_of_value(self.disk.failed(READ), |block| self.collected.push(block))?;
            }
        }
        self.collected.end();
        Ok(())
    }

    /// Adds what was collected for the current key.
    fn end_key(&mut self) -> Result<(), Error> {
        let (OnDuplicate::Collect, Some(key)) = (self.policy, &self.key) else { return Ok(()) };
        self.collected.finish();
        match self.collected.in_memory() {
            Some(array) => self.feeder.add_from(self.origin.source, self.origin.position, key, array)?,
            None => {
                let copy = |at, out: &mut [u8]| self.collected.read_at(at, out);
                self.feeder.add_streamed(self.number, self.origin, key, self.collected.len(), copy)?;
            }
        }
        self.collected.clear();
        Ok(())
    }
}
