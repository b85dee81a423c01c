//! The series of a metric.
//!
//! Labels are closed or open. One combination of open values is a [`Group`]: the series of every combination of closed values, which are made together,
//! so that each is served as 0 before it counts. A metric has a bounded number of groups; whatever comes when it is full is counted in the group whose
//! open values are all [`OTHER`], so that sums stay true.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, PoisonError, RwLock},
};

use prometheus_client::{
    encoding::{EncodeLabel, EncodeLabelSet, EncodeMetric, LabelSetEncoder, MetricEncoder},
    metrics::{MetricType, TypedMetric},
};

use super::{Definition, Instrument, Label};

/// The value of a label for what has no value of its own.
pub const OTHER: &str = "other";

/// Longer values of open labels are cut, in bytes.
const LONGEST: usize = 256;

/// The series of a metric. Clones share them.
pub struct Family<M>(Arc<Inner<M>>);

struct Inner<M> {
    definition: &'static Definition,
    groups: RwLock<HashMap<Box<str>, Arc<Group<M>>>>,
}

/// The series of one combination of open values. Keep it where the same combination is counted often: [`Group::of`] neither locks nor allocates.
pub struct Group<M> {
    definition: &'static Definition,
    open: Box<[Box<str>]>,
    /// In the order of the closed labels' values, the last label's changing fastest.
    series: Box<[M]>,
}

impl<M> Clone for Family<M> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<M> fmt::Debug for Family<M> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Family").field(&self.0.definition.name).finish()
    }
}

impl<M: Instrument> Family<M> {
    /// A family without groups, or with the only one if every label is closed.
    pub(super) fn new(definition: &'static Definition) -> Self {
        let family = Self(Arc::new(Inner { definition, groups: RwLock::default() }));
        if open_labels(definition).next().is_none() {
            let _only = family.group(&[]);
        }
        family
    }

    /// The series of these open values, in the order of the open labels. A value that is missing is [`OTHER`].
    #[must_use]
    pub fn group(&self, open: &[&str]) -> Arc<Group<M>> {
        let (definition, groups) = (self.0.definition, &self.0.groups);
        let values: Vec<&str> = open_labels(definition).enumerate().map(|(at, _)| open.get(at).map_or(OTHER, |value| cut(value))).collect();
        let key = key(&values);
        if let Some(group) = groups.read().unwrap_or_else(PoisonError::into_inner).get(key.as_str()) {
            return group.clone();
        }
        let mut groups = groups.write().unwrap_or_else(PoisonError::into_inner);
        let others = vec![OTHER; values.len()];
        let is_full = groups.len() >= definition.cap;
        let (key, values) = if is_full && !groups.contains_key(key.as_str()) { (self::key(&others), others) } else { (key, values) };
        groups.entry(key.into()).or_insert_with(|| Arc::new(Group::new(definition, &values))).clone()
    }

    /// The series of these values, in the order of the labels. A value that is missing is [`OTHER`].
    #[must_use]
    pub fn of(&self, values: &[&str]) -> M {
        let labels = self.0.definition.labels.iter().enumerate();
        let (mut open, mut closed) = (Vec::with_capacity(values.len()), Vec::with_capacity(values.len()));
        for (at, label) in labels {
            let value = values.get(at).copied().unwrap_or(OTHER);
            if label.values.is_some() { closed.push(value) } else { open.push(value) }
        }
        self.group(&open).of(&closed).clone()
    }

    /// The series of a metric without labels.
    #[must_use]
    pub fn only(&self) -> M {
        self.of(&[])
    }
}

impl<M: Instrument> Group<M> {
    fn new(definition: &'static Definition, open: &[&str]) -> Self {
        let count = closed_labels(definition).map(|values| values.len() + 1).product();
        let series = std::iter::repeat_with(|| M::at_zero(definition)).take(count).collect();
        Self { definition, open: open.iter().map(|value| Box::from(*value)).collect(), series }
    }

    /// The series of these closed values, in the order of the closed labels. What is not one of a label's values counts as [`OTHER`].
    #[must_use]
    pub fn of(&self, closed: &[&str]) -> &M {
        let places = closed_labels(self.definition).enumerate().map(|(at, values)| {
            let place = closed.get(at).and_then(|value| values.iter().position(|known| known == value));
            (place.unwrap_or(values.len()), values.len() + 1)
        });
        let place = places.fold(0, |place, (at, count)| place * count + at);
        // Within the product of the counts, as each place is below its count.
        &self.series[place]
    }

    /// The values of all labels of the series at `place`, in the order of the labels.
    fn labels(&self, place: usize) -> Labels<'_> {
        let (mut left, mut closed): (usize, Vec<&str>) = (place, Vec::new());
        let counts: Vec<_> = closed_labels(self.definition).collect();
        for values in counts.into_iter().rev() {
            closed.push(values.get(left % (values.len() + 1)).unwrap_or(&OTHER));
            left /= values.len() + 1;
        }
        // No closed label has this value among its own.
        let has_unknown = closed.contains(&OTHER);
        let mut open = self.open.iter();
        let value = |label: &Label| if label.values.is_some() { closed.pop() } else { open.next().map(|value| &**value) };
        let values = self.definition.labels.iter().map(value).map(|value| value.unwrap_or(OTHER)).collect();
        Labels { definition: self.definition, values, has_unknown }
    }
}

struct Labels<'a> {
    definition: &'static Definition,
    values: Vec<&'a str>,
    /// Whether a closed label has a value that it should not have. Such series are served once they counted.
    has_unknown: bool,
}

impl EncodeLabelSet for Labels<'_> {
    fn encode(&self, encoder: &mut LabelSetEncoder) -> fmt::Result {
        let mut labels = self.definition.labels.iter().zip(&self.values);
        labels.try_for_each(|(label, value)| EncodeLabel::encode(&(label.name, *value), encoder.encode_label()))
    }
}

impl<M: Instrument> EncodeMetric for Family<M> {
    fn encode(&self, mut encoder: MetricEncoder) -> fmt::Result {
        let mut groups: Vec<_> = self.0.groups.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect();
        groups.sort_unstable_by(|one, other| one.open.cmp(&other.open));
        if let (true, [only]) = (self.0.definition.labels.is_empty(), groups.as_slice()) {
            // Of one series, and without braces.
            return only.series.first().map_or(Ok(()), |series| series.encode(encoder));
        }
        for group in groups {
            for (place, series) in group.series.iter().enumerate() {
                let labels = group.labels(place);
                if labels.has_unknown && series.is_zero() {
                    continue;
                }
                series.encode(encoder.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }

    fn metric_type(&self) -> MetricType {
        M::TYPE
    }

    fn is_empty(&self) -> bool {
        self.0.groups.read().unwrap_or_else(PoisonError::into_inner).is_empty()
    }
}

impl<M: Instrument> TypedMetric for Family<M> {
    const TYPE: MetricType = M::TYPE;
}

fn open_labels(definition: &Definition) -> impl Iterator<Item = &Label> {
    definition.labels.iter().filter(|label| label.values.is_none())
}

fn closed_labels(definition: &Definition) -> impl Iterator<Item = &'static [&'static str]> {
    definition.labels.iter().filter_map(|label| label.values)
}

fn cut(value: &str) -> &str {
    &value[..value.floor_char_boundary(LONGEST)]
}

/// One string of several values, a different one for each combination: each value follows its length.
fn key(values: &[&str]) -> String {
    let mut key = String::with_capacity(values.iter().map(|value| value.len() + 4).sum());
    for value in values {
        key.push_str(&value.len().to_string());
        key.push(':');
        key.push_str(value);
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{Counter, Format, Metrics, Of};

    static RUNS: Of<Counter> = Of::new("runs", "1", &[Label::open("robot"), Label::closed("status", &["completed", "failed"])], "Runs");
    static FAULTS: Of<Counter> = Of::new("faults", "1", &[Label::closed("status", &["completed", "failed"])], "Faults");

    fn lines(metrics: &Metrics) -> Vec<String> {
        metrics.text(Format::Classic).lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
    }

    #[test]
    fn a_closed_label_is_served_as_zero_from_the_start() {
        let metrics = Metrics::default();
        let family = metrics.family(&FAULTS);
        assert_eq!(lines(&metrics), [r#"faults_total{status="completed"} 0"#, r#"faults_total{status="failed"} 0"#]);
        family.of(&["failed"]).inc();
        family.of(&["exploded"]).inc_by(2);
        let expected = [r#"faults_total{status="completed"} 0"#, r#"faults_total{status="failed"} 1"#, r#"faults_total{status="other"} 2"#];
        assert_eq!(lines(&metrics), expected);
    }

    #[test]
    fn a_new_open_value_brings_every_closed_one() {
        let metrics = Metrics::default();
        let family = metrics.family(&RUNS);
        assert!(lines(&metrics).is_empty());
        let robot = family.group(&["nf\"e\n"]);
        robot.of(&["completed"]).inc();
        family.of(&["nf\"e\n", "completed"]).inc();
        let shown = lines(&metrics);
        assert!(shown.contains(&r#"runs_total{robot="nf\"e\n",status="completed"} 2"#.to_owned()), "{shown:?}");
        assert!(shown.contains(&r#"runs_total{robot="nf\"e\n",status="failed"} 0"#.to_owned()), "{shown:?}");
        assert!(!metrics.text(Format::OpenMetrics).contains("_total_total"));
    }

    #[test]
    fn fifty_thousand_values_are_bounded_and_none_is_lost() {
        let metrics = Metrics::default();
        let family = metrics.family(&RUNS);
        for robot in 0..50_000 {
            family.of(&[&format!("robot-{robot}"), "failed"]).inc();
        }
        let shown = lines(&metrics);
        assert_eq!(shown.len(), (RUNS.definition.cap + 1) * 2);
        let left = 50_000 - RUNS.definition.cap;
        assert!(shown.contains(&format!(r#"runs_total{{robot="other",status="failed"}} {left}"#)));
        assert!(shown.contains(&r#"runs_total{robot="robot-7",status="failed"} 1"#.to_owned()));
        family.of(&["robot-7", "failed"]).inc();
        assert!(
            lines(&metrics).contains(&r#"runs_total{robot="robot-7",status="failed"} 2"#.to_owned()),
            "one of the first keeps its series"
        );
        let counts = lines(&metrics).iter().filter_map(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok()).sum::<u64>();
        assert_eq!(counts, 50_001);
    }

    #[test]
    fn values_are_kept_apart_and_cut() {
        assert_ne!(key(&["a1:b", "c"]), key(&["a", "b1:c"]));
        assert_ne!(key(&["ab", "c"]), key(&["a", "bc"]));
        assert_ne!(key(&["", "1:a"]), key(&["0:1:a", ""]));
        assert_eq!(cut(&"ã".repeat(200)).len(), LONGEST);
    }
}
