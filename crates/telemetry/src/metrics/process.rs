//! Metrics of this process, as the Linux kernel shows them in `/proc`. Elsewhere they stay 0.

use std::fs;

use super::{Metrics, catalog};

/// Clock ticks a second in `/proc`: `USER_HZ`, which is 100 on every architecture that Linux still has.
const TICKS: f64 = 100.0;

/// What the kernel says about the process.
#[derive(Debug, Default, PartialEq)]
struct Sample {
    cpu_s: f64,
    resident: f64,
    size: f64,
    threads: f64,
    /// When it started, in seconds since the machine did.
    started_s: f64,
}

impl Metrics {
    /// Serves `process_*`.
    pub fn with_process(&self) {
        let cpu = self.family(&catalog::PROCESS_CPU).only();
        let [resident, size, files, most_files, threads, start] = [
            &catalog::PROCESS_MEMORY,
            &catalog::PROCESS_VIRTUAL_MEMORY,
            &catalog::PROCESS_OPEN_FILES,
            &catalog::PROCESS_MAX_FILES,
            &catalog::PROCESS_THREADS,
            &catalog::PROCESS_START,
        ]
        .map(|metric| self.family(metric).only());
        let booted_s = read("/proc/stat").and_then(|text| booted(&text));
        most_files.set(read("/proc/self/limits").and_then(|text| open_files(&text)).unwrap_or_default());
        self.before_scrape(move || {
            let (stat, status) = (read("/proc/self/stat"), read("/proc/self/status"));
            let Some(sample) = stat.zip(status).and_then(|(stat, status)| sample(&stat, &status)) else { return };
            cpu.set(sample.cpu_s);
            resident.set(sample.resident);
            size.set(sample.size);
            threads.set(sample.threads);
            start.set(booted_s.map_or(0.0, |booted| booted + sample.started_s));
            if let Ok(open) = fs::read_dir("/proc/self/fd") {
                // Without the one that reads the folder.
                files.set(open.count().saturating_sub(1) as f64);
            }
        });
    }
}

fn read(path: &str) -> Option<String> {
    fs::read_to_string(path).ok()
}

fn sample(stat: &str, status: &str) -> Option<Sample> {
    // The name of the program may have spaces and brackets; the fields follow its last bracket, from the third on.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |field: usize| fields.get(field - 3)?.parse::<f64>().ok().map(|ticks| ticks / TICKS);
    let line = |name: &str| -> Option<f64> {
        let rest = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        rest.split_whitespace().next()?.parse().ok()
    };
    Some(Sample {
        cpu_s: ticks(14)? + ticks(15)?,
        resident: line("VmRSS")? * 1024.0,
        size: line("VmSize")? * 1024.0,
        threads: line("Threads")?,
        started_s: ticks(22)?,
    })
}

/// When the machine started, in seconds since 1970.
fn booted(stat: &str) -> Option<f64> {
    stat.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
}

fn open_files(limits: &str) -> Option<f64> {
    limits.lines().find_map(|line| line.strip_prefix("Max open files"))?.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Format;

    #[test]
    fn the_kernel_s_texts_are_read() {
        let stat = "4711 (a) b (c)) S 1 2 3 0 -1 4194304 10 0 0 0 250 150 0 0 20 0 9 0 123456 1000000 500 18446744073709551615";
        let status = "Name:\ta) b (c)\nVmSize:\t   2048 kB\nVmRSS:\t    512 kB\nThreads:\t9\n";
        let expected = Sample { cpu_s: 4.0, resident: 524_288.0, size: 2_097_152.0, threads: 9.0, started_s: 1234.56 };
        assert_eq!(sample(stat, status), Some(expected));
        assert_eq!(sample("", status), None);
        assert_eq!(booted("cpu 1 2\nbtime 1700000000\n"), Some(1_700_000_000.0));
        assert_eq!(
            open_files("Limit  Soft  Hard\nMax open files            1024                 524288               files\n"),
            Some(1024.0)
        );
        assert_eq!(open_files("Max open files            unlimited            unlimited            files\n"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_process_has_figures() {
        let metrics = Metrics::default();
        metrics.with_process();
        let text = metrics.text(Format::Classic);
        for name in ["process_resident_memory_bytes", "process_open_fds", "process_threads", "process_start_time_seconds"] {
            let value = text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<f64>().ok()).unwrap();
            assert!(value > 0.0, "{name} {value}");
        }
    }
}
