//! Cuts finished cells into other files, without hashing keys or searching for pilots.
//!
//! A cell is a range of hashes, whatever the number of parts. If the cells of the new files are as wide as those of the old
//! ones, they are the same cells, with their records in the same order; only their offsets and ids change.

use crate::{
    Builder, Error, Report,
    assembly::{Offsets, Piece, Writer},
    codecs::Tables,
    limits,
    options::Shape,
    output,
    pool::PoolView,
    shared::Shared,
};
use hashlith_feedback::{Phase, Unit};
use hashlith_format::{CELL_LEN, CellView, Head, Header, Span, set::in_order};
use std::{path::Path, sync::Arc};

/// Cells that are copied at a time.
const CELLS: u64 = 1024;
/// Bytes of records that are copied at a time, plus those of one cell.
const BYTES: u64 = 1 << 20;

/// The number of cells that each of `parts` files would get from these files. `None` if the cells would differ, or if the
/// files are not the parts of one set in order.
fn cells_of(headers: &[Header], parts: u32) -> Option<Vec<u64>> {
    let old = headers.len() as u64;
    let (new, first) = (u64::from(parts), headers.first().filter(|_| parts > 0)?);
    let kind = |header: &Header| (header.fingerprint_bits, header.key_width, header.shared_records);
    let is_set = in_order(headers).is_ok_and(|order| order.is_sorted())
        && headers.iter().all(|header| kind(header) == kind(first));
    let cells = |part: u64| {
        // The old parts that it overlaps must have cells of the same width, and each new part a whole number of them.
        let (from, to) = (part * old / new, ((part + 1) * old).div_ceil(new));
        let all = headers[from as usize].cells.checked_mul(old)?;
        let same = headers[from as usize..to as usize]
            .iter()
            .all(|header| header.cells == headers[from as usize].cells);
        (same && all.is_multiple_of(new)).then_some(all / new)
    };
    if is_set { (0..new).map(cells).collect() } else { None }
}

/// The token tables of these files, and the records that their keys share; `None` if they are not all the same.
fn tables_of(files: &[&[u8]], headers: &[Header]) -> Option<(Tables, Option<Shared>)> {
    let mut all = files.iter().zip(headers).map(|(bytes, header)| {
        let section = |span: Span| bytes.get(span.offset as usize..span.end() as usize);
        let shared = header.shared_records.then(|| section(header.sections.pool));
        (section(header.sections.tables), (header.key_tables, header.value_tables), shared)
    });
    let first = all.next()?;
    let tables = Tables { counts: first.1, bytes: first.0?.to_vec() };
    let shared = first.2.map(|pool| Some(Shared::copied(pool?.to_vec())));
    all.all(|other| other == first).then_some((tables, shared.flatten()))
}

fn parse_headers(files: &[&[u8]]) -> Result<Vec<Header>, hashlith_format::Error> {
    files.iter().map(|bytes| Header::parse(bytes, bytes.len() as u64)).collect()
}

/// True if [`Builder::finish_recut`] can make `parts` files out of these files.
///
/// ```
/// use hashlith_builder::{Builder, can_recut};
/// # let dir = tempfile::tempdir()?;
///
/// # let path = dir.path().join("index.hlith");
/// let mut builder = Builder::new();
/// for number in 0..100_000 {
///     builder.add(format!("{number}").as_bytes(), b"")?;
/// }
/// builder.finish(&path)?;
/// let file = std::fs::read(&path)?;
/// assert!(can_recut(&[&file], 2) && !can_recut(&[&file], 1009));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn can_recut(files: &[&[u8]], parts: u32) -> bool {
    parse_headers(files)
        .is_ok_and(|headers| cells_of(&headers, parts).is_some() && tables_of(files, &headers).is_some())
}

impl Builder {
    /// Copies the cells of these files into an index at `path`, instead of building it from records. The files must be all parts
    /// of one set, in order, and verified, and [`can_recut`] must be true. The index gets their hash, types and fingerprint
    /// bits.
    ///
    /// ```
    /// use hashlith_builder::Builder;
    /// # let dir = tempfile::tempdir()?;
    /// # let (old, new) = (dir.path().join("old.hlith"), dir.path().join("new"));
    ///
    /// let mut builder = Builder::new();
    /// builder.add(b"sky", b"blue")?;
    /// builder.finish(&old)?;
    /// let report = Builder::new().parts(1).finish_recut(&[&std::fs::read(&old)?], &new)?;
    /// assert_eq!(report.keys, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Any [`Error`]; then nothing has changed at `path`, except after [`Error::NotDurable`].
    pub fn finish_recut(mut self, files: &[&[u8]], path: impl AsRef<Path>) -> Result<Report, Error> {
        let damaged =
            || Error::Options { what: "a file to cut again is not an index, or is damaged: verify it" };
        let headers = parse_headers(files).map_err(|_| damaged())?;
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
        let (tables, shared) = tables_of(files, &headers)
            .ok_or(Error::Options { what: "these files have different token tables, or shared records" })?;
        self.options.shared = shared.map(Arc::new);
        let (path, progress) = (path.as_ref(), &*self.progress);
        let dir = output::directory(path, self.options.shape.is_set())?;
        if let Some(first) = headers.first() {
            self.options.hasher = first.hasher;
            self.options.key_type = first.key_type;
            self.options.value_type = first.value_type;
            self.options.fingerprint_bits = first.fingerprint_bits;
            self.options.key_width = first.key_width;
        }
        let keys = headers.iter().map(|header| header.keys).sum();
        let bytes: u64 = headers.iter().map(Header::file_len).sum();
        let temp_dir = self.options.temp_dir.as_ref().unwrap_or(&dir);
        let direct = bytes > self.options.page_cache / 2;
        progress.enter(Phase::Building, Unit::Records, Some(keys));
        let mut writer = Writer::create(path, &self.options, progress, temp_dir, cells, tables, direct)?;
        limits::check_space(&dir, bytes)?;
        for (bytes, header) in files.iter().zip(&headers) {
            let source = Source { bytes, header };
            let mut next = 0;
            while next < header.cells {
                progress.check()?;
                let mut cells = Vec::new();
                let piece = source.piece(&mut next, &mut cells).ok_or_else(damaged)?;
                progress.add(Unit::Records, piece.end.keys - piece.start.keys);
                writer.append(piece)?;
            }
        }
        writer.check_keys(keys)?;
        let headers = writer.finish()?;
        progress.enter(Phase::Done, Unit::Records, None);
        Ok(Report {
            records: keys,
            keys,
            duplicates: 0,
            headers,
            spilled_bytes: 0,
            phases: progress.phases(),
        })
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

    /// Where a cell's records and ids begin; after the last cell, where they end. Says nothing about far bodies.
    fn offsets(&self, number: u64) -> Option<Offsets> {
        let (keys, pool) = if number == self.header.cells {
            (self.header.keys, self.header.sections.pool.len)
        } else {
            let Head { first_id, pool_start, .. } = self.cell(number)?.1.head;
            (first_id, pool_start)
        };
        // Shared records are not those of a cell.
        Some(Offsets { keys, pool: if self.header.shared_records { 0 } else { pool }, far: 0 })
    }

    /// The next cells, from number `next` on; advances `next`. `None` if the file is damaged.
    fn piece<'c>(&self, next: &mut u64, cells: &'c mut Vec<u8>) -> Option<Piece<'c>>
    where
        'a: 'c,
    {
        let width = self.header.value_type.width();
        let mut start = self.offsets(*next)?;
        let mut end = start;
        let (mut far_start, mut far_end) = (None, 0);
        for _ in 0..CELLS {
            let values = end.keys.checked_sub(start.keys)?.checked_mul(width)?;
            if *next == self.header.cells || end.pool.checked_sub(start.pool)?.checked_add(values)? > BYTES {
                break;
            }
            let (cell, view) = self.cell(*next)?;
            cells.extend_from_slice(cell);
            if let Some(far) = view.head.far {
                far_start.get_or_insert(far);
                far_end = far.checked_add(view.body_len())?;
            }
            *next += 1;
            end = self.offsets(*next)?;
        }
        (start.far, end.far) = (far_start.unwrap_or(0), far_end);
        let slice = |section: Span, from: u64, to: u64| {
            let whole = self.bytes.get(section.offset as usize..section.end() as usize)?;
            whole.get(from as usize..to as usize)
        };
        Some(Piece {
            pool: PoolView::of_bytes(slice(self.header.sections.pool, start.pool, end.pool)?),
            values: PoolView::of_bytes(slice(
                self.header.sections.values,
                start.keys * width,
                end.keys * width,
            )?),
            width,
            far: slice(self.header.sections.far, start.far, end.far)?,
            cells,
            start,
            end,
        })
    }
}
