//! The checksums, the padding, the metadata and the extension: V1, V2, V3, V9, V12 and V13.

use crate::{
    coded::Codes,
    error::Error,
    read::{ReadAt, WINDOW, Window, read_whole},
};
use hashlith_feedback::{Progress, Unit};
use hashlith_format::{
    Header,
    checksum::{self, chunk_span},
};
use serde::de::IgnoredAny;
use std::ops::Range;

/// V2: the digest of the sums.
pub(crate) fn check_sums_digest<R: ReadAt + ?Sized>(
    window: &mut Window<R>,
    header: &Header,
) -> Result<(), Error> {
    let mut digest = checksum::Digest::new();
    each_piece(window, header.sections.sums.offset..header.file_len(), |_, bytes| {
        digest.update(bytes);
        Ok(())
    })?;
    if digest.finish() != header.sums_digest {
        return Err(Error::verifier(2, 208, "the sums do not match their digest"));
    }
    Ok(())
}

/// V3: the bytes between the sections.
pub(crate) fn check_padding<R: ReadAt + ?Sized>(
    window: &mut Window<R>,
    header: &Header,
) -> Result<(), Error> {
    let sections = header.sections.all();
    let gaps = sections.iter().zip(sections.iter().skip(1));
    for ((_, before), (_, after)) in gaps {
        each_piece(window, before.end()..after.offset, |at, bytes| {
            match (at..).zip(bytes).find(|&(_, &byte)| byte != 0) {
                Some((at, _)) => Err(Error::verifier(3, at, "a byte between two sections is not zero")),
                None => Ok(()),
            }
        })?;
    }
    Ok(())
}

/// V13: the token tables.
pub(crate) fn check_tables(header: &Header, codes: &Codes) -> Result<(), Error> {
    codes.coding.check(&codes.tables).map_err(|fault| {
        Error::verifier(13, header.sections.tables.offset.saturating_add(fault.offset as u64), fault.what)
    })
}

/// V12: only ignorable features fill the extension.
pub(crate) fn check_extension(header: &Header) -> Result<(), Error> {
    let extension = header.sections.extension;
    if header.ignorable_features == 0 && extension.len > 0 {
        return Err(Error::verifier(
            12,
            extension.offset,
            "there is an extension, but no feature that fills it",
        ));
    }
    Ok(())
}

/// V9: the metadata, at most 1 MiB.
pub(crate) fn check_metadata<R: ReadAt + ?Sized>(file: &R, header: &Header) -> Result<(), Error> {
    let span = header.sections.metadata;
    let mut bytes = Vec::new();
    read_whole(file, span.offset, span.len, &mut bytes)?;
    // Only objects begin with a brace. So the value need not be built, and any depth of nesting is fine.
    let is_object = || {
        let text = std::str::from_utf8(&bytes).ok()?;
        let opened = text.trim_start_matches([' ', '\t', '\n', '\r']).starts_with('{');
        opened.then_some(())?;
        serde_json::from_str::<IgnoredAny>(text).ok()
    };
    if !bytes.is_empty() && is_object().is_none() {
        return Err(Error::verifier(9, span.offset, "the metadata is not a JSON object"));
    }
    Ok(())
}

fn each_piece<R: ReadAt + ?Sized>(
    window: &mut Window<R>,
    span: Range<u64>,
    mut check: impl FnMut(u64, &[u8]) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut at = span.start;
    while at < span.end {
        let len = usize::try_from(span.end - at).unwrap_or(WINDOW).min(WINDOW);
        check(at, window.get(at, len, span.end)?)?;
        at += len as u64;
    }
    Ok(())
}

/// Checks chunks against their sums (V1), on one thread.
pub(crate) struct ChunkChecker<'a, R: ?Sized> {
    header: &'a Header,
    progress: &'a Progress,
    chunks: Window<'a, R>,
    sums: Window<'a, R>,
}

impl<'a, R: ReadAt + ?Sized> ChunkChecker<'a, R> {
    pub(crate) fn new(file: &'a R, header: &'a Header, progress: &'a Progress) -> Self {
        let window = || Window::new(file, progress);
        ChunkChecker { header, progress, chunks: window(), sums: window() }
    }

    /// Checks the chunks with these numbers, up to the first wrong one.
    pub(crate) fn check(&mut self, numbers: Range<u64>) -> Result<(), Error> {
        let sums = self.header.sections.sums.offset;
        let data_end = chunk_span(numbers.end, sums).offset;
        for number in numbers.clone() {
            let span = chunk_span(number, sums);
            let chunk = self.chunks.get(span.offset, span.len as usize, data_end)?;
            let sum = self.sums.get(sums + 8 * number, 8, sums + 8 * numbers.end)?;
            if checksum::chunk_sum(number, chunk).to_le_bytes() != sum {
                return Err(Error::verifier(1, span.offset, "a chunk of 64 KiB does not match its sum"));
            }
            self.progress.add(Unit::Bytes, span.len);
        }
        Ok(())
    }
}
