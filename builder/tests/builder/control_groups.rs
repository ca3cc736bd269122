//! The default memory in a control group of the kernel's own.

use crate::support::in_child;
use hashlith_builder::{Builder, available_memory};
use std::{fs, path::PathBuf};

/// A control group with a limit, and one without in it, in which this process is until the end.
struct Group {
    outer: PathBuf,
    before: PathBuf,
}

impl Group {
    fn enter(limit: u64) -> std::io::Result<Self> {
        let (v1, v2) = (PathBuf::from("/sys/fs/cgroup/memory"), PathBuf::from("/sys/fs/cgroup"));
        let (top, file) = if v1.is_dir() { (v1, "memory.limit_in_bytes") } else { (v2, "memory.max") };
        // A test that was killed leaves groups without processes.
        for left in fs::read_dir(&top)?.flatten() {
            if left.file_name().as_encoded_bytes().starts_with(b"hashlith-test-") {
                let _ = fs::remove_dir(left.path().join("inner")).and_then(|()| fs::remove_dir(left.path()));
            }
        }
        let groups = fs::read_to_string("/proc/self/cgroup")?;
        let mine = |line: &str| {
            let (_, path) = line.split_once(":memory:").or_else(|| line.split_once("::"))?;
            Some(top.join(path.strip_prefix('/')?))
        };
        let before = groups.lines().find_map(mine).ok_or(std::io::ErrorKind::NotFound)?;
        let outer = top.join(format!("hashlith-test-{}", std::process::id()));
        fs::create_dir_all(outer.join("inner"))?;
        let group = Group { outer, before };
        fs::write(group.outer.join(file), limit.to_string())?;
        fs::write(group.outer.join("inner/cgroup.procs"), "0")?;
        Ok(group)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = fs::write(self.before.join("cgroup.procs"), "0");
        let _ = fs::remove_dir(self.outer.join("inner"));
        let _ = fs::remove_dir(&self.outer);
    }
}

/// A build takes half of what its group, or one above it, still has; pages of files that were read once count as free.
#[test]
fn the_limit_of_a_control_group_and_what_is_in_use() {
    const MIB: u64 = 1 << 20;
    let case = || {
        let _group = match Group::enter(300 * MIB) {
            Ok(group) => group,
            Err(error) => {
                assert!(std::env::var_os("HASHLITH_NO_SKIPS").is_none(), "no control group: {error}");
                println!("no control group can be made ({error})");
                return String::new();
            }
        };
        let at_first = available_memory().unwrap();
        let file = tempfile::NamedTempFile::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        fs::write(&file, vec![1; 64 << 20]).unwrap();
        file.as_file().sync_all().unwrap();
        let with_file = available_memory().unwrap();
        let used = std::hint::black_box(vec![1u8; 100 << 20]);
        let with_both = available_memory().unwrap();
        drop(used);
        let memory = Builder::new().threads(2).memory();
        format!("{at_first} {with_file} {with_both} {memory}")
    };
    let name = "the_limit_of_a_control_group_and_what_is_in_use";
    let Some((_, answer)) = in_child(module_path!(), name, case) else { return };
    let numbers: Vec<u64> =
        answer.split_whitespace().map(|number| number.parse::<u64>().unwrap() / MIB).collect();
    let [at_first, with_file, with_both, memory] = numbers[..] else { return };
    assert!((280..=300).contains(&at_first), "{numbers:?}");
    assert!(with_file > 270 && (170..=200).contains(&with_both), "{numbers:?}");
    assert!((130..=150).contains(&memory), "{numbers:?}");
}
