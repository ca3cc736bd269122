//! UUIDs: 16 bytes each, which the extension type of a column names. As text they are what everyone else writes.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, StringArray};
use arrow_schema::extension::EXTENSION_TYPE_NAME_KEY;
use arrow_schema::{DataType, Field};

use crate::arrow::cells::Texts;

/// The name of the extension type.
const NAME: &str = "arrow.uuid";

/// True for a column of UUIDs.
pub(crate) fn is_uuid(field: &Field) -> bool {
    field.extension_type_name() == Some(NAME) && has_16_bytes(field.data_type())
}

/// The same column as one of UUIDs.
pub(crate) fn named(field: &Field) -> Field {
    let mut metadata = field.metadata().clone();
    metadata.insert(EXTENSION_TYPE_NAME_KEY.to_owned(), NAME.to_owned());
    field.clone().with_metadata(metadata)
}

fn has_16_bytes(data_type: &DataType) -> bool {
    match data_type {
        DataType::FixedSizeBinary(16) => true,
        DataType::Dictionary(_, values) => has_16_bytes(values),
        _ => false,
    }
}

/// The texts of a column of UUIDs.
pub(crate) fn texts(column: &dyn Array) -> ArrayRef {
    let bytes = Texts::new(column);
    let text = |row| bytes.get(row).and_then(|bytes| bytes.first_chunk()).map(text);
    Arc::new((0..column.len()).map(text).collect::<StringArray>())
}

#[expect(clippy::big_endian_bytes, reason = "the text begins with the first byte")]
fn text(bytes: &[u8; 16]) -> String {
    let digits = format!("{:032x}", u128::from_be_bytes(*bytes));
    let part = |from, to| digits.get(from..to).unwrap_or_default();
    [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-")
}
