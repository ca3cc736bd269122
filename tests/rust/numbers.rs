//! Numbers as slices, integer keys, and batches that ask for values of a fixed width.

use hashlith_builder::Builder;
use hashlith_format::{Error, Number, Rule, header::seal, int_key};
use hashlith_reader::{Index, Numeric, Span, ValueType};
use std::{borrow::Cow, cell::RefCell, fs, path::Path};

fn build(path: &Path, value_type: &str, keys: i64, value: impl Fn(i64) -> Vec<u8>) {
    let mut builder = Builder::new().value_type(value_type.parse().unwrap());
    for key in 0..keys {
        builder.add(&int_key(key), &value(key)).unwrap();
    }
    builder.finish(path).unwrap();
}

/// Every type: a value, and all values of a file; borrowed if they are aligned, and otherwise a copy.
fn check<T: Numeric + PartialEq + std::fmt::Debug>(
    bytes: impl Fn(i64) -> Vec<u8>,
    numbers: impl Fn(i64) -> [T; 3],
) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("index");
    build(&path, &format!("{}[3]", T::NUMBER.name()), 100, |key| {
        (0..3).flat_map(|i| bytes(key * 3 + i)).collect()
    });
    let keys: Vec<_> = (0..100).map(int_key).collect();
    let file = fs::read(&path).unwrap();
    let mut space = vec![0u8; file.len() + 16];
    let aligned = space.as_ptr().align_offset(8);
    for from in [aligned, aligned + 1] {
        space[from..from + file.len()].copy_from_slice(&file);
        let index = Index::new(&space[from..from + file.len()]).unwrap();
        let is_borrowed = from == aligned || size_of::<T>() == 1;
        let all = index.parts()[0].numbers::<T>().unwrap();
        assert_eq!(matches!(all, Cow::Borrowed(_)), is_borrowed);
        for key in 0..100 {
            let found = index.lookup(&keys[key as usize]).unwrap().unwrap();
            let own = found.numbers::<T>().unwrap();
            assert_eq!(own[..], numbers(key)[..]);
            assert_eq!(all[3 * found.id() as usize..][..3], own[..]);
            assert_eq!(matches!(own, Cow::Borrowed(_)), is_borrowed);
        }
        assert_eq!(all.len(), 300);
        let found = index.lookup(&keys[1]).unwrap().unwrap();
        if T::NUMBER == Number::Int16 {
            assert_eq!((found.numbers::<u16>(), index.parts()[0].numbers::<u16>()), (None, None));
        } else {
            assert_eq!((found.numbers::<i16>(), index.parts()[0].numbers::<i16>()), (None, None));
        }
    }
}

#[test]
fn numbers_of_each_type() {
    macro_rules! check_all {
        ($($type:ty)*) => {$(
            check::<$type>(
                |i| ((i - 150) as $type).to_le_bytes().to_vec(),
                |key| [0, 1, 2].map(|i| (key * 3 + i - 150) as $type),
            );
        )*};
    }
    check_all!(i8 i16 i32 i64 u8 u16 u32 u64 f32 f64);
    // Text has no numbers.
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("index");
    build(&path, "text", 1, |_| b"four".to_vec());
    let (key, index) = (int_key(0), Index::load(&path).unwrap());
    let found = index.lookup(&key).unwrap().unwrap();
    assert_eq!((found.numbers::<u8>(), index.parts()[0].numbers::<u8>()), (None, None));
}

#[test]
fn integers_are_looked_up() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("index");
    let mut builder = Builder::new().key_type("int".parse().unwrap());
    for key in [i64::MIN, -1, 0, 7] {
        builder.add(&int_key(key), key.to_string().as_bytes()).unwrap();
    }
    builder.finish(&path).unwrap();
    let index = Index::load(&path).unwrap();
    for key in [i64::MIN, -1, 0, 7] {
        assert_eq!(index.get_int(key).unwrap().as_deref(), Some(key.to_string().as_bytes()));
    }
    assert_eq!(index.get_int(1).unwrap(), None);
}

/// A batch asks for the value of every key that it finds; it asks for nothing if values have no bytes.
#[test]
fn batches_ask_for_values() {
    thread_local! {
        static ASKED: RefCell<Vec<Span>> = const { RefCell::new(Vec::new()) };
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("index");
    for (value_type, width) in [("uint8[300]", 300), ("none", 0)] {
        build(&path, value_type, 1000, |key| vec![key as u8; width as usize]);
        let index = Index::load(&path).unwrap();
        let values = index.first_header().sections.values;
        let plain = index.clone();
        let index = index.read_ahead_with(|_, span| ASKED.with_borrow_mut(|asked| asked.push(span)));
        let keys: Vec<[u8; 8]> = (0..1000).map(int_key).collect();
        assert_eq!(index.get_many(&keys).unwrap(), plain.get_many(&keys).unwrap());
        let mut asked = ASKED.take();
        // The records of all keys were asked for, too.
        assert_eq!(asked.len(), if width > 0 { 2000 } else { 1000 });
        asked.retain(|span| span.end() <= values.end());
        asked.sort_by_key(|span| span.offset);
        let wanted = (0..1000).map(|id| Span { offset: values.offset + id * 300, len: 300 });
        assert_eq!(asked, wanted.filter(|_| width > 0).collect::<Vec<_>>());
    }
}

/// An id above all is a fault only where it has to lead to a value (R20).
#[test]
fn an_id_of_a_key_without_a_value() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("index");
    for (value_type, fault) in [("none", None), ("uint8", Some(Rule::R(20)))] {
        build(&path, value_type, 1, |_| if fault.is_some() { vec![1] } else { vec![] });
        let mut file = fs::read(&path).unwrap();
        let hot = Index::new(&file[..]).unwrap().first_header().sections.hot;
        // The first id of the cell.
        file[hot.offset as usize] = 1;
        seal(file.first_chunk_mut().unwrap());
        let index = Index::new(&file[..]).unwrap();
        assert_eq!(index.first_header().value_type, value_type.parse::<ValueType>().unwrap());
        let found = index.id(&int_key(0)).map_err(|error: Error| error.rule());
        assert_eq!(found, fault.map_or(Ok(Some(1)), Err));
    }
}
