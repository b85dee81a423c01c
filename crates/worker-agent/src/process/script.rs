//! Resolves which file is run, and by which interpreter. A script must lie in one of the worker's script folders after all links are
//! followed, so that whoever may register an automation cannot run any file of the host.

use std::{
    ffi::{OsStr, OsString},
    fs::{self, File},
    io::{self, Read as _},
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
};

/// Bytes of a first line that the system reads.
const FIRST_LINE: u64 = 256;

/// The file of a `script_path`. A relative one starts from `base`, or else from the first of `folders` where it exists. With every link
/// followed, it must be in one of `folders`. The error text says what to do.
pub(super) fn resolve(base: &Path, folders: &[PathBuf], script_path: &str) -> Result<PathBuf, String> {
    if script_path.is_empty() {
        return Err("the automation has no script_path".into());
    }
    let mut starts = std::iter::once(base).chain(folders.iter().map(PathBuf::as_path));
    let start = starts.find(|folder| fs::symlink_metadata(folder.join(script_path)).is_ok()).unwrap_or(base);
    let path = std::path::absolute(start.join(script_path)).map_err(|error| format!("{script_path}: {error}"))?;
    let real = match fs::canonicalize(&path) {
        Ok(real) => real,
        Err(error) if error.kind() == io::ErrorKind::NotFound && is_near(&path, folders) => {
            return Err(not_found(base, folders, script_path));
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(outside(&path, folders)),
        Err(error) => return Err(format!("{}: {error}", path.display())),
    };
    if !is_in(&real, folders) {
        return Err(outside(&path, folders));
    }
    match fs::metadata(&real) {
        Ok(data) if data.is_file() => Ok(real),
        Ok(data) if data.is_dir() => Err(format!("{} is a folder, not a program", path.display())),
        Ok(_) => Err(format!("{} is not a regular file", path.display())),
        Err(error) => Err(format!("{}: {error}", path.display())),
    }
}

fn is_in(real: &Path, folders: &[PathBuf]) -> bool {
    folders.iter().filter_map(|folder| fs::canonicalize(folder).ok()).any(|folder| real.starts_with(folder))
}

/// Whether the existing part of the path to a missing file is in one of the folders.
fn is_near(path: &Path, folders: &[PathBuf]) -> bool {
    path.ancestors().skip(1).find_map(|way| fs::canonicalize(way).ok()).is_some_and(|real| is_in(&real, folders))
}

fn not_found(base: &Path, folders: &[PathBuf], script_path: &str) -> String {
    let others: Vec<_> = folders.iter().filter(|folder| *folder != base).map(|folder| folder.display().to_string()).collect();
    let path = std::path::absolute(base.join(script_path)).unwrap_or_else(|_| script_path.into());
    let path = path.display();
    if others.is_empty() || Path::new(script_path).is_absolute() {
        format!("file not found: {path}")
    } else {
        format!("file not found: {path}, nor is {script_path} in {}", others.join(", "))
    }
}

fn outside(path: &Path, folders: &[PathBuf]) -> String {
    let names: Vec<_> = folders.iter().map(|folder| folder.display().to_string()).collect();
    let names = if names.is_empty() { "it has none".to_owned() } else { names.join(", ") };
    let parent = path.parent().unwrap_or(path).display();
    format!(
        "{} is in none of this worker's script folders ({names}): move the script there, or start the worker with --scripts {parent}",
        path.display()
    )
}

/// The interpreter of the script's first line, as the system reads it: a program and at most one argument. `None` without such a line.
pub(super) fn interpreter(script: &Path) -> Option<Vec<OsString>> {
    let mut head = Vec::new();
    File::open(script).ok()?.take(FIRST_LINE).read_to_end(&mut head).ok()?;
    let line = head.strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?.trim_ascii();
    let end = line.iter().position(u8::is_ascii_whitespace).unwrap_or(line.len());
    let (program, argument) = line.split_at(end);
    let words = [program, argument.trim_ascii()].into_iter().filter(|word| !word.is_empty());
    let words: Vec<_> = words.map(|word| OsStr::from_bytes(word).to_owned()).collect();
    (!words.is_empty()).then_some(words)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn scripts_are_in_their_folders_wherever_links_lead() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        for folder in ["base/sub", "named", "elsewhere"] {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        for file in ["base/a", "base/both", "base/sub/b", "named/c", "named/both", "elsewhere/d"] {
            fs::write(root.join(file), "").unwrap();
        }
        symlink(root.join("elsewhere/d"), root.join("base/out")).unwrap();
        symlink(root.join("elsewhere"), root.join("base/away")).unwrap();
        symlink(root.join("named/c"), root.join("base/fine")).unwrap();
        symlink("loop", root.join("base/loop")).unwrap();
        nix::unistd::mkfifo(&root.join("base/fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        let (base, folders) = (root.join("base"), [root.join("base"), root.join("named"), root.join("missing")]);
        let absolute = |name: &str| root.join(name).display().to_string();
        let table = [
            ("a", Ok("base/a")),
            ("./sub/../a", Ok("base/a")),
            ("../named/c", Ok("named/c")),
            ("fine", Ok("named/c")),
            ("c", Ok("named/c")),
            ("both", Ok("base/both")),
            ("../elsewhere/d", Err("--scripts")),
            ("out", Err("--scripts")),
            ("away/d", Err("--scripts")),
            ("away/missing", Err("--scripts")),
            ("/etc/shadow", Err("--scripts /etc")),
            ("/no/such/file", Err("--scripts")),
            ("missing", Err("named")),
            ("missing", Err("file not found")),
            ("sub/missing/x", Err("file not found")),
            ("sub", Err("is a folder")),
            ("fifo", Err("not a regular file")),
            ("loop", Err("loop")),
            ("", Err("no script_path")),
        ];
        for (path, expected) in table {
            match (resolve(&base, &folders, path), expected) {
                (Ok(real), Ok(name)) => assert_eq!(real.display().to_string(), absolute(name)),
                (Err(reason), Err(words)) => assert!(reason.contains(words), "{path}: {reason}"),
                (found, _) => panic!("{path}: {found:?}"),
            }
        }
        assert_eq!(resolve(&base, &folders, &absolute("named/c")), Ok(root.join("named/c")));
        assert!(resolve(&base, &[], "a").unwrap_err().contains("it has none"));
    }

    #[test]
    fn the_first_line_names_the_interpreter() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("script");
        let table = [
            ("#!/bin/bash\necho", Some(vec!["/bin/bash"])),
            ("#! /usr/bin/env  bash -e \necho", Some(vec!["/usr/bin/env", "bash -e"])),
            ("#!/bin/bash", Some(vec!["/bin/bash"])),
            ("#!\necho", None),
            ("echo", None),
            ("", None),
        ];
        for (text, expected) in table {
            fs::write(&file, text).unwrap();
            assert_eq!(interpreter(&file), expected.map(|words| words.into_iter().map(OsString::from).collect()), "{text}");
        }
    }
}
