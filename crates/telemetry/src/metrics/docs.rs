use std::fmt::Write as _;

use super::{Definition, Kind, catalog};

/// The catalog as a table in Markdown, for the documentation.
#[must_use]
pub fn markdown() -> String {
    let mut table = "| Metric | Type | Unit | Labels | Meaning |\n| --- | --- | --- | --- | --- |\n".to_owned();
    for definition in catalog::ALL {
        let Definition { unit, help, .. } = definition;
        // Writing to a string cannot fail.
        let _ =
            writeln!(table, "| `{}` | {} | {unit} | {} | {help}. |", served_name(definition), kind(definition.kind), labels(definition));
    }
    table
}

fn served_name(definition: &Definition) -> String {
    let suffix = if definition.kind == Kind::Counter { "_total" } else { "" };
    format!("{}{suffix}", definition.name)
}

const fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Counter => "counter",
        Kind::Gauge => "gauge",
        Kind::Histogram => "histogram",
    }
}

fn labels(definition: &Definition) -> String {
    let names: Vec<_> = definition.labels.iter().map(|label| format!("`{}`", label.name)).collect();
    if names.is_empty() { "–".to_owned() } else { names.join(", ") }
}
