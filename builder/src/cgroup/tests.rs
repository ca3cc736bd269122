use super::*;

const MIB: u64 = 1 << 20;

/// A file system of its own: files with what they hold.
fn available_in(files: &[(&str, &str)]) -> Option<u64> {
    let root = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        // Numbers are in MiB.
        let in_bytes =
            |word: &str| word.strip_suffix('M').and_then(|n| n.parse::<u64>().ok()).map(|n| n * MIB);
        let line = |line: &str| {
            let words = line.split(' ').map(|word| in_bytes(word).map_or(word.to_owned(), |n| n.to_string()));
            words.collect::<Vec<_>>().join(" ")
        };
        fs::write(path, text.lines().map(|text| line(text) + "\n").collect::<String>()).unwrap();
    }
    available(root.path()).map(|bytes| {
        assert_eq!(bytes % MIB, 0);
        bytes / MIB
    })
}

const V2_MOUNT: &str = "31 23 0:28 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate";
const V1_MOUNTS: &str = "30 23 0:27 / /sys/fs/cgroup ro - tmpfs tmpfs ro,mode=755\n\
    33 30 0:30 / /sys/fs/cgroup/cpu,cpuacct rw shared:11 - cgroup cgroup rw,cpu,cpuacct\n\
    35 30 0:32 / /sys/fs/cgroup/memory rw shared:12 - cgroup cgroup rw,memory\n";
const V1_GROUPS: &str = "9:name=systemd:/a.slice/x\n4:memory:/a/b\n2:cpu,cpuacct:/other\n";

#[test]
fn version_2() {
    let proc = [("proc/self/mountinfo", V2_MOUNT), ("proc/self/cgroup", "0::/a.slice/b.scope\n")];
    let of = |more: &[(&str, &str)]| available_in(&[&proc, more].concat());
    let (own, above) = ("sys/fs/cgroup/a.slice/b.scope/memory.max", "sys/fs/cgroup/a.slice/memory.max");
    assert_eq!(of(&[]), None);
    assert_eq!(of(&[(own, "max"), (above, "max")]), None);
    assert_eq!(of(&[(own, "900M")]), Some(900));
    assert_eq!(of(&[(own, "max"), (above, "700M")]), Some(700));
    assert_eq!(of(&[(own, "900M"), (above, "700M")]), Some(700));
    assert_eq!(of(&[(own, "600M"), (above, "700M"), ("sys/fs/cgroup/memory.max", "500M")]), Some(500));
    assert_eq!(of(&[(own, "900M"), ("sys/fs/cgroup/a.slice/b.scope/memory.high", "800M")]), Some(800));
    // Groups beside the path do not count.
    assert_eq!(of(&[(own, "900M"), ("sys/fs/cgroup/a.slice/c.scope/memory.max", "1M")]), Some(900));
    assert_eq!(of(&[(own, "nonsense")]), None);
}

#[test]
fn what_is_in_use_is_subtracted_at_each_level_but_for_cached_files() {
    let of = |own: &str, above: &str| {
        let stat = "anon 400M\nfile 90M\nactive_file 10M\ninactive_file 80M\ninactive_file_x 500M\n";
        available_in(&[
            ("proc/self/mountinfo", V2_MOUNT),
            ("proc/self/cgroup", "0::/a/b\n"),
            ("sys/fs/cgroup/a/b/memory.max", "1000M"),
            ("sys/fs/cgroup/a/b/memory.current", own),
            ("sys/fs/cgroup/a/b/memory.stat", stat),
            ("sys/fs/cgroup/a/memory.max", "2000M"),
            ("sys/fs/cgroup/a/memory.current", above),
        ])
    };
    assert_eq!(of("480M", "480M"), Some(600));
    assert_eq!(of("480M", "1900M"), Some(100));
    assert_eq!(of("1200M", "480M"), Some(0));
    assert_eq!(of("70M", "70M"), Some(1000));
}

#[test]
fn version_1() {
    let huge = "9223372036854771712";
    let proc = [("proc/self/mountinfo", V1_MOUNTS), ("proc/self/cgroup", V1_GROUPS)];
    let of = |more: &[(&str, &str)]| available_in(&[&proc, more].concat());
    let at = |path: &str| format!("sys/fs/cgroup/memory/{path}");
    let (top, above, own) =
        (at("memory.limit_in_bytes"), at("a/memory.limit_in_bytes"), at("a/b/memory.limit_in_bytes"));
    let (usage, stat) = (at("a/b/memory.usage_in_bytes"), at("a/b/memory.stat"));
    assert_eq!(of(&[]), None);
    assert_eq!(of(&[(&top, huge), (&above, huge), (&own, huge)]), None);
    assert_eq!(of(&[(&top, huge), (&above, "700M"), (&own, huge)]), Some(700));
    assert_eq!(of(&[(&top, huge), (&above, "700M"), (&own, "300M")]), Some(300));
    let inside = "inactive_file 1M\ntotal_inactive_file 50M\nhierarchical_memory_limit 9223372036854771712";
    assert_eq!(of(&[(&own, "300M"), (&usage, "100M"), (&stat, inside)]), Some(250));
    // A container does not see the groups above it, but their least limit.
    assert_eq!(of(&[(&own, huge), (&usage, "100M"), (&stat, "hierarchical_memory_limit 250M")]), Some(150));
    // Other hierarchies do not count.
    assert_eq!(of(&[("sys/fs/cgroup/cpu,cpuacct/other/memory.limit_in_bytes", "1M")]), None);
}

#[test]
fn both_versions_at_once() {
    let mounts =
        format!("{V1_MOUNTS}41 30 0:38 / /sys/fs/cgroup/unified rw shared:13 - cgroup2 cgroup2 rw\n");
    let groups = format!("{V1_GROUPS}0::/u\n");
    let of = |v1, v2| {
        available_in(&[
            ("proc/self/mountinfo", &mounts),
            ("proc/self/cgroup", &groups),
            ("sys/fs/cgroup/memory/a/b/memory.limit_in_bytes", v1),
            ("sys/fs/cgroup/unified/u/memory.max", v2),
        ])
    };
    assert_eq!((of("300M", "max"), of("300M", "200M"), of("", "200M")), (Some(300), Some(200), Some(200)));
}

/// Each row: the top of the mount, the path of the group, and the group below the mount whose limit counts, if one does.
#[test]
fn containers() {
    for (top, path, limited, counts) in [
        // A namespace of its own: the container's group is the top.
        ("/", "/", "", true),
        ("/", "/child", "", true),
        ("/", "/child", "child/", true),
        // The container's group is mounted, and named in full.
        ("/docker/1f", "/docker/1f", "", true),
        ("/docker/1f", "/docker/1f/child", "child/", true),
        ("/docker/1f", "/docker/1f/child", "docker/1f/child/", false),
        // The path is that of the host, and does not exist here.
        ("/", "/kubepods/pod7/1f", "", true),
        ("/docker/1f", "/kubepods/pod7", "", true),
        // Outside of the namespace.
        ("/", "/../other", "", true),
        ("/", "/../..", "", true),
        ("/../..", "/", "", true),
        ("/..", "/../other", "other/", true),
        ("/", "/../other", "other/", false),
        // Names that begin alike.
        ("/docker/1", "/docker/1f/child", "f/child/", false),
        ("/with\\040space", "/with space/child", "child/", true),
    ] {
        for (kind, group, file) in [
            ("cgroup2 cgroup2 rw", "0:", "memory.max"),
            ("cgroup none rw,memory", "7:memory", "memory.limit_in_bytes"),
        ] {
            let mounts = format!("31 23 0:28 {top} /groups\\011here ro master:1 propagate_from:2 - {kind}\n");
            let found = available_in(&[
                ("proc/self/mountinfo", &mounts),
                ("proc/self/cgroup", &format!("{group}:{path}\n")),
                (&format!("groups\there/{limited}{file}"), "300M"),
            ]);
            assert_eq!(found, counts.then_some(300), "{top} {path} {limited} {file}");
        }
    }
}

#[test]
fn nothing_is_known_without_the_kernel_s_files() {
    assert_eq!(available_in(&[]), None);
    assert_eq!(
        available_in(&[("proc/self/cgroup", "0::/\nnonsense\n:\n"), ("proc/self/mountinfo", "a b\n")]),
        None
    );
}
