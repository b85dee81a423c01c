//! The host's load, from `/proc`.

use std::fs;

/// The processors' time so far, in ticks.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Ticks {
    busy: u64,
    all: u64,
}

/// The host's load. `None`: not available.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Measured {
    /// Since the measurement before, 0 to 100.
    pub(crate) cpu_percent: Option<f64>,
    /// Memory in use, without caches.
    pub(crate) memory_bytes: Option<u64>,
}

/// Measures the load repeatedly.
#[derive(Default)]
pub(crate) struct Load {
    last: Option<Ticks>,
    cpu_percent: Option<f64>,
}

impl Load {
    /// The first measurement covers the time since the host's start.
    pub(crate) fn measure(&mut self) -> Measured {
        let now = fs::read_to_string("/proc/stat").ok().and_then(|text| ticks(&text));
        if let Some(now) = now {
            let before = self.last.unwrap_or(Ticks { busy: 0, all: 0 });
            if let Some(percent) = percent(before, now) {
                self.cpu_percent = Some(percent);
                self.last = Some(now);
            }
        }
        let memory_bytes = fs::read_to_string("/proc/meminfo").ok().and_then(|text| memory_in_use(&text));
        Measured { cpu_percent: self.cpu_percent, memory_bytes }
    }
}

/// `cpu user nice system idle iowait irq softirq steal guest guest_nice`; the guests' time is part of the first two.
fn ticks(stat: &str) -> Option<Ticks> {
    let line = stat.lines().find_map(|line| line.strip_prefix("cpu "))?;
    let fields: Vec<u64> = line.split_ascii_whitespace().take(8).map_while(|field| field.parse().ok()).collect();
    let all = fields.iter().sum();
    let idle = fields.get(3)? + fields.get(4).unwrap_or(&0);
    Some(Ticks { busy: all - idle, all })
}

/// `None` when no time has passed.
fn percent(before: Ticks, now: Ticks) -> Option<f64> {
    let all = now.all.checked_sub(before.all).filter(|all| *all > 0)?;
    let busy = now.busy.saturating_sub(before.busy);
    let percent = busy as f64 * 100.0 / all as f64;
    Some((percent.clamp(0.0, 100.0) * 10.0).round() / 10.0)
}

fn memory_in_use(meminfo: &str) -> Option<u64> {
    let kib = |name: &str| {
        let line = meminfo.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()
    };
    Some(kib("MemTotal")?.saturating_sub(kib("MemAvailable")?) * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn busy_is_what_is_not_idle() {
        let before = ticks("cpu  100 0 50 800 50 0 0 0 0 0\ncpu0 1 1 1 1\n").unwrap();
        assert_eq!(before, Ticks { busy: 150, all: 1000 });
        let now = ticks("cpu  130 0 60 850 60 0 0 0 0 0\n").unwrap();
        assert_eq!(percent(before, now), Some(40.0));
        assert_eq!(percent(now, now), None);
        assert_eq!(ticks("intr 1"), None);
    }

    #[test]
    fn cached_memory_is_free() {
        assert_eq!(memory_in_use("MemTotal:  1000 kB\nMemFree: 1 kB\nMemAvailable:   600 kB\n"), Some(400 * 1024));
        assert_eq!(memory_in_use("MemTotal:  1000 kB\n"), None);
    }

    #[test]
    fn this_host_reports_its_load() {
        let measured = Load::default().measure();
        assert!(measured.cpu_percent.is_some_and(|percent| (0.0..=100.0).contains(&percent)), "{measured:?}");
        assert!(measured.memory_bytes.is_some_and(|bytes| bytes > 1 << 20), "{measured:?}");
    }
}
