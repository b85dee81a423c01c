use std::{fs, process::Command};

use anyhow::Result;
use serde::Serialize;

use crate::context::Bench;

/// The machine of the measurement.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Machine {
    pub(crate) cores: usize,
    pub(crate) cpu: String,
    pub(crate) memory_gib: f64,
    pub(crate) kernel: String,
    pub(crate) postgresql: String,
    pub(crate) durability: String,
    pub(crate) rabbitmq: String,
    pub(crate) python: String,
    pub(crate) regente: String,
    pub(crate) regente_binary_mib: f64,
}

impl Machine {
    pub(crate) async fn look(bench: &Bench) -> Result<Self> {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let cpu =
            read("/proc/cpuinfo").lines().find_map(|line| Some(line.strip_prefix("model name")?.split_once(':')?.1.trim().to_owned()));
        let memory: f64 = read("/proc/meminfo").split_ascii_whitespace().nth(1).and_then(|kib| kib.parse().ok()).unwrap_or_default();
        #[expect(clippy::cast_precision_loss, reason = "the size of a program")]
        let binary = fs::metadata(&bench.regente)?.len() as f64;
        Ok(Self {
            cores: std::thread::available_parallelism()?.get(),
            cpu: cpu.unwrap_or_default(),
            memory_gib: memory / 1024.0 / 1024.0,
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            postgresql: bench.servers.version().await?,
            durability: bench.servers.durability().await?,
            rabbitmq: first_line("dpkg-query", &["--show", "--showformat=${Version}", "rabbitmq-server"]),
            python: first_line("python3", &["--version"]),
            regente: first_line(&bench.regente.display().to_string(), &["--version"]),
            regente_binary_mib: binary / 1024.0 / 1024.0,
        })
    }
}

/// The first line that a program prints; `unknown` when it does not run.
fn first_line(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().ok().filter(|output| output.status.success());
    let text = output.and_then(|output| String::from_utf8(output.stdout).ok()).unwrap_or_default();
    text.lines().next().unwrap_or("unknown").to_owned()
}

/// Load average of the last minute.
pub(crate) fn load_average() -> f64 {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().and_then(|first| first.parse().ok()).unwrap_or(f64::NAN)
}
