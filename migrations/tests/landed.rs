//! What has landed has run somewhere: it is never edited. `landed.txt` has a line for each migration, and a new one adds one.
#![expect(clippy::unwrap_used, reason = "every failing step fails the test")]

use std::{collections::BTreeMap, fs, path::Path};

use migrations::{Migrator, MigratorTrait};
use sha2::{Digest, Sha256};

/// SHA-256 of a migration's code. Whole lines of comment do not count: words may be corrected.
fn checksum(text: &str) -> String {
    let code: String = text.lines().filter(|line| !line.trim_start().starts_with("//")).map(|line| format!("{line}\n")).collect();
    Sha256::digest(code).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Checksums by name, of the files that are there.
fn present() -> BTreeMap<String, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let migrations = files.filter_map(|path| {
        let name = path.file_stem()?.to_str()?.to_owned();
        name.starts_with("m2").then(|| (name, checksum(&fs::read_to_string(&path).unwrap())))
    });
    migrations.collect()
}

/// Checksums by name, as they were when each landed.
fn landed() -> BTreeMap<String, String> {
    let lines = include_str!("landed.txt").lines().map(|line| line.split_once("  ").unwrap());
    lines.map(|(checksum, name)| (name.to_owned(), checksum.to_owned())).collect()
}

#[test]
fn what_has_landed_is_as_it_was() {
    let (present, landed) = (present(), landed());
    for (name, checksum) in &landed {
        assert_eq!(present.get(name), Some(checksum), "{name} has landed: take the edit back, and write another migration");
    }
    let new: String =
        present.iter().filter(|(name, _)| !landed.contains_key(*name)).map(|(name, sum)| format!("{sum}  {name}\n")).collect();
    assert!(new.is_empty(), "add to migrations/tests/landed.txt:\n{new}");
}

#[test]
fn every_file_is_applied_in_the_order_of_names() {
    let applied: Vec<String> = Migrator::migrations().iter().map(|migration| migration.name().to_owned()).collect();
    assert_eq!(applied, present().into_keys().collect::<Vec<_>>());
}

#[test]
fn an_edit_changes_the_checksum_and_a_comment_does_not() {
    let code = "// Why.\nlet a = 1;\n";
    assert_eq!(checksum(code), checksum("    /// Better words.\nlet a = 1;\n"));
    assert_ne!(checksum(code), checksum("// Why.\nlet a = 2;\n"));
}
