//! What docs/SECURITY.md and docs/API.md say can be looked up: each test and command that they name exists, each requirement of the standard is judged
//! once, with a reason, and each code of an error is in the list. Links of all pages lead somewhere.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// The requirements of OWASP ASVS 5.0.0 of levels 1 and 2: sections, and the numbers in each.
const REQUIREMENTS: &[(&str, &[u8])] = &[
    ("V1.1", &[1, 2]),
    ("V1.2", &[1, 2, 3, 4, 5, 6, 7, 8, 9]),
    ("V1.3", &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]),
    ("V1.4", &[1, 2, 3]),
    ("V1.5", &[1, 2]),
    ("V2.1", &[1, 2, 3]),
    ("V2.2", &[1, 2, 3]),
    ("V2.3", &[1, 2, 3, 4]),
    ("V2.4", &[1]),
    ("V3.2", &[1, 2]),
    ("V3.3", &[1, 2, 3, 4]),
    ("V3.4", &[1, 2, 3, 4, 5, 6]),
    ("V3.5", &[1, 2, 3, 4, 5]),
    ("V3.7", &[1, 2]),
    ("V4.1", &[1, 2, 3]),
    ("V4.2", &[1]),
    ("V4.3", &[1, 2]),
    ("V4.4", &[1, 2, 3, 4]),
    ("V5.1", &[1]),
    ("V5.2", &[1, 2, 3]),
    ("V5.3", &[1, 2]),
    ("V5.4", &[1, 2, 3]),
    ("V6.1", &[1, 2, 3]),
    ("V6.2", &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]),
    ("V6.3", &[1, 2, 3, 4]),
    ("V6.4", &[1, 2, 3, 4]),
    ("V6.5", &[1, 2, 3, 4, 5]),
    ("V6.6", &[1, 2, 3]),
    ("V6.8", &[1, 2, 3, 4]),
    ("V7.1", &[1, 2, 3]),
    ("V7.2", &[1, 2, 3, 4]),
    ("V7.3", &[1, 2]),
    ("V7.4", &[1, 2, 3, 4, 5]),
    ("V7.5", &[1, 2]),
    ("V7.6", &[1, 2]),
    ("V8.1", &[1, 2]),
    ("V8.2", &[1, 2, 3]),
    ("V8.3", &[1]),
    ("V8.4", &[1]),
    ("V9.1", &[1, 2, 3]),
    ("V9.2", &[1, 2, 3, 4]),
    ("V10.1", &[1, 2]),
    ("V10.2", &[1, 2]),
    ("V10.3", &[1, 2, 3, 4]),
    ("V10.4", &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]),
    ("V10.5", &[1, 2, 3, 4, 5]),
    ("V10.6", &[1, 2]),
    ("V10.7", &[1, 2, 3]),
    ("V11.1", &[1, 2]),
    ("V11.2", &[1, 2, 3]),
    ("V11.3", &[1, 2, 3]),
    ("V11.4", &[1, 2, 3, 4]),
    ("V11.5", &[1]),
    ("V11.6", &[1]),
    ("V12.1", &[1, 2, 3]),
    ("V12.2", &[1, 2]),
    ("V12.3", &[1, 2, 3, 4]),
    ("V13.1", &[1]),
    ("V13.2", &[1, 2, 3, 4, 5]),
    ("V13.3", &[1, 2]),
    ("V13.4", &[1, 2, 3, 4, 5]),
    ("V14.1", &[1, 2]),
    ("V14.2", &[1, 2, 3, 4]),
    ("V14.3", &[1, 2, 3]),
    ("V15.1", &[1, 2, 3]),
    ("V15.2", &[1, 2, 3]),
    ("V15.3", &[1, 2, 3, 4, 5, 6, 7]),
    ("V16.1", &[1]),
    ("V16.2", &[1, 2, 3, 4, 5]),
    ("V16.3", &[1, 2, 3, 4]),
    ("V16.4", &[1, 2, 3]),
    ("V16.5", &[1, 2, 3]),
    ("V17.1", &[1]),
    ("V17.2", &[1, 2, 3, 4]),
    ("V17.3", &[1, 2]),
];

const NOT_APPLICABLE: &str = "Not applicable";

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

fn page() -> String {
    read("docs/SECURITY.md")
}

/// What stands between backquotes.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.lines().flat_map(|line| line.split('`').skip(1).step_by(2))
}

/// The tests that a text names, as file and function.
fn tests(text: &str) -> Vec<(&str, &str)> {
    quoted(text).filter_map(|word| word.split_once("::")).filter(|(file, _)| file.ends_with(".rs")).collect()
}

/// Whether a file has a test of this name: behind a test's attribute, or in the list of a macro that makes tests.
fn has_test(source: &str, name: &str) -> bool {
    let Some(at) = source.find(&format!("fn {name}(")) else { return false };
    let is_marked = source[..at].lines().rev().take(4).any(|line| line.trim_start().starts_with("#[") && line.contains("test"));
    let is_listed = |(at, _): (usize, &str)| {
        let (before, after) = (&source[..at], &source[at + name.len()..]);
        before.ends_with([' ', '(']) && after.starts_with([',', ')']) && before.rfind("!(") > before.rfind(';')
    };
    is_marked || source.match_indices(name).any(is_listed)
}

#[test]
fn each_test_that_the_page_names_is_in_the_sources() {
    let page = page();
    let named = tests(&page);
    let missing =
        |(file, name): &&(&str, &str)| fs::read_to_string(root().join("crates").join(file)).map_or(true, |source| !has_test(&source, name));
    let missing: Vec<_> = named.iter().filter(missing).collect();
    assert!(missing.is_empty() && named.len() > 100, "of {} tests these are not in crates/: {missing:#?}", named.len());
}

#[test]
fn each_command_that_the_page_names_exists() {
    let (page, makefile) = (page(), read("Makefile"));
    for word in quoted(&page) {
        if let Some(target) = word.strip_prefix("make ") {
            assert!(makefile.contains(&format!("\n{target}: ")), "{word}");
        }
        if word.starts_with("scripts/") {
            assert!(root().join(word).exists(), "{word}");
        }
    }
}

#[test]
fn each_link_of_every_page_leads_somewhere() {
    let names = fs::read_dir(root().join("docs")).unwrap().flatten().map(|entry| format!("docs/{}", entry.file_name().display()));
    for page in names.filter(|name| name.ends_with(".md")).chain(["README.md".to_owned(), "CONTRIBUTING.md".to_owned()]) {
        let (text, folder) = (read(&page), page.rsplit_once('/').map_or(".", |(folder, _)| folder));
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()).filter(|target| !target.contains("://")) {
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let file = if file.is_empty() { page.clone() } else { format!("{folder}/{file}") };
            assert!(root().join(&file).exists(), "{page}: {target}");
            assert!(anchor.is_empty() || anchors(&read(&file)).iter().any(|known| known == anchor), "{page}: {target}");
        }
    }
}

/// The anchors of a page's headings.
fn anchors(text: &str) -> Vec<String> {
    let plain = |heading: &str| heading.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
    let letters = |anchor: String| anchor.chars().filter(|c| c.is_alphanumeric() || matches!(c, '-' | '_')).collect();
    text.lines().filter(|line| line.starts_with('#')).map(plain).map(letters).collect()
}

/// What the page says of each requirement: its state, and the whole line.
fn judgements(page: &str) -> Vec<(String, String, String)> {
    let mut found = Vec::new();
    for line in page.lines() {
        if let Some(row) = line.strip_prefix("| V") {
            let cells: Vec<&str> = row.split(" | ").map(str::trim).collect();
            found.push((format!("V{}", cells[0]), cells[3].to_owned(), line.to_owned()));
        } else if line.starts_with(NOT_APPLICABLE) {
            let ids = line.rsplit(": ").next().unwrap().trim_end_matches('.');
            found.extend(ids.split(", ").map(|id| (id.to_owned(), NOT_APPLICABLE.to_lowercase(), line.to_owned())));
        }
    }
    found
}

#[test]
fn each_requirement_is_judged_once_with_a_reason_and_the_sums_are_right() {
    let page = page();
    let judged = judgements(&page);
    let ids: Vec<&str> = judged.iter().map(|(id, ..)| id.as_str()).collect();
    let expected: Vec<String> =
        REQUIREMENTS.iter().flat_map(|(section, numbers)| numbers.iter().map(move |number| format!("{section}.{number}"))).collect();
    let (mut sorted, mut wanted) = (ids.clone(), expected.iter().map(String::as_str).collect::<Vec<_>>());
    sorted.sort_unstable();
    wanted.sort_unstable();
    assert_eq!(sorted, wanted);
    let mut sums: BTreeMap<&str, usize> = BTreeMap::new();
    for (id, state, line) in &judged {
        assert!(["met", "partly", "not yet", "not applicable"].contains(&state.as_str()), "{id}: {state}");
        let shows = !tests(line).is_empty()
            || line.contains("](")
            || quoted(line).any(|word| ["make ", "cargo ", "curl "].iter().any(|start| word.starts_with(start)));
        assert!(shows || matches!(state.as_str(), "not yet" | "not applicable"), "{id} is {state}, and nothing shows it");
        *sums.entry(state).or_default() += 1;
    }
    for (state, sum) in sums {
        assert!(page.contains(&format!("| {state} | {sum} |")), "the table says nothing of {sum} that are {state}");
    }
}

/// The codes that errors have, as the sources write them.
fn codes() -> BTreeSet<String> {
    let problems = read("crates/runtime/src/problem.rs");
    let (_, names) = problems.split_once("fn code(").unwrap();
    let of_kinds = names.split("\n    }\n").next().unwrap().split("=> \"").skip(1);
    let sources = sources(&root().join("crates"));
    let of_conflicts =
        sources.iter().flat_map(|source| source.split("::conflict(").skip(1)).filter_map(|rest| rest.trim_start().strip_prefix('"'));
    let refusals = problems.split("impl From<Refusal>").nth(1).unwrap().split("=> \"").skip(1);
    of_kinds.chain(of_conflicts).chain(refusals).filter_map(|rest| rest.split('"').next()).map(str::to_owned).collect()
}

/// Every source of the crates, without their tests.
fn sources(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        let is_test = path.file_stem().is_some_and(|name| name == "tests");
        if path.is_dir() && !is_test {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|end| end == "rs") && !is_test {
            found.push(fs::read_to_string(path).unwrap());
        }
    }
    found
}

#[test]
fn each_code_of_an_error_is_in_the_list() {
    let (page, codes) = (read("docs/API.md"), codes());
    let missing: Vec<_> = codes.iter().filter(|code| !page.contains(&format!("`{code}`"))).collect();
    assert!(missing.is_empty() && codes.len() > 30, "of {codes:?} docs/API.md lacks {missing:?}");
}
