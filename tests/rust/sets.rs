//! Sets: the reader and the checker refuse the same sets, and the checker verifies every part.

use hashlith_builder::{Builder, ValueType};
use hashlith_checker::{
    Against, AgainstOptions, Error, Files, Mismatch, Options, PathError, Progress, ReadAt,
};
use hashlith_format::Manifest;
use hashlith_reader::{Index, OpenError};
use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
};

fn build(path: &Path, keys: u32, parts: u32, value_type: ValueType) {
    let mut builder = Builder::new().threads(1).memory_limit(64 << 20).parts(parts).value_type(value_type);
    for i in 0..keys {
        builder.add(format!("key {i}").as_bytes(), format!("value {i}").as_bytes()).unwrap();
    }
    builder.finish(path).unwrap();
}

fn manifest(set: &Path) -> Manifest {
    Manifest::parse(&fs::read(set.join("manifest.json")).unwrap()).unwrap()
}

type Verdict = Option<(PathBuf, String, u64)>;

fn checker_verdict(set: &Path) -> Verdict {
    let checked =
        Files::open(set).and_then(|files| files.verify(&Options { threads: 1 }, &Progress::default()));
    match checked {
        Ok(_) => None,
        Err(PathError { path, error: Error::Fault(fault) }) => {
            Some((path, fault.rule().to_string(), fault.offset()))
        }
        Err(error) => panic!("{error}"),
    }
}

fn reader_verdict(set: &Path) -> Verdict {
    match Index::load(set) {
        Ok(_) => None,
        Err(OpenError::Invalid { path, source }) => Some((path, source.rule().to_string(), source.offset())),
        Err(error) => panic!("{error}"),
    }
}

/// For everything that opening a set checks, the reader and the checker report the same file, rule and offset.
#[test]
fn reader_and_checker_agree() {
    let dir = tempfile::tempdir().unwrap();
    let (set, other, bytes) = (dir.path().join("set"), dir.path().join("other"), dir.path().join("bytes"));
    build(&set, 300, 3, ValueType::Text);
    build(&other, 999, 3, ValueType::Text);
    build(&bytes, 300, 3, ValueType::Bytes);
    let sound = manifest(&set);
    let path = |part: usize| set.join(&sound.parts[part].file);
    let kept: Vec<_> = (0..3).map(|part| fs::read(path(part)).unwrap()).collect();
    let mut seen = Vec::new();
    let mut check = |spoil: &dyn Fn()| {
        spoil();
        let verdict = checker_verdict(&set);
        assert_eq!(verdict, reader_verdict(&set));
        let (file, rule, offset) = verdict.unwrap();
        if file.ends_with("manifest.json") {
            // The line that is at fault. Its form alone is reported without a name.
            let text = fs::read_to_string(&file).unwrap();
            let line = text[offset as usize..].lines().next().unwrap();
            assert_eq!(offset == 0, line.starts_with("{\"hashlith\""), "{rule} at {offset}");
            if ["M4", "M5", "M6"].contains(&&*rule) {
                let message = Files::open(&set).unwrap_err().to_string();
                let name = line.split('"').nth(3).unwrap();
                assert!(message.contains(name), "{message}: {line}");
            }
        }
        seen.push(rule);
        (0..3).for_each(|part| fs::write(path(part), &kept[part]).unwrap());
        fs::write(set.join("manifest.json"), sound.to_text()).unwrap();
    };
    let edit = |from: &str, to: &str| {
        let text = sound.to_text();
        assert!(text.contains(from));
        fs::write(set.join("manifest.json"), text.replacen(from, to, 1)).unwrap();
    };
    check(&|| edit("\"keys\"", "\"key\""));
    // Too long: M1 at 0, whatever it begins with.
    check(&|| {
        let text = sound.to_text().replace("\"parts\": 3", "\"parts\": 4");
        fs::write(set.join("manifest.json"), text).unwrap();
        File::options().write(true).open(set.join("manifest.json")).unwrap().set_len((32 << 20) + 1).unwrap();
        assert_eq!(checker_verdict(&set).unwrap().2, 0);
    });
    check(&|| edit("\"hashlith\": 1", "\"hashlith\": 7"));
    check(&|| edit("\"parts\": 3", "\"parts\": 4"));
    check(&|| fs::remove_file(path(2)).unwrap());
    check(&|| fs::write(path(1), &kept[0]).unwrap());
    check(&|| fs::write(path(1), &kept[1][..4000]).unwrap());
    check(&|| fs::write(path(0), fs::read(other.join(&manifest(&other).parts[0].file)).unwrap()).unwrap());
    check(&|| edit("\"seed\": \"0000000000000000\"", "\"seed\": \"0000000000000001\""));
    for part in &sound.parts {
        check(&|| edit(&format!("\"keys\": {}", part.keys), "\"keys\": 7"));
        check(&|| edit(&format!("\"bytes\": {}", part.bytes), "\"bytes\": 7"));
        check(&|| edit(&format!("\"digest\": \"{:016x}\"", part.digest), "\"digest\": \"0000000000000007\""));
        check(&|| edit(&part.file, "other.hlith"));
    }
    check(&|| {
        let mut mixed = sound.clone();
        mixed.parts[1] = manifest(&bytes).parts[1].clone();
        fs::copy(bytes.join(&mixed.parts[1].file), set.join(&mixed.parts[1].file)).unwrap();
        fs::write(set.join("manifest.json"), mixed.to_text()).unwrap();
    });
    for rule in ["M1", "M2", "M3", "M4", "M5", "M6", "R1"] {
        assert!(seen.iter().any(|found| found == rule), "{rule} is not among {seen:?}");
    }
    assert_eq!((checker_verdict(&set), reader_verdict(&set)), (None, None));
}

/// `verify` notices a change to any byte of any part, and of the manifest.
#[test]
fn every_byte_of_every_part_is_checked() {
    let dir = tempfile::tempdir().unwrap();
    let set = dir.path().join("set");
    build(&set, 40, 2, ValueType::Text);
    let mut files: Vec<PathBuf> = manifest(&set).parts.iter().map(|part| set.join(&part.file)).collect();
    files.push(set.join("manifest.json"));
    for path in files {
        let bytes = fs::read(&path).unwrap();
        for at in (0..bytes.len()).step_by(if path.ends_with("manifest.json") { 1 } else { 97 }) {
            let mut spoiled = bytes.clone();
            spoiled[at] ^= 1 << (at % 8);
            fs::write(&path, &spoiled).unwrap();
            assert!(checker_verdict(&set).is_some(), "byte {at} of {}", path.display());
        }
        fs::write(&path, bytes).unwrap();
    }
    assert_eq!(checker_verdict(&set), None);
}

#[test]
fn left_over_files_are_named_and_do_no_harm() {
    let dir = tempfile::tempdir().unwrap();
    let set = dir.path().join("set");
    build(&set, 100, 3, ValueType::Text);
    let left = set.join("part-00000-0000000000000005.hlith");
    fs::write(&left, b"half").unwrap();
    fs::write(set.join("notes.txt"), b"mine").unwrap();
    let files = Files::open(&set).unwrap();
    assert_eq!(files.left_over, [left]);
    let progress = Progress::default();
    let report = files.verify(&Options::default(), &progress).unwrap();
    let bytes: u64 = manifest(&set).parts.iter().map(|part| part.bytes).sum();
    let cells: u64 = Index::load(&set).unwrap().parts().iter().map(|part| part.header().cells).sum();
    assert_eq!((report.keys, report.cells, report.bytes), (100, cells, bytes));
    let end = progress.snapshot();
    assert_eq!((end.done, end.total), (bytes, Some(bytes)));
}

/// Two sets replace each other again and again, and one can always be opened.
#[test]
fn a_set_that_is_being_replaced_can_be_opened() {
    let dir = tempfile::tempdir().unwrap();
    let set = dir.path().join("set");
    let sources = ["a", "b"].map(|name| dir.path().join(name));
    build(&sources[0], 100, 16, ValueType::Text);
    // Another type, so that no part is the same.
    build(&sources[1], 100, 16, ValueType::Bytes);
    let put = |from: &Path, old: Option<&Path>| {
        let files = |set: &Path| manifest(set).parts.into_iter().map(|part| part.file);
        files(from).for_each(|file| fs::hard_link(from.join(&file), set.join(&file)).unwrap());
        fs::copy(from.join("manifest.json"), set.join("new")).unwrap();
        fs::rename(set.join("new"), set.join("manifest.json")).unwrap();
        old.into_iter().flat_map(files).for_each(|file| fs::remove_file(set.join(file)).unwrap());
    };
    fs::create_dir(&set).unwrap();
    put(&sources[0], None);
    let (opened, ended) = (AtomicU64::new(0), AtomicBool::new(false));
    thread::scope(|scope| {
        scope.spawn(|| {
            for turn in 1.. {
                put(&sources[turn % 2], Some(&sources[(turn + 1) % 2]));
                // One replacement per open: a slow machine must not use up the attempts of one.
                let seen = opened.load(Ordering::Relaxed);
                while opened.load(Ordering::Relaxed) == seen && !ended.load(Ordering::Relaxed) {
                    thread::yield_now();
                }
                if ended.load(Ordering::Relaxed) {
                    break;
                }
            }
        });
        let failed = (0..1000).find_map(|_| {
            let failed = Files::open(&set).err();
            opened.fetch_add(1, Ordering::Relaxed);
            failed
        });
        ended.store(true, Ordering::Relaxed);
        assert!(failed.is_none(), "{}", failed.unwrap());
    });
}

/// A part that the system refuses to open is not a fault of the set.
#[test]
fn a_part_that_cannot_be_opened_is_not_missing() {
    let dir = tempfile::tempdir().unwrap();
    let set = dir.path().join("set");
    build(&set, 100, 2, ValueType::Text);
    let part = set.join(&manifest(&set).parts[1].file);
    fs::remove_file(&part).unwrap();
    std::os::unix::fs::symlink(&part, &part).unwrap();
    match Files::open(&set).unwrap_err() {
        PathError { path, error: Error::Open { .. } } => assert_eq!(path, part),
        error => panic!("{error}"),
    }
    assert!(matches!(Index::load(&set), Err(OpenError::Io { path, .. }) if path == part));
}

/// A lookup that finds damage in a set names the part.
#[test]
fn damage_is_reported_with_its_part() {
    let dir = tempfile::tempdir().unwrap();
    for parts in [1, 3] {
        let set = dir.path().join(format!("{parts}"));
        build(&set, 100, parts, ValueType::Text);
        let name = &manifest(&set).parts[parts as usize - 1].file;
        let mut bytes = fs::read(set.join(name)).unwrap();
        let hot = Index::load(&set).unwrap().parts()[parts as usize - 1].header().sections.hot;
        // Every cell says that it has 200 keys.
        bytes[hot.offset as usize..hot.end() as usize].chunks_mut(128).for_each(|cell| cell[12] = 200);
        fs::write(set.join(name), bytes).unwrap();
        let files = Files::open(&set).unwrap();
        let against =
            Against::of_parts(files.parts.iter().map(|(_, file)| file), &AgainstOptions::default()).unwrap();
        let reported = |error: Error| match error {
            Error::Fault(fault) => (fault.rule().to_string(), None),
            Error::InPart { part, error } => match *error {
                Error::Fault(fault) => (fault.rule().to_string(), Some(part)),
                error => panic!("{error}"),
            },
            error => panic!("{error}"),
        };
        let part = (parts > 1).then_some(parts - 1);
        let found = (0..100).find_map(|i| {
            against
                .check(format!("key {i}").as_bytes(), b"")
                .err()
                .filter(|error| matches!(error, Mismatch::Index(_)))
        });
        let Some(Mismatch::Index(error)) = found else { panic!("{found:?}") };
        assert_eq!(reported(error), ("R15".to_owned(), part));
        let index = Index::load(&set).unwrap();
        let error = (0..100).find_map(|i| index.get(format!("key {i}").as_bytes()).err()).unwrap();
        assert_eq!((error.rule().to_string(), error.part()), ("R15".to_owned(), part));
        assert_eq!(index.fault_path(&error), Some(&*set.join(name)));
        // A header that changes after the files were opened.
        let mut bytes = fs::read(set.join(name)).unwrap();
        bytes[4088] ^= 1;
        fs::write(set.join(name), bytes).unwrap();
        let opened = Against::of_parts(files.parts.iter().map(|(_, file)| file), &AgainstOptions::default());
        assert_eq!(reported(opened.err().unwrap()), ("R4".to_owned(), part));
    }
}

/// Parts keep the paths by which they were opened, together or one by one.
#[test]
fn parts_know_their_paths() {
    let dir = tempfile::tempdir().unwrap();
    let set = dir.path().join("set");
    build(&set, 100, 3, ValueType::Text);
    let expected: Vec<PathBuf> = manifest(&set).parts.iter().map(|part| set.join(&part.file)).collect();
    let paths = |index: &Index<Vec<u8>>| -> Vec<PathBuf> {
        index.parts().iter().map(|part| part.path().unwrap().to_path_buf()).collect()
    };
    let whole = Index::load(&set).unwrap();
    assert_eq!(paths(&whole), expected);
    let joined = Index::join(expected[1..].iter().map(|path| Index::load(path).unwrap()));
    assert_eq!(paths(&joined), expected[1..]);
    let fault =
        |part| hashlith_format::Error::InPart { part, fault: Box::new(hashlith_format::Error::Magic) };
    for (index, part, path) in [
        (&whole, 0, Some(&expected[0])),
        (&whole, 2, Some(&expected[2])),
        (&joined, 2, Some(&expected[2])),
        (&joined, 0, None),
        (&whole, 3, None),
    ] {
        assert_eq!(index.fault_path(&fault(part)), path.map(|path| &**path));
    }
    let alone = whole.parts()[1].alone();
    assert_eq!(alone.fault_path(&hashlith_format::Error::Magic), Some(&*expected[1]));
    let bytes = Index::new(fs::read(&expected[1]).unwrap()).unwrap();
    assert_eq!(bytes.fault_path(&hashlith_format::Error::Magic), None);
}

/// Each record is looked up in the part that has its key.
#[test]
fn a_set_is_compared_with_its_records() {
    let dir = tempfile::tempdir().unwrap();
    let set = dir.path().join("set");
    build(&set, 500, 5, ValueType::Text);
    let files = Files::open(&set).unwrap();
    for hot_cache in [0, 200_000, 1 << 30] {
        let options = AgainstOptions { hot_cache, ..AgainstOptions::default() };
        let against = Against::of_parts(files.parts.iter().map(|(_, file)| file), &options).unwrap();
        assert_eq!(against.keys(), 500);
        for i in 0..498 {
            against.check(format!("key {i}").as_bytes(), format!("value {i}").as_bytes()).unwrap();
        }
        assert!(matches!(against.check(b"key 498", b"other"), Err(Mismatch::Value { .. })));
        assert!(matches!(against.check(b"key 500", b"value"), Err(Mismatch::Absent { .. })));
        let report = against.finish().unwrap();
        assert_eq!((report.records, report.keys, report.absent, report.mismatched), (500, 499, 1, 1));
        assert_eq!(report.unseen_keys[0].head, b"key 499");
    }
}

/// A file that counts the bytes read from it.
struct Counted(File, AtomicU64);

impl ReadAt for Counted {
    fn len(&self) -> io::Result<u64> {
        ReadAt::len(&self.0)
    }

    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        self.1.fetch_add(buf.len() as u64, Ordering::Relaxed);
        ReadAt::read_exact_at(&self.0, buf, offset)
    }
}

/// The memory limit holds for all parts together.
#[test]
fn parts_share_the_memory_of_a_comparison() {
    let dir = tempfile::tempdir().unwrap();
    let set = dir.path().join("set");
    build(&set, 8_000, 4, ValueType::Text);
    let open = |part: &hashlith_format::manifest::PartFile| {
        Counted(File::open(set.join(&part.file)).unwrap(), AtomicU64::new(0))
    };
    let read = |hot_cache| {
        let files: Vec<_> = manifest(&set).parts.iter().map(open).collect();
        let options = AgainstOptions { hot_cache, ..AgainstOptions::default() };
        Against::of_parts(&files, &options).unwrap();
        files.iter().map(|file| file.1.load(Ordering::Relaxed)).sum::<u64>()
    };
    let headers = read(0);
    let whole = read(u64::MAX) - headers;
    assert!(whole > 8_000);
    for part in 1..=16 {
        let hot_cache = whole * part / 16;
        // The eight bytes after each are read too.
        let kept = read(hot_cache) - headers;
        assert!(kept <= hot_cache + 4 * 8 && kept + whole / 3 > hot_cache, "{kept} of {hot_cache}");
    }
}

/// A manifest that is missing, and one that is cut off.
#[test]
fn messages_name_the_manifest() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("manifest.json");
    let message = || hashlith_format::SetFiles::read(dir.path()).unwrap_err().to_string();
    let missing = message();
    fs::write(&path, "{").unwrap();
    for message in [missing, message()] {
        assert!(message.starts_with(&format!("{}: ", path.display())), "{message}");
    }
}
