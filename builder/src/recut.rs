//! Another cut of finished cells into files: no key is hashed, no pilot looked for.
//!
//! Cells are ranges of the hash, in a file of any number of parts. Where the cells of the new files are as wide as those of the
//! old ones, they are the same cells, with their records in the same order; only places and ids count from elsewhere.

use crate::{
    Builder, Error, Phase, Report, Shape,
    assembly::{Piece, Place, Writer},
};
use hashlith_format::{CELL_LEN, CellView, Head, Header};
use std::path::Path;

/// Cells, and bytes of their records, that are copied at a time, about.
const CELLS: u64 = 1024;
const BYTES: u64 = 1 << 20;

/// How many cells each of `parts` files would get from these files, which are all parts of one set, in order. `None` if the
/// cells would be others.
fn cells_of(headers: &[Header], parts: u32) -> Option<Vec<u64>> {
    let old = headers.len() as u64;
    let (new, first) = (u64::from(parts), headers.first().filter(|_| parts > 0)?);
    let facts =
        |header: &Header| (header.hasher, header.key_type, header.value_type, header.fingerprint_bits);
    let is_set = (0u32..).zip(headers).all(|(number, header)| {
        (header.part, u64::from(header.parts)) == (number, old) && facts(header) == facts(first)
    });
    let cells = |part: u64| {
        // The old parts that it overlaps must have cells of the same width, and those must be a whole number in each new part.
        let (from, to) = (part * old / new, ((part + 1) * old).div_ceil(new));
        let all = headers[from as usize].cells.checked_mul(old)?;
        let same = headers[from as usize..to as usize]
            .iter()
            .all(|header| header.cells == headers[from as usize].cells);
        (same && all.is_multiple_of(new)).then_some(all / new)
    };
    if is_set { (0..new).map(cells).collect() } else { None }
}

/// True if [`Builder::finish_recut`] can make `parts` files out of files with these headers.
pub fn can_recut(headers: &[Header], parts: u32) -> bool {
    cells_of(headers, parts).is_some()
}

impl Builder {
    /// Instead of records: makes the index of the cells of these files, all parts of one set in order, and puts it at `path`.
    ///
    /// They must have been verified. [`can_recut`] tells if it is possible. Hash, types and fingerprints are those of the files.
    ///
    /// # Errors
    /// Any [`Error`]; then nothing has changed at `path`, except after [`Error::NotDurable`].
    pub fn finish_recut(mut self, files: &[&[u8]], path: impl AsRef<Path>) -> Result<Report, Error> {
        let damaged =
            || Error::Options { what: "a file that is to be cut anew is no index, or is damaged: verify it" };
        let headers: Result<Vec<_>, _> =
            files.iter().map(|bytes| Header::parse(bytes, bytes.len() as u64)).collect();
        let headers = headers.map_err(|_| damaged())?;
        self.options.check()?;
        let parts = match self.options.shape {
            Shape::Set { parts } => parts,
            Shape::Part { part: 0, parts: 1 } => 1,
            Shape::Part { .. } => {
                return Err(Error::Options { what: "cells cannot be cut into one part of a set" });
            }
        };
        let cells = cells_of(&headers, parts)
            .ok_or(Error::Options { what: "these files have other cells than the new ones would have" })?;
        if let Some(first) = headers.first() {
            self.options.hasher = first.hasher;
            self.options.key_type = first.key_type;
            self.options.value_type = first.value_type;
            self.options.fingerprint_bits = first.fingerprint_bits;
        }
        let keys = headers.iter().map(|header| header.keys).sum();
        let bytes: u64 = headers.iter().map(Header::file_len).sum();
        let temp_dir = self.options.temp_dir.clone().unwrap_or_else(std::env::temp_dir);
        let direct = bytes > self.options.page_cache / 2;
        self.progress.enter(Phase::Build, keys);
        let mut writer =
            Writer::create(path.as_ref(), (&self.options, &self.progress), &temp_dir, cells, direct)?;
        crate::finish::check_space(&self.options.shape.directory(path.as_ref())?, bytes)?;
        for (bytes, header) in files.iter().zip(&headers) {
            let source = Source { bytes, header };
            let mut next = 0;
            while next < header.cells {
                self.progress.check()?;
                let mut cells = Vec::new();
                let piece = source.piece(&mut next, &mut cells).ok_or_else(damaged)?;
                self.progress.add(piece.end.keys - piece.start.keys);
                writer.append(piece)?;
            }
        }
        let headers = writer.finish()?;
        self.progress.enter(Phase::Done, 0);
        let phases = self.progress.phases();
        Ok(Report { records: keys, keys, duplicates: 0, headers, spilled_bytes: 0, phases })
    }
}

/// A file whose cells are copied.
struct Source<'a> {
    bytes: &'a [u8],
    header: &'a Header,
}

impl<'a> Source<'a> {
    fn cell(&self, number: u64) -> Option<(&'a [u8; CELL_LEN as usize], CellView)> {
        let at = self.header.sections.hot.offset + number * CELL_LEN;
        let cell = self.bytes.get(at as usize..)?.first_chunk()?;
        let view = CellView::new(cell, at, self.header.fingerprint_bits, self.header.sections.far).ok()?;
        Some((cell, view))
    }

    /// Where a cell's records begin and its ids; for the number of cells, where they end. The far body is not known.
    fn place(&self, number: u64) -> Option<Place> {
        if number == self.header.cells {
            return Some(Place { keys: self.header.keys, pool: self.header.sections.pool.len, far: 0 });
        }
        let Head { first_id, pool_start, .. } = self.cell(number)?.1.head;
        Some(Place { keys: first_id, pool: pool_start, far: 0 })
    }

    /// Some cells from number `next` on, which moves on; `None` if the file is damaged.
    fn piece<'c>(&self, next: &mut u64, cells: &'c mut Vec<u8>) -> Option<Piece<'c>>
    where
        'a: 'c,
    {
        let mut start = self.place(*next)?;
        let mut end = start;
        let (mut far_start, mut far_end) = (None, 0);
        for _ in 0..CELLS {
            if *next == self.header.cells || end.pool.checked_sub(start.pool)? > BYTES {
                break;
            }
            let (cell, view) = self.cell(*next)?;
            cells.extend_from_slice(cell);
            if let Some(far) = view.head.far {
                far_start.get_or_insert(far);
                far_end = far.checked_add(view.body_len())?;
            }
            *next += 1;
            end = self.place(*next)?;
        }
        (start.far, end.far) = (far_start.unwrap_or(0), far_end);
        end.keys.checked_sub(start.keys)?;
        let slice = |section: hashlith_format::Span, from: u64, to: u64| {
            let whole = self.bytes.get(section.offset as usize..section.end() as usize)?;
            whole.get(from as usize..to as usize)
        };
        Some(Piece {
            pool: slice(self.header.sections.pool, start.pool, end.pool)?,
            far: slice(self.header.sections.far, start.far, end.far)?,
            cells,
            start,
            end,
        })
    }
}
