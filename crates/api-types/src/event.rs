//! Live events and their filter.

use std::{fmt, marker::PhantomData, str::FromStr};

use chrono::{DateTime, Utc};
use domain::ids::{AutomationId, JobId};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, SeqAccess, Visitor},
};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::examples;

/// Which events a subscriber receives: those that satisfy every condition, and that it may see. As a query, lists are separated by commas; a
/// WebSocket message may have arrays.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct EventFilter {
    /// Only these kinds: `job.failed`, or `job.*` for every kind of a noun; at most 100.
    #[serde(deserialize_with = "read_list", serialize_with = "write_list", skip_serializing_if = "Vec::is_empty")]
    #[param(max_items = 100)]
    pub kinds: Vec<String>,
    /// Only events of these jobs; at most 100.
    #[serde(deserialize_with = "read_list", serialize_with = "write_list", skip_serializing_if = "Vec::is_empty")]
    #[param(max_items = 100, value_type = Vec<Uuid>)]
    pub jobs: Vec<JobId>,
    /// Only events of these automations, their jobs and their queues; at most 100.
    #[serde(deserialize_with = "read_list", serialize_with = "write_list", skip_serializing_if = "Vec::is_empty")]
    #[param(max_items = 100, value_type = Vec<i32>)]
    pub automations: Vec<AutomationId>,
    /// Only events of automations of these domains, by slug, of their jobs and their queues; at most 100.
    #[serde(deserialize_with = "read_list", serialize_with = "write_list", skip_serializing_if = "Vec::is_empty")]
    #[param(max_items = 100)]
    pub domains: Vec<String>,
    /// Id of the last event that the client has; what followed comes first. The header `Last-Event-ID` takes precedence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_event_id: Option<String>,
}

/// An event of the hub.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(example = examples::live_event)]
pub struct Event {
    /// Id, UUID v7.
    pub event_id: Uuid,
    /// `<noun>.<past tense>`, such as `job.completed`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The resource that it is about, as a path of the API without its prefix: `jobs/<uuid>`.
    #[serde(default)]
    pub subject: String,
    /// When it was committed.
    pub occurred_at: DateTime<Utc>,
    /// W3C trace context of the request that led to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
    /// Fields that depend on the kind.
    #[serde(flatten)]
    pub data: Map<String, Value>,
}

/// A list as text, its items separated by commas.
pub(crate) fn write_list<T: fmt::Display, S: Serializer>(items: &[T], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&items.iter().map(ToString::to_string).collect::<Vec<_>>().join(","))
}

/// A list as text or as an array.
pub(crate) fn read_list<'de, T, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    T: FromStr<Err: fmt::Display> + Deserialize<'de>,
{
    struct Items<T>(PhantomData<T>);

    impl<'de, T: FromStr<Err: fmt::Display> + Deserialize<'de>> Visitor<'de> for Items<T> {
        type Value = Vec<T>;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("a list")
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<Vec<T>, E> {
            text.split(',').filter(|item| !item.is_empty()).map(|item| item.parse().map_err(E::custom)).collect()
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Vec<T>, A::Error> {
            let mut all = Vec::new();
            while let Some(item) = items.next_element()? {
                all.push(item);
            }
            Ok(all)
        }
    }

    deserializer.deserialize_any(Items(PhantomData))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_filter_is_read_from_texts_and_arrays_and_written_as_text() {
        let job = Uuid::from_u128(7);
        let filter = EventFilter {
            kinds: vec!["job.*".to_owned(), "worker.lost".to_owned()],
            jobs: vec![job.into()],
            automations: vec![AutomationId::new(3)],
            domains: vec!["fiscal".to_owned()],
            last_event_id: Some("x-1".to_owned()),
        };
        let arrays =
            json!({"kinds": ["job.*", "worker.lost"], "jobs": [job], "automations": [3], "domains": ["fiscal"], "last_event_id": "x-1"});
        assert_eq!(serde_json::from_value::<EventFilter>(arrays).unwrap(), filter);
        let text = json!({"kinds": "job.*,worker.lost", "jobs": job, "automations": "3", "domains": "fiscal", "last_event_id": "x-1"});
        assert_eq!(serde_json::to_value(&filter).unwrap(), text);
        assert_eq!(serde_json::from_value::<EventFilter>(text).unwrap(), filter);
        assert_eq!(serde_json::from_value::<EventFilter>(json!({})).unwrap(), EventFilter::default());
        for bad in [json!({"jobs": "x"}), json!({"automations": [true]}), json!({"kind": "job.*"})] {
            assert!(serde_json::from_value::<EventFilter>(bad).is_err());
        }
    }
}
