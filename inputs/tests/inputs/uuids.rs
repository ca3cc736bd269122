//! UUIDs in tables: a type of 16 bytes that Arrow and Parquet each name in their own way.

use std::sync::Arc;

use arrow_array::{FixedSizeBinaryArray, Int64Array, RecordBatch};
use arrow_ipc::writer::StreamWriter;
use arrow_schema::{DataType, Field, Schema};
use hashlith_format::{KeyType, ValueType};
use hashlith_inputs::ReadOptions;
use parquet::data_type::{FixedLenByteArray, FixedLenByteArrayType, Int64Type};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;

use crate::support::{columns, error, pairs};

/// The first is valid UTF-8.
const IDS: [u128; 2] = [5, 0x1234_5678_9abc_def0_1234_5678_9abc_def0];
const TEXTS: [&str; 2] = ["00000000-0000-0000-0000-000000000005", "12345678-9abc-def0-1234-56789abcdef0"];

fn bytes() -> Vec<Vec<u8>> {
    let byte = |id: u128, place: u32| (id >> (8 * (15 - place))) as u8;
    IDS.iter().map(|&id| (0..16).map(|place| byte(id, place)).collect()).collect()
}

/// An Arrow stream whose column of 16 bytes is of this extension type.
fn arrow(extension: &str) -> Vec<u8> {
    let name = [("ARROW:extension:name".to_owned(), extension.to_owned())].into();
    let id = Field::new("id", DataType::FixedSizeBinary(16), false).with_metadata(name);
    let schema = Arc::new(Schema::new(vec![id, Field::new("n", DataType::Int64, false)]));
    let ids = FixedSizeBinaryArray::try_from_iter(bytes().into_iter()).unwrap();
    let columns: Vec<Arc<dyn arrow_array::Array>> =
        vec![Arc::new(ids), Arc::new(Int64Array::from(vec![1, 2]))];
    let mut writer = StreamWriter::try_new(Vec::new(), &schema).unwrap();
    writer.write(&RecordBatch::try_new(schema, columns).unwrap()).unwrap();
    writer.into_inner().unwrap()
}

/// A Parquet file that says nothing of Arrow, whose column of 16 bytes has this annotation.
fn parquet(annotation: &str) -> Vec<u8> {
    let schema =
        format!("message m {{ required fixed_len_byte_array(16) id{annotation}; required int64 n; }}");
    let schema = Arc::new(parse_message_type(&schema).unwrap());
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, Arc::default()).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let ids: Vec<FixedLenByteArray> = bytes().into_iter().map(FixedLenByteArray::from).collect();
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<FixedLenByteArrayType>().write_batch(&ids, None, None).unwrap();
    column.close().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<Int64Type>().write_batch(&[1, 2], None, None).unwrap();
    column.close().unwrap();
    group.close().unwrap();
    writer.into_inner().unwrap()
}

#[test]
fn uuids_are_text_unless_bytes_are_asked_for() {
    let texts: Vec<Vec<u8>> = TEXTS.iter().map(|text| text.as_bytes().to_vec()).collect();
    for (name, file) in [("x.arrows", arrow("arrow.uuid")), ("x.parquet", parquet(" (UUID)"))] {
        for (key_type, wanted) in [(KeyType::Text, &texts), (KeyType::Bytes, &bytes())] {
            for (value_type, values) in [
                (ValueType::Text, texts.clone()),
                (ValueType::Bytes, bytes()),
                (ValueType::Json, TEXTS.iter().map(|text| format!("\"{text}\"").into_bytes()).collect()),
            ] {
                let options = ReadOptions { key_type, value_type, ..columns("id", "id") };
                let found = pairs(name, &file, &options).unwrap();
                assert_eq!(found, wanted.iter().cloned().zip(values).collect::<Vec<_>>());
            }
        }
    }
}

#[test]
fn other_columns_of_16_bytes_are_what_they_are() {
    for (name, file) in [("x.arrows", arrow("my.type")), ("x.parquet", parquet(""))] {
        let options =
            ReadOptions { key_type: KeyType::Bytes, value_type: ValueType::Bytes, ..columns("id", "id") };
        assert_eq!(pairs(name, &file, &options).unwrap()[1].0, bytes()[1]);
        let message = error(name, &file, &columns("id", "id"));
        assert!(message.contains("is not valid UTF-8"), "{message}");
        let options =
            ReadOptions { key_type: KeyType::Int, value_type: ValueType::Json, ..columns("n", "id") };
        assert!(error(name, &file, &options).contains("which JSON does not have"));
    }
    let message = error("x.arrows", &arrow("pandas.period"), &columns("id", "id"));
    assert!(message.contains("the column \"id\" holds periods of pandas"), "{message}");
}
