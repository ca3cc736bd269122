//! Temporary files that change while a build uses them: it fails, and no record is lost in silence.

use hashlith_builder::{Builder, Error, OnDuplicate};
use std::{
    fs::{self, File},
    os::unix::fs::FileExt,
    path::Path,
};

const RECORDS: u64 = 400_000;

/// The first chunk of a temporary file, from its beginning; the name of the damage.
type Damage = (&'static str, fn(&File, len: u64));

/// A record is its origin (3 bytes, if its position is not above the last one's), two lengths, a key of 8 bytes and a value of 100.
const RECORD_LEN: u64 = 113;

const DAMAGES: [Damage; 6] = [
    ("none", |_, _| {}),
    ("a chunk of zeros", |file, _| file.write_all_at(&[0; 4096], 0).unwrap()),
    ("a chunk longer than the file", |file, _| file.write_all_at(&(1u64 << 40).to_le_bytes(), 0).unwrap()),
    ("a chunk that ends early", |file, len| file.write_all_at(&(len - 20_000).to_le_bytes(), 0).unwrap()),
    ("a chunk without its last record", |file, len| {
        file.write_all_at(&(len - RECORD_LEN).to_le_bytes(), 0).unwrap();
    }),
    ("a file that is cut off", |file, len| file.set_len(len).unwrap()),
];

/// The temporary files that this process has open in a directory.
fn open_in(dir: &Path) -> Vec<File> {
    let fds = fs::read_dir("/proc/self/fd").unwrap().map(|entry| entry.unwrap().path());
    let ours = fds.filter(|fd| fs::read_link(fd).is_ok_and(|to| to.starts_with(dir)));
    ours.map(|fd| File::options().read(true).write(true).open(fd).unwrap()).collect()
}

#[test]
fn a_changed_temporary_file_is_noticed() {
    for (what, damage) in DAMAGES {
        let dir = tempfile::tempdir().unwrap();
        let (path, temp) = (dir.path().join("x"), dir.path().join("temp"));
        fs::create_dir(&temp).unwrap();
        let mut builder =
            Builder::new().threads(1).memory_limit(32 << 20).on_duplicate(OnDuplicate::Last).temp_dir(&temp);
        let mut feeder = builder.feeder().unwrap();
        for i in 0..RECORDS {
            feeder.add_from(0, 1, &i.to_le_bytes(), &[7; 100]).unwrap();
        }
        feeder.finish().unwrap();
        let files = open_in(&temp);
        assert!(!files.is_empty());
        for file in &files {
            let mut head = [0; 8];
            file.read_exact_at(&mut head, 0).unwrap();
            damage(file, u64::from_le_bytes(head));
        }
        match builder.finish(&path) {
            Ok(report) => assert!(what == "none" && report.keys == RECORDS, "{what}"),
            Err(Error::Lost { expected, found }) => {
                assert_eq!(what, "a chunk without its last record");
                assert_eq!((expected, found), (RECORDS, RECORDS - files.len() as u64));
            }
            Err(Error::Io { action: "cannot read temporary records in", path, .. }) => {
                assert!(
                    what.contains("zeros")
                        || what.contains("longer")
                        || what.contains("early")
                        || what.contains("cut"),
                    "{what}"
                );
                assert_eq!(path, temp);
            }
            Err(error) => panic!("{what}: {error}"),
        }
        assert_eq!(path.exists(), what == "none", "{what}");
    }
}
