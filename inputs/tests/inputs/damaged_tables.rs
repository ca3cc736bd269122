//! Damaged tables, found by fuzzing.

use hashlith_format::ValueType;
use hashlith_inputs::{Format, ReadOptions};

use crate::support::{column, error};

/// A number in the header of a page says that it is a truth value.
const FIELD_OF_ANOTHER_KIND: &[u8] = include_bytes!("../../../fuzz/finds/parquet/field-of-another-kind");

/// A decimal with more digits behind the point than it has.
const DECIMAL_WITHOUT_DIGITS: &[u8] = include_bytes!("../../../fuzz/finds/arrow/decimal-without-digits");

/// The crate that formats other values panics on it. Its batch is read; what follows is damaged too.
#[test]
fn a_decimal_of_few_digits() {
    let options =
        ReadOptions { format: Some(Format::Arrow), value_type: ValueType::Json, ..ReadOptions::default() };
    let found = error("x.arrow", &DECIMAL_WITHOUT_DIGITS[1..], &options);
    assert_eq!(found, "x.arrow: the file is damaged: a batch has no valid description");
}

/// The same error whatever the size of the batches.
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
