//! `tests/golden/bad`: files that break one obligation of `spec.md` section 9 each. The name of a file is what must be reported
//! of it: rule, offset, and in words what is wrong.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use hashlith_checker::{Error, Options, Progress, verify};
use hashlith_format::{Rule, Rule::R};
use hashlith_reader::Index;
use std::{collections::BTreeSet, fs, path::Path};

/// Rule, offset, name and bytes of every file.
fn files() -> Vec<(String, u64, String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/bad");
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let indexes = paths.filter(|path| path.extension().is_some_and(|extension| extension == "hlith"));
    let each = indexes.map(|path| {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let mut parts = name.splitn(3, '-');
        let (rule, offset) = (parts.next().unwrap().to_owned(), parts.next().unwrap().parse().unwrap());
        (rule, offset, name, fs::read(path).unwrap())
    });
    each.collect()
}

#[test]
fn each_obligation_of_the_specification_has_a_file() {
    let spec = include_str!("../../spec.md");
    let section = spec.split("\n## 9. ").nth(1).unwrap().split("\n## ").next().unwrap();
    let numbered = section.lines().filter_map(|line| line.strip_prefix("| ")?.split(" | ").next());
    let obligations: BTreeSet<_> =
        numbered.filter(|word| word.starts_with(['R', 'V']) && word.len() < 4).map(str::to_owned).collect();
    assert_eq!(obligations.len(), 17 + 9);
    let broken: BTreeSet<_> = files().into_iter().map(|(rule, ..)| rule).collect();
    assert_eq!(broken, obligations);
}

#[test]
fn the_checker_reports_each() {
    for (rule, offset, name, bytes) in files() {
        let Err(Error::Fault(fault)) = verify(&bytes[..], &Options { threads: 2 }, &Progress::default())
        else {
            panic!("{name}: not refused");
        };
        let found = (fault.rule().to_string(), fault.offset());
        // R17 is about what a reader hands out; a verifier looks at the record as a whole.
        let record = if rule == "R17" { ("V8".to_owned(), 4096) } else { (rule, offset) };
        assert_eq!(found, record, "{name}");
    }
}

#[test]
fn the_reader_reports_what_it_must() {
    for (rule, offset, name, bytes) in files() {
        let number = rule.strip_prefix('R').map_or(0, |number| number.parse().unwrap());
        match (Index::new(&bytes[..]), number) {
            (Err(error), 1..=14) => assert_eq!((error.rule(), error.offset()), (R(number), offset), "{name}"),
            (Ok(index), 15..=17) => {
                let found = faults(&index);
                assert!(found.contains(&(R(number), offset)), "{name}: {found:?}");
            }
            // What only a verifier looks for. Answers may be wrong, or refused, but there are some.
            (Ok(index), 0) => drop(faults(&index)),
            (opened, _) => panic!("{name}: {:?}", opened.map(|index| index.len())),
        }
    }
}

/// Every fault that lookups and iteration meet. The keys are those of the sound file that the others were made from.
fn faults(index: &Index<&[u8]>) -> Vec<(Rule, u64)> {
    let keys = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/bad/keys.txt"))
        .unwrap();
    let keys: Vec<&str> = keys.lines().collect();
    let mut found = Vec::new();
    for key in &keys {
        found.extend(index.get(key.as_bytes()).err());
        found.extend(index.get_str(key).err());
    }
    for id in 0..index.len().min(200) {
        found.extend(index.by_id(id).err());
    }
    found.extend(index.get_many(&keys).err());
    found.extend(index.iter().take(200).filter_map(Result::err));
    found.iter().map(|error| (error.rule(), error.offset())).collect()
}
