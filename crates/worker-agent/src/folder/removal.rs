//! Removes a folder whose content a robot has made: perhaps a tree so deep that no path reaches its end, or folders without permission to
//! enter.

use std::{
    ffi::CString,
    io,
    os::fd::{AsFd, OwnedFd},
    path::Path,
};

use rustix::{
    fs::{AtFlags, CWD, Dir, Mode, OFlags, chmodat, fchmod, openat, renameat, unlinkat},
    io::Errno,
};

use super::{DIRECTORY, FOLDER_MODE};

/// With a fixed number of open files and a flat stack: each folder found is first moved to the top, and emptied there.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    match unlinkat(CWD, path, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => return Ok(()),
        // What Linux says of a folder, and what POSIX does.
        Err(Errno::ISDIR | Errno::PERM) => {}
        Err(error) => return Err(error.into()),
    }
    let top = enter(CWD, path)?;
    let mut moved = 0_u64;
    loop {
        let names = names(&top)?;
        if names.is_empty() {
            break;
        }
        for name in names {
            if unlink(&top, &name)? {
                continue;
            }
            let inner = enter(&top, name.as_c_str())?;
            for inside in self::names(&inner)? {
                if !unlink(&inner, &inside)? {
                    move_up(&inner, &inside, &top, &mut moved)?;
                }
            }
            match unlinkat(&top, &name, AtFlags::REMOVEDIR) {
                // Something was created meanwhile: the next round finds it.
                Ok(()) | Err(Errno::NOENT | Errno::NOTEMPTY) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(unlinkat(CWD, path, AtFlags::REMOVEDIR)?)
}

/// Opens a folder, whatever its mode: it is to be removed.
fn enter<P: rustix::path::Arg + Copy>(parent: impl AsFd, name: P) -> io::Result<OwnedFd> {
    let open = || openat(parent.as_fd(), name, DIRECTORY, Mode::empty());
    let folder = match open() {
        Err(Errno::ACCESS) => {
            // The file system knows no mode of links, hence not another file's.
            chmodat(parent.as_fd(), name, FOLDER_MODE, AtFlags::empty())?;
            open()?
        }
        folder => folder?,
    };
    // Without it nothing in it can be unlinked. It fails for a folder of another user, for whom this process has other rights or none.
    let _not_owner = fchmod(&folder, FOLDER_MODE);
    Ok(folder)
}

/// Removes what is no folder. `false`: it is one.
fn unlink(folder: &OwnedFd, name: &CString) -> io::Result<bool> {
    match unlinkat(folder, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(true),
        Err(Errno::ISDIR | Errno::PERM) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn move_up(inner: &OwnedFd, name: &CString, top: &OwnedFd, moved: &mut u64) -> io::Result<()> {
    // To move a folder is to write its entry `..`.
    drop(enter(inner, name.as_c_str())?);
    loop {
        *moved += 1;
        match renameat(inner, name, top, format!(".removed-{moved}")) {
            Ok(()) | Err(Errno::NOENT) => return Ok(()),
            // Somebody has something of that name there.
            Err(Errno::EXIST | Errno::NOTEMPTY | Errno::NOTDIR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

fn names(folder: &OwnedFd) -> io::Result<Vec<CString>> {
    // A description of its own: the position in the folder is part of it.
    let again = openat(folder, c".", DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    let mut names = Vec::new();
    for entry in Dir::new(again)? {
        let entry = entry?;
        if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
            names.push(entry.file_name().to_owned());
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt as _, process::Command};

    use super::*;

    #[test]
    fn whatever_a_program_leaves_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let (job, outside) = (dir.path().join("job"), dir.path().join("outside"));
        fs::create_dir(&job).unwrap();
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("stays"), "x").unwrap();
        // As deep as no path can name.
        let script = "mkfifo fifo; ln -s ../outside link; ln -s ../outside/stays file; mkdir shut; touch shut/x .removed-1; chmod 0 shut; mkdir .removed-2
python3 -c 'import os
for _ in range(5000):
    os.mkdir(\"d\"); os.chdir(\"d\")'";
        assert!(Command::new("sh").args(["-c", script]).current_dir(&job).status().unwrap().success());
        remove(&job).unwrap();
        assert!(!job.exists() && outside.join("stays").exists());
        remove(&job).unwrap();
        std::os::unix::fs::symlink(&outside, &job).unwrap();
        remove(&job).unwrap();
        assert!(job.symlink_metadata().is_err() && outside.join("stays").exists());
    }

    #[test]
    fn a_folder_without_rights_is_given_some() {
        let dir = tempfile::tempdir().unwrap();
        let job = dir.path().join("job");
        fs::create_dir_all(job.join("a/b/c")).unwrap();
        for folder in ["a/b", "a", ""] {
            fs::set_permissions(job.join(folder), fs::Permissions::from_mode(0o0)).unwrap();
        }
        remove(&job).unwrap();
        assert!(!job.exists());
    }
}
