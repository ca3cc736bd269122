//! Damaged Parquet files: the same error whatever the size of the batches.

use hashlith_format::ValueType;
use hashlith_inputs::{Format, ReadOptions};

use crate::support::{column, error};

/// Found by fuzzing: a number in the header of a page says that it is a truth value.
const FIELD_OF_ANOTHER_KIND: &[u8] = include_bytes!("../../../fuzz/finds/parquet/field-of-another-kind");

#[test]
fn a_field_of_another_kind() {
    for block_bytes in [1, 10, 100, 1 << 20] {
        let options = ReadOptions {
            format: Some(Format::Parquet),
            key_columns: vec![column("1"), column("2")],
            value_type: ValueType::None,
            join: Some("-".into()),
            block_bytes,
            ..ReadOptions::default()
        };
        let found = error("x.parquet", &FIELD_OF_ANOTHER_KIND[1..], &options);
        assert!(found.ends_with("a page has no valid header"), "{found}");
    }
}
