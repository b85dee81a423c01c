use std::{
    collections::BTreeMap,
    convert::Infallible,
    fs,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::time::sleep;

use crate::part::Part;

const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Peak memory of each process.
#[derive(Default)]
pub(crate) struct Peaks(Mutex<BTreeMap<String, u64>>);

impl Peaks {
    /// Samples the processes without end.
    pub(crate) async fn watch(&self, parts: &[Arc<Part>]) -> Infallible {
        loop {
            for part in parts {
                if let Some(mib) = part.pid().await.and_then(peak_mib) {
                    let mut peaks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
                    let peak = peaks.entry(part.name().to_owned()).or_default();
                    *peak = mib.max(*peak);
                }
            }
            sleep(LOOK_EVERY).await;
        }
    }

    /// In MiB, by name.
    pub(crate) fn mib(&self) -> BTreeMap<String, u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Peak resident memory of the process so far.
fn peak_mib(pid: i32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let kib = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(kib.trim().strip_suffix(" kB")?.parse::<u64>().ok()? / 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_takes_memory() {
        let mib = peak_mib(std::process::id().cast_signed()).unwrap();
        assert!((1..10_000).contains(&mib), "{mib}");
    }
}
