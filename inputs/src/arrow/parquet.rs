//! Parquet files, row group by row group.

use std::sync::{Arc, OnceLock};

use arrow_schema::{DataType, Field, Fields, Schema, TimeUnit};
use hashlith_feedback::Unit;
use parquet::arrow::arrow_reader::ParquetRecordBatchReader;
use parquet::arrow::{
    ARROW_SCHEMA_META_KEY, FieldLevels, ProjectionMask, parquet_to_arrow_field_levels,
    parquet_to_arrow_schema,
};
use parquet::basic::{LogicalType, Type};
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader, RowGroupMetaData};
use parquet::schema::types::TypePtr;

use crate::arrow::cells::{is_string, is_text};
use crate::arrow::data::Data;
use crate::arrow::grammar::FOOTER;
use crate::arrow::guarded::guarded;
use crate::arrow::pages::Pages;
use crate::arrow::table::Table;
use crate::arrow::thrift::walk;
use crate::arrow::{pass, too_long, uuid};
use crate::format::Format;
use crate::magic;
use crate::options::ReadOptions;
use crate::outlet::Outlet;
use crate::sink::Sink;
use crate::source::Source;
use crate::stop::{PlainStop, Stop};
use crate::unreadable::{Unreadable, unreadable};

/// The most rows of a batch.
const ROWS: u64 = 8192;
/// Schemas are not nested deeper.
const DEEPEST: usize = 64;
const MARK: &[u8; 4] = b"PAR1";

/// A Parquet file that is open, and how it is read.
struct Open {
    data: Arc<Data>,
    metadata: Arc<ParquetMetaData>,
    levels: FieldLevels,
    table: Table,
    /// The most bytes of a page.
    most: usize,
    /// How many bytes of rows a batch has, about.
    batch_bytes: u64,
}

/// The row groups of a Parquet file.
pub(crate) struct File {
    open: Arc<Open>,
    next: usize,
    /// Rows before the next row group.
    rows: u64,
}

/// One row group, which any worker can read.
pub(crate) struct RowGroup {
    open: Arc<Open>,
    number: usize,
    /// Rows before it.
    pub first: u64,
    /// How many bytes of the file it stands for.
    bytes: u64,
}

impl File {
    pub fn open(source: &Source, options: &ReadOptions) -> Result<Self, PlainStop> {
        let data = Data::open(source).map_err(|error| Stop::Io(0, error))?;
        let metadata = metadata(&data, options.max_record_bytes)?;
        let unfit = |why| unreadable(0, why);
        let (levels, table) = plan(&metadata, options).map_err(unfit)?;
        let rows = metadata.row_groups().iter().map(|group| u64::try_from(group.num_rows()).ok());
        let rows = rows.reduce(|sum, rows| sum?.checked_add(rows?)).unwrap_or(Some(0));
        if rows.is_none() || rows != u64::try_from(metadata.file_metadata().num_rows()).ok() {
            return Err(unfit(
                "the file is damaged: its numbers of rows contradict each other".to_owned().into(),
            ));
        }
        // A column has one page and its dictionary in memory.
        let most = options.max_record_bytes / 2 / table.needed().len().max(1);
        let batch_bytes = 8 * options.block_bytes.max(1) as u64;
        let (data, metadata) = (Arc::new(data), Arc::new(metadata));
        let open = Arc::new(Open { data, metadata, levels, table, most, batch_bytes });
        Ok(File { open, next: 0, rows: 0 })
    }

    /// How many bytes of the file are in no row group.
    pub fn other_bytes(&self) -> u64 {
        let groups = self.open.metadata.row_groups().iter();
        groups.fold(self.open.data.length(), |left, group| left.saturating_sub(bytes_of(group)))
    }

    /// The next row group.
    pub fn next(&mut self) -> Option<RowGroup> {
        let group = self.open.metadata.row_groups().get(self.next)?;
        let bytes = bytes_of(group);
        let first = self.rows;
        self.rows += group.num_rows() as u64;
        self.next += 1;
        Some(RowGroup { open: Arc::clone(&self.open), number: self.next - 1, first, bytes })
    }
}

fn bytes_of(group: &RowGroupMetaData) -> u64 {
    u64::try_from(group.compressed_size()).unwrap_or(0)
}

/// Reads the footer. Nothing that it declares takes memory before the footer is known to hold it.
fn metadata(data: &Data, most: usize) -> Result<ParquetMetaData, PlainStop> {
    let part = |start, length| data.part(start, length).map_err(|error| Stop::Io(0, error));
    let bad = |what: &str| unreadable(0, what.to_owned());
    let length = data.length();
    let head = part(0, length.min(magic::LOOKED_AT as u64))?;
    if let Some(reason) = magic::mismatch(&head, Format::Parquet) {
        return Err(unreadable(0, reason));
    }
    if length < 12 {
        return Err(bad("this is no Parquet file: it is too short"));
    }
    let tail = part(length - 8, 8)?;
    if head.starts_with(b"PARE") || &tail[4..] == b"PARE" {
        return Err(bad("the file is encrypted: write it again without encryption"));
    }
    if !head.starts_with(MARK) {
        return Err(bad("this is no Parquet file"));
    }
    let footer = u32::from_le_bytes([tail[0], tail[1], tail[2], tail[3]]);
    if &tail[4..] != MARK || u64::from(footer) > length - 12 {
        return Err(bad("the file is cut off or damaged: its footer is missing"));
    }
    if footer as usize > most {
        return Err(unreadable(0, too_long("the footer", footer.into(), most)));
    }
    let footer = part(length - 8 - u64::from(footer), footer.into())?;
    if !is_sound(&footer) {
        return Err(bad("the file is damaged: its footer is malformed, or its schema is nested too deeply"));
    }
    guarded(|| ParquetMetaDataReader::decode_metadata(&footer)).map_err(|why| unreadable(0, why))
}

/// Whether the lists of a footer are as long as they say, and its schema, a tree of elements in order, is not nested too deeply.
fn is_sound(footer: &[u8]) -> bool {
    let (mut children, mut open, mut sound) = (0, Vec::new(), true);
    let walked = walk(footer, FOOTER, &mut |path, number| match (path, number) {
        ([2, 5], Some(number)) => children = number,
        ([2], None) => {
            while open.pop_if(|left| *left <= 0).is_some() {}
            if let Some(left) = open.last_mut() {
                *left -= 1;
            }
            if children > 0 {
                open.push(children);
            }
            children = 0;
            sound &= open.len() <= DEEPEST;
        }
        _ => {}
    });
    walked.is_some() && sound
}

fn plan(metadata: &ParquetMetaData, options: &ReadOptions) -> Result<(FieldLevels, Table), Unreadable> {
    let file = metadata.file_metadata();
    let descriptor = file.schema_descr();
    let levels =
        |mask, fields: &Fields| guarded(|| parquet_to_arrow_field_levels(descriptor, mask, Some(fields)));
    let schema = guarded(|| parquet_to_arrow_schema(descriptor, file.key_value_metadata()))?;
    // Of an instant that no Arrow schema describes, nanoseconds would leave only the years 1677 to 2262.
    let is_described =
        file.key_value_metadata().is_some_and(|all| all.iter().any(|one| one.key == ARROW_SCHEMA_META_KEY));
    let mut leaves =
        descriptor.columns().iter().map(|column| !is_described && column.physical_type() == Type::INT96);
    let columns = descriptor.root_schema().get_fields().iter();
    // Not all writers name the type for Arrow too.
    let named = |(field, column): (&Arc<Field>, &TypePtr)| match column.get_basic_info().logical_type_ref() {
        Some(LogicalType::Uuid) => Arc::new(uuid::named(field)),
        _ => Arc::clone(field),
    };
    // Views leave a string in its page or dictionary, however often it occurs.
    let fields = views(&schema.fields().iter().zip(columns).map(named).collect(), &mut leaves);
    let table = Table::plan(&Schema::new(fields.clone()), options)?;
    let needed = ProjectionMask::roots(descriptor, table.needed().iter().copied());
    Ok((levels(needed, &fields)?, table))
}

/// `leaves` says of each column of the file whether it has instants of 12 bytes.
fn views(fields: &Fields, leaves: &mut impl Iterator<Item = bool>) -> Fields {
    fields.iter().map(|field| as_view(field, leaves)).collect()
}

fn as_view(field: &Arc<Field>, leaves: &mut impl Iterator<Item = bool>) -> Arc<Field> {
    let instant = match field.data_type() {
        DataType::List(_)
        | DataType::LargeList(_)
        | DataType::FixedSizeList(..)
        | DataType::Struct(_)
        | DataType::Map(..) => false,
        _ => leaves.next() == Some(true),
    };
    let data_type = match field.data_type() {
        DataType::Timestamp(_, zone) if instant => DataType::Timestamp(TimeUnit::Microsecond, zone.clone()),
        DataType::Null | DataType::FixedSizeBinary(_) => return Arc::clone(field),
        // Of indexes, that may count more texts than a type without a dictionary has.
        DataType::Dictionary(_, values) if matches!(**values, DataType::FixedSizeBinary(_)) => {
            (**values).clone()
        }
        text if is_text(text) => DataType::Utf8View,
        binary if is_string(binary) => DataType::BinaryView,
        DataType::List(item) => DataType::List(as_view(item, leaves)),
        DataType::LargeList(item) => DataType::LargeList(as_view(item, leaves)),
        DataType::FixedSizeList(item, size) => DataType::FixedSizeList(as_view(item, leaves), *size),
        DataType::Struct(fields) => DataType::Struct(views(fields, leaves)),
        DataType::Map(entries, sorted) => DataType::Map(as_view(entries, leaves), *sorted),
        _ => return Arc::clone(field),
    };
    Arc::new(field.as_ref().clone().with_data_type(data_type))
}

impl RowGroup {
    /// Passes all records to the sink.
    pub fn read<S: Sink>(self, outlet: &mut Outlet<'_, S>) -> Result<(), Stop<S::Error>> {
        let RowGroup { open, number, first, bytes } = self;
        let Open { data, metadata, levels, table, most, batch_bytes } = &*open;
        let group = metadata.row_group(number);
        let rows = group.num_rows() as u64;
        let columns = group.columns().iter();
        let size: i64 = columns.fold(0, |sum, column| sum.saturating_add(column.uncompressed_size()));
        let each = u64::try_from(size).unwrap_or(0).checked_div(rows).unwrap_or(0).max(1);
        let batch_rows = (batch_bytes / each).clamp(1, ROWS);
        let longer = Arc::new(OnceLock::new());
        let too_long_page = Arc::clone(&longer);
        let (data, metadata, most) = (Arc::clone(data), Arc::clone(metadata), *most);
        let pages = Pages { data, metadata, group: number, most, too_long: longer };
        let in_group = |at: u64, why: Unreadable| {
            let why = too_long_page.get().map_or(why, |&size| too_long("a page", size, most));
            let what = format!("row group {}: {}", number + 1, why.what);
            unreadable(at, Unreadable { what, ..why }).for_sink()
        };
        let reader = guarded(|| {
            ParquetRecordBatchReader::try_new_with_row_groups(levels, &pages, batch_rows as usize, None)
        });
        let mut reader = reader.map_err(|why| in_group(first, why))?;
        let (mut done, mut counted) = (0, 0);
        while let Some(batch) =
            guarded(|| reader.next().transpose()).map_err(|why| in_group(first + done, why))?
        {
            pass(table, &batch, first + done, outlet)?;
            done += batch.num_rows() as u64;
            let so_far = (u128::from(bytes) * u128::from(done) / u128::from(rows.max(1))) as u64;
            outlet.shared.progress.add(Unit::Bytes, so_far.saturating_sub(counted));
            counted = counted.max(so_far);
        }
        if done != rows {
            let what = format!("the file is damaged: it has {done} rows, and by the footer {rows}");
            return Err(in_group(first + done, what.into()));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One field 2, a list of elements with these numbers of children.
    fn footer(children: &[i32]) -> Vec<u8> {
        let mut bytes = vec![0x29, 0xfc];
        let varint = |mut number: u64, bytes: &mut Vec<u8>| {
            while number > 127 {
                bytes.push(number as u8 | 128);
                number >>= 7;
            }
            bytes.push(number as u8);
        };
        varint(children.len() as u64, &mut bytes);
        for &count in children {
            bytes.push(0x55);
            varint(2 * count as u64, &mut bytes);
            bytes.push(0);
        }
        bytes.push(0);
        bytes
    }

    #[test]
    fn deep_schemas_are_refused_and_wide_ones_are_not() {
        assert!(is_sound(&footer(&[[1; DEEPEST].as_slice(), &[0]].concat())));
        assert!(!is_sound(&footer(&[[1; DEEPEST + 1].as_slice(), &[0]].concat())));
        assert!(is_sound(&footer(&[[500].as_slice(), &[1, 0].repeat(500)].concat())));
    }
}
