//! What the control groups of this process still let it take: in a container, a job of a batch system or a systemd unit, they
//! are the limit, not the machine.

use std::{
    fs,
    path::{Component, Path, PathBuf},
};

/// The files of a group's memory, in one version of control groups.
struct Names {
    limits: &'static [&'static str],
    usage: &'static str,
    /// Lines of `memory.stat`: file pages of this group and those below that were used once, which the kernel takes back first.
    inactive: &'static str,
    /// The least limit of the group and those above it, some of which a container does not see.
    limit_above: &'static str,
}

const V1: Names = Names {
    limits: &["memory.limit_in_bytes"],
    usage: "memory.usage_in_bytes",
    inactive: "total_inactive_file",
    limit_above: "hierarchical_memory_limit",
};

const V2: Names = Names {
    limits: &["memory.max", "memory.high"],
    usage: "memory.current",
    inactive: "inactive_file",
    limit_above: "",
};

/// Limits from here on mean that there is none: version 1 writes a number near 2^63.
const NO_LIMIT: u64 = 1 << 60;

/// Bytes that the control groups of this process and those above them still let it take, the least of all; `None` without a
/// limit. `root` is `/`, but for tests.
pub(crate) fn available(root: &Path) -> Option<u64> {
    let read = |path| fs::read(root.join(path)).unwrap_or_default();
    let mounts = read("proc/self/mountinfo");
    let mounts = String::from_utf8_lossy(&mounts);
    let groups = read("proc/self/cgroup");
    let groups = String::from_utf8_lossy(&groups);
    groups
        .lines()
        .filter_map(|line| {
            // Number of the hierarchy, its controllers, path of the group; version 2 names no controllers.
            let mut fields = line.splitn(3, ':').skip(1);
            let (controllers, path) = (fields.next()?, fields.next()?);
            let is_v2 = controllers.is_empty();
            if !is_v2 && !lists(controllers, "memory") {
                return None;
            }
            let mounts: Vec<_> = mounts.lines().filter_map(|line| mount_of(line, is_v2)).collect();
            let names = if is_v2 { &V2 } else { &V1 };
            levels(&mounts, Path::new(path)).iter().filter_map(|level| left(&below(root, level), names)).min()
        })
        .min()
}

/// The group at the top of a mount, and the place of the mount, if the line of `mountinfo` is a mount of this hierarchy.
fn mount_of(line: &str, is_v2: bool) -> Option<(PathBuf, PathBuf)> {
    // A varying number of fields ends with a dash. Behind it are the type, the source and the options of the file system.
    let (own, system) = line.split_once(" - ")?;
    let (kind, options) = (system.split(' ').next()?, system.rsplit(' ').next()?);
    let is_it = if is_v2 { kind == "cgroup2" } else { kind == "cgroup" && lists(options, "memory") };
    let mut fields = own.split(' ').skip(3).map(|path| PathBuf::from(unescape(path)));
    Some((fields.next()?, fields.next()?)).filter(|_| is_it)
}

fn lists(words: &str, word: &str) -> bool {
    words.split(',').any(|one| one == word)
}

/// A path in `mountinfo`, where spaces and the like are written as three octal digits.
fn unescape(path: &str) -> String {
    let escapes = [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")];
    escapes.iter().fold(path.to_owned(), |path, (escape, char)| path.replace(escape, char))
}

/// The directories of a group and of those above it, as far as they are mounted.
fn levels(mounts: &[(PathBuf, PathBuf)], path: &Path) -> Vec<PathBuf> {
    let plain = |path: &Path| path.components().all(|part| part != Component::ParentDir);
    let inside = mounts.iter().find_map(|(top, place)| {
        let rest = path.strip_prefix(top).ok().filter(|rest| plain(rest))?;
        Some(rest.ancestors().map(|rest| place.join(rest)).collect())
    });
    // Seen from a container, the group may lie outside of what is mounted: then the mounted groups stand in for those above it.
    inside.unwrap_or_else(|| mounts.iter().map(|(_, place)| place.clone()).collect())
}

fn below(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}

/// What the limits of one group leave.
fn left(group: &Path, names: &Names) -> Option<u64> {
    let read = |name: &str| fs::read_to_string(group.join(name)).unwrap_or_default();
    let stat = read("memory.stat");
    let line = |name: &str| {
        let number = |line: &str| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok();
        stat.lines().find_map(number)
    };
    let number = |name: &&str| read(name).trim().parse().ok();
    let limits = names.limits.iter().filter_map(number).chain(line(names.limit_above));
    let limit = limits.min().filter(|&limit: &u64| limit < NO_LIMIT)?;
    let used = number(&names.usage).unwrap_or(0).saturating_sub(line(names.inactive).unwrap_or(0));
    Some(limit.saturating_sub(used))
}

#[cfg(test)]
mod tests;
