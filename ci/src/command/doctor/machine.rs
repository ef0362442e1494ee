//! Processors, memory, descriptors, clocks.

use super::Finding;
use crate::command::jobs;
use bytesize::ByteSize;
use rustix::process::{Resource, getrlimit};
use std::fs;
use std::path::{Path, PathBuf};

/// What a minute of storm in each of a few threads takes without care.
const MEMORY_MIN: u64 = 512 << 20;

/// What a live cluster of many nodes and its clients open.
const DESCRIPTORS_MIN: u64 = 1_024;

pub(super) fn cores() -> Finding {
    let own = jobs::available();
    let told = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let all = told
        .lines()
        .filter(|line| line.starts_with("processor"))
        .count();
    let of = match all > own {
        true => format!(" of {all}: an affinity or a control group keeps the rest away"),
        false => String::new(),
    };
    Finding::ok("cores", format!("{own}{of}; so many seeds run at a time"))
}

pub(super) fn memory() -> Finding {
    let told = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let (Some(free), Some(total)) = (
        bytes_of(&told, "MemAvailable:"),
        bytes_of(&told, "MemTotal:"),
    ) else {
        return Finding::missing(
            "memory",
            "this system does not tell how much is free",
            "see that there are some GiB; `stormglass model --memory` and `check --memory` keep within what they are given",
        );
    };
    let limit = limit_of_group(Path::new("/sys/fs/cgroup"), &cgroup_of_self());
    let group = match limit {
        Some((limit, used)) => format!(
            ", and {} of the {} that its control group may use",
            ByteSize(limit.saturating_sub(used)),
            ByteSize(limit)
        ),
        None => ", and no limit of a control group".to_string(),
    };
    let found = format!("{} of {} are free{group}", ByteSize(free), ByteSize(total));
    let ours = limit.map_or(free, |(limit, used)| free.min(limit.saturating_sub(used)));
    match ours < MEMORY_MIN {
        true => Finding::missing(
            "memory",
            found,
            "run one seed at a time with --jobs 1, or raise the limit",
        ),
        false => Finding::ok("memory", found),
    }
}

/// A line of `/proc/meminfo`, which counts in KiB.
fn bytes_of(told: &str, name: &str) -> Option<u64> {
    let line = told.lines().find(|line| line.starts_with(name))?;
    let number: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(number * 1_024)
}

/// The control group of this process, from the root of its hierarchy on.
fn cgroup_of_self() -> PathBuf {
    let told = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let of_all = told.lines().find_map(|line| line.strip_prefix("0::/"));
    of_all.map(PathBuf::from).unwrap_or_default()
}

/// The tightest limit on the way from a control group to the root, and how much of it is used. Of the second version of control groups, and
/// of the first where nothing else is mounted.
fn limit_of_group(root: &Path, group: &Path) -> Option<(u64, u64)> {
    let number = |path: PathBuf| fs::read_to_string(path).ok()?.trim().parse::<u64>().ok();
    let folders = group.ancestors().map(|group| root.join(group));
    let second = folders.filter_map(|folder| {
        let used = number(folder.join("memory.current")).unwrap_or(0);
        Some((number(folder.join("memory.max"))?, used))
    });
    let first = || {
        let folder = root.join("memory");
        let limit = number(folder.join("memory.limit_in_bytes"))?;
        // No limit is written as the largest number of pages.
        (limit < 1 << 60).then(|| {
            let used = number(folder.join("memory.usage_in_bytes")).unwrap_or(0);
            (limit, used)
        })
    };
    second.min_by_key(|(limit, _)| *limit).or_else(first)
}

pub(super) fn descriptors() -> Finding {
    let limit = getrlimit(Resource::Nofile);
    let found = match limit.current {
        Some(limit) => format!("{limit} open files"),
        None => "any number of open files".to_string(),
    };
    match limit.current {
        Some(current) if current < DESCRIPTORS_MIN => Finding::missing(
            "descriptors",
            found,
            format!(
                "`ulimit -n {DESCRIPTORS_MIN}` before large live clusters, or many seeds at a time"
            ),
        ),
        _ => Finding::ok("descriptors", found),
    }
}

pub(super) fn processor_time() -> Finding {
    let path = "/proc/thread-self/schedstat";
    match fs::read_to_string(path) {
        Ok(_) => Finding::ok("CPU time", format!("{path} tells it")),
        Err(error) => Finding::missing(
            "CPU time",
            format!("{path}: {error}; times in reports are those of the wall"),
            "a Linux kernel with CONFIG_SCHED_INFO tells it",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tightest_control_group_counts() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("night/shard");
        fs::create_dir_all(&folder).unwrap();
        let group = Path::new("night/shard");
        assert_eq!(limit_of_group(root.path(), group), None);
        fs::write(root.path().join("night/memory.max"), "1000\n").unwrap();
        fs::write(root.path().join("night/memory.current"), "400\n").unwrap();
        fs::write(folder.join("memory.max"), "max\n").unwrap();
        assert_eq!(limit_of_group(root.path(), group), Some((1_000, 400)));
        fs::write(folder.join("memory.max"), "600\n").unwrap();
        assert_eq!(limit_of_group(root.path(), group), Some((600, 0)));
    }

    #[test]
    fn memory_is_counted_in_kib() {
        let told = "MemTotal:       24689 kB\nMemAvailable:   123 kB\n";
        assert_eq!(bytes_of(told, "MemAvailable:"), Some(123 * 1_024));
        assert_eq!(bytes_of(told, "Swap:"), None);
    }
}
