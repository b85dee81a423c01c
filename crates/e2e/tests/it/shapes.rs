//! Which tests are about one shape of the hub; all others run in both.

use std::{collections::BTreeMap, path::Path};

/// The file, the shape, and at how many places a test names it.
const OF_ONE_SHAPE: [(&str, &str, usize); 10] = [
    ("api/claim.rs", "Together", 1),
    ("api/live.rs", "Apart", 1),
    ("api/openapi.rs", "Together", 1),
    ("api/outage.rs", "Together", 2),
    ("gateway/apart.rs", "Apart", 1),
    ("gateway/limits.rs", "Apart", 1),
    ("it/broker.rs", "Together", 1),
    ("it/limits.rs", "Together", 3),
    ("it/replicas.rs", "Together", 1),
    ("it/services.rs", "Together", 1),
];

#[test]
fn few_tests_are_about_one_shape() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let mut found = BTreeMap::new();
    for suite in ["api", "gateway", "it"] {
        for file in std::fs::read_dir(tests.join(suite)).unwrap().map(|file| file.unwrap().path()).filter(|file| file.is_file()) {
            let text = std::fs::read_to_string(&file).unwrap();
            for shape in ["Together", "Apart"] {
                let places = text.matches(&format!("Shape::{shape}.{}(", "only")).count();
                if places > 0 {
                    found.insert((format!("{suite}/{}", file.file_name().unwrap().to_string_lossy()), shape), places);
                }
            }
        }
    }
    let listed: BTreeMap<_, _> = OF_ONE_SHAPE.into_iter().map(|(file, shape, places)| ((file.to_owned(), shape), places)).collect();
    assert_eq!(found, listed, "a test of one shape needs a reason, and its place in this list");
}
