//! Objects other than dicts of strings, as CPython, numpy and joblib pickle them, compared with what Python says they hold.

use std::path::Path;

use crate::support::{Pairs, pairs, python, unhex};
use hashlith_format::{KeyType, ValueType, key_int};
use hashlith_inputs::{ReadOptions, encoding};

/// Made by `make_numpy_pickles.py`, with numpy 1.26 and 2.4 and joblib 1.6: tests need no numpy.
const NUMPY: &str = include_str!("numpy_pickles.txt");

/// A line of `pickle_cases.py`.
struct Case {
    name: String,
    options: ReadOptions,
    pickle: Vec<u8>,
    /// The records, or a part of the message.
    wanted: Result<Pairs, String>,
}

fn case(line: &str) -> Case {
    let fields: Vec<&str> = line.split('\t').collect();
    let [name, words, pickle, wanted] = fields[..] else { panic!("{line}") };
    let mut options = ReadOptions::default();
    for word in words.split_ascii_whitespace() {
        match word.split_once('=').unwrap_or((word, "")) {
            ("keys", kind) => options.key_type = kind.parse::<KeyType>().unwrap(),
            ("values", kind) => options.value_type = kind.parse::<ValueType>().unwrap(),
            ("json_keys", _) => options.json_keys = true,
            ("pick", part) => options.pick = Some(part.to_owned()),
            ("key_field", field) => options.key_field = Some(field.to_owned()),
            ("value_field", field) => options.value_field = Some(field.to_owned()),
            ("encoding", name) => options.encoding = encoding(name),
            (other, _) => panic!("{other}"),
        }
    }
    let wanted = match wanted.split_at(1) {
        ("!", message) => Err(message.to_owned()),
        (_, records) => Ok(records
            .split_ascii_whitespace()
            .map(|record| record.split_once(':').unwrap())
            .map(|(key, value)| (unhex(key), unhex(value)))
            .collect()),
    };
    Case { name: name.to_owned(), options, pickle: unhex(pickle), wanted }
}

/// What is wrong with a case, if something is.
fn check(case: &Case) -> Option<String> {
    let Case { name, options, pickle, wanted } = case;
    for block_bytes in [1 << 20, 40] {
        let options = ReadOptions { block_bytes, ..options.clone() };
        let mut found = pairs("x.pkl", pickle, &options);
        if let Ok(records) = &mut found
            && options.key_type == KeyType::Int
        {
            // Python writes such a key as a little-endian number.
            for (key, _) in records {
                *key = key_int(key).unwrap().to_le_bytes().to_vec();
            }
        }
        let is_right = match (&found, wanted) {
            (Ok(found), Ok(wanted)) => found == wanted,
            (Err(found), Err(wanted)) => found.contains(wanted) && !found.contains("is this file a pickle"),
            _ => false,
        };
        if !is_right {
            return Some(format!(
                "{name}: {:.400} instead of {:.200}",
                format!("{found:?}"),
                format!("{wanted:?}")
            ));
        }
    }
    None
}

fn check_all(lines: &str, at_least: usize) {
    assert!(lines.lines().count() >= at_least);
    let wrong: Vec<String> = lines.lines().map(case).filter_map(|case| check(&case)).collect();
    assert!(
        wrong.is_empty(),
        "{}",
        wrong.join(
            "
"
        )
    );
}

#[test]
fn what_python_pickles() {
    let directory = tempfile::tempdir().unwrap();
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/inputs");
    let program = format!(
        "import sys; sys.dont_write_bytecode = True; sys.path.insert(0, {:?}); exec(compile(open({:?}).read(), 'python_objects.py', 'exec'))",
        here.display().to_string(),
        here.join("python_objects.py").display().to_string(),
    );
    python(&program, directory.path());
    let cases = std::fs::read_to_string(directory.path().join("cases.txt")).unwrap();
    check_all(&cases, 1_000);
}

#[test]
fn what_numpy_and_joblib_pickle() {
    check_all(NUMPY, 200);
}

/// Every truncation is an error, and no changed byte makes the reader panic.
#[test]
fn damaged_objects() {
    let cases: Vec<Case> = NUMPY.lines().map(case).filter(|case| case.pickle.len() < 400).collect();
    for Case { name, options, pickle, .. } in &cases {
        for length in 0..pickle.len() {
            assert!(pairs("x.pkl", &pickle[..length], options).is_err(), "{name}, cut off at byte {length}");
        }
    }
    for Case { options, pickle, .. } in cases.iter().step_by(9) {
        for at in 0..pickle.len() {
            for byte in [0, 1, 0x7f, 0xff, b'.', b'(', b'R', b'b', pickle[at] ^ 1, pickle[at] ^ 0x80] {
                let mut changed = pickle.clone();
                changed[at] = byte;
                let _ = pairs("x.pkl", &changed, options);
            }
        }
    }
}
