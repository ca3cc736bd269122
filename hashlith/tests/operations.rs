//! What operations report: the file at fault, the phases, the records so far, the advice.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use hashlith::{
    Advice, Builder, DumpFormat, Duplicates, Error, Format, Index, KeyType, Merge, OnError, Phase, Progress,
    ReadOptions, Rule, Sources, Unit, ValueType, VerifyOptions, build_from_files, builder, dump, inputs,
    merge, split, verify,
};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use std::{
    fs::{self, File},
    io::{self, Write},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    thread,
};
use tempfile::TempDir;

/// A few threads and little memory.
fn small() -> Builder {
    Builder::new().threads(2).memory_limit(64 << 20)
}

/// An index of `key 0` to `key 99`, with this value for all of them.
fn hundred(path: &Path, builder: Builder, value: &str) {
    let mut builder = builder;
    for number in 0..100 {
        builder.add(format!("key {number}").as_bytes(), value.as_bytes()).unwrap();
    }
    builder.finish(path).unwrap();
}

/// A set of two parts that holds what `words.tsv` holds.
fn set_and_words() -> (TempDir, PathBuf, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let (set, words) = (dir.path().join("set"), dir.path().join("words.tsv"));
    let lines: String = (0..100).map(|number| format!("key {number}\tvalue\n")).collect();
    fs::write(&words, lines).unwrap();
    hundred(&set, small().parts(2), "value");
    (dir, set, words)
}

/// The path of part 1, whose records all get lengths that are impossible.
fn damage_part_1(set: &Path) -> PathBuf {
    let path = Index::load(set).unwrap().parts()[1].path().unwrap().to_path_buf();
    let pool = Index::load(set).unwrap().parts()[1].header().sections.pool;
    let file = File::options().write(true).open(&path).unwrap();
    file.write_all_at(&vec![0xff; pool.len as usize], pool.offset).unwrap();
    path
}

/// A pipe, and a thread that calls `write` once the other end is open.
fn pipe(dir: &Path, name: &str, write: impl FnOnce(&mut File) -> io::Result<()> + Send + 'static) -> PathBuf {
    let path = dir.join(name);
    mknodat(CWD, &path, FileType::Fifo, Mode::RWXU, 0).unwrap();
    let own = path.clone();
    thread::spawn(move || write(&mut File::options().write(true).open(own)?));
    path
}

/// Verifies a set, spoils it, and compares it with a file that holds these lines.
fn against(set: &Path, words: &Path, spoil: impl FnOnce()) -> Error {
    let (options, progress) = (ReadOptions::default(), Progress::new());
    let verified = verify(set, &VerifyOptions { threads: 2 }, &progress).unwrap();
    spoil();
    let sources = Sources::expand(&[words], &options).unwrap();
    verified.against(&sources, &options, Duplicates::Unexpected, 2, &progress).unwrap_err()
}

#[test]
fn a_comparison_names_the_damaged_part() {
    let (_dir, set, words) = set_and_words();
    let mut damaged = PathBuf::new();
    let error = against(&set, &words, || damaged = damage_part_1(&set));
    let Error::Corrupt { path, fault } = &error else { panic!("{error}") };
    assert_eq!((path, fault.rule(), fault.part()), (&damaged, Rule::R(16), None));
}

/// The keys that are not in the input are read at the end.
#[test]
fn the_end_of_a_comparison_names_the_damaged_part() {
    let (_dir, set, words) = set_and_words();
    let index = Index::load(&set).unwrap();
    let first = index.parts()[0].alone();
    let keys = first.iter().map(|record| String::from_utf8(record.unwrap().key.to_vec()).unwrap());
    fs::write(&words, keys.map(|key| format!("{key}\tvalue\n")).collect::<String>()).unwrap();
    let mut damaged = PathBuf::new();
    let error = against(&set, &words, || damaged = damage_part_1(&set));
    let Error::Corrupt { path, fault } = &error else { panic!("{error}") };
    assert_eq!((path, fault.rule(), fault.part()), (&damaged, Rule::R(16), None));
}

/// The part is cut when the comparison has opened it: then it opens the pipe that the records come from.
#[test]
fn a_comparison_names_the_part_that_cannot_be_read() {
    let (dir, set, words) = set_and_words();
    let path = Index::load(&set).unwrap().parts()[1].path().unwrap().to_path_buf();
    let part = path.clone();
    let pipe = pipe(dir.path(), "pipe.tsv", move |pipe| {
        File::options().write(true).open(part)?.set_len(4096)?;
        pipe.write_all(&fs::read(words)?)
    });
    let error = against(&set, &pipe, || {});
    assert!(matches!(&error, Error::Check { path: found, .. } if *found == path), "{error}");
}

/// A set whose second part is damaged, and bytes without a path.
#[test]
fn damage_in_an_open_index_names_its_file() {
    let (dir, set, _) = set_and_words();
    let damaged = damage_part_1(&set);
    let index = Index::load(&set).unwrap();
    let errors = (0..100).filter_map(|number| index.get(format!("key {number}").as_bytes()).err());
    let errors: Vec<_> = errors.map(|error| Error::corrupt(&index, &error)).collect();
    assert_eq!(errors.len() as u64, index.parts()[1].header().keys);
    for error in errors {
        let Error::Corrupt { path, fault } = &error else { panic!("{error}") };
        assert_eq!((path, fault.part()), (&damaged, None));
        assert!(error.to_string().starts_with(damaged.to_str().unwrap()), "{error}");
    }

    let path = dir.path().join("one.hlith");
    hundred(&path, small(), "value");
    let mut bytes = fs::read(&path).unwrap();
    bytes[4096..4106].fill(0xff);
    let index = Index::new(bytes).unwrap();
    let error = index.iter().find_map(Result::err).unwrap();
    let error = Error::corrupt(&index, &error).to_string();
    assert!(error.starts_with("the index: "), "{error}");
}

fn phases(progress: &Progress) -> Vec<&'static str> {
    progress.phases().iter().map(|(phase, _)| phase.name()).collect()
}

#[test]
fn a_merge_has_the_phases_that_happen() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (dir.path().join("one.hlith"), dir.path().join("two.hlith"));
    hundred(&one, small(), "1");
    hundred(&two, small(), "2");
    let load = |path| Index::load(path).unwrap();

    // The cells of one index are copied.
    let copied = Merge::new(vec![load(&one)], dir.path().join("set"), small().parts(2)).unwrap();
    let progress = copied.progress();
    assert_eq!(progress.phase(), Phase::Checking);
    let report = copied.run().unwrap();
    assert_eq!(phases(&progress), ["checking", "building", "sealing"]);
    assert_eq!(
        report.built.phases.iter().map(|(phase, _)| phase.name()).collect::<Vec<_>>(),
        phases(&progress)
    );

    let both = small().on_duplicate(hashlith::OnDuplicate::Last);
    let rebuilt = Merge::new(vec![load(&one), load(&two)], dir.path().join("both.hlith"), both).unwrap();
    let progress = rebuilt.progress();
    rebuilt.run().unwrap();
    assert_eq!(phases(&progress), ["checking", "reading", "building", "settling", "building", "sealing"]);
}

#[test]
fn records_are_counted_while_they_come() {
    let mut builder = small();
    let progress = builder.progress_handle();
    let mut feeder = builder.feeder().unwrap();
    for number in 0..1500u32 {
        feeder.add(&number.to_le_bytes(), b"").unwrap();
    }
    let so_far = progress.done(Unit::Records);
    assert!((1024..=1500).contains(&so_far), "{so_far}");
    feeder.finish().unwrap();
    assert_eq!(progress.done(Unit::Records), 1500);
}

#[test]
fn a_merge_takes_parts_and_metadata_from_the_builder() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two, set) =
        (dir.path().join("one.hlith"), dir.path().join("two.hlith"), dir.path().join("set"));
    hundred(&one, small().metadata(r#"{"day":1}"#), "1");
    hundred(&two, small().metadata(r#"{"day":2}"#), "2");
    let load = |path: &Path| Index::load(path).unwrap();
    let last = || small().on_duplicate(hashlith::OnDuplicate::Last);

    let different = merge(vec![load(&one), load(&two)], &set, last().parts(3)).unwrap_err();
    assert!(matches!(different, Error::OtherMetadata), "{different}");
    merge(vec![load(&one), load(&two)], &set, last().parts(3).metadata(r#"{"days":2}"#)).unwrap();
    let merged = load(&set);
    assert_eq!((merged.parts().len(), merged.metadata()), (3, &br#"{"days":2}"#[..]));

    // Without metadata in the builder, that of the inputs is kept, whether cells are copied or built again.
    for parts in [2, 3] {
        let set = dir.path().join(format!("set of {parts}"));
        split(load(&one), &set, small(), parts).unwrap();
        let split = load(&set);
        assert_eq!((split.parts().len() as u32, split.metadata()), (parts, &br#"{"day":1}"#[..]));
    }
}

/// A build from one file with these bytes.
fn build_of(name: &str, bytes: &[u8], options: ReadOptions) -> Error {
    let dir = tempfile::tempdir().unwrap();
    let input = dir.path().join(name);
    fs::write(&input, bytes).unwrap();
    build_from_files(dir.path().join("x.hlith"), &[&input], options, small()).unwrap_err()
}

#[test]
fn bad_input_has_advice() {
    let text = ReadOptions::default;
    let table = [
        // Pickles of {b"k": "v"}, {"k": b"v"} and {"k": 5}.
        ("x.pkl", &b"\x80\x03}C\x01kX\x01\0\0\0vs."[..], text(), Some(Advice::BytesKeys)),
        ("x.pkl", b"\x80\x03}X\x01\0\0\0kC\x01vs.", text(), Some(Advice::BytesValues)),
        ("x.pkl", b"\x80\x03}X\x01\0\0\0kK\x05s.", text(), Some(Advice::JsonValues)),
        ("x.pkl", b"\x80\x03}X\x01\0\0\0kX\x01", text(), None),
        ("x.tsv", b"k\xff\tv\n", text(), Some(Advice::EncodingOrBytes)),
        ("x.tsv", b"k\tv\xff\n", text(), Some(Advice::EncodingOrBytes)),
        ("x.tsv", b"k\n", text(), Some(Advice::Delimiter)),
        ("x.tsv", b"\n", text(), None),
        ("x.csv", b"k,v\nk,v\xff\n", text(), Some(Advice::EncodingOrBytes)),
        (
            "x.cdb",
            b"+1,1:k->\xff\n\n",
            ReadOptions { format: Some(Format::Cdbmake), ..text() },
            Some(Advice::Bytes),
        ),
        ("x.tsv", b"k\t{\n", ReadOptions { value_type: ValueType::Json, ..text() }, None),
        ("x.jsonl", br#"{"id": "k", "value": "v"}"#, text(), Some(Advice::Fields)),
        ("x.jsonl", br#"{"key": "k", "value": 5}"#, text(), Some(Advice::JsonValues)),
        ("x.unknown", b"k\tv\n", text(), Some(Advice::Format)),
        ("x.tsv", b"k\tv\nk\tv\n", text(), Some(Advice::KeepFirstOrLast)),
        // The advice for the first bad row that has some.
        (
            "x.tsv",
            b"\nk\xff\tv\n",
            ReadOptions { on_error: OnError::Skip { max_errors: Some(1) }, ..text() },
            Some(Advice::EncodingOrBytes),
        ),
    ];
    for (name, bytes, options, advice) in table {
        let error = build_of(name, bytes, options);
        assert_eq!(error.advice(), advice, "{name}, {}: {error}", bytes.escape_ascii());
    }
    let bytes = ReadOptions { key_type: KeyType::Bytes, value_type: ValueType::Bytes, ..text() };
    let number = build_of("x.pkl", b"\x80\x03}C\x01kK\x05s.", bytes);
    assert_eq!(number.advice(), Some(Advice::JsonValues), "{number}");
}

#[test]
fn a_folder_without_inputs_and_a_missing_temporary_folder_have_advice() {
    let dir = tempfile::tempdir().unwrap();
    let (folder, output) = (dir.path().join("empty"), dir.path().join("x.hlith"));
    fs::create_dir(&folder).unwrap();
    let error = build_from_files(&output, &[&folder], ReadOptions::default(), small()).unwrap_err();
    assert_eq!(error.advice(), Some(Advice::Format), "{error}");

    // A pickle from a pipe is copied first.
    let pipe = pipe(dir.path(), "pipe.pkl", |pipe| pipe.write_all(b"\x80\x03}."));
    let options = ReadOptions { temp_dir: Some(dir.path().join("nowhere")), ..ReadOptions::default() };
    let error = build_from_files(&output, &[&pipe], options, small()).unwrap_err();
    assert_eq!(error.advice(), Some(Advice::TempDir), "{error}");
}

#[test]
fn builds_merges_and_dumps_that_fail_have_advice() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (dir.path().join("one.hlith"), dir.path().join("two.hlith"));
    hundred(&one, small().metadata(r#"{"day":1}"#), "line\n");
    hundred(&two, small(), "\u{ff}");
    let load = |path: &Path| Index::load(path).unwrap();
    let mut bytes = small();
    bytes.add(b"\xff", b"").unwrap();
    bytes.finish(dir.path().join("bytes.hlith")).unwrap();

    let twice = vec![load(&two), load(&two)];
    let output = dir.path().join("x.hlith");
    let table = [
        (small().parts(2).finish(&one).map(drop).map_err(Error::from), Some(Advice::OneFile)),
        (small().finish(dir.path()).map(drop).map_err(Error::from), None),
        (small().fingerprint_bits(17).finish(&output).map(drop).map_err(Error::from), None),
        (
            Builder::new().memory_limit(1 << 20).finish(&output).map(drop).map_err(Error::from),
            Some(Advice::MoreMemoryOrFewerThreads),
        ),
        (merge(vec![load(&one), load(&two)], &output, small()).map(drop), Some(Advice::Metadata)),
        (merge(twice, &output, small()).map(drop), Some(Advice::KeepFirstOrLast)),
        (
            dump(&load(&one), DumpFormat::Tsv { escape: false }, &mut Vec::new()).map(drop),
            Some(Advice::Escape),
        ),
        (
            dump(&load(&dir.path().join("bytes.hlith")), DumpFormat::Jsonl, &mut Vec::new()).map(drop),
            Some(Advice::AnyBytesFormat),
        ),
    ];
    for (result, advice) in table {
        let error = result.unwrap_err();
        assert_eq!(error.advice(), advice, "{error}");
    }
}

/// Errors that would take limits on the process, or keys that are made to collide.
#[test]
fn errors_that_are_hard_to_provoke_have_advice() {
    use builder::Error as B;
    let table = [
        (B::Addresses { limit: 2, free: 0, needed: 1 }, Some(Advice::LessMemory)),
        (B::Threads { threads: 9 }, Some(Advice::FewerThreads)),
        (B::Hash { cell: 0, keys: 9 }, Some(Advice::SipHash)),
        (B::Crowded { cell: 0, keys: 9, needed: 9 }, Some(Advice::SipHash)),
        (B::Metadata { len: 2 << 20 }, None),
    ];
    for (error, advice) in table {
        let error = Error::from(error);
        assert_eq!(error.advice(), advice, "{error}");
    }
    assert_eq!(Error::from(inputs::Error::StdinNeedsFormat).advice(), Some(Advice::Format));
}

#[test]
fn the_digest_is_that_of_the_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let digests: Vec<String> =
        [("a", 1, "1"), ("b", 1, "1"), ("c", 1, "2"), ("d", 2, "1"), ("e", 2, "1"), ("f", 2, "2")]
            .map(|(name, parts, value)| {
                let path = dir.path().join(name);
                hundred(&path, if parts == 1 { small() } else { small().parts(parts) }, value);
                let digest = hashlith::digest(&Index::load(path).unwrap());
                assert!(
                    digest.len() == 32 && digest.bytes().all(|digit| digit.is_ascii_hexdigit()),
                    "{digest}"
                );
                digest
            })
            .into();
    let same = |one: &String| digests.iter().position(|other| other == one).unwrap();
    assert_eq!(digests.iter().map(same).collect::<Vec<_>>(), [0, 0, 2, 3, 3, 5]);
}

#[test]
fn a_dump_counts_its_records() {
    let (_dir, set, _) = set_and_words();
    for format in [DumpFormat::Tsv { escape: true }, DumpFormat::Jsonl, DumpFormat::Cdbmake] {
        assert_eq!(dump(&Index::load(&set).unwrap(), format, &mut Vec::new()).unwrap(), 100);
    }
}

#[test]
fn a_merge_names_its_inputs() {
    let dir = tempfile::tempdir().unwrap();
    let build = |name: &str, builder: Builder| {
        let (path, mut builder) = (dir.path().join(name), builder);
        builder.add(b"key", b"value").unwrap();
        builder.finish(&path).unwrap();
        path
    };
    let (one, two) = (build("one.hlith", small()), build("two.hlith", small()));
    let text = build("text.hlith", small().key_type(KeyType::Text));
    let (load, output) = (|path: &Path| Index::load(path).unwrap(), dir.path().join("x.hlith"));

    let error = merge(vec![load(&one), load(&two)], &output, small()).unwrap_err();
    let Error::Duplicate { first, second, .. } = &error else { panic!("{error}") };
    let mut places = [first.clone(), second.clone()];
    places.sort();
    assert_eq!(places, [&one, &two].map(|path| format!("{}, record 1", path.display())));

    let error = merge(vec![load(&one), load(&text)], &output, small()).unwrap_err();
    let Error::OtherTypes { path, first } = &error else { panic!("{error}") };
    assert_eq!((path, first), (&text, &one));

    let last = small().on_duplicate(hashlith::OnDuplicate::Last);
    let report = merge(vec![load(&one), load(&two)], &output, last).unwrap();
    let lengths = [&one, &two].map(|path| fs::metadata(path).unwrap().len());
    assert_eq!(report.input_bytes, lengths.iter().sum::<u64>());
}

#[test]
fn a_set_of_parts_has_the_keys_of_all() {
    let dir = tempfile::tempdir().unwrap();
    let set = dir.path().join("set");
    assert!(hashlith::prepare_set(&set).unwrap() && !hashlith::prepare_set(&set).unwrap());
    let files = [0, 1].map(|part| {
        let path = dir.path().join(part.to_string());
        let mut builder = small().part(part, 2);
        let keys = (0..100u32).map(u32::to_le_bytes);
        let hasher = hashlith::KeyHasher::xxh3(0);
        keys.filter(|key| hasher.hash(key).part(2) == part).for_each(|key| builder.add(&key, b"").unwrap());
        builder.finish(&path).unwrap();
        path
    });
    assert_eq!(hashlith::commit_set(&set, &files, &Progress::new()).unwrap(), 100);
}
