//! The modules of the crate import each other without a circle, and so do its folders, read from the source.
//!
//! A folder is a subject: `jobs`, `writer`, `dispatch`, with the file that names it. A module is a file, with the files of its own folder below the first level: `writer::plan` is one module with all that is in `writer/plan/`,
//! `jobs::accept` is one, and `jobs` is what stands in `jobs.rs`. What a module re-exports counts as an import of where it is defined.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// Who must not import whom, directly or through others.
const NEVER: [(&str, &str); 2] = [("dispatch", "writer"), ("notices", "writer")];
/// Folders with routes and use cases of their own.
const SUBJECTS: [&str; 7] = ["automations", "dead_letters", "jobs", "ops", "queues", "worker_api", "workers"];
/// The order within the writer: each imports only what stands before it.
const WRITER: [&str; 8] = ["command", "cache", "memory", "plan", "deps", "commit", "upkeep", "run"];

type Graph = BTreeMap<String, BTreeSet<String>>;

/// A module's source without tests, and what it re-exports.
struct Module {
    path: Vec<String>,
    imports: Vec<Vec<String>>,
    exports: BTreeMap<String, Vec<String>>,
}

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Every file but for tests.
fn files() -> Vec<PathBuf> {
    let mut found = Vec::new();
    add_files(&source(), &mut found);
    found
}

fn add_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.file_stem().is_some_and(|stem| stem == "tests") {
            continue;
        }
        if path.is_dir() {
            add_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn module_path(file: &Path) -> Vec<String> {
    let relative = file.strip_prefix(source()).unwrap().with_extension("");
    let path: Vec<String> = relative.iter().map(|part| part.to_str().unwrap().to_owned()).collect();
    if path == ["lib"] { Vec::new() } else { path }
}

/// The text without comments and without test modules, which stand at the end.
fn code(text: &str) -> String {
    let text = ["#[cfg(test)]\nmod tests {", "#[cfg(test)]\nimpl"].iter().fold(text, |text, tests| text.split(tests).next().unwrap());
    text.lines().map(|line| line.split("//").next().unwrap()).collect::<Vec<_>>().join("\n")
}

/// `a::{b, c::d}` as paths.
fn expand(tree: &str) -> Vec<Vec<String>> {
    let tree = tree.trim();
    let Some((prefix, rest)) = tree.split_once('{') else {
        let name = tree.split(" as ").next().unwrap().trim();
        return vec![name.split("::").map(|part| part.trim().to_owned()).collect()];
    };
    let inner = rest.rsplit_once('}').unwrap().0;
    let (mut depth, mut start, mut parts) = (0, 0, Vec::new());
    for (at, sign) in inner.char_indices() {
        match sign {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&inner[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&inner[start..]);
    let prefix: Vec<String> = prefix.trim_end_matches("::").split("::").map(|part| part.trim().to_owned()).collect();
    let with_prefix = |path: Vec<String>| prefix.iter().cloned().chain(path).collect();
    parts.into_iter().filter(|part| !part.trim().is_empty()).flat_map(expand).map(with_prefix).collect()
}

/// From the crate's root; `None` for other crates.
fn absolute(path: &[String], module: &[String]) -> Option<Vec<String>> {
    let mut base = module.to_vec();
    let mut rest = path;
    match rest.first()?.as_str() {
        "crate" => base.clear(),
        "self" => {}
        "super" => {
            base.pop();
        }
        _ => return None,
    }
    rest = &rest[1..];
    while rest.first().is_some_and(|part| part == "super") {
        base.pop();
        rest = &rest[1..];
    }
    base.extend(rest.iter().filter(|part| *part != "self").cloned());
    Some(base)
}

fn read(file: &Path) -> Module {
    let path = module_path(file);
    let text = format!("\n{}", code(&fs::read_to_string(file).unwrap()));
    let (mut imports, mut exports, mut rest) = (Vec::new(), BTreeMap::new(), String::new());
    for statement in text.split_inclusive(';') {
        // An import begins a line; what follows a semicolon in a text does not.
        let begins_line = |at: &usize| statement[..*at].rsplit_once('\n').is_some_and(|(_, before)| is_visibility(before));
        let Some(at) = statement.match_indices("use ").map(|(at, _)| at).find(begins_line) else {
            rest.push_str(statement);
            continue;
        };
        let is_public = statement[..at].trim_end().ends_with(')') || statement[..at].trim_end().ends_with("pub");
        for used in expand(statement[at + 4..].trim_end_matches(';')) {
            let Some(target) = absolute(&used, &path) else { continue };
            if is_public {
                exports.insert(target.last().unwrap().clone(), target);
            } else {
                imports.push(target);
            }
        }
    }
    for (at, _) in rest.match_indices("crate::") {
        let named: String = rest[at..].chars().take_while(|sign| sign.is_alphanumeric() || *sign == '_' || *sign == ':').collect();
        let named: Vec<String> = named.trim_end_matches(':').split("::").map(str::to_owned).collect();
        imports.extend(absolute(&named, &path));
    }
    Module { path, imports, exports }
}

fn is_visibility(before: &str) -> bool {
    let before = before.trim();
    before.is_empty() || before == "pub" || (before.starts_with("pub(") && before.ends_with(')'))
}

/// The module in which this path is defined: re-exports are followed.
fn resolve(path: &[String], modules: &BTreeMap<Vec<String>, Module>) -> Vec<String> {
    let mut module: Vec<String> = Vec::new();
    for (at, part) in path.iter().enumerate() {
        let below: Vec<String> = module.iter().cloned().chain([part.clone()]).collect();
        if modules.contains_key(&below) {
            module = below;
            continue;
        }
        if let Some(target) = modules[&module].exports.get(part) {
            let whole: Vec<String> = target.iter().cloned().chain(path[at + 1..].iter().cloned()).collect();
            return resolve(&whole, modules);
        }
        break;
    }
    module
}

/// The name of the module that a file counts as.
fn name(path: &[String]) -> String {
    if path.is_empty() { "lib".to_owned() } else { path[..path.len().min(2)].join("::") }
}

fn graph() -> Graph {
    let found = files();
    let modules: BTreeMap<Vec<String>, Module> = found.iter().map(|file| read(file)).map(|module| (module.path.clone(), module)).collect();
    let mut graph = Graph::new();
    for module in modules.values() {
        let edges = graph.entry(name(&module.path)).or_default();
        let targets = module.imports.iter().map(|path| name(&resolve(path, &modules)));
        edges.extend(targets.filter(|target| *target != name(&module.path) && target != "lib"));
    }
    graph
}

/// Which folders import which.
fn folders(modules: &Graph) -> Graph {
    let folder = |module: &str| module.split("::").next().unwrap_or(module).to_owned();
    let mut folders = Graph::new();
    for (module, imports) in modules {
        let of = folder(module);
        let others = imports.iter().map(|import| folder(import)).filter(|other| *other != of).collect::<Vec<_>>();
        folders.entry(of).or_default().extend(others);
    }
    folders
}

/// Every circle, as a way from each of its members back to itself.
fn circles(graph: &Graph) -> Vec<String> {
    graph.keys().filter_map(|module| circle(graph, module)).map(|way| way.join(" → ")).collect()
}

/// A way from `from` back to itself.
fn circle(graph: &Graph, from: &str) -> Option<Vec<String>> {
    let mut ways = vec![vec![from.to_owned()]];
    let mut seen = BTreeSet::new();
    while let Some(way) = ways.pop() {
        for next in graph.get(way.last()?).into_iter().flatten() {
            let longer: Vec<String> = way.iter().cloned().chain([next.clone()]).collect();
            if next == from {
                return Some(longer);
            }
            if seen.insert(next.clone()) {
                ways.push(longer);
            }
        }
    }
    None
}

fn reachable(graph: &Graph, from: &str) -> BTreeSet<String> {
    let is_in = |module: &str, folder: &str| module == folder || module.starts_with(&format!("{folder}::"));
    let mut seen: BTreeSet<String> = graph.keys().filter(|module| is_in(module, from)).cloned().collect();
    let mut open: Vec<String> = seen.iter().cloned().collect();
    while let Some(module) = open.pop() {
        for next in graph.get(&module).into_iter().flatten() {
            if seen.insert(next.clone()) {
                open.push(next.clone());
            }
        }
    }
    seen
}

#[test]
fn no_module_imports_itself_through_others() {
    let graph = graph();
    assert!(graph.len() > 40 && graph.values().map(BTreeSet::len).sum::<usize>() > 100, "the source was read");
    assert!(circles(&graph).is_empty(), "{}", circles(&graph).join("\n"));
}

#[test]
fn no_folder_imports_itself_through_others() {
    let folders = folders(&graph());
    for subject in SUBJECTS {
        assert!(folders["service"].contains(subject) && folders["routes"].contains(subject), "{subject} was read");
    }
    assert!(circles(&folders).is_empty(), "{}", circles(&folders).join("\n"));
}

#[test]
fn a_circle_of_folders_is_found_where_no_module_is_in_one() {
    let imports = |of: &str, imported: &str| (of.to_owned(), BTreeSet::from([imported.to_owned()]));
    let modules = Graph::from([imports("jobs::control", "writer::command"), imports("writer::plan", "jobs::read")]);
    assert!(circles(&modules).is_empty());
    assert_eq!(circles(&folders(&modules)), ["jobs → writer → jobs", "writer → jobs → writer"]);
}

#[test]
fn handlers_reach_the_database_through_use_cases_only() {
    let found = files();
    let handlers: Vec<&PathBuf> = found.iter().filter(|file| module_path(file).get(1).is_some_and(|module| module == "routes")).collect();
    assert!(handlers.len() > SUBJECTS.len(), "the handlers were read");
    for file in handlers {
        let text = code(&fs::read_to_string(file).unwrap());
        for word in [".database", "Database", ".writer", ".catalog", ".roster"] {
            assert!(!text.contains(word), "{} has {word:?}", file.display());
        }
    }
}

#[test]
fn lower_modules_do_not_import_higher_ones() {
    let graph = graph();
    for (below, above) in NEVER {
        let known = reachable(&graph, below);
        let is_above = |module: &&String| *module == above || module.starts_with(&format!("{above}::"));
        assert_eq!(known.iter().find(is_above), None, "{below} must not import {above}");
    }
    let place = |module: &str| WRITER.iter().position(|name| module == format!("writer::{name}"));
    for (module, imports) in graph.iter().filter(|(module, _)| place(module).is_some()) {
        for import in imports.iter().filter(|import| import.starts_with("writer::")) {
            assert!(place(import) < place(module), "{module} imports {import}");
        }
    }
}

#[test]
fn plans_and_selections_neither_block_nor_import_the_database() {
    let found = files();
    let is_pure = |file: &&PathBuf| {
        let path = module_path(file);
        let pure = ["writer::plan", "writer::command", "writer::cache", "dispatch::select", "dispatch::state", "dispatch::claims"];
        let rules = ["dispatch::admission", "dispatch::overlap", "dispatch::findings", "catalog::cached"];
        pure.iter().chain(&rules).any(|module| name(&path) == *module)
    };
    let pure: Vec<&PathBuf> = found.iter().filter(is_pure).collect();
    assert!(pure.len() > 15);
    for file in pure {
        let text = code(&fs::read_to_string(file).unwrap());
        for word in ["async ", ".await", "Database", "Transaction", "::now()", "now_v7", "rand::"] {
            assert!(!text.contains(word), "{} has {word:?}", file.display());
        }
    }
}
