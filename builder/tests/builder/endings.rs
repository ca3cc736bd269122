//! Promise 3: a build that fails changes nothing and leaves nothing behind.

use crate::{names, small};
use hashlith_builder::{Builder, Error, OutputFault};
use hashlith_feedback::{Phase, Progress, Unit};
use hashlith_reader::Index;
use rustix::process::{Resource, getrlimit};
use std::{fs, sync::Arc};

#[test]
fn a_memory_limit_below_the_smallest_is_refused_and_the_smallest_works() {
    let dir = tempfile::tempdir().unwrap();
    let smallest = Builder::smallest_memory(3);
    let mut builder = Builder::new().threads(3).memory_limit(smallest - 1);
    let Err(Error::MemoryLimit { given, smallest: needed, threads: 3 }) = builder.add(b"a", b"b") else {
        panic!("not refused")
    };
    assert_eq!((given, needed), (smallest - 1, smallest));
    let mut builder = Builder::new().threads(3).memory_limit(smallest);
    builder.add(b"a", b"b").unwrap();
    builder.finish(dir.path().join("x")).unwrap();
}

#[test]
fn any_number_of_threads_and_any_memory_is_answered() {
    let dir = tempfile::tempdir().unwrap();
    for threads in [1 << 16, 1_000_000_000, usize::MAX] {
        for memory in [None, Some(1 << 40), Some(u64::MAX)] {
            let mut builder = Builder::new().threads(threads);
            if let Some(memory) = memory {
                builder = builder.memory_limit(memory);
            }
            assert!(builder.memory() > 0);
            let Err(Error::Options { what }) = builder.add(b"a", b"b") else { panic!("not refused") };
            assert_eq!(what, "a build has at most 65,535 threads");
        }
    }
    let limited = [Resource::As, Resource::Data].map(getrlimit).iter().any(|limit| limit.current.is_some());
    for memory in [1 << 63, u64::MAX] {
        let mut builder = Builder::new().threads(2).memory_limit(memory);
        match builder.add(b"a", b"b").and_then(|()| builder.finish(dir.path().join("x"))) {
            // Under `ulimit -v` there are never that many.
            Err(Error::Addresses { .. }) => assert!(limited),
            built => assert!(built.unwrap().keys == 1 && !limited),
        }
    }
}

#[test]
fn no_records_make_an_index_of_no_keys() {
    let dir = tempfile::tempdir().unwrap();
    let report = small().finish(dir.path().join("x")).unwrap();
    assert_eq!((report.keys, report.headers[0].cells), (0, 1));
    let index = Index::load(dir.path().join("x")).unwrap();
    assert!(index.is_empty() && index.get(b"").unwrap().is_none() && index.iter().next().is_none());
}

#[test]
fn a_duplicate_leaves_the_old_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x");
    fs::write(&path, "old").unwrap();
    let mut builder = small();
    for key in ["a", "b", "a"] {
        builder.add(key.as_bytes(), b"").unwrap();
    }
    let error = builder.finish(&path).unwrap_err();
    assert!(
        matches!(&error, Error::Duplicate { key, first, second, .. }
        if key == b"a" && (first.position, second.position) == (1, 3)),
        "{error}"
    );
    assert_eq!(fs::read(&path).unwrap(), b"old");
    assert_eq!(names(dir.path()), ["x"]);
}

#[test]
fn cancelling_leaves_the_old_file_in_every_phase() {
    for phase in [Phase::Reading, Phase::Building, Phase::Sealing] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        fs::write(&path, "old").unwrap();
        let mut builder = small();
        let progress = builder.progress_handle();
        let watched = builder.progress_handle();
        let watcher = std::thread::spawn(move || {
            while ![phase, Phase::Done].contains(&watched.phase()) {
                std::hint::spin_loop();
            }
            watched.cancel();
        });
        let added = (0..400_000u32).try_for_each(|i| builder.add(&i.to_le_bytes(), b"some value or other"));
        let result = added.and_then(|()| builder.finish(&path));
        watcher.join().unwrap();
        match result {
            Err(error) => {
                assert!(matches!(error, Error::Cancelled), "{phase:?}: {error}");
                assert_eq!(fs::read(&path).unwrap(), b"old");
            }
            // In the last phase the cancellation may come too late; then the new file is complete.
            Ok(report) => {
                assert_eq!((phase, progress.phase(), report.keys), (Phase::Sealing, Phase::Done, 400_000));
                assert_eq!(Index::load(&path).unwrap().len(), 400_000);
            }
        }
        assert_eq!(names(dir.path()), ["x"]);
    }
}

#[test]
fn a_feeder_that_is_not_finished_fails_the_build() {
    let dir = tempfile::tempdir().unwrap();
    let mut builder = small();
    let mut feeder = builder.feeder().unwrap();
    feeder.add(b"lost?", b"").unwrap();
    drop(feeder);
    assert!(matches!(builder.finish(dir.path().join("x")), Err(Error::Options { .. })));
    assert!(names(dir.path()).is_empty());
}

#[test]
fn impossible_outputs_are_refused_before_the_first_record() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("no/such/x");
    let fault = |error| match error {
        Err(Error::Output { path, what }) => (path, what),
        error => panic!("{error:?}"),
    };
    let parent = missing.parent().unwrap().to_path_buf();
    assert_eq!(fault(small().preflight(&missing)), (parent.clone(), OutputFault::ParentMissing));
    assert_eq!(fault(small().finish(&missing).map(drop)), (parent, OutputFault::ParentMissing));
    let example = dir.path().join("index.hlith");
    let is_directory = (dir.path().to_path_buf(), OutputFault::FileIsDirectory { example });
    assert_eq!(fault(small().preflight(dir.path())), is_directory);
    let huge = small().expected_bytes(u64::MAX / 2).preflight(&dir.path().join("x"));
    assert!(matches!(huge, Err(Error::DiskSpace { needed, .. }) if needed == u64::MAX / 2));
    let mut odd = small().fingerprint_bits(17);
    assert!(matches!(odd.preflight(&dir.path().join("x")), Err(Error::Options { .. })));
    assert!(names(dir.path()).is_empty());
}

#[test]
fn the_file_of_a_killed_build_is_cleared_by_the_next() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("x.4242-0.tmp"), "half").unwrap();
    fs::write(dir.path().join("y.4242-0.tmp"), "of another build").unwrap();
    small().finish(dir.path().join("x")).unwrap();
    assert_eq!(names(dir.path()), ["x", "y.4242-0.tmp"]);
}

#[test]
fn metadata_is_kept_and_limited() {
    let dir = tempfile::tempdir().unwrap();
    small().metadata(r#"{"made by": "a test"}"#).finish(dir.path().join("x")).unwrap();
    assert_eq!(Index::load(dir.path().join("x")).unwrap().metadata(), br#"{"made by": "a test"}"#);
    let long = small().metadata("x".repeat((1 << 20) + 1)).feeder();
    assert!(matches!(long, Err(Error::Metadata { len }) if len == (1 << 20) + 1));
}

/// While a caller reads, its progress counts what it likes. The builder adds records to it, and the later phases.
#[test]
fn progress_is_shared_with_the_caller() {
    let dir = tempfile::tempdir().unwrap();
    let progress = Arc::new(Progress::new());
    progress.enter(Phase::Reading, Unit::Bytes, Some(100));
    let mut builder = small().progress(progress.clone());
    let mut feeder = builder.feeder().unwrap();
    feeder.add(b"key", b"value").unwrap();
    assert_eq!(progress.snapshot().records, Some(0));
    feeder.count();
    progress.add(Unit::Bytes, 100);
    let now = progress.snapshot();
    assert_eq!((now.phase, now.unit, now.done, now.records), (Phase::Reading, Unit::Bytes, 100, Some(1)));
    feeder.finish().unwrap();
    let report = builder.finish(dir.path().join("x")).unwrap();
    assert_eq!((report.records, progress.phase()), (1, Phase::Done));
    let phases: Vec<_> = report.phases.iter().map(|phase| phase.0).collect();
    assert_eq!(phases, [Phase::Reading, Phase::Building, Phase::Sealing]);
}
