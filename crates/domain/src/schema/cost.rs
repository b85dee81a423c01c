//! Cost of validating against a schema, computed before it is used. A small schema can refer to its parts so often that validation takes
//! exponential time, so a schema whose cost is too high or unknown is refused.

use serde_json::{Map, Value};

use super::graph::{Graph, Part};
use crate::{Fault, json};

/// Maximum steps for one value.
const MOST_STEPS: u64 = 10_000;
/// Maximum number of parts when references are expanded.
const MOST_EXPANDED: u64 = 10_000;
/// Maximum nesting of references and combinations: each takes space on a thread's stack.
const MOST_NESTED: u64 = 600;
/// Bytes of text that a pattern matches in the time of one step.
const TEXT_PER_STEP: u64 = 16;
/// Maximum steps of a validation.
const MOST_WORK: u64 = 20_000_000;
/// Steps below which a validation may run on the caller's thread.
const LITTLE_WORK: u64 = 20_000;
/// Maximum steps of a validation that collects faults: it allocates for each of them.
const MOST_TOLD: u64 = 200_000;

/// Worst-case steps for a value, by its depth inside the parameters.
#[derive(Clone, Debug)]
pub struct Cost {
    levels: Vec<Steps>,
}

/// Steps for one value at one depth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Steps {
    /// To decide whether it is valid.
    fits: u64,
    /// To collect its faults.
    faults: u64,
    /// For each byte of text, to decide whether it is valid.
    text: u64,
    /// Nested references and combinations.
    nested: u64,
}

/// Worst-case steps of validating given parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Work {
    fits: u64,
    faults: u64,
}

impl Work {
    /// Whether it exceeds the limit of a validation.
    #[must_use]
    pub const fn is_too_much(self) -> bool {
        self.fits > MOST_WORK
    }

    /// Whether it is short enough for the caller's thread.
    #[must_use]
    pub const fn is_little(self) -> bool {
        self.faults <= LITTLE_WORK && self.fits <= LITTLE_WORK
    }

    /// Whether all faults can be collected within the limit.
    #[must_use]
    pub const fn tells_faults(self) -> bool {
        self.faults <= MOST_TOLD
    }
}

impl Cost {
    /// The cost of a schema in its stored form.
    ///
    /// # Errors
    /// A [`Fault`] for a schema whose cost is too high or cannot be determined; its path is relative to the schema.
    pub fn of(schema: &Value) -> Result<Self, Fault> {
        let graph = Graph::of(schema)?;
        let parts = &graph.parts;
        let order = inmost_first(parts)?;
        let (mut levels, mut above) = (Vec::new(), Vec::new());
        for depth in 0..=json::READABLE_DEPTH {
            let level = steps(parts, &order, depth, &above);
            let root = level.first().copied().unwrap_or_default();
            check(root)?;
            levels.push(root);
            // From the second level on, each level depends only on the one before.
            if depth > 1 && above == level {
                break;
            }
            above = level;
        }
        check_expanded(parts)?;
        Ok(Self { levels })
    }

    /// The cost of validating these parameters.
    #[must_use]
    pub fn work(&self, parameters: &Map<String, Value>) -> Work {
        let mut sizes = Vec::new();
        let mut work = Work { fits: 0, faults: 0 };
        sizes.push(Size { values: 1, text: 0 });
        parameters.iter().for_each(|(name, value)| measure(&mut sizes, 1, name.len(), value));
        for (depth, size) in sizes.iter().enumerate() {
            let Some(steps) = self.levels.get(depth).or(self.levels.last()) else { break };
            let text = steps.text.saturating_mul(size.text) / TEXT_PER_STEP;
            work.fits = work.fits.saturating_add(steps.fits.saturating_mul(size.values)).saturating_add(text);
            work.faults = work.faults.saturating_add(steps.faults.saturating_mul(size.values));
        }
        work
    }
}

/// Size of the parameters at one depth.
struct Size {
    values: u64,
    text: u64,
}

fn measure(sizes: &mut Vec<Size>, depth: usize, name: usize, value: &Value) {
    if sizes.len() == depth {
        sizes.push(Size { values: 0, text: 0 });
    }
    sizes[depth].values += 1;
    sizes[depth].text += name as u64;
    match value {
        Value::String(text) => sizes[depth].text += text.len() as u64,
        Value::Array(items) => items.iter().for_each(|item| measure(sizes, depth + 1, 0, item)),
        Value::Object(map) => map.iter().for_each(|(name, value)| measure(sizes, depth + 1, name.len(), value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn check(root: Steps) -> Result<(), Fault> {
    if root.fits > MOST_STEPS {
        let message =
            format!("takes more than {MOST_STEPS} steps to validate one value: its references and combinations (anyOf, allOf …) multiply");
        return Err(Fault::new("", message));
    }
    if root.nested > MOST_NESTED { Err(too_nested()) } else { Ok(()) }
}

/// The steps of all parts for a value `depth` levels below theirs; `above` are the steps at one level less.
fn steps(parts: &[Part], order: &[usize], depth: usize, above: &[Steps]) -> Vec<Steps> {
    let mut all = vec![Steps::default(); parts.len()];
    for index in order {
        let part = &parts[*index];
        let mut sum = match depth {
            0 => Steps { fits: part.weight, faults: part.weight, text: part.text, nested: 1 },
            1 => Steps { text: part.names, ..Steps::default() },
            _ => Steps::default(),
        };
        for inner in part.same.iter().map(|same| all[*same]) {
            let fits = if part.unevaluated { inner.faults } else { inner.fits };
            sum = sum.and(Steps { fits, ..inner.inside() });
        }
        for tried in &part.tried {
            sum.faults = sum.faults.saturating_add(all[*tried].fits.saturating_mul(2));
        }
        for group in part.inside.iter().filter(|_| depth > 0) {
            let most = group.iter().map(|inner| above[*inner]).reduce(Steps::most).unwrap_or_default();
            sum = sum.and(most.inside());
        }
        all[*index] = sum;
    }
    all
}

/// Checks the number of parts when references are expanded. A recursive reference counts once.
fn check_expanded(parts: &[Part]) -> Result<(), Fault> {
    fn expand(parts: &[Part], index: usize, depth: u64, sizes: &mut [Option<u64>]) -> Result<u64, Fault> {
        if let Some(size) = sizes[index] {
            return Ok(size);
        }
        if depth > MOST_NESTED {
            return Err(too_nested());
        }
        sizes[index] = Some(1);
        let part = &parts[index];
        let mut size: u64 = 1;
        for inner in part.same.iter().chain(part.inside.iter().flatten()) {
            size = size.saturating_add(expand(parts, *inner, depth + 1, sizes)?);
        }
        sizes[index] = Some(size);
        Ok(size)
    }
    if expand(parts, 0, 0, &mut vec![None; parts.len()])? > MOST_EXPANDED {
        return Err(Fault::new("", format!("has more than {MOST_EXPANDED} parts when its references are followed")));
    }
    Ok(())
}

/// The parts in topological order: parts applied to the same value come before the part that applies them.
fn inmost_first(parts: &[Part]) -> Result<Vec<usize>, Fault> {
    #[derive(Clone, Copy, PartialEq, Eq)]
    enum Seen {
        No,
        Open,
        Done,
    }
    fn visit(parts: &[Part], index: usize, depth: u64, seen: &mut [Seen], order: &mut Vec<usize>) -> Result<(), Fault> {
        match seen[index] {
            Seen::Done => return Ok(()),
            Seen::Open => return Err(Fault::new("", "has a reference to itself that does not descend into the value")),
            Seen::No if depth > MOST_NESTED => return Err(too_nested()),
            Seen::No => seen[index] = Seen::Open,
        }
        parts[index].same.iter().try_for_each(|same| visit(parts, *same, depth + 1, seen, order))?;
        seen[index] = Seen::Done;
        order.push(index);
        Ok(())
    }
    let (mut seen, mut order) = (vec![Seen::No; parts.len()], Vec::with_capacity(parts.len()));
    (0..parts.len()).try_for_each(|index| visit(parts, index, 0, &mut seen, &mut order))?;
    Ok(order)
}

fn too_nested() -> Fault {
    Fault::new("", format!("has more than {MOST_NESTED} nested references and combinations"))
}

impl Steps {
    /// The same with one more level of nesting.
    const fn inside(self) -> Self {
        let nested = if self.nested == 0 { 0 } else { self.nested.saturating_add(1) };
        Self { nested, ..self }
    }

    const fn and(self, other: Self) -> Self {
        Self {
            fits: self.fits.saturating_add(other.fits),
            faults: self.faults.saturating_add(other.faults),
            text: self.text.saturating_add(other.text),
            nested: if self.nested > other.nested { self.nested } else { other.nested },
        }
    }

    fn most(self, other: Self) -> Self {
        Self {
            fits: self.fits.max(other.fits),
            faults: self.faults.max(other.faults),
            text: self.text.max(other.text),
            nested: self.nested.max(other.nested),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// `$defs` that each refer to the previous one.
    fn chain(length: usize, next: impl Fn(Value) -> Value) -> Value {
        let mut defs = Map::from_iter([("d0".to_owned(), json!({"type": "string"}))]);
        for index in 1..length {
            defs.insert(format!("d{index}"), next(json!({"$ref": format!("#/$defs/d{}", index - 1)})));
        }
        json!({"$defs": defs, "properties": {"a": {"$ref": format!("#/$defs/d{}", length - 1)}}})
    }

    fn work(schema: &Value, parameters: &Value) -> Work {
        Cost::of(schema).unwrap().work(parameters.as_object().unwrap())
    }

    #[test]
    fn a_schema_that_multiplies_is_refused() {
        let twice = |keyword: &'static str| move |inner: Value| json!({keyword: [inner, inner]});
        let bombs = [
            chain(24, twice("anyOf")),
            chain(24, twice("allOf")),
            chain(24, twice("oneOf")),
            chain(24, |inner| json!({"if": inner, "then": inner, "else": {"not": inner}})),
            chain(24, |inner| json!({"dependentSchemas": {"a": inner, "b": inner}})),
            chain(24, |inner| json!({"properties": {"x": inner, "y": inner}})),
            chain(24, |inner| json!({"items": inner, "contains": inner})),
            chain(2000, |inner| json!({"allOf": [inner]})),
            json!({"properties": {"a": {"anyOf": [{"$ref": "#"}, {"$ref": "#"}]}}}),
            json!({"allOf": [{"properties": {"a": {"$ref": "#"}}}, {"additionalProperties": {"$ref": "#"}}]}),
            json!({"$defs": {"n": {"$anchor": "n", "items": {"oneOf": [{"$ref": "#n"}, {"$ref": "#/%24defs/n"}]}}}, "$ref": "#n"}),
        ];
        for bomb in bombs {
            let fault = Cost::of(&bomb).unwrap_err();
            assert_eq!(fault.field, "", "{fault:?}");
            assert!(fault.message.starts_with("takes more than") || fault.message.starts_with("has more than"), "{fault:?} {bomb}");
        }
    }

    #[test]
    fn a_schema_of_unknown_cost_is_refused_with_its_path() {
        for (schema, field) in [
            (json!({"$ref": "#"}), ""),
            (json!({"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"not": {"$ref": "#/$defs/a"}}}, "allOf": [{"$ref": "#/$defs/a"}]}), ""),
            (json!({"properties": {"a": {"$ref": "http://example.com/x"}}}), "properties/a/$ref"),
            (json!({"items": {"$ref": "#/$defs/none"}}), "items/$ref"),
            (json!({"items": {"$dynamicRef": "#x"}}), "items/$dynamicRef"),
            (json!({"items": {"$id": "other", "$ref": "#"}}), "items"),
            (
                json!({"$defs": {"a": {"$id": "other", "$defs": {"b": {"$ref": "#"}}}}, "items": {"$ref": "#/$defs/a/$defs/b"}}),
                "items/$ref",
            ),
            (json!({"$defs": {"a": {"$anchor": "x"}, "b": {"$anchor": "x"}}, "items": {"$ref": "#x"}}), "items/$ref"),
            (json!({"properties": {"a": {"pattern": "(((x{1000}){1000}){1000})"}}}), "properties/a/pattern"),
            (json!({"patternProperties": {"(((x{1000}){1000}){1000})": {}}}), "patternProperties"),
        ] {
            assert_eq!(Cost::of(&schema).map(|_| ()).unwrap_err().field, field, "{schema}");
        }
    }

    #[test]
    fn usual_schemas_are_accepted_and_cheap() {
        let tree = json!({"$id": "https://example.com/tree", "$defs": {"node": {"anyOf": [{"type": "null"}, {"type": "object",
            "properties": {"left": {"$ref": "#/$defs/node"}, "right": {"$ref": "https://example.com/tree#/$defs/node"}}}]}},
            "properties": {"root": {"$ref": "#/$defs/node"}}});
        let deep = (0..100).fold(json!(null), |inner, _| json!({"left": inner, "right": null}));
        let deep = work(&tree, &json!({"root": deep}));
        assert!(deep.tells_faults() && !deep.is_too_much(), "{deep:?}");
        let states: Vec<String> = (0..5570).map(|nth| format!("city {nth}")).collect();
        let form = json!({"$schema": "http://json-schema.org/draft-07/schema#", "type": "object", "required": ["cnpj", "city"],
            "definitions": {"cnpj": {"type": "string", "pattern": "^[0-9]{14}$"}}, "properties": {"cnpj": {"$ref": "#/definitions/cnpj"},
            "city": {"enum": states}, "if": {"type": "string"}, "$id": {"type": "string"}},
            "dependencies": {"city": ["cnpj"]}, "if": {"required": ["if"]}, "then": {"required": ["$id"]}});
        let small = work(&form, &json!({"cnpj": "12345678000195", "city": "city 1"}));
        assert!(small.is_little(), "{small:?}");
    }

    #[test]
    fn work_grows_with_the_parameters() {
        let rows = json!({"properties": {"rows": {"items": {"properties": {"n": {"anyOf": [{"type": "integer"}, {"type": "string"}]}}}}}});
        let parameters = |count: usize| json!({"rows": vec![json!({"n": 1}); count]});
        assert!(work(&rows, &parameters(10)).is_little());
        let large = work(&rows, &parameters(50_000));
        assert!(!large.is_little() && !large.is_too_much() && !large.tells_faults(), "{large:?}");
        let dear = json!({"properties": {"a": {"pattern": "(a*)(?=(a*))\\2b"}}});
        assert!(!work(&dear, &json!({"a": "a".repeat(100)})).is_too_much());
        assert!(work(&dear, &json!({"a": "a".repeat(400_000)})).is_too_much());
        let names = json!({"patternProperties": {"(a*)(?=(a*))\\2b": {}}});
        assert!(work(&names, &json!({"a".repeat(400_000): 1})).is_too_much());
        assert!(work(&json!({"propertyNames": dear["properties"]["a"]}), &json!({"a".repeat(400_000): 1})).is_too_much());
        let plain = json!({"properties": {"a": {"pattern": "^[a-z]+$"}}});
        assert!(!work(&plain, &json!({"a": "a".repeat(4_000_000)})).is_too_much());
    }
}
