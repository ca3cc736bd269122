//! Records, built and compared with a map.

use hashlith_builder::{Builder, Compress, Error, KeyHasher, OnDuplicate};
use hashlith_checker::{Options as CheckOptions, verify};
use hashlith_feedback::Progress;
use hashlith_format::{KeyType, ValueType};
use hashlith_reader::Index;
use std::collections::BTreeMap;

type Records = Vec<(Vec<u8>, Vec<u8>)>;

const POLICIES: [OnDuplicate; 5] =
    [OnDuplicate::Error, OnDuplicate::First, OnDuplicate::Last, OnDuplicate::Unique, OnDuplicate::Collect];

/// Records made from the bytes. An index of them answers like a map, and the checker accepts it.
pub fn builder(bytes: &[u8]) {
    let mut source = arbitrary::Unstructured::new(bytes);
    let Ok((options, records)) = source.arbitrary::<([u8; 4], Records)>() else { return };
    let [fingerprint, hash, policy_byte, cell] = options;
    let policy = POLICIES[usize::from(policy_byte) % POLICIES.len()];
    let hasher = match hash % 2 {
        0 => KeyHasher::xxh3(u64::from(hash)),
        _ => KeyHasher::siphash(u64::from(hash), 7),
    };
    let (key_type, mut value_type) = types(fingerprint >> 4);
    if policy == OnDuplicate::Collect {
        value_type = if hash & 2 == 0 { ValueType::Text } else { ValueType::Json };
    }
    let records: Records = records
        .into_iter()
        .map(|(key, value)| (as_key(key_type, key), as_value(value_type, value)))
        .collect();
    let model = left(policy, value_type, &records);
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
    if policy_byte >= 0x80
        && (is_text(key_type) || !matches!(value_type, ValueType::None | ValueType::Numbers(_)))
    {
        builder = builder.memory_limit(96 << 20).compress(Compress::On);
    }
    for (key, value) in &records {
        builder.add(key, value).expect("room for a record");
    }
    let built = builder.finish(&path);
    let Some(model) = model else {
        assert!(matches!(built, Err(Error::Duplicate { .. })));
        assert!(!path.exists());
        return;
    };
    if let Err(error) = built {
        // Only if cells should be fuller than the builder makes them by itself.
        assert!(cell % 2 == 1 && matches!(error, Error::Hash { .. }), "{error}");
        return;
    }
    let file = std::fs::read(&path).expect("the index");
    verify(&file[..], &CheckOptions { threads: 1 }, &Progress::new()).expect("a sound index");
    let index = Index::new(&file[..]).expect("a sound index");
    if left_out {
        let values = |values: Vec<Vec<u8>>| {
            values.into_iter().fold(BTreeMap::new(), |mut all, value| {
                *all.entry(value).or_insert(0) += 1;
                all
            })
        };
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

/// Bytes as a value of this type.
fn as_value(values: ValueType, mut bytes: Vec<u8>) -> Vec<u8> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned().into_bytes();
    match values {
        ValueType::None | ValueType::Numbers(_) => bytes.resize(values.width() as usize, 7),
        ValueType::Text => bytes = text(&bytes),
        ValueType::Json => bytes = quoted(&text(&bytes)),
        _ => {}
    }
    bytes
}

/// What this policy leaves of the records; `None` if it refuses them.
fn left(policy: OnDuplicate, value_type: ValueType, records: &Records) -> Option<BTreeMap<Vec<u8>, Vec<u8>>> {
    let mut all = BTreeMap::<_, Vec<&[u8]>>::new();
    for (key, value) in records {
        all.entry(key.clone()).or_default().push(value);
    }
    let one = |values: Vec<&[u8]>| match policy {
        OnDuplicate::Error => (values.len() == 1).then(|| values[0].to_vec()),
        OnDuplicate::First => Some(values[0].to_vec()),
        OnDuplicate::Last => Some(values[values.len() - 1].to_vec()),
        OnDuplicate::Unique => values.iter().all(|value| *value == values[0]).then(|| values[0].to_vec()),
        OnDuplicate::Collect => Some(array(&values, value_type == ValueType::Json)),
    };
    all.into_iter().map(|(key, values)| Some((key, one(values)?))).collect()
}

/// A JSON array of these values, which are JSON or text.
fn array(values: &[&[u8]], are_json: bool) -> Vec<u8> {
    let each = |value: &&[u8]| if are_json { value.to_vec() } else { quoted(value) };
    [b"[", &values.iter().map(each).collect::<Vec<_>>().join(&b","[..])[..], b"]"].concat()
}

/// A text as a JSON string.
fn quoted(text: &[u8]) -> Vec<u8> {
    let mut string = vec![b'"'];
    for &byte in text {
        match byte {
            b'"' | b'\\' => string.extend([b'\\', byte]),
            8 => string.extend(b"\\b"),
            9 => string.extend(b"\\t"),
            10 => string.extend(b"\\n"),
            12 => string.extend(b"\\f"),
            13 => string.extend(b"\\r"),
            0..32 => string.extend(format!("\\u{byte:04x}").bytes()),
            _ => string.push(byte),
        }
    }
    string.push(b'"');
    string
}
