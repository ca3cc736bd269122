//! The pages of one row group of a Parquet file. What a page says about its size is checked before it takes memory.

use std::sync::{Arc, OnceLock};

use parquet::arrow::arrow_reader::RowGroups;
use parquet::basic::Encoding;
use parquet::column::page::{Page, PageIterator, PageMetadata, PageReader};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};
use parquet::file::serialized_reader::SerializedPageReader;

use crate::arrow::data::Data;
use crate::arrow::grammar::PAGE_HEADER;
use crate::arrow::thrift::{varint, walk};

/// One row group.
pub(crate) struct Pages {
    pub data: Arc<Data>,
    pub metadata: Arc<ParquetMetaData>,
    pub group: usize,
    /// The most bytes of a page.
    pub most: usize,
    /// The size of a page that has more.
    pub too_long: Arc<OnceLock<u64>>,
}

impl Pages {
    fn meta(&self) -> &RowGroupMetaData {
        self.metadata.row_group(self.group)
    }
}

impl RowGroups for Pages {
    fn num_rows(&self) -> usize {
        self.meta().num_rows() as usize
    }

    fn column_chunks(&self, column: usize) -> Result<Box<dyn PageIterator>> {
        let chunk = self.meta().column(column);
        let (at, length) = chunk.byte_range();
        let end = at.checked_add(length).filter(|&end| end <= self.data.length());
        let end = end.ok_or_else(|| damaged("a column lies outside of the file"))?;
        let inner = SerializedPageReader::new(Arc::clone(&self.data), chunk, self.num_rows(), None)?;
        let levels = chunk.column_descr();
        let levels = [levels.max_rep_level(), levels.max_def_level()];
        let (data, most, too_long) = (Arc::clone(&self.data), self.most, Arc::clone(&self.too_long));
        Ok(Box::new(Only(Some(Checked { inner, data, at, end, most, too_long, levels, checked: None }))))
    }

    fn row_groups(&self) -> Box<dyn Iterator<Item = &RowGroupMetaData> + '_> {
        Box::new(std::iter::once(self.meta()))
    }

    fn metadata(&self) -> &ParquetMetaData {
        &self.metadata
    }
}

fn damaged(what: &str) -> ParquetError {
    ParquetError::General(what.to_owned())
}

struct Only(Option<Checked>);

impl Iterator for Only {
    type Item = Result<Box<dyn PageReader>>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.take().map(|pages| Ok(Box::new(pages) as _))
    }
}

impl PageIterator for Only {}

/// Pages whose headers are looked at before the pages are decompressed.
struct Checked {
    inner: SerializedPageReader<Data>,
    data: Arc<Data>,
    /// Where the next page begins.
    at: u64,
    end: u64,
    most: usize,
    too_long: Arc<OnceLock<u64>>,
    /// The highest level of repetition and of definition.
    levels: [i16; 2],
    /// Where the page after the next begins, if the header of the next one has been checked.
    checked: Option<u64>,
}

#[derive(Default)]
struct Header {
    uncompressed: i64,
    compressed: i64,
    in_dictionary: i64,
}

impl Checked {
    /// Checks the header of the next page.
    fn check(&mut self) -> Result<()> {
        if self.checked.is_some() || self.at >= self.end {
            return Ok(());
        }
        let mut window = 1 << 10;
        let (header, length) = loop {
            let longest = self.end - self.at;
            let bytes = self.data.part(self.at, longest.min(window))?;
            let mut header = Header::default();
            let length = walk(&bytes, PAGE_HEADER, &mut |path, number| match (path, number) {
                ([2], Some(number)) => header.uncompressed = number,
                ([3], Some(number)) => header.compressed = number,
                ([7, 1], Some(number)) => header.in_dictionary = number,
                _ => {}
            });
            match length {
                Some(length) => break (header, length as u64),
                None if window >= longest || window > self.most as u64 => {
                    return Err(damaged("a page has no valid header"));
                }
                None => window *= 8,
            }
        };
        // The crate takes the lower half of a longer number.
        let of_32_bits = |number: i64| u64::try_from(i32::try_from(number).ok()?).ok();
        let size = of_32_bits(header.uncompressed);
        let size = size.ok_or_else(|| damaged("the size of a page is negative, or no number of 32 bits"))?;
        let compressed = of_32_bits(header.compressed);
        let next = compressed.and_then(|bytes| (self.at + length).checked_add(bytes));
        let next = next.filter(|&next| next <= self.end);
        let next = next.ok_or_else(|| damaged("a page is longer than its column"))?;
        if size.max(compressed.unwrap_or(0)) > self.most as u64 {
            let _ = self.too_long.set(size);
            return Err(damaged("a page is too long"));
        }
        // A value takes a byte at least.
        if of_32_bits(header.in_dictionary).is_none_or(|count| count > size) {
            return Err(damaged("a dictionary has more values than bytes"));
        }
        self.checked = Some(next);
        Ok(())
    }

    fn advance(&mut self) {
        self.at = self.checked.take().unwrap_or(self.end);
    }

    /// Checks what the values of a page say about their number, for which memory is taken.
    fn check_values(&self, page: &Page) -> Result<()> {
        let encoding = page.encoding();
        let lists = match encoding {
            Encoding::DELTA_LENGTH_BYTE_ARRAY => 1,
            Encoding::DELTA_BYTE_ARRAY => 2,
            _ => return Ok(()),
        };
        let wrong = || damaged("the lengths of a page's values are damaged");
        let count = u64::from(page.num_values());
        let mut bytes = &page.buffer()[..];
        match page {
            Page::DataPageV2 { rep_levels_byte_len, def_levels_byte_len, .. } => {
                let levels = (*rep_levels_byte_len as usize).checked_add(*def_levels_byte_len as usize);
                bytes = levels.and_then(|levels| bytes.get(levels..)).ok_or_else(wrong)?;
            }
            Page::DataPage { rep_level_encoding, def_level_encoding, .. } => {
                for (most, encoding) in self.levels.into_iter().zip([rep_level_encoding, def_level_encoding])
                {
                    let (length, rest) = match (most, encoding) {
                        (0, _) => continue,
                        (_, Encoding::RLE) => bytes.split_first_chunk::<4>().ok_or_else(wrong)?,
                        // An old encoding of levels, which nothing writes together with these values.
                        _ => return Err(wrong()),
                    };
                    bytes = rest.get(u32::from_le_bytes(*length) as usize..).ok_or_else(wrong)?;
                }
            }
            Page::DictionaryPage { .. } => return Ok(()),
        }
        for _ in 0..lists {
            bytes = after_lengths(bytes, count).ok_or_else(wrong)?;
        }
        Ok(())
    }
}

/// What follows a list of at most `most` lengths in the encoding `DELTA_BINARY_PACKED`.
/// <https://parquet.apache.org/docs/file-format/data-pages/encodings/>
fn after_lengths(mut bytes: &[u8], most: u64) -> Option<&[u8]> {
    let next = |bytes: &mut &[u8]| {
        let (number, length) = varint(bytes)?;
        *bytes = &bytes[length..];
        Some(number)
    };
    let (block, minis, count) = (next(&mut bytes)?, next(&mut bytes)?, next(&mut bytes)?);
    let _first = next(&mut bytes)?;
    if count > most {
        return None;
    }
    let each = block.checked_div(minis)?;
    if each == 0 {
        return None;
    }
    let mut left = count.saturating_sub(1);
    while left > 0 {
        let _least = next(&mut bytes)?;
        let (widths, rest) = bytes.split_at_checked(usize::try_from(minis).ok()?)?;
        bytes = rest;
        for &width in widths {
            if left == 0 {
                break;
            }
            let length = each.checked_mul(u64::from(width))?.div_ceil(8);
            bytes = bytes.get(usize::try_from(length).ok()?..)?;
            left = left.saturating_sub(each);
        }
    }
    Some(bytes)
}

impl PageReader for Checked {
    fn get_next_page(&mut self) -> Result<Option<Page>> {
        self.check()?;
        let page = self.inner.get_next_page()?;
        self.advance();
        if let Some(page) = &page {
            self.check_values(page)?;
        }
        Ok(page)
    }

    fn peek_next_page(&mut self) -> Result<Option<PageMetadata>> {
        self.check()?;
        self.inner.peek_next_page()
    }

    fn skip_next_page(&mut self) -> Result<()> {
        self.check()?;
        self.inner.skip_next_page()?;
        self.advance();
        Ok(())
    }

    fn at_record_boundary(&mut self) -> Result<bool> {
        self.check()?;
        self.inner.at_record_boundary()
    }
}

impl Iterator for Checked {
    type Item = Result<Page>;

    fn next(&mut self) -> Option<Self::Item> {
        self.get_next_page().transpose()
    }
}
