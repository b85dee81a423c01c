//! What a metric is.

use std::{
    marker::PhantomData,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
};

use prometheus_client::{
    encoding::{EncodeMetric, MetricEncoder},
    metrics::{MetricType, TypedMetric, counter, gauge, histogram},
};

/// A series that only grows: whole numbers.
pub type Counter = counter::Counter;
/// A series that goes up and down.
pub type Gauge = gauge::Gauge<f64, AtomicU64>;

/// Type of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows; its name is served with `_total`.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts observations by size.
    Histogram,
}

/// A label of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Label {
    /// Its name.
    pub name: &'static str,
    /// All values that it has, where they are known; what is none of them counts as `other`.
    pub values: Option<&'static [&'static str]>,
}

impl Label {
    /// A label whose values come from outside.
    #[must_use]
    pub const fn open(name: &'static str) -> Self {
        Self { name, values: None }
    }

    /// A label with known values, each of which is served from the start.
    #[must_use]
    pub const fn closed(name: &'static str, values: &'static [&'static str]) -> Self {
        Self { name, values: Some(values) }
    }
}

/// The declaration of a metric.
#[derive(Debug)]
pub struct Definition {
    /// Its name, for a counter without `_total`, which is added where it is served.
    pub name: &'static str,
    /// Its type.
    pub kind: Kind,
    /// What its values count or are measured in.
    pub unit: &'static str,
    /// Its labels.
    pub labels: &'static [Label],
    /// One sentence without its full stop, which is added where it is served.
    pub help: &'static str,
    /// Upper bounds of the buckets of a histogram.
    pub bounds: &'static [f64],
    /// Maximum number of combinations of values of its open labels.
    pub cap: usize,
}

/// Combinations of open labels that a metric has if its definition says no other number.
const CAP: usize = 2_000;

/// The declaration of a metric whose series are of type `M`.
#[derive(Debug)]
pub struct Of<M> {
    /// The declaration.
    pub definition: Definition,
    series: PhantomData<fn() -> M>,
}

impl<M: Instrument> Of<M> {
    /// Declares a metric.
    ///
    /// # Panics
    /// For a static, when it is compiled: if `name` ends in `_total`, which would be served twice.
    pub(super) const fn new(name: &'static str, unit: &'static str, labels: &'static [Label], help: &'static str) -> Self {
        assert!(!ends_with(name, "_total"), "a metric's name ends in _total, which is added where it is served");
        let definition = Definition { name, kind: M::KIND, unit, labels, help, bounds: &[], cap: CAP };
        Self { definition, series: PhantomData }
    }

    /// With these bounds, in ascending order.
    pub(super) const fn bounds(mut self, bounds: &'static [f64]) -> Self {
        self.definition.bounds = bounds;
        self
    }
}

const fn ends_with(text: &str, end: &str) -> bool {
    let (text, end) = (text.as_bytes(), end.as_bytes());
    if text.len() < end.len() {
        return false;
    }
    let (mut at, skipped) = (0, text.len() - end.len());
    while at < end.len() {
        if text[skipped + at] != end[at] {
            return false;
        }
        at += 1;
    }
    true
}

/// A type of series.
pub trait Instrument: EncodeMetric + TypedMetric + Clone + Send + Sync + std::fmt::Debug + 'static {
    /// The type of metric that its series make.
    const KIND: Kind;

    /// A series at zero.
    fn at_zero(definition: &Definition) -> Self;

    /// Whether nothing was counted yet.
    fn is_zero(&self) -> bool;
}

impl Instrument for Counter {
    const KIND: Kind = Kind::Counter;

    fn at_zero(_: &Definition) -> Self {
        Self::default()
    }

    fn is_zero(&self) -> bool {
        self.get() == 0
    }
}

impl Instrument for Gauge {
    const KIND: Kind = Kind::Gauge;

    fn at_zero(_: &Definition) -> Self {
        Self::default()
    }

    fn is_zero(&self) -> bool {
        self.get() == 0.0
    }
}

/// A series that counts observations by size.
#[derive(Clone, Debug)]
pub struct Histogram {
    series: histogram::Histogram,
    has_observed: Arc<AtomicBool>,
}

impl Histogram {
    /// Counts one.
    pub fn observe(&self, value: f64) {
        self.series.observe(value);
        self.has_observed.store(true, Relaxed);
    }
}

impl EncodeMetric for Histogram {
    fn encode(&self, encoder: MetricEncoder) -> std::fmt::Result {
        self.series.encode(encoder)
    }

    fn metric_type(&self) -> MetricType {
        self.series.metric_type()
    }
}

impl TypedMetric for Histogram {
    const TYPE: MetricType = MetricType::Histogram;
}

impl Instrument for Histogram {
    const KIND: Kind = Kind::Histogram;

    fn at_zero(definition: &Definition) -> Self {
        Self { series: histogram::Histogram::new(definition.bounds.iter().copied()), has_observed: Arc::default() }
    }

    fn is_zero(&self) -> bool {
        !self.has_observed.load(Relaxed)
    }
}

/// A growing series that something else counts, such as the kernel, possibly in fractions.
#[derive(Clone, Debug, Default)]
pub struct Decimal(counter::Counter<f64, AtomicU64>);

impl Decimal {
    /// The count is now `value`.
    pub fn set(&self, value: f64) {
        self.0.inner().store(value.to_bits(), Relaxed);
    }

    /// The count.
    #[must_use]
    pub fn get(&self) -> f64 {
        self.0.get()
    }
}

impl EncodeMetric for Decimal {
    fn encode(&self, encoder: MetricEncoder) -> std::fmt::Result {
        self.0.encode(encoder)
    }

    fn metric_type(&self) -> MetricType {
        self.0.metric_type()
    }
}

impl TypedMetric for Decimal {
    const TYPE: MetricType = MetricType::Counter;
}

impl Instrument for Decimal {
    const KIND: Kind = Kind::Counter;

    fn at_zero(_: &Definition) -> Self {
        Self::default()
    }

    fn is_zero(&self) -> bool {
        self.get() == 0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_the_suffix_is_refused() {
        let declare = |name: &'static str| std::panic::catch_unwind(|| Of::<Counter>::new(name, "1", &[], "Runs").definition.name);
        assert_eq!(declare("runs").unwrap(), "runs");
        assert!(declare("runs_total").is_err() && declare("_total").is_err());
    }
}
