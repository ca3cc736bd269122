//! Bytes as Parquet and Arrow files, and as SQLite databases.

use crate::{
    inputs::{Answer, answer, options, types},
    panics,
};
use hashlith_format::{KeyType, ValueType};
use hashlith_inputs::{Column, Format, ReadOptions};

/// Bytes as a Parquet file.
pub fn parquet(bytes: &[u8]) {
    table(Format::Parquet, bytes);
}

/// Bytes as an Arrow file or stream.
pub fn arrow(bytes: &[u8]) {
    table(Format::Arrow, bytes);
}

/// Bytes as an SQLite database. Read twice, it gives the same answer.
pub fn sqlite(bytes: &[u8]) {
    let Some((&choice, bytes)) = bytes.split_first() else { return };
    let (key_type, value_type) = types(choice);
    let options = ReadOptions {
        json_keys: choice & 64 != 0 && key_type == KeyType::Text,
        query: (choice & 128 != 0).then(|| "SELECT v, k FROM t ORDER BY k".to_owned()),
        value_columns: match value_type == ValueType::Json && choice & 16 != 0 {
            true => vec![Column::Number(1), Column::Number(2)],
            false => vec![],
        },
        ..options(Format::Sqlite, (key_type, value_type), choice & 32 != 0)
    };
    assert_eq!(answer(bytes, &options), answer(bytes, &options));
}

/// Reads the bytes as a table, in batches of several sizes. The answers are the same. A large batch meets damage before the rows
/// that come first have been looked at: then all are errors.
fn table(format: Format, bytes: &[u8]) {
    let Some((&choice, bytes)) = bytes.split_first() else { return };
    let (key_type, value_type) = types(choice);
    let join = (choice & 64 != 0).then(|| "-".to_owned());
    let several_keys = choice & 8 != 0 && (join.is_some() || key_type != KeyType::Int);
    let several_values = choice & 16 != 0
        && match &join {
            Some(_) => value_type != ValueType::None,
            None => value_type == ValueType::Json,
        };
    let columns =
        |several, columns: [usize; 2]| if several { columns.map(Column::Number).to_vec() } else { vec![] };
    let options = ReadOptions {
        key_columns: columns(several_keys, [1, 2]),
        value_columns: match several_keys && value_type != ValueType::None {
            true => columns(true, [2, 3])[usize::from(!several_values)..].to_vec(),
            false => columns(several_values, [2, 3]),
        },
        join: join.filter(|_| several_keys || several_values),
        json_keys: choice & 128 != 0 && key_type == KeyType::Text,
        ..options(format, (key_type, value_type), choice & 32 != 0)
    };
    let answers: Vec<Answer> = [1, 100, 80_000]
        .into_iter()
        .map(|block_bytes| ReadOptions { block_bytes, ..options.clone() })
        .map(|options| panics::expected(|| answer(bytes, &options)))
        .collect();
    let all_fail = answers.iter().all(Result::is_err);
    assert!(all_fail || answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
}
