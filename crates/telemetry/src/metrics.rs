//! Metrics for Prometheus: a registry per process, families whose series are bounded, and the catalog that declares every metric once.
//!
//! What it must hold: a name, type and label set exist once, in [`catalog`]; every value of a closed label is printed from the first scrape on, as 0,
//! so that the first event is an increase; what callers put into an open label costs a bounded amount of memory ([`Family`]).
//!
//! ```
//! use telemetry::metrics::{Format, Metrics, catalog};
//! let metrics = Metrics::default();
//! metrics.family(&catalog::HTTP_REQUESTS).of(&["GET", "200", "scheduler"]).inc();
//! assert!(metrics.text(Format::Classic).contains(r#"http_requests_total{method="GET",status="200",service="scheduler"} 1"#));
//! ```

pub mod catalog;
mod definition;
mod docs;
mod family;
mod format;
mod process;

use std::{
    any::Any,
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use prometheus_client::{encoding, registry::Registry};

pub use self::{
    definition::{Counter, Decimal, Definition, Gauge, Histogram, Instrument, Kind, Label, Of},
    docs::markdown,
    family::{Family, Group, OTHER},
    format::Format,
};

/// The metrics of a process. Clones share them.
#[derive(Clone, Default)]
pub struct Metrics(Arc<Inner>);

#[derive(Default)]
struct Inner {
    registry: RwLock<Registry>,
    families: Mutex<HashMap<&'static str, Box<dyn Any + Send + Sync>>>,
    samplers: RwLock<Vec<Sampler>>,
}

/// Reads something and sets the series that show it.
type Sampler = Box<dyn Fn() + Send + Sync>;

impl fmt::Debug for Metrics {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Metrics {
    /// The family of a metric of the catalog, which is served from now on. The same one each time.
    pub fn family<M: Instrument>(&self, metric: &'static Of<M>) -> Family<M> {
        let definition = &metric.definition;
        let mut families = self.0.families.lock().unwrap_or_else(PoisonError::into_inner);
        // A name is in the catalog once, with one type.
        if let Some(known) = families.get(definition.name).and_then(|family| family.downcast_ref::<Family<M>>()) {
            return known.clone();
        }
        let family = Family::<M>::new(definition);
        families.insert(definition.name, Box::new(family.clone()));
        let mut registry = self.0.registry.write().unwrap_or_else(PoisonError::into_inner);
        registry.register(definition.name, definition.help, family.clone());
        family
    }

    /// Calls `sample` before each scrape, for values that are only read when somebody looks. It must be quick, must not wait, and must neither
    /// register a family nor a sampler.
    pub fn before_scrape(&self, sample: impl Fn() + Send + Sync + 'static) {
        self.0.samplers.write().unwrap_or_else(PoisonError::into_inner).push(Box::new(sample));
    }

    /// All series as text.
    #[must_use]
    pub fn text(&self, format: Format) -> String {
        for sample in self.0.samplers.read().unwrap_or_else(PoisonError::into_inner).iter() {
            sample();
        }
        let registry = self.0.registry.read().unwrap_or_else(PoisonError::into_inner);
        let mut text = String::new();
        let done = match format {
            Format::Classic => encoding::prometheus_text::encode(&mut text, &registry),
            Format::OpenMetrics => encoding::text::encode(&mut text, &registry),
        };
        if let Err(error) = done {
            tracing::error!(%error, "the metrics could not be written");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_is_the_same_each_time_and_each_registry_has_its_own() {
        let (one, other) = (Metrics::default(), Metrics::default());
        for _ in 0..2 {
            one.family(&catalog::HTTP_REQUESTS).of(&["GET", "200", "hub"]).inc();
        }
        other.family(&catalog::HTTP_REQUESTS);
        let line = |text: &str| {
            text.lines().filter(|line| line.contains("GET") && line.contains("\"200\"")).map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(line(&one.text(Format::Classic)), [r#"http_requests_total{method="GET",status="200",service="hub"} 2"#]);
        assert!(line(&other.text(Format::Classic)).is_empty());
    }

    #[test]
    fn samplers_run_at_each_scrape() {
        let metrics = Metrics::default();
        let seconds = metrics.family(&catalog::PROCESS_CPU).only();
        metrics.before_scrape(move || seconds.set(seconds.get() + 1.5));
        assert!(metrics.text(Format::Classic).contains("\nprocess_cpu_seconds_total 1.5\n"));
        assert!(metrics.text(Format::OpenMetrics).contains("\nprocess_cpu_seconds_total 3.0\n"));
    }
}
