//! `tests/golden/bad`: files that break one obligation of `spec.md` section 9 each, and sets that break one of section 15.
//! Their names say what must be reported: the rule, the offset, and the damage in words.

use crate::{SPEC, golden};
use hashlith_checker::{Error, Files, Options, PathError, Progress, verify};
use hashlith_format::{
    Rule,
    Rule::{R, V},
};
use hashlith_reader::{Index, KeyType, OpenError, int_key};
use std::{collections::BTreeSet, fs, path::PathBuf};

/// What a reader reports for these faults: a dense id that no cell has, bytes left over after the last record.
const ON_THE_WAY: [(&str, Rule, u64); 2] =
    [("V10-8320-first_id_one_too_high", R(15), 8192), ("V4-6306-bytes_behind_the_last_record", V(4), 6306)];

/// Rule, offset, name and path of everything in a folder, in the order of the names.
fn named(folder: &str) -> Vec<(String, u64, String, PathBuf)> {
    let mut paths: Vec<_> =
        fs::read_dir(golden(folder)).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let each = paths.into_iter().filter_map(|path| {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let mut parts = name.splitn(3, '-');
        let (rule, offset) = (parts.next()?.to_owned(), parts.next()?.parse().unwrap());
        Some((rule, offset, name, path))
    });
    each.collect()
}

/// Rule, offset, name and bytes of every file.
fn files() -> Vec<(String, u64, String, Vec<u8>)> {
    named("bad")
        .into_iter()
        .map(|(rule, offset, name, path)| (rule, offset, name, fs::read(path).unwrap()))
        .collect()
}

/// The numbers of the obligations in a section of the specification.
fn obligations(section: &str, kinds: [char; 2]) -> BTreeSet<String> {
    let section = SPEC.split(&format!("\n## {section}. ")).nth(1).unwrap().split("\n## ").next().unwrap();
    let numbered = section.lines().filter_map(|line| line.strip_prefix("| ")?.split(" | ").next());
    numbered.filter(|word| word.starts_with(kinds) && word.len() < 4).map(str::to_owned).collect()
}

#[test]
fn each_obligation_of_the_specification_has_a_file_or_a_set() {
    for (section, kinds, count, folder) in
        [("9", ['R', 'V'], 20 + 14, "bad"), ("15", ['M', 'M'], 6, "bad/sets")]
    {
        let obligations = obligations(section, kinds);
        assert_eq!(obligations.len(), count);
        let broken: BTreeSet<_> = named(folder).into_iter().map(|(rule, ..)| rule).collect();
        assert_eq!(broken, obligations);
    }
}

#[test]
fn reader_and_checker_report_each_set() {
    let dir = tempfile::tempdir().unwrap();
    for (rule, offset, name, folder) in named("bad/sets") {
        let set = dir.path().join(&name);
        fs::create_dir(&set).unwrap();
        for from in [golden("sets/four"), folder] {
            for entry in fs::read_dir(from).unwrap() {
                let path = entry.unwrap().path();
                fs::copy(&path, set.join(path.file_name().unwrap())).unwrap();
            }
        }
        let Err(PathError { path, error: Error::Fault(fault) }) = Files::open(&set) else {
            panic!("{name}: opened")
        };
        assert_eq!(
            (path, fault.rule().to_string(), fault.offset()),
            (set.join("manifest.json"), rule.clone(), offset)
        );
        let Err(OpenError::Invalid { path, source }) = Index::load(&set) else { panic!("{name}: loaded") };
        assert_eq!(
            (path, source.rule().to_string(), source.offset()),
            (set.join("manifest.json"), rule, offset)
        );
    }
}

#[test]
fn what_only_a_reader_meets_has_files() {
    let names: BTreeSet<_> = files().into_iter().map(|(_, _, name, _)| name).collect();
    assert!(ON_THE_WAY.iter().all(|(name, ..)| names.contains(*name)));
}

#[test]
fn the_checker_reports_each() {
    for (rule, offset, name, bytes) in files() {
        let Err(Error::Fault(fault)) = verify(&bytes[..], &Options { threads: 2 }, &Progress::default())
        else {
            panic!("{name}: not refused");
        };
        let found = (fault.rule().to_string(), fault.offset());
        // Those are for readers; a verifier finds the same otherwise.
        let record = match rule.as_str() {
            "R17" => ("V8".to_owned(), 4096),
            "R20" => ("V11".to_owned(), 40),
            _ => (rule, offset),
        };
        assert_eq!(found, record, "{name}");
    }
}

#[test]
fn the_reader_reports_what_it_must() {
    for (rule, offset, name, bytes) in files() {
        let number = rule.strip_prefix('R').map_or(0, |number| number.parse().unwrap());
        match (Index::new(&bytes[..]), number) {
            (Err(error), 1..=14 | 18) => {
                assert_eq!((error.rule(), error.offset()), (R(number), offset), "{name}")
            }
            (Ok(index), 15..=17 | 19 | 20) => {
                faults(&index);
                let found = lookup_faults(&index);
                assert!(found.contains(&(R(number), offset)), "{name}: {found:?}");
            }
            // Only a verifier checks these. A lookup may answer wrongly or fail, but it returns.
            (Ok(index), 0) => {
                let found = faults(&index);
                for (_, rule, offset) in ON_THE_WAY.iter().filter(|(file, ..)| *file == name) {
                    assert!(found.contains(&(*rule, *offset)), "{name}: {found:?}");
                }
            }
            (opened, _) => panic!("{name}: {:?}", opened.map(|index| index.len())),
        }
    }
}

/// The keys to look up in a file, as `tests/golden/README.md` says.
fn keys(index: &Index<&[u8]>) -> Vec<Vec<u8>> {
    match index.first_header().key_type {
        KeyType::Int => (-128..128).map(|key| int_key(key).to_vec()).collect(),
        _ => fs::read_to_string(golden("bad/keys.txt")).unwrap().lines().map(Into::into).collect(),
    }
}

/// Every fault that lookups report.
fn lookup_faults(index: &Index<&[u8]>) -> Vec<(Rule, u64)> {
    let keys = keys(index);
    let mut found: Vec<_> = keys.iter().filter_map(|key| index.get(key).err()).collect();
    found.extend(keys.iter().filter_map(|key| index.get_str(str::from_utf8(key).ok()?).err()));
    found.iter().map(|error| (error.rule(), error.offset())).collect()
}

/// Every fault that ids and iteration report too.
fn faults(index: &Index<&[u8]>) -> Vec<(Rule, u64)> {
    let keys = keys(index);
    let mut found = Vec::new();
    for id in 0..index.len().min(200) {
        found.extend(index.by_id(id).err());
    }
    let one_by_one: Result<Vec<_>, _> = keys.iter().map(|key| index.get(key)).collect();
    assert_eq!(index.get_many(&keys), one_by_one);
    found.extend(index.iter().take(200).filter_map(Result::err));
    let more = found.iter().map(|error| (error.rule(), error.offset()));
    lookup_faults(index).into_iter().chain(more).collect()
}
