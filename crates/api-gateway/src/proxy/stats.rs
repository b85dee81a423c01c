//! What is counted of an upstream.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use hdrhistogram::Histogram;

/// Largest latency that is distinguished, in microseconds: an hour.
const LONGEST: u64 = 3_600_000_000;

/// Counters since the start.
pub(super) struct Stats {
    /// Answers by the first digit of their status.
    classes: [AtomicU64; 5],
    failures: AtomicU64,
    retries: AtomicU64,
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
    /// Microseconds until the head of the answer.
    latencies: Mutex<Option<Histogram<u32>>>,
}

/// Latencies in milliseconds.
pub(super) struct Latency {
    pub(super) p50: f64,
    pub(super) p95: f64,
    pub(super) p99: f64,
}

impl Stats {
    pub(super) fn new() -> Self {
        // The bounds are sound, so that there is one; without it nothing is measured.
        let histogram = Histogram::new_with_bounds(1, LONGEST, 2).ok();
        Self {
            classes: Default::default(),
            failures: AtomicU64::new(0),
            retries: AtomicU64::new(0),
            bytes_in: AtomicU64::new(0),
            bytes_out: AtomicU64::new(0),
            latencies: Mutex::new(histogram),
        }
    }

    /// An answer came with this status, this long after its request.
    pub(super) fn answered(&self, status: u16, after: Duration) {
        if let Some(class) = self.classes.get(usize::from(status / 100).saturating_sub(1)) {
            class.fetch_add(1, Relaxed);
        }
        let micros = u64::try_from(after.as_micros()).unwrap_or(LONGEST);
        if let Some(latencies) = &mut *self.latencies.lock().unwrap_or_else(PoisonError::into_inner) {
            latencies.saturating_record(micros.clamp(1, LONGEST));
        }
    }

    /// No answer came.
    pub(super) fn failed(&self) {
        self.failures.fetch_add(1, Relaxed);
    }

    /// A request was sent here after another attempt had failed.
    pub(super) fn retried(&self) {
        self.retries.fetch_add(1, Relaxed);
    }

    /// Part of a body passed on to the upstream.
    pub(super) fn sent(&self, bytes: usize) {
        self.bytes_in.fetch_add(bytes as u64, Relaxed);
    }

    /// Part of a body passed on to the client.
    pub(super) fn received(&self, bytes: usize) {
        self.bytes_out.fetch_add(bytes as u64, Relaxed);
    }

    /// Answers by class: 1xx to 5xx.
    pub(super) fn classes(&self) -> [u64; 5] {
        self.classes.each_ref().map(|class| class.load(Relaxed))
    }

    /// Failures, retries, bytes in and out.
    pub(super) fn totals(&self) -> (u64, u64, u64, u64) {
        (self.failures.load(Relaxed), self.retries.load(Relaxed), self.bytes_in.load(Relaxed), self.bytes_out.load(Relaxed))
    }

    /// How long answers took; `None` before the first.
    pub(super) fn latency(&self) -> Option<Latency> {
        let latencies = self.latencies.lock().unwrap_or_else(PoisonError::into_inner);
        let latencies = latencies.as_ref().filter(|latencies| !latencies.is_empty())?;
        let ms = |quantile: f64| Duration::from_micros(latencies.value_at_quantile(quantile)).as_secs_f64() * 1000.0;
        Some(Latency { p50: ms(0.5), p95: ms(0.95), p99: ms(0.99) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_counted_by_class_and_time() {
        let stats = Stats::new();
        assert!(stats.latency().is_none());
        for ms in 1..=100 {
            stats.answered(if ms <= 90 { 200 } else { 503 }, Duration::from_millis(ms));
        }
        stats.answered(999, Duration::from_secs(100_000));
        assert_eq!(stats.classes(), [0, 90, 0, 0, 10]);
        let latency = stats.latency().unwrap();
        assert!((50.0..52.0).contains(&latency.p50) && (95.0..98.0).contains(&latency.p95), "{} {}", latency.p50, latency.p95);
    }
}
