//! Bytes as input files.

use hashlith_feedback::Progress;
use hashlith_format::{KeyType, ValueType};
use hashlith_inputs::{
    Delimiter, Format, OnError, Quotes, ReadError, ReadOptions, Sink, Source, Sources, Summary, read,
};
use serde::de::IgnoredAny;
use std::hash::{DefaultHasher, Hash, Hasher};

/// No input has more records that count: a few bytes of a compressed file or a table can stand for millions.
pub(crate) const MOST: u64 = 5_000;

/// Counts and hashes records, whose keys and values must be of these types.
struct Records {
    types: (KeyType, ValueType),
    count: u64,
    hash: DefaultHasher,
}

/// There are [`MOST`] records.
#[derive(Debug)]
struct Enough;

impl Sink for Records {
    type Error = Enough;

    fn record(&mut self, source: u32, position: u64, key: &[u8], value: &[u8]) -> Result<(), Enough> {
        if self.count == MOST {
            return Err(Enough);
        }
        self.count += 1;
        assert!(is_of(self.types, key, value), "{key:?}: {value:?} of the types {:?}", self.types);
        (source, position, key, value).hash(&mut self.hash);
        Ok(())
    }
}

fn is_of(types: (KeyType, ValueType), key: &[u8], value: &[u8]) -> bool {
    let is_text = |bytes: &[u8]| std::str::from_utf8(bytes).is_ok();
    let is_key = match types.0 {
        KeyType::Text => is_text(key),
        KeyType::Int => key.len() == 8,
        _ => true,
    };
    is_key
        && match types.1 {
            ValueType::Text => is_text(value),
            ValueType::Json => is_text(value) && serde_json::from_slice::<IgnoredAny>(value).is_ok(),
            ValueType::None | ValueType::Numbers(_) => value.len() as u64 == types.1.width(),
            _ => true,
        }
}

/// What a reader says of an input: its records, how many rows it left out, and a hash of the records; or an error.
pub(crate) type Answer = Result<(u64, u64, u64), String>;

/// Reads the bytes with these options, which have a format.
pub(crate) fn answer(bytes: &[u8], options: &ReadOptions) -> Answer {
    let source = Source::Memory { name: "x".into(), bytes: bytes.into() };
    let sources =
        Sources::new(vec![source], options).expect("bytes in memory and options that fit their format");
    let types = (options.key_type, options.value_type);
    let records = || Records { types, count: 0, hash: DefaultHasher::new() };
    match read(&sources, options, 1, records, &Progress::new()) {
        Ok((Summary { records, skipped, .. }, sinks)) => {
            let [Records { count, hash, .. }] = &sinks[..] else { panic!("{} sinks", sinks.len()) };
            assert_eq!(records, *count);
            Ok((records, skipped, hash.finish()))
        }
        Err(ReadError::Sink(Enough)) => Err("enough".to_owned()),
        Err(ReadError::Input(error)) => Err(error.to_string()),
    }
}

/// The types of keys and values that a number stands for.
pub(crate) fn types(number: u8) -> (KeyType, ValueType) {
    let value = |name: &str| name.parse().expect("a type");
    match number % 6 {
        0 => (KeyType::Text, ValueType::Text),
        1 => (KeyType::Bytes, ValueType::Bytes),
        2 => (KeyType::Text, ValueType::Json),
        3 => (KeyType::Int, value("float32[3]")),
        4 => (KeyType::None, ValueType::None),
        _ => (KeyType::Text, value("int16")),
    }
}

/// Options for this format and these types. Beside the longest record, which is also the longest window of compressed data,
/// there is room for the rest below the limit of fuzz/run.
pub(crate) fn options(
    format: Format,
    (key_type, value_type): (KeyType, ValueType),
    skip: bool,
) -> ReadOptions {
    let on_error = if skip { OnError::Skip { max_errors: Some(MOST) } } else { OnError::Stop };
    ReadOptions {
        format: Some(format),
        key_type,
        value_type,
        on_error,
        max_record_bytes: 64 << 20,
        ..ReadOptions::default()
    }
}

/// Whether the answers are the same. Where compressed data is damaged, the larger block meets the damage before it has parsed
/// what comes first: then both are errors.
fn agree(answers: &[Answer]) -> bool {
    let damaged = |answer: &Answer| answer.as_ref().is_err_and(|what| what.starts_with("x: the "));
    let order_differs = answers.iter().all(Result::is_err) && answers.iter().any(damaged);
    order_differs || answers.iter().all(|answer| *answer == answers[0])
}

/// Reads the bytes as a file of this format, in blocks of several sizes. The answers are the same.
fn input(format: Format, bytes: &[u8]) {
    let Some((&choice, bytes)) = bytes.split_first() else { return };
    let options = ReadOptions {
        escape: format == Format::Tsv && choice & 8 != 0,
        header: matches!(format, Format::Tsv | Format::Csv).then_some(choice & 16 != 0),
        delimiter: match format {
            Format::Tsv if choice & 64 != 0 => Some(r"\t|\t".parse().expect("a delimiter")),
            Format::Tsv if choice & 128 != 0 => Some(Delimiter::Blanks),
            _ => None,
        },
        quotes: match choice & 72 {
            64 if format == Format::Csv => Some(Quotes::Lenient),
            8 if format == Format::Csv => Some(Quotes::Backslash),
            _ => None,
        },
        comment: (format == Format::Csv && choice & 128 != 0).then(|| "#".to_owned()),
        json_keys: matches!(format, Format::Pickle | Format::Jsonl | Format::Json)
            && choice & 64 != 0
            && types(choice).0 == KeyType::Text,
        ..options(format, types(choice), choice & 32 != 0)
    };
    in_blocks(&[64, 1000, 80_000], bytes, &options);
}

fn in_blocks(sizes: &[usize], bytes: &[u8], options: &ReadOptions) {
    let of = |&block_bytes| answer(bytes, &ReadOptions { block_bytes, ..options.clone() });
    let answers: Vec<_> = sizes.iter().map(of).collect();
    assert!(agree(&answers), "{answers:?}");
}

macro_rules! inputs {
    ($($name:ident $format:ident)*) => {$(
        #[doc = concat!("Bytes as a file of the format ", stringify!($format), ".")]
        pub fn $name(bytes: &[u8]) {
            input(Format::$format, bytes);
        }
    )*};
}

inputs!(pickle Pickle tsv Tsv csv Csv jsonl Jsonl json Json cdbmake Cdbmake);

/// Bytes as a compressed file, of lines or of pickles. A block of the smallest size is larger than for other inputs: a few bytes
/// may expand to millions.
pub fn packed(bytes: &[u8]) {
    let Some((&choice, bytes)) = bytes.split_first() else { return };
    let format = if choice & 1 == 0 { Format::Tsv } else { Format::Pickle };
    let options = options(format, (KeyType::Bytes, ValueType::Bytes), choice & 32 != 0);
    in_blocks(&[1000, 80_000], bytes, &options);
}
