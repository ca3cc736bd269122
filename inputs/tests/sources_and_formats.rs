//! Which files are read and as what; what is said about those that cannot be; and where a record stands.

#![allow(clippy::unwrap_used, reason = "tests may unwrap, in their helper functions too")]

mod support;

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;

use hashlith_inputs::{Error, Format, Options, Source, check_sources, describe, expand};
use support::{memory, pairs, read_sources, text};

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
        ("a.jsonl", Some(Format::Jsonl)),
        ("a.ndjson", Some(Format::Jsonl)),
        ("a.json", Some(Format::Jsonl)),
        ("a.cdb", Some(Format::Cdbmake)),
        ("a.cdbmake", Some(Format::Cdbmake)),
        ("a.gz", None),
        ("a", None),
        ("tsv", None),
        ("a.xml", None),
    ];
    for (path, format) in table {
        assert_eq!(Format::from_path(Path::new(path)), format, "{path}");
    }
    for format in Format::ALL {
        assert_eq!(format.to_string().parse(), Ok(format));
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
        check_sources(sources, &Options { format, ..Options::default() }).map_err(|error| error.to_string())
    };
    assert_eq!(check(&[path("good.tsv").into()], None), Ok(vec![Format::Tsv]));
    assert_eq!(check(&[path("noext").into()], Some(Format::Csv)), Ok(vec![Format::Csv]));
    assert_eq!(check(&["-".into()], Some(Format::Tsv)), Ok(vec![Format::Tsv]));
    let table: [(&[Source], &str); 6] = [
        (&[], "nothing to read"),
        (&[path("good.tsv").into(), path("missing.tsv").into()], "missing.tsv: No such file"),
        (&[path("noext").into()], "noext: cannot tell the format from the file name; say it with --format"),
        (&[directory.path().into()], "is a directory; name the files in it"),
        (&["-".into()], "standard input needs a format"),
        (&["-".into(), "-".into()], "more than once"),
    ];
    for (sources, wanted) in table {
        let found = check(sources, None).unwrap_err();
        assert!(found.contains(wanted), "{found}");
    }
    #[cfg(unix)]
    {
        let socket = std::os::unix::net::UnixListener::bind(path("s.tsv")).unwrap();
        assert!(check(&[path("s.tsv").into()], None).unwrap_err().contains("neither a file nor a pipe"));
        drop(socket);
    }
    let widened: Error<String> = Error::NoSources.widen();
    assert!(widened.to_string().contains("nothing to read"));
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
    let paths = [directory.path(), Path::new("-"), Path::new("missing.csv")];
    let last = |name: &str| name.rsplit('/').next().unwrap().to_owned();
    let names = |format| -> Vec<String> {
        expand(&paths, format).unwrap().sources.iter().map(|source| last(&source.name())).collect()
    };
    assert_eq!(names(None), ["a.pkl", "b.tsv", "c.txt.gz", "e.csv", "standard input", "missing.csv"]);
    let all =
        ["a.pkl", "b.tsv", "c.txt.gz", "readme.md", "e.csv", "shard-0001", "standard input", "missing.csv"];
    assert_eq!(names(Some(Format::Pickle)), all);
    let left_out: Vec<String> =
        expand(&paths, None).unwrap().left_out.iter().map(|path| last(&path.display().to_string())).collect();
    assert_eq!(left_out, ["readme.md", "shard-0001"]);
    let empty = expand(&[directory.path().join("d.tsv")], None).unwrap_err().to_string();
    assert!(empty.contains("d.tsv holds no file that ends in"), "{empty}");
}

#[test]
fn places_are_described() {
    let lines = b"a\t1\nb\t2\nc\t3\n";
    let tsv = memory("words.tsv", lines);
    let (_, records) = read_sources(std::slice::from_ref(&tsv), &Options::default(), 1).unwrap();
    let places: Vec<String> = records.iter().map(|r| describe(&tsv, Format::Tsv, r.position)).collect();
    assert_eq!(places, ["words.tsv, line 1", "words.tsv, line 2", "words.tsv, line 3"]);
    assert_eq!(describe(&tsv, Format::Tsv, 99), "words.tsv, byte 99", "not within the file");
    assert_eq!(describe(&Source::Stdin, Format::Tsv, 1234), "standard input, byte 1234");
    assert_eq!(describe(&"part-0003.pkl".into(), Format::Pickle, 5121), "part-0003.pkl, byte 5121");
    assert_eq!(describe(&"missing.tsv".into(), Format::Tsv, 7), "missing.tsv, byte 7");
    let packed = memory("words.tsv.zst", &zstd::encode_all(&lines[..], 1).unwrap());
    assert_eq!(describe(&packed, Format::Tsv, 8), "words.tsv.zst, line 3");
}

/// A pickle through a named pipe is spooled, since a pipe cannot be read twice.
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
        let options = Options { temp_dir: Some(directory.path().to_owned()), ..Options::default() };
        let found = std::thread::scope(|scope| {
            scope.spawn(|| fs::OpenOptions::new().write(true).open(&path).unwrap().write_all(bytes).unwrap());
            let (summary, records) = read_sources(&[Source::Path(path.clone())], &options, 2).unwrap();
            assert_eq!(summary.bytes, bytes.len() as u64);
            records.into_iter().map(|r| (r.key, r.value)).collect::<Vec<_>>()
        });
        assert_eq!(found, text(&wanted));
    }
    assert!(pairs("x.tsv", b"", &Options::default()).unwrap().is_empty());
}
