//! Full disks and limits: the message says so, the old index stays, nothing is left behind.

use crate::support::{Place, many_lines, names_in};
use rustix::mount::{MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_change, unmount};
use rustix::thread::{UnshareFlags, unshare_unsafe};
use std::path::PathBuf;

/// A small file system in memory, which only this thread and its children see: it goes with them, even if they are killed.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// `None` if mounting is not allowed; the limit on file sizes then stands in for a full disk.
    fn mount(path: PathBuf, options: &std::ffi::CStr) -> Option<Self> {
        std::fs::create_dir(&path).unwrap();
        // SAFETY: this thread goes on to share its file descriptors.
        let mounted = unsafe { unshare_unsafe(UnshareFlags::NEWNS) }
            .and_then(|()| mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC))
            .and_then(|()| mount("none", &path, "tmpfs", MountFlags::empty(), options));
        match mounted {
            Ok(()) => Some(SmallDisk(path)),
            Err(error) => {
                assert!(std::env::var_os("HASHLITH_NO_SKIPS").is_none(), "cannot mount: {error}");
                println!("cannot mount ({error}): a limit of file sizes stands in for a full disk");
                None
            }
        }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = unmount(&self.0, UnmountFlags::DETACH);
    }
}

/// 2 MB of lines that compress tenfold, so that the size of the file does not show how much will come.
fn packed_lines(place: &Place) {
    place.write("big.tsv", many_lines(100_000));
    place.shell("gzip big.tsv").ok();
}

#[test]
fn a_full_disk_under_the_output() {
    let place = Place::new();
    packed_lines(&place);
    place.write("small.tsv", "old\tindex\n");
    let Some(_disk) = SmallDisk::mount(place.path("disk"), c"size=1m") else { return limited_file_size() };
    place.run("build small.tsv -o disk/x.hlith").ok();
    let old = place.read("disk/x.hlith");
    for memory in ["", " --memory 64M --threads 1"] {
        // There is room for the temporary files, but not for the output.
        let temp = place.tmp();
        let args = format!("build big.tsv.gz -o disk/x.hlith --temp-dir {}{memory}", temp.display());
        place.run(&args).fails(1, &["disk", "free"]);
        assert_eq!(place.read("disk/x.hlith"), old);
        assert_eq!(names_in(&place.path("disk")), ["x.hlith"]);
        place.run("verify disk/x.hlith --against small.tsv").ok();
    }
    place.holds(&["big.tsv.gz", "disk", "small.tsv"]);
}

#[test]
fn too_little_space_is_told_before_any_work_where_sizes_are_known() {
    let place = Place::new();
    place.write("big.tsv", many_lines(100_000));
    let Some(_disk) = SmallDisk::mount(place.path("disk"), c"size=1m") else { return limited_file_size() };
    place.run("build big.tsv -o disk/x.hlith").fails(1, &["disk", "free", "the build needs about"]);
    assert_eq!(names_in(&place.path("disk")), [""; 0]);
}

#[test]
fn a_full_disk_under_the_temporary_files() {
    let place = Place::new();
    // 60 MB of records do not fit the memory of the build, so they go to temporary files.
    place.shell("yes 'some value that is repeated' | head -n 2000000 | nl -w1 | gzip -1 > big.tsv.gz").ok();
    let Some(_disk) = SmallDisk::mount(place.path("disk"), c"size=1m") else { return limited_file_size() };
    place
        .run("build big.tsv.gz -o x.hlith --temp-dir disk --memory 32M --threads 1")
        .fails(1, &["disk", "No space left", "free"]);
    assert_eq!(names_in(&place.path("disk")), [""; 0]);
    place.holds(&["big.tsv.gz", "disk"]);
}

/// A file above RLIMIT_FSIZE causes SIGXFSZ, which would end the process and leave its temporary file behind.
#[test]
fn limited_file_size() {
    let place = Place::new();
    packed_lines(&place);
    place.write("small.tsv", "old\tindex\n");
    place.run("build small.tsv -o x.hlith").ok();
    let old = place.read("x.hlith");
    // In units of 512 bytes.
    place
        .shell("ulimit -f 1000; exec $HASHLITH build big.tsv.gz -o x.hlith")
        .fails(1, &["x.hlith", "File too large"]);
    assert_eq!(place.read("x.hlith"), old);
    place.holds(&["big.tsv.gz", "small.tsv", "x.hlith"]);
}

/// Few files may be open: a build makes do with fewer partitions. Where even that is too much, the message says which limit to
/// raise, and with that it works.
#[test]
fn few_open_files() {
    let place = Place::new();
    // More than fits into the memory.
    place.write("big.tsv", (0..100_000).map(|n| format!("{n}\t{n:300}\n")).collect::<String>());
    place.write("two.tsv", "a\tb\nc\td\n");
    let with = |limit: u32, input: &str| {
        place.shell(&format!(
            "ulimit -S -n {limit}; ulimit -H -n {limit}; \
             exec $HASHLITH build {input} -o x.hlith --memory 48M --threads 2 --quiet"
        ))
    };
    for (limit, input) in
        [(10, "two.tsv"), (10, "big.tsv"), (20, "two.tsv"), (20, "big.tsv"), (40, "big.tsv")]
    {
        with(limit, input).ok();
        place.run(&format!("verify x.hlith --against {input} --quiet")).ok();
    }
    with(4, "big.tsv").fails(1, &["Too many open files", "; raise the limit on open files (ulimit -n"]);
    with(400, "big.tsv").ok();
    place.holds(&["big.tsv", "two.tsv", "x.hlith"]);
}
