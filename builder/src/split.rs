//! Distributes the records of a job that is too large for the memory over smaller jobs.
//!
//! The records go through a temporary file once more. If that is not enough, the smaller jobs are split again: the number of
//! rounds grows with the logarithm of the job's size.

use crate::{
    Error,
    chunk::{CHUNK_LEN, ChunkWriter, LONG, key_at, read_chunk, value_at},
    load::JobContext,
    plan::{self, Job},
    spill::{Chunk, Disk, Partition, SpillFile},
};
use std::sync::Arc;

/// Most jobs that a job is split into at once.
const MOST: u64 = 16;
/// Bytes of memory that a split takes: a chunk for each new job, and buffers.
pub(crate) const SPLIT_COST: u64 = MOST * (CHUNK_LEN + LONG) as u64 + (2 << 20);

/// Jobs for the same cells, in order. Its partitions are freed on the way.
pub(crate) fn split(job: Job, context: &JobContext<'_>) -> Result<Vec<Job>, Error> {
    let cells = job.len();
    // Half as many again, because chance makes some larger than others.
    let wanted = (job.cost / context.budget.max(1)).saturating_mul(3) / 2;
    let count = wanted.clamp(2, MOST).min(cells);
    let (first_cell, copies) = (job.cells.start, context.copies);
    let mut file = SpillFile::create(context.disk)?;
    let mut parts: Vec<(ChunkWriter, Partition)> = (0..count).map(|_| Default::default()).collect();
    for partition in job.partitions {
        partition.drain(context.disk, false, |chunk| {
            context.progress.check()?;
            let mut put = Ok(());
            // Which of the new jobs a key belongs to: the last one whose first cell is not behind the key's.
            let part_of = |key: &[u8]| {
                let hash = context.options.hasher.hash(key);
                let cell = hash.cell(context.options.parts, context.cells).wrapping_sub(first_cell);
                (cell < cells).then(|| (((cell + 1) * count - 1) / cells) as usize)
            };
            match chunk {
                Chunk::Short(chunk) => {
                    let read = read_chunk(chunk, |origin, offset, lengths| {
                        let key = key_at(chunk, offset, lengths);
                        let value = value_at(chunk, offset, lengths);
                        let part = part_of(key).ok_or_else(|| context.disk.damaged());
                        let pushed = part.and_then(|part| {
                            let full = parts[part].0.push(origin, key, value);
                            if full { hand_over(context.disk, &mut file, &mut parts[part]) } else { Ok(()) }
                        });
                        if put.is_ok() {
                            put = pushed;
                        }
                    });
                    read.ok_or_else(|| context.disk.damaged())?;
                }
                Chunk::Long(long) => {
                    let part = part_of(long.key()).ok_or_else(|| context.disk.damaged())?;
                    let partition = &mut parts[part].1;
                    partition.records += 1;
                    partition.bytes += long.front().len() as u64;
                    put = file.append(context.disk, partition, long.chunk_len(), |at, buffer| {
                        long.read_at(at, buffer)
                    });
                }
            }
            put
        })?;
    }
    for part in &mut parts {
        if !part.0.is_empty() {
            hand_over(context.disk, &mut file, part)?;
        }
    }
    let begin = |part: u64| first_cell + cells * part / count;
    let jobs = (0..).zip(parts).map(|(part, (_, partition))| {
        Job::new(vec![Arc::new(partition)], begin(part)..begin(part + 1), copies)
    });
    Ok(plan::join(jobs.collect(), context.budget))
}

fn hand_over(
    disk: &Disk,
    file: &mut SpillFile,
    (writer, partition): &mut (ChunkWriter, Partition),
) -> Result<(), Error> {
    let (data, records) = writer.finish();
    partition.records += records;
    partition.bytes += data.len() as u64;
    file.append_short(disk, partition, data)?;
    data.clear();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        cell::CellOptions, chunk::NewLong, direct::Buffer, load::Loader, origin::Origin, plan::COPIES,
        spill::Spill,
    };
    use hashlith_feedback::Progress;
    use hashlith_format::KeyHasher;

    const CELLS: u64 = 300;

    fn record(number: u64) -> (Vec<u8>, Vec<u8>) {
        let len = if number.is_multiple_of(97) { LONG + number as usize } else { number as usize % 200 };
        let key = if number.is_multiple_of(194) { vec![number as u8; 3 * LONG] } else { vec![] };
        ([&number.to_le_bytes()[..], &key].concat(), vec![number as u8; len])
    }

    /// However often a job is split, each record comes out once, with its origin, in the job of its cell.
    #[test]
    fn every_record_comes_out_once() {
        for memory in [0, 1 << 20, u64::MAX] {
            let dir = tempfile::tempdir().unwrap();
            let spill = Spill::new(1, memory, dir.path().into(), 0);
            let mut writer = ChunkWriter::default();
            for number in 0..5000 {
                let ((key, value), origin) =
                    (record(number), Origin { source: number as u32 / 7, position: number + 1 });
                if key.len() + value.len() >= LONG {
                    let new = NewLong::new(origin, &key, value.len() as u64);
                    let fill = |at, buffer: &mut Buffer| {
                        new.copy_to(at, buffer, |from, out| {
                            out.copy_from_slice(&value[from as usize..][..out.len()]);
                            Ok(())
                        })
                    };
                    spill.push_long(0, key.len(), new.len(), fill).unwrap();
                } else if writer.push(origin, &key, &value) {
                    spill.push(0, &mut writer).unwrap();
                }
            }
            spill.push(0, &mut writer).unwrap();
            let (partitions, disk) = spill.into_partitions();
            let options =
                CellOptions { hasher: KeyHasher::xxh3(0), parts: 1, fingerprint_bits: 8, codecs: None };
            let progress = &Progress::new();
            let (threads, memory, budget) = (2, 1 << 20, 40 << 10);
            let context = JobContext {
                options,
                cells: CELLS,
                threads,
                memory,
                budget,
                copies: COPIES,
                disk: &disk,
                progress,
            };
            let mut jobs = vec![Job::new(partitions, 0..CELLS, COPIES)];
            let (mut next_cell, mut found, mut rounds) = (0, Vec::new(), 0);
            while let Some(job) = jobs.pop() {
                if job.must_split(budget) {
                    rounds += 1;
                    jobs.extend(split(job, &context).unwrap().into_iter().rev());
                    continue;
                }
                assert_eq!(job.cells.start, next_cell);
                next_cell = job.cells.end;
                let expected = job.records();
                let before = found.len() as u64;
                let groups = Loader::new(&context, &job).copy().unwrap();
                for (cells, group) in job.groups().zip(&groups) {
                    let chunks: Vec<Chunk<'_>> = group.chunks().collect();
                    for one in &group.records {
                        assert!(cells.contains(&one.hash.cell(1, CELLS)));
                        let mut bytes = Vec::new();
                        match &chunks[one.chunk as usize] {
                            Chunk::Short(_) => bytes.extend_from_slice(crate::cell::bytes_of(&chunks, one)),
                            Chunk::Long(long) => long
                                .each_block(disk.failed("cannot read"), |block| {
                                    bytes.extend_from_slice(block);
                                    Ok(())
                                })
                                .unwrap(),
                        }
                        found.push((one.origin, bytes));
                    }
                }
                assert_eq!(found.len() as u64, before + expected);
            }
            assert!(rounds > 10 && next_cell == CELLS);
            found.sort();
            let all = (0..5000).map(|number| {
                let ((key, value), mut bytes) = (record(number), Vec::new());
                hashlith_format::record::write(&key, &value, &mut bytes);
                (Origin { source: number as u32 / 7, position: number + 1 }, bytes)
            });
            assert!(found.into_iter().eq(all));
        }
    }
}
