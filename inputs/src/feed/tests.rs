//! Blocks, long records, and what comes after an error.

use std::io::{ErrorKind, Read};

use parking_lot::Mutex;

use super::*;
use crate::Format;
use crate::cutter::LONGEST;

const SIZE: usize = 64;

fn sources(lines: &[Vec<u8>], options: &ReadOptions) -> Sources {
    let source = |bytes: &Vec<u8>| Source::Memory { name: "lines".into(), bytes: bytes[..].into() };
    Sources::new(lines.iter().map(source).collect(), options).unwrap()
}

fn options() -> ReadOptions {
    ReadOptions { format: Some(Format::Tsv), block_bytes: SIZE, ..ReadOptions::default() }
}

/// All workers share the buffer for long records, so that they take the memory of one.
#[test]
fn long_records_are_in_a_shared_buffer_that_is_little_longer() {
    let (options, progress) = (options(), Progress::new());
    for length in (8..50 * SIZE).step_by(8) {
        let line = [&b"x".repeat(length - 1)[..], b"\n"].concat();
        let sources = sources(&[line.repeat(3)], &options);
        let (shared, mut feed) = (Mutex::default(), Feed::new(&sources, &options, &progress));
        let mut block = Block::new(&shared);
        let mut found = Vec::new();
        while let Ok(Work::Block) = feed.next(&mut block) {
            assert!(block.is_long() || length <= LONGEST * SIZE, "{length} bytes");
            // The steps in which a block is read begin with what is left from the one before.
            let most_own = if found.is_empty() { LONGEST } else { LONGEST / 2 } * SIZE;
            assert!(!block.is_long() || length > most_own, "{length} bytes");
            let most = (2 * LONGEST * SIZE).max(length * 9 / 8 + SIZE);
            assert!(block.buffers().bytes.len() <= most, "{length} bytes");
            found.extend_from_slice(block.bytes());
            block.release();
        }
        assert!(found == line.repeat(3), "{length} bytes");
    }
}

#[test]
fn after_an_error_there_is_no_more_work() {
    let options = ReadOptions { max_record_bytes: 2 * SIZE, ..options() };
    let (shared, progress) = (Mutex::default(), Progress::new());
    let sources = sources(&[b"x".repeat(3 * SIZE), b"a\tb\n".to_vec()], &options);
    let mut feed = Feed::new(&sources, &options, &progress);
    let mut block = Block::new(&shared);
    assert!(matches!(feed.next(&mut block), Err((0, Stop::BadRow(_)))));
    assert!(matches!(feed.next(&mut block), Ok(Work::Done)));
}

/// Gives its bytes one at a time, each after an interruption, and then fails.
struct Slow<'a>(&'a [u8], bool);

impl Read for Slow<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.1 = !self.1;
        match self.0.split_first() {
            _ if self.1 => Err(ErrorKind::Interrupted.into()),
            None => Err(std::io::Error::from_raw_os_error(5)),
            Some((&byte, rest)) => {
                (buffer[0], self.0) = (byte, rest);
                Ok(1)
            }
        }
    }
}

#[test]
fn an_error_of_the_system_has_its_place() {
    let (options, progress, shared) = (options(), Progress::new(), Mutex::default());
    let mut block = Block::new(&shared);
    for count in [0, 1, 10, 100] {
        let lines = b"key\tvalue\n".repeat(count);
        let mut cutter =
            Cutter::new(0, Format::Tsv, BlockFormat::Delimited, Vec::new(), Box::new(Slow(&lines, false)));
        let error = loop {
            match cutter.next(&mut block, &options, &progress) {
                Ok(more) => assert!(more),
                Err(error) => break error,
            }
        };
        assert!(matches!(error, Stop::Io(at, _) if at == lines.len() as u64), "{count} lines");
    }
}
