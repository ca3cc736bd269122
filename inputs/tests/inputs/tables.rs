//! Parquet files and Arrow files and streams, written by the crates that hashlith does not read pages with on its own.

use std::sync::Arc;

use arrow_array::builder::{FixedSizeListBuilder, Float32Builder, Int64Builder, ListBuilder};
use arrow_array::{
    ArrayRef, BinaryArray, BooleanArray, Decimal128Array, DictionaryArray, Float64Array, Int32Array,
    Int64Array, LargeStringArray, RecordBatch, StringArray, StructArray, UInt8Array,
};
use arrow_ipc::CompressionType;
use arrow_ipc::writer::{FileWriter, IpcWriteOptions, StreamWriter};
use hashlith_feedback::Advice;
use hashlith_format::{KeyType, ValueType, int_key};
use hashlith_inputs::{Column, Error, Format, OnError, ReadOptions, Source};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, Encoding};
use parquet::file::properties::{WriterProperties, WriterVersion};

use crate::support::{Pairs, error, failure, memory, pairs, read_sources, text};

fn array(array: impl arrow_array::Array + 'static) -> ArrayRef {
    Arc::new(array)
}

/// Rows `from` to `to` of a table with one column for each kind of type. Row 5 has nulls.
fn rows(from: i64, to: i64) -> RecordBatch {
    let numbers: Vec<i64> = (from..to).collect();
    let texts = |prefix: &str| numbers.iter().map(|number| format!("{prefix}{number}")).collect::<Vec<_>>();
    let unless_5 = |prefix: &str| -> Vec<Option<String>> {
        numbers.iter().map(|&number| (number != 5).then(|| format!("{prefix}{number}"))).collect()
    };
    let mut vectors = FixedSizeListBuilder::new(Float32Builder::new(), 2);
    let mut lists = ListBuilder::new(Int64Builder::new());
    for &number in &numbers {
        vectors.values().append_slice(&[number as f32, 0.5]);
        vectors.append(true);
        lists.values().append_slice(&[number, -number]);
        lists.append(true);
    }
    // All batches of a file share one dictionary.
    let kinds = Int32Array::from_iter_values(numbers.iter().map(|&number| (number % 2) as i32));
    let dictionary = DictionaryArray::new(kinds, array(StringArray::from(vec!["even", "odd"])));
    let inner = StructArray::try_from(vec![
        ("flag", array(BooleanArray::from_iter(numbers.iter().map(|number| Some(number % 2 == 0))))),
        ("half", array(Float64Array::from_iter_values(numbers.iter().map(|&number| number as f64 / 2.0)))),
    ]);
    let cents = Decimal128Array::from_iter_values(numbers.iter().map(|&number| i128::from(number)));
    let binary: Vec<Vec<u8>> = numbers.iter().map(|&number| vec![0xff, number as u8]).collect();
    RecordBatch::try_from_iter_with_nullable([
        ("id", array(StringArray::from(texts("k"))), false),
        ("name", array(LargeStringArray::from(texts("größe \" "))), false),
        ("number", array(Int64Array::from(numbers.clone())), false),
        ("small", array(UInt8Array::from_iter_values(numbers.iter().map(|&number| number as u8))), false),
        ("sparse", array(StringArray::from(unless_5("s"))), true),
        ("vector", array(vectors.finish()), true),
        ("list", array(lists.finish()), true),
        ("kind", array(dictionary), false),
        ("inner", array(inner.unwrap()), false),
        ("cents", array(cents.with_precision_and_scale(10, 2).unwrap()), false),
        ("binary", array(BinaryArray::from_iter_values(binary)), false),
    ])
    .unwrap()
}

const PACKED: [Option<CompressionType>; 3] =
    [None, Some(CompressionType::LZ4_FRAME), Some(CompressionType::ZSTD)];

fn ipc_options(packed: Option<CompressionType>) -> IpcWriteOptions {
    IpcWriteOptions::default().try_with_compression(packed).unwrap()
}

fn arrow_file(batches: &[RecordBatch], packed: Option<CompressionType>) -> Vec<u8> {
    let mut writer =
        FileWriter::try_new_with_options(Vec::new(), &batches[0].schema(), ipc_options(packed)).unwrap();
    batches.iter().for_each(|batch| writer.write(batch).unwrap());
    writer.into_inner().unwrap()
}

fn arrow_stream(batches: &[RecordBatch], packed: Option<CompressionType>) -> Vec<u8> {
    let mut writer =
        StreamWriter::try_new_with_options(Vec::new(), &batches[0].schema(), ipc_options(packed)).unwrap();
    batches.iter().for_each(|batch| writer.write(batch).unwrap());
    writer.into_inner().unwrap()
}

fn parquet(batches: &[RecordBatch], properties: WriterProperties) -> Vec<u8> {
    let mut writer = ArrowWriter::try_new(Vec::new(), batches[0].schema(), Some(properties)).unwrap();
    for batch in batches {
        writer.write(batch).unwrap();
        writer.flush().unwrap();
    }
    writer.into_inner().unwrap()
}

/// The same batches in all kinds of files.
fn all_files(batches: &[RecordBatch]) -> Vec<(&'static str, Vec<u8>)> {
    let mut files = Vec::new();
    for packed in PACKED {
        files.push(("x.arrow", arrow_file(batches, packed)));
        files.push(("x.arrows", arrow_stream(batches, packed)));
    }
    for packed in [
        Compression::UNCOMPRESSED,
        Compression::SNAPPY,
        Compression::ZSTD(Default::default()),
        Compression::GZIP(Default::default()),
        Compression::LZ4_RAW,
        Compression::BROTLI(Default::default()),
    ] {
        let properties = WriterProperties::builder().set_compression(packed);
        files.push(("x.parquet", parquet(batches, properties.build())));
    }
    for encoding in [Encoding::PLAIN, Encoding::DELTA_BYTE_ARRAY, Encoding::DELTA_LENGTH_BYTE_ARRAY] {
        for version in [WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0] {
            let mut properties =
                WriterProperties::builder().set_writer_version(version).set_dictionary_enabled(false);
            for column in ["id", "name", "sparse", "binary"] {
                properties = properties.set_column_encoding(column.into(), encoding);
            }
            files.push(("x.pq", parquet(batches, properties.build())));
        }
    }
    files
}

fn named(keys: &[&str], values: &[&str]) -> ReadOptions {
    let columns = |names: &[&str]| names.iter().map(|&name| Column::Name(name.to_owned())).collect();
    ReadOptions { key_columns: columns(keys), value_columns: columns(values), ..ReadOptions::default() }
}

fn json(options: ReadOptions) -> ReadOptions {
    ReadOptions { value_type: ValueType::Json, ..options }
}

/// All pairs, with numbers of rows to make them of.
fn expected(key: impl Fn(i64) -> String, value: impl Fn(i64) -> String) -> Pairs {
    (0..10).map(|row| (key(row).into_bytes(), value(row).into_bytes())).collect()
}

#[test]
fn columns_become_keys_and_values() {
    let key = |row| format!("k{row}");
    let name = |row| format!("größe \" {row}");
    let kind = |row| if row % 2 == 0 { "even" } else { "odd" };
    let inner = |row| format!("{{\"flag\":{},\"half\":{:?}}}", row % 2 == 0, row as f64 / 2.0);
    let quoted = |row: i64| if row == 5 { "null".to_owned() } else { format!("\"s{row}\"") };
    let cases: Vec<(ReadOptions, Pairs)> = vec![
        (ReadOptions::default(), expected(key, name)),
        (
            ReadOptions { value_columns: vec![Column::Number(8)], ..named(&["id"], &[]) },
            expected(key, |row| kind(row).into()),
        ),
        (
            ReadOptions { join: Some("-".into()), ..named(&["kind", "number"], &["name"]) },
            expected(|row| format!("{}-{row}", kind(row)), name),
        ),
        (named(&["kind", "number"], &["name"]), expected(|row| format!("[\"{}\",{row}]", kind(row)), name)),
        (json(named(&["id"], &["sparse"])), expected(key, quoted)),
        (json(named(&["id"], &["vector"])), expected(key, |row| format!("[{row}.0,0.5]"))),
        (json(named(&["id"], &["cents"])), expected(key, |row| format!("0.{row:02}"))),
        (
            json(named(&["id"], &["inner", "list", "sparse", "number"])),
            expected(key, |row| {
                format!(
                    "{{\"inner\":{},\"list\":[{row},{}],\"sparse\":{},\"number\":{row}}}",
                    inner(row),
                    -row,
                    quoted(row)
                )
            }),
        ),
        (
            ReadOptions { value_type: ValueType::None, ..named(&["name"], &[]) },
            expected(name, |_| String::new()),
        ),
    ];
    let batches = [rows(0, 4), rows(4, 4), rows(4, 10)];
    for (name, bytes) in all_files(&batches) {
        for (options, wanted) in &cases {
            let found = pairs(name, &bytes, options);
            assert_eq!(found.as_ref(), Ok(wanted), "{name} {:?}", options.value_columns);
        }
    }
}

#[test]
fn numbers_become_typed_keys_and_values() {
    let typed = |values: &str, column: &str| ReadOptions {
        key_type: KeyType::Int,
        value_type: values.parse().unwrap(),
        ..named(&["number"], &[column])
    };
    let single = |number: i64| [(number as f32).to_le_bytes(), 0.5f32.to_le_bytes()].concat();
    let double = |number: i64| [(number as f64).to_le_bytes(), 0.5f64.to_le_bytes()].concat();
    let list = |number: i64| [number as i16, -number as i16].map(i16::to_le_bytes).concat();
    type Make<'a> = &'a dyn Fn(i64) -> Vec<u8>;
    let cases: Vec<(&str, &str, Make)> = vec![
        ("int64", "number", &|number| number.to_le_bytes().to_vec()),
        ("uint8", "number", &|number| vec![number as u8]),
        ("float64", "small", &|number| (number as f64).to_le_bytes().to_vec()),
        ("float32[2]", "vector", &single),
        ("float64[2]", "vector", &double),
        ("int16[2]", "list", &list),
    ];
    for (name, bytes) in all_files(&[rows(0, 3), rows(3, 10)]) {
        for (values, column, make) in &cases {
            let wanted: Pairs = (0..10).map(|row| (int_key(row).to_vec(), make(row))).collect();
            assert_eq!(pairs(name, &bytes, &typed(values, column)), Ok(wanted), "{name} {values}");
        }
        for (values, column, what) in [
            ("float32[3]", "vector", "row 1: the value of key \"0\" has 2 numbers instead of 3"),
            ("uint8[2]", "list", "row 2: the value of key \"1\" holds \"-1\", which is no uint8"),
            ("int8", "name", "the column \"name\" is of type"),
            ("int8[2]", "number", "is of type Int64, which makes no int8[2]"),
            ("int8[2]", "vector", "holds \"0.0\", which is no int8"),
        ] {
            let found = error(name, &bytes, &typed(values, column));
            assert!(found.contains(what), "{found}");
        }
    }
}

#[test]
fn what_cannot_be_a_record_is_refused() {
    let int_keys = |options| ReadOptions { key_type: KeyType::Int, ..options };
    let joined = |options| ReadOptions { join: Some("-".into()), ..options };
    let cases: Vec<(ReadOptions, &str, Option<Advice>)> = vec![
        (
            named(&["id"], &["nome"]),
            "there is no column \"nome\"; the columns are: \"id\", \"name\", \"number\"",
            None,
        ),
        (
            ReadOptions { value_columns: vec![Column::Number(12)], ..named(&["id"], &[]) },
            "there is no column 12; the columns are",
            None,
        ),
        (
            named(&["number"], &["name"]),
            "the column \"number\" is of type Int64, not text",
            Some(Advice::IntKeys),
        ),
        (int_keys(named(&["id"], &["name"])), "the column \"id\" is of type", None),
        (named(&["vector"], &["name"]), "which makes no keys", None),
        (
            named(&["id"], &["number"]),
            "the column \"number\" is of type Int64, not text",
            Some(Advice::JsonValues),
        ),
        (named(&["id"], &["sparse"]), "row 6: the value of key \"k5\" is null", None),
        (named(&["sparse"], &["id"]), "row 6: the key is null", None),
        (named(&["sparse", "kind"], &["id"]), "row 6: the key is null", None),
        (joined(named(&["sparse", "kind"], &["id"])), "row 6: the key is null", None),
        (joined(named(&["id", "vector"], &["name"])), "only text and numbers can be joined", None),
        (named(&["binary"], &["name"]), "row 1: the key is not valid UTF-8", Some(Advice::Bytes)),
        (json(named(&["id"], &["binary"])), "which JSON does not have", None),
        (
            ReadOptions { value_columns: vec![Column::Row], ..named(&["id"], &[]) },
            "* is a whole row of text",
            None,
        ),
        (ReadOptions { escape: true, ..ReadOptions::default() }, "the option escape has no effect", None),
    ];
    for (name, bytes) in all_files(&[rows(0, 4), rows(4, 10)]) {
        for (options, what, advice) in &cases {
            let found = failure(name, &bytes, options);
            assert!(found.to_string().contains(what), "{name}: {found}");
            assert_eq!(found.advice(), *advice, "{name}: {found}");
        }
        let skip =
            ReadOptions { on_error: OnError::Skip { max_errors: None }, ..named(&["id"], &["sparse"]) };
        let (summary, records) = read_sources(&[memory(name, &bytes)], &skip, 3).unwrap();
        assert_eq!((summary.skipped, records.len(), summary.bytes), (1, 9, bytes.len() as u64), "{name}");
        let place = &summary.first_skipped[0].location;
        assert_eq!((place.to_string(), place.row), (format!("{name}, row 6"), Some(6)));
        assert_eq!(records[5].position, 6);
    }
}

#[test]
fn other_files_are_refused() {
    let parquet = parquet(&[rows(0, 1)], WriterProperties::default());
    let arrow = arrow_file(&[rows(0, 1)], None);
    let mut encrypted = parquet.clone();
    encrypted[3] = b'E';
    let cases: [(&str, &[u8], &str); 8] = [
        ("x.parquet", b"", "too short"),
        ("x.parquet", &arrow, "this is an Arrow file"),
        ("x.parquet", &encrypted, "encrypted"),
        ("x.feather", b"FEA1\0\0\0\0FEA1", "Feather file of version 1"),
        ("x.arrow", &parquet, "this is a Parquet file"),
        ("x.arrow", b"", "never closed"),
        ("x.arrow", b"\x05\0\0\0hello", "no Arrow file or stream"),
        ("x.arrow", b"key\tvalue\n", "no Arrow file or stream"),
    ];
    for (name, bytes, what) in cases {
        let found = error(name, bytes, &ReadOptions::default());
        assert!(found.starts_with(&format!("{name}: ")) && found.contains(what), "{name}: {found}");
    }
    let stdin = |format| {
        let options = ReadOptions { format: Some(format), ..ReadOptions::default() };
        hashlith_inputs::Sources::new(vec![Source::Stdin], &options)
    };
    assert!(matches!(stdin(Format::Parquet), Err(Error::NeedsFile { .. })));
    assert!(stdin(Format::Arrow).is_ok());
}

#[test]
fn no_batch_or_page_takes_more_than_the_memory() {
    let long = "x".repeat(100_000);
    let texts = |text: &str| array(StringArray::from(vec![text.to_owned(), "short".to_owned()]));
    let batch = RecordBatch::try_from_iter([("id", texts("k")), ("text", texts(&long))]).unwrap();
    for (name, bytes) in all_files_of(&batch) {
        let read = |max_record_bytes| {
            pairs(
                name,
                &bytes,
                &ReadOptions { max_record_bytes, block_bytes: 1000, ..ReadOptions::default() },
            )
        };
        assert!(read(1 << 20) == Ok(text(&[("k", &long), ("short", "short")])), "{name}");
        let found =
            failure(name, &bytes, &ReadOptions { max_record_bytes: 90_000, ..ReadOptions::default() });
        assert!(found.to_string().contains("the most that is allowed is"), "{name}: {found}");
        assert_eq!(found.advice(), Some(Advice::MoreMemory), "{name}: {found}");
    }
}

fn all_files_of(batch: &RecordBatch) -> Vec<(&'static str, Vec<u8>)> {
    let mut files: Vec<_> = PACKED
        .into_iter()
        .map(|packed| ("x.arrow", arrow_file(std::slice::from_ref(batch), packed)))
        .collect();
    for packed in [Compression::UNCOMPRESSED, Compression::SNAPPY, Compression::ZSTD(Default::default())] {
        let properties = WriterProperties::builder().set_compression(packed).build();
        files.push(("x.parquet", parquet(std::slice::from_ref(batch), properties)));
    }
    files
}

/// Row groups go to several workers, which find the same records at the same places.
#[test]
fn workers_share_a_parquet_file() {
    let batches: Vec<_> = (0..20).map(|group| rows(100 * group, 100 * group + 100)).collect();
    let bytes = parquet(&batches, WriterProperties::default());
    let options = ReadOptions { block_bytes: 100, ..ReadOptions::default() };
    let sources = [memory("a.parquet", &bytes), memory("b.parquet", &bytes)];
    let (_, one) = read_sources(&sources, &options, 1).unwrap();
    let (summary, many) = read_sources(&sources, &options, 4).unwrap();
    assert_eq!((one.len(), summary.bytes), (4000, 2 * bytes.len() as u64));
    assert_eq!(one, many);
    assert!(one.iter().take(2000).enumerate().all(|(row, record)| {
        (record.position, &record.key[..]) == (row as u64, format!("k{row}").as_bytes())
    }));
}

/// Whatever happens to a file, there is an error or there are records, and no more than there were. The end of a file is never
/// missing in silence.
#[test]
fn damage_never_panics() {
    let columns = ["name", "inner", "list", "sparse", "kind", "vector", "cents"];
    let options = ReadOptions { max_record_bytes: 1 << 20, ..json(named(&["id"], &columns)) };
    let batches = [rows(0, 3), rows(3, 6)];
    let v2 = WriterProperties::builder()
        .set_writer_version(WriterVersion::PARQUET_2_0)
        .set_dictionary_enabled(false)
        .set_compression(Compression::SNAPPY)
        .set_column_encoding("id".into(), Encoding::DELTA_BYTE_ARRAY)
        .set_column_encoding("name".into(), Encoding::DELTA_LENGTH_BYTE_ARRAY);
    let files = [
        ("x.arrow", arrow_file(&batches, None)),
        ("x.arrows", arrow_stream(&batches, Some(CompressionType::LZ4_FRAME))),
        ("x.parquet", parquet(&batches, WriterProperties::default())),
        ("x.pq", parquet(&batches, v2.build())),
    ];
    for (name, bytes) in files {
        for length in 0..bytes.len() {
            assert!(pairs(name, &bytes[..length], &options).is_err(), "{name}, {length} bytes");
        }
        for at in 0..bytes.len() {
            for flip in [0x01, 0xff] {
                let mut bytes = bytes.clone();
                bytes[at] ^= flip;
                let found = pairs(name, &bytes, &options);
                assert!(
                    found.as_ref().map_or(true, |pairs| pairs.len() == 6),
                    "{name}, byte {at} {flip}: {found:?}"
                );
            }
        }
    }
}
