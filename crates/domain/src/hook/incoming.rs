//! What a hook's rules make of one request.

use std::{collections::BTreeMap, fmt};

use serde_json::{Map, Value};

use super::{Dedup, Filter, Rules};
use crate::{Fault, ids::HookId};

/// Longest value of a header that is kept, in characters.
const MAX_VALUE: usize = 1024;
/// Longest key in clear; a longer one is hashed by whoever makes it.
const MAX_CLEAR: usize = 150;
/// Headers that are kept of every request.
const ALWAYS: [&str; 2] = ["content-type", "user-agent"];

/// The headers of a request that a hook needs or keeps, by their names in lower case.
pub type KeptHeaders = BTreeMap<String, String>;

/// A request whose sender is proved.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Incoming {
    /// The headers that the hook's rules name.
    pub headers: KeptHeaders,
    /// The body.
    pub body: Value,
}

impl Rules {
    /// The headers of a request that are kept with it: those that the rules name, and two that say what sent it. `find` has their values by
    /// name in lower case.
    pub fn kept_headers<'a>(&self, find: impl Fn(&str) -> Option<&'a str>) -> KeptHeaders {
        let named = self.mapping.values().filter_map(|mapped| mapped.header.as_deref());
        let named = named.chain(self.filter.iter().filter_map(|filter| filter.header.as_deref())).chain(self.dedup.header.as_deref());
        let names = named.chain(ALWAYS).map(str::to_ascii_lowercase);
        names.filter_map(|name| Some((find(&name)?.chars().take(MAX_VALUE).collect(), name))).map(|(value, name)| (name, value)).collect()
    }

    /// Whether a request starts a job.
    ///
    /// # Errors
    /// The condition that does not hold, as a sentence.
    pub fn admit(&self, incoming: &Incoming) -> Result<(), String> {
        let fails = |filter: &&Filter| {
            let found = incoming.find(filter.pointer.as_deref(), filter.header.as_deref());
            !filter.operator.holds(found.as_ref(), filter.value.as_ref())
        };
        match self.filter.iter().find(fails) {
            None => Ok(()),
            Some(Filter { pointer, header, operator, value }) => {
                let place = place(pointer.as_deref(), header.as_deref());
                let value = value.as_ref().map(|value| format!(" {value}")).unwrap_or_default();
                Err(format!("{place} does not meet the filter: {operator}{value}"))
            }
        }
    }

    /// The parameters of the job.
    ///
    /// # Errors
    /// Each required parameter that the request lacks, by its place in the request.
    pub fn parameters(&self, incoming: &Incoming) -> Result<Map<String, Value>, Vec<Fault>> {
        let (mut parameters, mut faults) = (self.parameters.clone(), Vec::new());
        for (name, mapped) in &self.mapping {
            let found = incoming.find(mapped.pointer.as_deref(), mapped.header.as_deref());
            let found = found.filter(|found| !found.is_null() || !mapped.required);
            match found.or_else(|| mapped.default.clone()) {
                Some(value) => drop(parameters.insert(name.clone(), value)),
                None if mapped.required => {
                    let place = place(mapped.pointer.as_deref(), mapped.header.as_deref());
                    faults.push(Fault::new(place, format!("is required: the hook takes the parameter {name} from it")));
                }
                None => {}
            }
        }
        if faults.is_empty() { Ok(parameters) } else { Err(faults) }
    }

    /// What makes the request the same as another; `None`: it is one of its own.
    ///
    /// # Errors
    /// The place in the request that has none.
    pub fn dedup(&self, incoming: &Incoming) -> Result<Option<String>, Fault> {
        let Dedup { header, pointers } = &self.dedup;
        let missing = |place: String| Fault::new(place, "is required: the hook recognises repeated requests by it");
        if let Some(name) = header {
            let value = incoming.headers.get(&name.to_ascii_lowercase()).filter(|value| !value.trim().is_empty());
            return value.map(|value| Some(value.trim().to_owned())).ok_or_else(|| missing(place(None, Some(name))));
        }
        let mut values = Vec::with_capacity(pointers.len());
        for pointer in pointers {
            let found = incoming.body.pointer(pointer).filter(|found| !found.is_null());
            values.push(found.cloned().ok_or_else(|| missing(place(Some(pointer), None)))?);
        }
        Ok(match values.as_slice() {
            [] => None,
            [Value::String(text)] if !text.is_empty() => Some(text.clone()),
            _ => Some(Value::Array(values).to_string()),
        })
    }
}

impl Incoming {
    fn find(&self, pointer: Option<&str>, header: Option<&str>) -> Option<Value> {
        match (pointer, header) {
            (Some(pointer), _) => self.body.pointer(pointer).cloned(),
            (None, Some(header)) => self.headers.get(&header.to_ascii_lowercase()).map(|value| Value::String(value.clone())),
            (None, None) => None,
        }
    }
}

/// The key of a request among those of its hook. `hash` shortens what is too long, or has characters that are not plain, to hexadecimal digits.
#[must_use]
pub fn dedup_key(dedup: &str, hash: impl Fn(&str) -> String) -> String {
    let is_clear = dedup.len() <= MAX_CLEAR && dedup.bytes().all(|byte| byte.is_ascii_graphic());
    if is_clear { dedup.to_owned() } else { format!("sha256:{}", hash(dedup)) }
}

/// The idempotency key of the job of a request with this key, or, without one, of this delivery.
#[must_use]
pub fn job_key(hook: HookId, key: impl fmt::Display) -> String {
    format!("hook/{hook}/{key}")
}

/// A place in a request, as the field of a fault.
fn place(pointer: Option<&str>, header: Option<&str>) -> String {
    match (pointer, header) {
        (Some(pointer), _) => format!("body{pointer}"),
        (None, header) => format!("headers/{}", header.unwrap_or_default()),
    }
}
