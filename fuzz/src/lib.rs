//! What the fuzz targets do with their bytes. A panic, a report of the address sanitizer, a hang or too much memory is a
//! failure.

use hashlith_builder::{Builder, Compress, OnDuplicate};
use hashlith_checker::{Options as CheckOptions, verify};
use hashlith_format::{KeyType, Manifest, PAGE, ValueType, checksum, header, manifest::range};
use hashlith_inputs::{Delimiter, Quotes, Format, OnError, ReadOptions, Sink, Source, Sources, read};
use hashlith_feedback::Progress;
use hashlith_reader::Index;
use std::{
    collections::BTreeMap,
    convert::Infallible,
    hash::{DefaultHasher, Hash, Hasher},
};

/// Bytes as an index, as they are and with all sums corrected. The reader may return an error, but never panics.
pub fn reader(bytes: &[u8]) {
    ask(bytes);
    sealed(bytes).iter().for_each(|bytes| ask(bytes));
}

/// Bytes as a manifest. An accepted one has the only valid form, and its ranges have neither gaps nor overlaps.
pub fn manifest(bytes: &[u8]) {
    let Ok(manifest) = Manifest::parse(bytes) else { return };
    assert_eq!(manifest.to_text().as_bytes(), bytes);
    let ranges: Vec<_> = (0..manifest.count()).map(|part| range(part, manifest.count())).collect();
    assert!(ranges.windows(2).all(|pair| pair[0].1.checked_add(1) == Some(pair[1].0)));
    assert_eq!((ranges[0].0, ranges[ranges.len() - 1].1), (0, u64::MAX));
}

fn ask(bytes: &[u8]) {
    let Ok(index) = Index::new(bytes) else { return };
    let mut keys: Vec<Vec<u8>> = index.iter().take(50).flatten().map(|record| record.key.to_vec()).collect();
    keys.extend([b"key 1".to_vec(), bytes[bytes.len() - 9..].to_vec(), Vec::new()]);
    for key in &keys {
        let one = index.find(key);
        let _ = index.get_str(&String::from_utf8_lossy(key));
        if let Ok(Some(record)) = one
            && !index.first_header().keys_left_out()
        {
            assert_eq!(&*record.key, &key[..]);
        }
    }
    if let Ok(found) = index.get_many(&keys) {
        for (key, value) in keys.iter().zip(found) {
            assert_eq!(index.get(key), Ok(value));
        }
    }
    for id in [0, 1, index.len() / 2, index.len().wrapping_sub(1), index.len()] {
        let _ = index.by_id(id);
    }
}

/// Bytes as an index. If the checker accepts it, the reader finds each key at its own place and never fails; and both agree
/// on the error when the file cannot be opened.
pub fn checker(bytes: &[u8]) {
    check(bytes);
    sealed(bytes).iter().for_each(|bytes| check(bytes));
}

fn check(bytes: &[u8]) {
    let found = verify(bytes, &CheckOptions { threads: 1 }, &Progress::new());
    match (Index::new(bytes), found) {
        (Ok(index), Ok(report)) => {
            assert_eq!(report.keys, index.len());
            for (id, record) in (0..).zip(index.iter()) {
                let record = record.expect("a record that the checker accepts");
                assert_eq!(record.id, id);
                if !report.header.keys_left_out() {
                    assert_eq!(index.find(&record.key).as_ref(), Ok(&Some(record.clone())));
                }
                assert_eq!(index.by_id(id), Ok(Some(record)));
            }
        }
        (Err(opening), Err(hashlith_checker::Error::Fault(fault))) => {
            assert_eq!((opening.rule(), opening.offset()), (fault.rule(), fault.offset()));
        }
        (Err(opening), Ok(_)) => panic!("accepted, but not opened: {opening}"),
        (_, Err(_)) => {}
    }
}

/// The same bytes with the length of the file, all sums and the digests corrected, if there is room for the sums.
fn sealed(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut sealed = bytes.to_vec();
    let number = |at: usize| Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
    let (sums, len) = (number(192)?, number(200)?);
    let end = sums.checked_add(len).filter(|&end| sums >= PAGE && end <= bytes.len() as u64)?;
    if len != 8 * checksum::chunk_count(sums) {
        return None;
    }
    let mut chunks = checksum::ChunkSums::default();
    chunks.update(&bytes[PAGE as usize..sums as usize]);
    sealed[sums as usize..end as usize].copy_from_slice(&chunks.finish());
    let digest = checksum::digest(&sealed[sums as usize..end as usize]);
    sealed[32..40].copy_from_slice(&(bytes.len() as u64).to_le_bytes());
    sealed[208..216].copy_from_slice(&digest.to_le_bytes());
    let page: &mut [u8; PAGE as usize] = sealed.first_chunk_mut()?;
    header::seal(page);
    Some(sealed)
}

/// Records made from the bytes. An index of them answers like a map, and the checker accepts it.
pub fn builder(bytes: &[u8]) {
    let mut source = arbitrary::Unstructured::new(bytes);
    let Ok((options, records)) = source.arbitrary::<([u8; 4], Vec<(Vec<u8>, Vec<u8>)>)>() else { return };
    let [fingerprint, hash, policy_byte, cell] = options;
    let policy = [OnDuplicate::Error, OnDuplicate::First, OnDuplicate::Last][usize::from(policy_byte % 3)];
    let hasher = match hash % 2 {
        0 => hashlith_builder::KeyHasher::xxh3(u64::from(hash)),
        _ => hashlith_builder::KeyHasher::siphash(u64::from(hash), 7),
    };
    let (key_type, value_type) = types(fingerprint >> 4);
    let records: Vec<_> =
        records.into_iter().map(|(key, value)| (as_key(key_type, key), as_value(value_type, value))).collect();
    let mut model = BTreeMap::new();
    let mut has_duplicates = false;
    for (key, value) in &records {
        has_duplicates |= model.contains_key(key);
        if policy == OnDuplicate::Last || !model.contains_key(key) {
            model.insert(key.clone(), value.clone());
        }
    }
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("x.hlith");
    let mut builder = Builder::new().threads(1).memory_limit(32 << 20).on_duplicate(policy).hasher(hasher);
    builder = builder.key_type(key_type).value_type(value_type);
    let left_out = key_type == KeyType::None;
    builder = match left_out {
        true => builder.check_bits(u32::from(fingerprint % 16) * 3 + 10),
        false => builder.fingerprint_bits(u32::from(fingerprint % 16) + 1),
    };
    if cell % 2 == 1 {
        builder = builder.cell_keys(f64::from(cell));
    }
    if policy_byte >= 0x80 && (is_text(key_type) || !matches!(value_type, ValueType::None | ValueType::Numbers(_))) {
        builder = builder.memory_limit(96 << 20).compress(Compress::On);
    }
    for (key, value) in &records {
        builder.add(key, value).expect("room for a record");
    }
    let built = builder.finish(&path);
    if has_duplicates && policy == OnDuplicate::Error {
        assert!(matches!(built, Err(hashlith_builder::Error::Duplicate { .. })));
        assert!(!path.exists());
        return;
    }
    if let Err(error) = built {
        // Only if cells should be fuller than the builder makes them by itself.
        assert!(cell % 2 == 1 && matches!(error, hashlith_builder::Error::Hash { .. }), "{error}");
        return;
    }
    let file = std::fs::read(&path).expect("the index");
    verify(&file[..], &CheckOptions { threads: 1 }, &Progress::new()).expect("a sound index");
    let index = Index::new(&file[..]).expect("a sound index");
    if left_out {
        let values = |values: Vec<Vec<u8>>| values.into_iter().fold(BTreeMap::new(), |mut all, value| {
            *all.entry(value).or_insert(0) += 1;
            all
        });
        let found = index.iter().map(|record| record.expect("a record").value.to_vec());
        assert_eq!(values(found.collect()), values(model.values().cloned().collect()));
        for (key, value) in &model {
            assert_eq!(index.get(key).expect("an answer").as_deref(), Some(&value[..]));
        }
        return;
    }
    let found: BTreeMap<_, _> = index
        .iter()
        .map(|record| record.expect("a record"))
        .map(|one| (one.key.to_vec(), one.value.to_vec()))
        .collect();
    assert_eq!(found, model);
    for (key, value) in &model {
        assert_eq!(index.get(key).expect("an answer").as_deref(), Some(&value[..]));
        let longer = [&key[..], b"\0"].concat();
        assert_eq!(index.get(&longer).expect("an answer").is_some(), model.contains_key(&longer));
    }
}

/// The types of keys and values that a number from 0 to 15 stands for.
fn types(number: u8) -> (KeyType, ValueType) {
    let value = |name: &str| name.parse().expect("a type");
    match number {
        8 => (KeyType::Int, ValueType::Bytes),
        9 => (KeyType::Int, value("int16")),
        10 => (KeyType::Int, ValueType::None),
        11 => (KeyType::None, ValueType::Bytes),
        12 => (KeyType::None, value("float32[3]")),
        13 => (KeyType::None, ValueType::None),
        14 => (KeyType::Bytes, value("uint8[5]")),
        15 => (KeyType::Bytes, ValueType::None),
        _ => (KeyType::Bytes, ValueType::Bytes),
    }
}

fn is_text(keys: KeyType) -> bool {
    matches!(keys, KeyType::Bytes | KeyType::Text)
}

/// Bytes as a key of this type: an integer of at most eight of them.
fn as_key(keys: KeyType, mut bytes: Vec<u8>) -> Vec<u8> {
    if keys == KeyType::Int {
        bytes.resize(8, 0);
    }
    bytes
}

fn as_value(values: ValueType, mut bytes: Vec<u8>) -> Vec<u8> {
    if matches!(values, ValueType::None | ValueType::Numbers(_)) {
        bytes.resize(values.width() as usize, 7);
    }
    bytes
}

/// Counts and hashes records.
#[derive(Default)]
struct Records(u64, DefaultHasher);

impl Sink for Records {
    type Error = Infallible;

    fn record(&mut self, source: u32, position: u64, key: &[u8], value: &[u8]) -> Result<(), Infallible> {
        self.0 += 1;
        (source, position, key, value).hash(&mut self.1);
        Ok(())
    }
}

/// Reads the bytes as a file of this format, in blocks of several sizes. The answers are the same.
fn input(format: Format, bytes: &[u8]) {
    let Some((&choice, bytes)) = bytes.split_first() else { return };
    let types = [
        (KeyType::Text, ValueType::Text),
        (KeyType::Bytes, ValueType::Bytes),
        (KeyType::Text, ValueType::Json),
        (KeyType::Int, "float32[3]".parse().expect("a type")),
        (KeyType::None, ValueType::None),
        (KeyType::Text, "int16".parse().expect("a type")),
    ];
    let (key_type, value_type) = types[usize::from(choice % 6)];
    let answers = [64, 1000, 80_000].map(|block_bytes| {
        let options = ReadOptions {
            format: Some(format),
            key_type,
            value_type,
            escape: format == Format::Tsv && choice & 8 != 0,
            header: matches!(format, Format::Tsv | Format::Csv).then_some(choice & 16 != 0),
            delimiter: match format {
                Format::Tsv if choice & 64 != 0 => Some(r"\t|\t".parse().expect("a delimiter")),
                Format::Tsv if choice & 128 != 0 => Some(Delimiter::Blanks),
                _ => None,
            },
            quotes: (format == Format::Csv && choice & 64 != 0).then_some(Quotes::Lenient),
            comment: (format == Format::Csv && choice & 128 != 0).then(|| "#".to_owned()),
            on_error: if choice & 32 != 0 { OnError::Skip { max_errors: None } } else { OnError::Stop },
            block_bytes,
            // Also the longest window of compressed data. Beside it there is room for the rest below the limit of fuzz/run.
            max_record_bytes: 64 << 20,
            ..ReadOptions::default()
        };
        let source = Source::Memory { name: "x".into(), bytes: bytes.into() };
        let sources = Sources::new(vec![source], &options).expect("bytes in memory and their format");
        match read(&sources, &options, 1, Records::default, &Progress::new()) {
            Ok((summary, sinks)) => {
                assert_eq!(summary.records, sinks.iter().map(|sink| sink.0).sum::<u64>());
                Ok((
                    summary.records,
                    summary.skipped,
                    sinks.iter().map(|sink| sink.1.finish()).collect::<Vec<_>>(),
                ))
            }
            Err(error) => Err(error.to_string()),
        }
    });
    // Where compressed data is damaged, the larger block meets the damage before it has parsed what comes first.
    let damaged = |answer: &Result<_, String>| answer.as_ref().is_err_and(|what| what.starts_with("x: the "));
    let order_differs = answers.iter().all(Result::is_err) && answers.iter().any(damaged);
    assert!(order_differs || answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
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
