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

#[cfg(test)]
mod tests {
    const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/OBSERVABILITY.md");
    const BEGIN: &str = "<!-- metrics: begin -->\n";
    const END: &str = "<!-- metrics: end -->\n";

    #[test]
    fn the_page_has_every_metric() {
        let page = std::fs::read_to_string(PAGE).unwrap();
        let (before, rest) = page.split_once(BEGIN).unwrap();
        let (table, after) = rest.split_once(END).unwrap();
        let made = super::markdown();
        if std::env::var_os("REGENERATE").is_some() {
            std::fs::write(PAGE, format!("{before}{BEGIN}{made}{END}{after}")).unwrap();
        } else {
            assert!(
                table == made,
                "docs/OBSERVABILITY.md differs from the catalog; write it again with: REGENERATE=1 cargo test -p telemetry the_page_has_every_metric"
            );
        }
    }
}
