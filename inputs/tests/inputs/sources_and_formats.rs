//! Which files are read and in which format, the errors for unreadable files, and the location of a record.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;

use crate::support::{checked, memory, pairs, read_sources, text};
use hashlith_feedback::Advice;
use hashlith_inputs::{Error, Format, ReadOptions, Source, Sources};

#[test]
fn formats_by_name_and_by_extension() {
    let table = [
        ("a.pkl", Some(Format::Pickle)),
        ("a.pickle", Some(Format::Pickle)),
        ("x/a.P", Some(Format::Pickle)),
        ("a.tsv.gz", Some(Format::Tsv)),
        ("a.txt", Some(Format::Tsv)),
        ("a.tab.zst", Some(Format::Tsv)),
        ("a.CSV.ZSTD", Some(Format::Csv)),
        ("a.csv.bz2", Some(Format::Csv)),
        ("a.tsv.xz", Some(Format::Tsv)),
        ("a.tsv.lzma", Some(Format::Tsv)),
        ("a.tsv.lz4", Some(Format::Tsv)),
        ("a.tsv.BGZ", Some(Format::Tsv)),
        ("a.pkl.zip", Some(Format::Pickle)),
        ("a.zip", None),
        ("a.jsonl", Some(Format::Jsonl)),
        ("a.ndjson", Some(Format::Jsonl)),
        ("a.json", Some(Format::Json)),
        ("a.cdb", Some(Format::Cdbmake)),
        ("a.cdbmake", Some(Format::Cdbmake)),
        ("a.parquet", Some(Format::Parquet)),
        ("a.pq", Some(Format::Parquet)),
        ("a.arrow", Some(Format::Arrow)),
        ("a.arrows", Some(Format::Arrow)),
        ("a.feather", Some(Format::Arrow)),
        ("a.ipc", Some(Format::Arrow)),
        ("a.joblib.gz", Some(Format::Pickle)),
        ("a.sqlite", Some(Format::Sqlite)),
        ("a.DB", Some(Format::Sqlite)),
        ("a.gz", None),
        ("a", None),
        ("tsv", None),
        ("a.xml", None),
    ];
    for (path, format) in table {
        assert_eq!(Format::from_path(Path::new(path)), format, "{path}");
    }
    for (format, name) in Format::ALL.into_iter().zip(Format::NAMES) {
        assert_eq!((format.to_string().parse(), format.name()), (Ok(format), *name));
    }
    let unknown = "xml".parse::<Format>().unwrap_err().to_string();
    assert!(unknown.contains("\"xml\"") && unknown.contains("pickle, tsv"), "{unknown}");
}

#[test]
fn what_cannot_be_read_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    fs::write(path("good.tsv"), "a\tb\n").unwrap();
    fs::write(path("noext"), "a\tb\n").unwrap();
    let check = |sources: &[Source], format| {
        let sources = Sources::new(sources.to_vec(), &ReadOptions { format, ..ReadOptions::default() });
        sources.map(|sources| sources.iter().map(|(_, format)| format).collect::<Vec<_>>())
    };
    assert_eq!(check(&[path("good.tsv").into()], None).unwrap(), [Format::Tsv]);
    assert_eq!(check(&[path("noext").into()], Some(Format::Csv)).unwrap(), [Format::Csv]);
    assert_eq!(check(&["-".into()], Some(Format::Tsv)).unwrap(), [Format::Tsv]);
    let format = Some(Advice::Format);
    let table: [(&[Source], &str, Option<Advice>); 6] = [
        (&[], "nothing to read", None),
        (&[path("good.tsv").into(), path("missing.tsv").into()], "missing.tsv: No such file", None),
        (&[path("noext").into()], "noext: cannot tell the format from the file name", format),
        (&[directory.path().into()], "is a directory; name the files in it", None),
        (&["-".into()], "standard input needs a format", format),
        (&["-".into(), "-".into()], "more than once", None),
    ];
    for (sources, wanted, advice) in table {
        let found = check(sources, None).unwrap_err();
        assert!(found.to_string().contains(wanted), "{found}");
        assert_eq!(found.advice(), advice, "{found}");
    }
    #[cfg(unix)]
    {
        let socket = std::os::unix::net::UnixListener::bind(path("s.tsv")).unwrap();
        let found = check(&[path("s.tsv").into()], None).unwrap_err().to_string();
        assert!(found.contains("neither a file nor a pipe"), "{found}");
        drop(socket);
    }
    assert!(Error::NoSources.to_string().contains("nothing to read"));
}

#[test]
fn directories_stand_for_their_files() {
    let directory = tempfile::tempdir().unwrap();
    for name in ["b.tsv", "a.pkl", "c.txt.gz", ".hidden.tsv", "readme.md"] {
        fs::write(directory.path().join(name), "").unwrap();
    }
    for name in ["d.tsv", "sub/deeper", ".hidden"] {
        fs::create_dir_all(directory.path().join(name)).unwrap();
    }
    for name in ["sub/deeper/e.csv", "sub/shard-0001", ".hidden/f.tsv"] {
        fs::write(directory.path().join(name), "").unwrap();
    }
    std::os::unix::fs::symlink(directory.path(), directory.path().join("sub/loop")).unwrap();
    let last = |name: &str| name.rsplit('/').next().unwrap().to_owned();
    let names = |sources: &Sources| -> Vec<String> {
        sources.iter().map(|(source, _)| last(&source.name())).collect()
    };
    let known = Sources::expand(&[directory.path()], &ReadOptions::default()).unwrap();
    assert_eq!(names(&known), ["a.pkl", "b.tsv", "c.txt.gz", "e.csv"]);
    let left_out: Vec<String> = known.left_out.iter().map(|path| last(&path.display().to_string())).collect();
    assert_eq!(left_out, ["readme.md", "shard-0001"]);
    assert_eq!((known.len(), known.size(), known.reads_stdin()), (4, Some(0), false));

    let paths = [directory.path(), Path::new("-"), &directory.path().join("a.pkl")];
    let pickles = ReadOptions { format: Some(Format::Pickle), ..ReadOptions::default() };
    let all = Sources::expand(&paths, &pickles).unwrap();
    let wanted =
        ["a.pkl", "b.tsv", "c.txt.gz", "readme.md", "e.csv", "shard-0001", "standard input", "a.pkl"];
    assert_eq!(names(&all), wanted);
    assert!(all.left_out.is_empty() && all.reads_stdin() && all.size().is_none());

    let failed = |path| Sources::expand(&[path], &ReadOptions::default()).unwrap_err();
    let empty = failed(directory.path().join("d.tsv"));
    assert!(empty.to_string().contains("d.tsv holds no file that ends in"), "{empty}");
    assert_eq!(empty.advice(), Some(Advice::Format));
    let missing = failed(directory.path().join("missing.csv"));
    assert!(missing.to_string().contains("missing.csv: No such file"), "{missing}");
}

/// Reading a pipe without a writer would not end. One that is named is read.
#[cfg(unix)]
#[test]
fn only_files_of_directories_are_read() {
    use std::os::unix::{fs::symlink, net::UnixListener};
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    fs::create_dir(path("sub")).unwrap();
    for pipe in ["pipe.tsv", "sub/pipe", ".hidden.tsv"] {
        assert!(Command::new("mkfifo").arg(path(pipe)).status().unwrap().success());
    }
    let _socket = UnixListener::bind(path("socket.tsv")).unwrap();
    symlink("/dev/zero", path("device.tsv")).unwrap();
    symlink(path("pipe.tsv"), path("link.tsv")).unwrap();
    let not_files = ["device.tsv", "link.tsv", "pipe.tsv", "socket.tsv", "sub/pipe"].map(path);

    let nothing = Sources::expand(&[directory.path()], &ReadOptions::default()).unwrap_err();
    assert!(nothing.to_string().contains("holds no file"), "{nothing}");
    fs::write(path("a.tsv"), "a\tb\n").unwrap();
    symlink(path("a.tsv"), path("b.tsv")).unwrap();
    for format in [None, Some(Format::Csv)] {
        let options = ReadOptions { format, ..ReadOptions::default() };
        let found = Sources::expand(&[directory.path()], &options).unwrap();
        let files: Vec<Source> = found.iter().map(|(source, _)| source.clone()).collect();
        assert_eq!(files, [Source::from(path("a.tsv")), Source::from(path("b.tsv"))]);
        assert_eq!((&found.not_files[..], &found.left_out[..]), (&not_files[..], &[][..]));
    }
    let named = Sources::expand(&[path("pipe.tsv")], &ReadOptions::default()).unwrap();
    assert!(named.len() == 1 && named.not_files.is_empty());
    symlink(path("nowhere"), path("c.tsv")).unwrap();
    let broken = Sources::expand(&[directory.path()], &ReadOptions::default()).unwrap_err();
    assert!(broken.to_string().contains("c.tsv: No such file"), "{broken}");
}

#[test]
fn locations_are_described() {
    let lines = b"a\t1\nb\t2\nc\t3\n";
    let tsv = memory("words.tsv", lines);
    let packed = memory("words.tsv.zst", &zstd::encode_all(&lines[..], 1).unwrap());
    let (_, records) = read_sources(std::slice::from_ref(&tsv), &ReadOptions::default(), 1).unwrap();
    let sources = checked(&[tsv, memory("part-0003.pkl", b"}."), packed]);
    let locations: Vec<String> = records.iter().map(|r| sources.describe(0, r.position)).collect();
    assert_eq!(locations, ["words.tsv, line 1", "words.tsv, line 2", "words.tsv, line 3"]);
    assert_eq!(sources.describe(0, 99), "words.tsv, byte 99", "not within the file");
    assert_eq!(sources.describe(1, 5121), "part-0003.pkl, byte 5121");
    assert_eq!(sources.describe(2, 8), "words.tsv.zst, line 3");
    assert_eq!(sources.describe(3, 8), "source 3, byte 8", "there is no such source");

    let options = ReadOptions { format: Some(Format::Tsv), ..ReadOptions::default() };
    let stdin = Sources::new(vec![Source::Stdin], &options).unwrap();
    assert_eq!(stdin.describe(0, 1234), "standard input, byte 1234");
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.tsv");
    fs::write(&path, lines).unwrap();
    let removed = Sources::new(vec![path.clone().into()], &options).unwrap();
    fs::remove_file(&path).unwrap();
    assert_eq!(removed.describe(0, 7), format!("{}, byte 7", path.display()));
}

/// A pickle from a named pipe is copied to a temporary file, because a pipe cannot be read twice.
#[cfg(unix)]
#[test]
fn pipes_are_read() {
    let directory = tempfile::tempdir().unwrap();
    for (name, bytes, wanted) in [
        ("x.tsv", &b"a\tb\nc\td\n"[..], [("a", "b"), ("c", "d")]),
        ("x.pkl", b"(dp0\nS'a'\np1\nS'b'\np2\nsS'c'\np3\nS'd'\np4\ns.", [("a", "b"), ("c", "d")]),
        ("y.pkl", b"(dp0\nS'a'\np1\nS'b'\np2\nsg2\ng1\ns.", [("a", "b"), ("b", "a")]),
    ] {
        let path = directory.path().join(name);
        assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
        let options = ReadOptions { temp_dir: Some(directory.path().to_owned()), ..ReadOptions::default() };
        let found = std::thread::scope(|scope| {
            scope.spawn(|| fs::OpenOptions::new().write(true).open(&path).unwrap().write_all(bytes).unwrap());
            let (summary, records) = read_sources(&[Source::Path(path.clone())], &options, 2).unwrap();
            assert_eq!(summary.bytes, bytes.len() as u64);
            records.into_iter().map(|r| (r.key, r.value)).collect::<Vec<_>>()
        });
        assert_eq!(found, text(&wanted));
    }
    assert!(pairs("x.tsv", b"", &ReadOptions::default()).unwrap().is_empty());
}

#[test]
fn places_are_lines_or_bytes() {
    let table = [
        ("x.tsv", &b"a\tb\nc\td\n"[..], "x.tsv, line 2"),
        ("x.csv", b"a,b\nc,d\n", "x.csv, line 2"),
        ("x.cdb", b"+1,1:a->b\n+1,1:c->d\n\n", "x.cdb, byte 4"),
        ("x.pkl", b"\x80\x04}N0.", "x.pkl, byte 4"),
    ];
    for (name, bytes, place) in table {
        assert_eq!(checked(&[memory(name, bytes)]).describe(0, 4), place);
    }
}
