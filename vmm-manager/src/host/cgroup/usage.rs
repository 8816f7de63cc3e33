//! What the processes in a cgroup have used.

use std::{fs, path::Path, time::Duration};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CgroupUsage {
    /// The most memory that was charged at any time. Pages of files count, and are given back when
    /// it becomes tight: a peak at the limit is not yet a lack.
    pub memory_peak_bytes: u64,
    pub cpu_time: Duration,
    /// How many processes the kernel killed because of the memory's limit.
    pub oom_kills: u64,
}

impl CgroupUsage {
    /// Adds what `directory` has of it.
    pub(super) fn read(&mut self, directory: &Path) {
        let number =
            |name: &str| fs::read_to_string(directory.join(name)).ok()?.trim().parse().ok();
        let field =
            |name: &str, key: &str| field(&fs::read_to_string(directory.join(name)).ok()?, key);
        if let Some(peak) = number("memory.peak").or_else(|| number("memory.max_usage_in_bytes")) {
            self.memory_peak_bytes = peak;
        }
        if let Some(kills) = OOM_FILES.iter().find_map(|file| field(file, OOM_KEY)) {
            self.oom_kills = kills;
        }
        let micros = || field("cpu.stat", "usage_usec").map(Duration::from_micros);
        if let Some(time) = number("cpuacct.usage").map(Duration::from_nanos).or_else(micros) {
            self.cpu_time = time;
        }
    }
}

/// Of version 2 and of version 1.
pub(super) const OOM_FILES: [&str; 2] = ["memory.events", "memory.oom_control"];
const OOM_KEY: &str = "oom_kill";

/// `oom_kill 3` on a line of its own → 3.
fn field(text: &str, key: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' ')?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::field;

    #[test]
    fn a_field_is_found_by_its_whole_name() {
        let text = "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n";
        assert_eq!(field(text, "oom_kill"), Some(3));
        assert_eq!(field("usage_usec 12\nuser_usec 5\n", "usage_usec"), Some(12));
        assert_eq!(field("oom_kill\n", "oom_kill"), None);
        assert_eq!(field("", "oom_kill"), None);
    }
}
