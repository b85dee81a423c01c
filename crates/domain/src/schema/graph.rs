//! A schema as a graph: which parts are applied to the same value and which to the values inside it. [`super::cost`] sums its weights.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::pattern;
use crate::Fault;

/// Maximum number of parts. A part counts once, however often it is referred to.
const MOST_PARTS: usize = 10_000;
/// Maximum steps of a pattern per byte of text.
const MOST_PATTERN: u64 = 1_000_000;

/// One subschema.
#[derive(Default)]
pub(super) struct Part {
    /// Steps for a value, without other parts.
    pub(super) weight: u64,
    /// Steps per byte of text.
    pub(super) text: u64,
    /// Steps per byte of property names.
    pub(super) names: u64,
    /// Parts that are applied to the same value.
    pub(super) same: Vec<usize>,
    /// Those of `same` that are evaluated before their faults are collected.
    pub(super) tried: Vec<usize>,
    /// Parts that are applied to the values inside, in groups: a value is validated by one part of a group.
    pub(super) inside: Vec<Vec<usize>>,
    /// Whether `same` is evaluated again for the annotations of `unevaluated…` keywords.
    pub(super) unevaluated: bool,
}

/// All parts reachable from the root, which is the first.
pub(super) struct Graph<'a> {
    root: &'a Value,
    root_id: Option<&'a str>,
    id_key: &'static str,
    pub(super) parts: Vec<Part>,
    known: HashMap<*const Value, usize>,
    open: Vec<(usize, &'a Value, String)>,
}

impl<'a> Graph<'a> {
    pub(super) fn of(root: &'a Value) -> Result<Self, Fault> {
        let draft = root.get("$schema").and_then(Value::as_str).unwrap_or_default();
        let id_key = if draft.contains("draft-04") { "id" } else { "$id" };
        let root_id = root.get(id_key).and_then(Value::as_str).map(|id| id.trim_end_matches('#'));
        let mut graph = Self { root, root_id, id_key, parts: Vec::new(), known: HashMap::new(), open: Vec::new() };
        graph.part(root, String::new())?;
        while let Some((index, value, path)) = graph.open.pop() {
            graph.parts[index] = graph.read(value, &path)?;
        }
        Ok(graph)
    }

    /// The index of the part for `value`.
    fn part(&mut self, value: &'a Value, path: String) -> Result<usize, Fault> {
        let key = std::ptr::from_ref(value);
        if let Some(index) = self.known.get(&key) {
            return Ok(*index);
        }
        let index = self.parts.len();
        if index == MOST_PARTS {
            return Err(Fault::new("", format!("has more than {MOST_PARTS} parts")));
        }
        self.parts.push(Part::default());
        self.known.insert(key, index);
        self.open.push((index, value, path));
        Ok(index)
    }

    fn read(&mut self, value: &'a Value, path: &str) -> Result<Part, Fault> {
        let Value::Object(schema) = value else { return Ok(Part { weight: 1, ..Part::default() }) };
        if !path.is_empty() {
            self.check_id(schema, path)?;
        }
        let mut part = Part { weight: weight(schema), text: 1, ..Part::default() };
        for (keyword, value) in schema {
            let path = format!("{path}/{keyword}");
            match keyword.as_str() {
                "$ref" => part.same.extend(self.referred(value, &path)?),
                "$dynamicRef" | "$recursiveRef" => return Err(fault(&path, "is not supported: use $ref")),
                "pattern" => part.text += pattern_weight(value.as_str().unwrap_or_default(), &path)?,
                "allOf" => part.same.extend(self.list(value, &path)?),
                "anyOf" | "oneOf" => {
                    let tried = self.list(value, &path)?;
                    part.same.extend(&tried);
                    part.tried.extend(tried);
                }
                "not" | "if" => {
                    let tried = self.part(value, path)?;
                    part.same.push(tried);
                    part.tried.push(tried);
                }
                "then" | "else" => part.same.push(self.part(value, path)?),
                "dependentSchemas" | "dependencies" => part.same.extend(self.map(value, &path)?),
                "properties" => part.inside.push(self.map(value, &path)?),
                "patternProperties" => {
                    for pattern in value.as_object().into_iter().flat_map(Map::keys) {
                        part.names += pattern_weight(pattern, &path)?;
                    }
                    let parts = self.map(value, &path)?;
                    part.inside.extend(parts.into_iter().map(|one| vec![one]));
                }
                "items" if value.is_array() => part.inside.push(self.list(value, &path)?),
                "prefixItems" => part.inside.push(self.list(value, &path)?),
                "items" | "additionalItems" | "additionalProperties" | "propertyNames" => {
                    part.inside.push(vec![self.part(value, path)?]);
                }
                "contains" | "unevaluatedItems" | "unevaluatedProperties" => {
                    let twice = self.part(value, path)?;
                    part.inside.extend([vec![twice], vec![twice]]);
                    part.unevaluated |= keyword.starts_with("unevaluated");
                }
                _ => {}
            }
        }
        Ok(part)
    }

    fn list(&mut self, value: &'a Value, path: &str) -> Result<Vec<usize>, Fault> {
        let items = value.as_array().into_iter().flatten().enumerate();
        items.map(|(index, item)| self.part(item, format!("{path}/{index}"))).collect()
    }

    fn map(&mut self, value: &'a Value, path: &str) -> Result<Vec<usize>, Fault> {
        let members = value.as_object().into_iter().flatten();
        members.filter(|(_, member)| !member.is_array()).map(|(name, member)| self.part(member, format!("{path}/{name}"))).collect()
    }

    /// The target of a reference, which must be inside this schema.
    fn referred(&mut self, reference: &'a Value, path: &str) -> Result<Option<usize>, Fault> {
        // A reference that is no text is refused as no JSON Schema.
        let Some(reference) = reference.as_str() else { return Ok(None) };
        let inside = self.root_id.filter(|id| !id.is_empty()).and_then(|id| reference.strip_prefix(id)).unwrap_or(reference);
        let Some(fragment) = inside.strip_prefix('#').or_else(|| inside.is_empty().then_some("")) else {
            return Err(fault(path, "refers to another document; only references into this schema (#/…) are followed"));
        };
        let fragment = decoded(fragment);
        let target = match fragment.strip_prefix('/') {
            Some(pointer) => self.pointed(pointer, path)?,
            None if fragment.is_empty() => Some(self.root),
            None => self.anchored(&fragment, path)?,
        };
        let target = target.ok_or_else(|| fault(path, "refers to nothing"))?;
        self.part(target, format!("/{}", fragment.trim_start_matches('/'))).map(Some)
    }

    /// The value that a JSON Pointer without its first slash points to.
    fn pointed(&self, pointer: &str, path: &str) -> Result<Option<&'a Value>, Fault> {
        let mut place = self.root;
        for step in pointer.split('/') {
            let step = step.replace("~1", "/").replace("~0", "~");
            let next = match place {
                Value::Object(map) => map.get(&step),
                Value::Array(items) => step.parse::<usize>().ok().and_then(|index| items.get(index)),
                _ => None,
            };
            let Some(next) = next else { return Ok(None) };
            // An embedded id would change the base of the references below it.
            if let Value::Object(schema) = next {
                self.check_id(schema, path)?;
            }
            place = next;
        }
        Ok(Some(place))
    }

    /// The schema with this anchor, which must be unique.
    fn anchored(&self, name: &str, path: &str) -> Result<Option<&'a Value>, Fault> {
        let mut found = None;
        let mut open = vec![self.root];
        while let Some(value) = open.pop() {
            let is_named = |key: &str, wanted: &str| value.get(key).and_then(Value::as_str) == Some(wanted);
            if is_named("$anchor", name) || is_named("$dynamicAnchor", name) || is_named(self.id_key, &format!("#{name}")) {
                if found.is_some() {
                    return Err(fault(path, "refers to an anchor that is not unique"));
                }
                found = Some(value);
            }
            match value {
                Value::Object(map) => open.extend(map.values()),
                Value::Array(items) => open.extend(items),
                _ => {}
            }
        }
        Ok(found)
    }

    fn check_id(&self, schema: &Map<String, Value>, path: &str) -> Result<(), Fault> {
        match schema.get(self.id_key).and_then(Value::as_str) {
            Some(id) if !id.starts_with('#') && !std::ptr::eq(schema, self.root.as_object().unwrap_or(schema)) => {
                Err(fault(path, format!("has or passes an embedded {}; only the whole schema may have one", self.id_key)))
            }
            _ => Ok(()),
        }
    }
}

/// Steps for a value without other parts: names to look up, values to compare with.
fn weight(schema: &Map<String, Value>) -> u64 {
    let entries = |keyword: &str| match schema.get(keyword) {
        Some(Value::Array(items)) => items.len() as u64,
        Some(Value::Object(map)) => map.len() as u64,
        _ => 0,
    };
    1 + (entries("required") + entries("properties") + entries("enum") + entries("dependentRequired")) / 4
}

fn pattern_weight(pattern: &str, path: &str) -> Result<u64, Fault> {
    let weight = pattern::weight(pattern);
    if weight <= MOST_PATTERN { Ok(weight) } else { Err(fault(path, "is too expensive to match: shorten the pattern or its repetitions")) }
}

fn fault(path: &str, message: impl Into<String>) -> Fault {
    Fault::new(path.trim_start_matches('/'), message)
}

/// A fragment with its percent-encoding decoded.
fn decoded(fragment: &str) -> String {
    let mut bytes = Vec::with_capacity(fragment.len());
    let mut rest = fragment.as_bytes();
    while let [first, tail @ ..] = rest {
        let code = tail.first_chunk::<2>().filter(|_| *first == b'%');
        let code = code.and_then(|digits| std::str::from_utf8(digits).ok()).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match code {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
