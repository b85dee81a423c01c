//! CPU time and memory of processes, from /proc.

use std::{collections::HashMap, fs};

use anyhow::{Context as _, Result};
use serde::Serialize;

/// `USER_HZ`, which the kernel fixes at 100 for user space, whatever its own clock is.
const TICKS_PER_S: f64 = 100.0;

#[derive(Debug, PartialEq, Eq)]
struct Stat {
    parent: u32,
    /// Ticks of the process itself.
    own: u64,
    /// Ticks of its children that ended and were waited for.
    reaped: u64,
}

/// The program's name, in brackets, may hold spaces and brackets: fields are counted after it.
fn parse_stat(text: &str) -> Option<Stat> {
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_ascii_whitespace().collect();
    let ticks = |index: usize| fields.get(index)?.parse::<u64>().ok();
    Some(Stat { parent: fields.get(1)?.parse().ok()?, own: ticks(11)? + ticks(12)?, reaped: ticks(13)? + ticks(14)? })
}

fn read_all() -> Result<HashMap<u32, Stat>> {
    let mut all = HashMap::new();
    for entry in fs::read_dir("/proc").context("/proc")? {
        let name = entry?.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        // A process may end between the listing and the reading.
        let Ok(bytes) = fs::read(format!("/proc/{pid}/stat")) else { continue };
        all.extend(parse_stat(&String::from_utf8_lossy(&bytes)).map(|stat| (pid, stat)));
    }
    Ok(all)
}

fn tree_ticks(all: &HashMap<u32, Stat>, root: u32) -> u64 {
    let Some(stat) = all.get(&root) else { return 0 };
    let children = all.iter().filter(|(_, child)| child.parent == root).map(|(pid, _)| tree_ticks(all, *pid));
    stat.own + stat.reaped + children.sum::<u64>()
}

#[expect(clippy::cast_precision_loss, reason = "ticks of a measurement are far below 2^52")]
fn seconds(ticks: u64) -> f64 {
    ticks as f64 / TICKS_PER_S
}

/// CPU seconds of each of `roots` with all its descendants, those that ended included, as long as their parents waited for them.
pub(crate) fn cpu_of_trees(roots: &[u32]) -> Result<Vec<f64>> {
    let all = read_all()?;
    Ok(roots.iter().map(|root| seconds(tree_ticks(&all, *root))).collect())
}

/// CPU seconds of this process without its children.
pub(crate) fn cpu_of_self() -> Result<f64> {
    let text = fs::read_to_string("/proc/self/stat").context("/proc/self/stat")?;
    parse_stat(&text).map(|stat| seconds(stat.own)).context("/proc/self/stat")
}

/// CPU seconds of the whole machine: everything except idle, waiting for disks and stolen by other guests.
pub(crate) fn cpu_of_machine() -> Result<f64> {
    let text = fs::read_to_string("/proc/stat").context("/proc/stat")?;
    parse_machine(&text).map(seconds).context("/proc/stat")
}

fn parse_machine(text: &str) -> Option<u64> {
    let line = text.lines().next()?.strip_prefix("cpu ")?;
    let fields: Vec<u64> = line.split_ascii_whitespace().filter_map(|field| field.parse().ok()).collect();
    // user nice system idle iowait irq softirq
    Some([0, 1, 2, 5, 6].iter().filter_map(|index| fields.get(*index)).sum())
}

/// Memory of a process, in MiB.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Memory {
    /// Resident now.
    pub(crate) rss_mib: f64,
    /// Peak resident size.
    pub(crate) peak_mib: f64,
}

pub(crate) fn memory(pid: u32) -> Result<Memory> {
    let path = format!("/proc/{pid}/status");
    parse_memory(&fs::read_to_string(&path).context(path.clone())?).context(path)
}

fn parse_memory(text: &str) -> Option<Memory> {
    let field = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        let kib: f64 = line.trim_start_matches(':').trim().strip_suffix("kB")?.trim().parse().ok()?;
        Some(kib / 1024.0)
    };
    Some(Memory { rss_mib: field("VmRSS")?, peak_mib: field("VmHWM")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat_with_a_strange_name() {
        let text = "7 (a) b (c) S 3 7 7 0 -1 4194304 10 20 30 40 11 22 33 44 20 0 1 0 4242 1 2";
        assert_eq!(parse_stat(text), Some(Stat { parent: 3, own: 33, reaped: 77 }));
        assert_eq!(parse_stat("7 (x"), None);
    }

    #[test]
    fn a_tree_counts_the_living_and_the_reaped() {
        let stat = |parent, own, reaped| Stat { parent, own, reaped };
        let all = HashMap::from([(10, stat(1, 5, 100)), (11, stat(10, 7, 0)), (12, stat(11, 1, 2)), (20, stat(1, 1000, 0))]);
        assert_eq!(tree_ticks(&all, 10), 115);
        assert_eq!(tree_ticks(&all, 99), 0);
    }

    #[test]
    fn machine_time_leaves_out_idle_and_waiting() {
        assert_eq!(parse_machine("cpu  1 2 4 1000 2000 8 16 3000 0 0\ncpu0 1"), Some(31));
    }

    #[test]
    fn memory_is_in_mebibytes() {
        let text = "Name:\tx\nVmHWM:\t    4096 kB\nVmRSS:\t    2048 kB\n";
        assert_eq!(parse_memory(text), Some(Memory { rss_mib: 2.0, peak_mib: 4.0 }));
    }

    #[test]
    fn this_process_has_used_memory() {
        assert!(memory(std::process::id()).unwrap().rss_mib > 0.1);
    }
}
