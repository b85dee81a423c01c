//! What an import of schedules changes, before anything is changed.
//!
//! A document says all schedules of the automations that it names, by automation and name: that is the identity of a schedule here, since ids
//! differ from hub to hub. Automations that it does not name are not its business.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

/// Schedules by automation and name, each with the fields that differ from their defaults.
pub type Document = BTreeMap<String, BTreeMap<String, Map<String, Value>>>;

/// What becomes of one schedule.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// Name of its automation.
    pub automation: String,
    /// Its name.
    pub name: String,
    /// What becomes of it.
    pub effect: Effect,
}

/// What becomes of a schedule.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// It is added.
    Create,
    /// These fields change, in the order of their names.
    Change(Vec<FieldChange>),
    /// It is removed, because the document does not have it.
    Remove,
    /// It stays as it is.
    Keep,
}

/// A change of one field. Null: its default.
#[derive(Clone, Debug, PartialEq)]
pub struct FieldChange {
    /// Name of the field.
    pub field: String,
    /// Its value now.
    pub before: Value,
    /// Its value afterwards.
    pub after: Value,
}

/// What makes `current` into `wanted`, in the order of automations and names.
#[must_use]
pub fn plan(current: &Document, wanted: &Document) -> Vec<Step> {
    let none = BTreeMap::new();
    let mut steps = Vec::new();
    for (automation, wanted) in wanted {
        let current = current.get(automation).unwrap_or(&none);
        let names: BTreeSet<_> = current.keys().chain(wanted.keys()).collect();
        steps.extend(names.into_iter().map(|name| Step {
            automation: automation.clone(),
            name: name.clone(),
            effect: effect(current.get(name), wanted.get(name)),
        }));
    }
    steps
}

fn effect(before: Option<&Map<String, Value>>, after: Option<&Map<String, Value>>) -> Effect {
    let (Some(before), Some(after)) = (before, after) else {
        return if after.is_some() { Effect::Create } else { Effect::Remove };
    };
    let fields: BTreeSet<_> = before.keys().chain(after.keys()).collect();
    let value = |of: &Map<String, Value>, field: &str| of.get(field).cloned().unwrap_or_default();
    let changes =
        fields.into_iter().map(|field| FieldChange { field: field.clone(), before: value(before, field), after: value(after, field) });
    let changes: Vec<_> = changes.filter(|change| change.before != change.after).collect();
    if changes.is_empty() { Effect::Keep } else { Effect::Change(changes) }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::btree_map, prelude::*};
    use serde_json::json;

    use super::*;

    /// `current` after the steps; the fields of added and changed ones come from `wanted`.
    fn carried_out(steps: &[Step], mut current: Document, wanted: &Document) -> Document {
        for Step { automation, name, effect } in steps {
            let schedules = current.entry(automation.clone()).or_default();
            match effect {
                Effect::Create => drop(schedules.insert(name.clone(), wanted[automation][name].clone())),
                Effect::Remove => drop(schedules.remove(name)),
                Effect::Keep => {}
                Effect::Change(changes) => {
                    let fields = schedules.get_mut(name).unwrap();
                    for FieldChange { field, before, after } in changes {
                        assert_eq!(fields.get(field).unwrap_or(&Value::Null), before);
                        fields.insert(field.clone(), after.clone());
                    }
                    fields.retain(|_, value| !value.is_null());
                }
            }
        }
        current
    }

    fn documents() -> impl Strategy<Value = Document> {
        let value = prop_oneof![any::<bool>().prop_map(Value::from), (0..3).prop_map(Value::from), "[ab]".prop_map(Value::from)];
        let fields = btree_map("[xyz]", value, 0..3).prop_map(|fields| fields.into_iter().collect::<Map<_, _>>());
        btree_map("[ABC]", btree_map("[mno]", fields, 0..4), 0..4)
    }

    proptest! {
        #[test]
        fn a_plan_that_is_carried_out_leaves_what_the_document_says(current in documents(), wanted in documents()) {
            let after = carried_out(&plan(&current, &wanted), current.clone(), &wanted);
            for (automation, schedules) in &after {
                let expected = wanted.get(automation).or_else(|| current.get(automation));
                prop_assert_eq!(Some(schedules), expected);
            }
            prop_assert!(wanted.iter().all(|(automation, schedules)| schedules.is_empty() || after.contains_key(automation)));
            let again = plan(&after, &wanted);
            prop_assert!(again.iter().all(|step| step.effect == Effect::Keep), "{:?}", again);
        }

        #[test]
        fn each_schedule_of_a_named_automation_has_one_step(current in documents(), wanted in documents()) {
            let steps = plan(&current, &wanted);
            let named: Vec<_> = steps.iter().map(|step| (step.automation.clone(), step.name.clone())).collect();
            let mut sorted = named.clone();
            sorted.sort();
            sorted.dedup();
            prop_assert_eq!(&named, &sorted);
            let of = |document: &Document, automation: &str| document.get(automation).map(BTreeMap::len).unwrap_or_default();
            for automation in wanted.keys() {
                let count = |effect: fn(&Effect) -> bool| steps.iter().filter(|step| step.automation == *automation && effect(&step.effect)).count();
                let (created, removed) = (count(|effect| *effect == Effect::Create), count(|effect| *effect == Effect::Remove));
                prop_assert_eq!(of(&current, automation) + created - removed, of(&wanted, automation));
            }
            prop_assert!(steps.iter().all(|step| wanted.contains_key(&step.automation)));
        }
    }

    #[test]
    fn a_change_says_which_fields() {
        let of = |fields: Value| -> Document {
            BTreeMap::from([("Invoices".into(), BTreeMap::from([("daily".into(), fields.as_object().cloned().unwrap())]))])
        };
        let (before, after) =
            (of(json!({"cron_expression": "0 7 * * *", "jitter_s": 5})), of(json!({"cron_expression": "0 8 * * *", "priority": 9})));
        let Effect::Change(changes) = plan(&before, &after).remove(0).effect else { panic!() };
        let changes: Vec<_> = changes.into_iter().map(|change| (change.field, change.before, change.after)).collect();
        assert_eq!(
            changes,
            [
                ("cron_expression".to_owned(), json!("0 7 * * *"), json!("0 8 * * *")),
                ("jitter_s".to_owned(), json!(5), Value::Null),
                ("priority".to_owned(), Value::Null, json!(9)),
            ]
        );
    }
}
