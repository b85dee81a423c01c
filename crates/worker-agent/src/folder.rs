//! A job's folder: `config.json`, `progress.json`, `status.json`, `result.json`, `control.json`, `lease.json`, `finish.json` and `logs/`.
//!
//! The job's program may put anything there at any time. So no link is followed, no file is opened for writing that was not created here,
//! only regular files of bounded size are read, and no open can block (FIFOs, devices).

mod removal;

use std::{
    fs::{DirBuilder, File},
    io::{self, Read as _, Write as _},
    os::{fd::OwnedFd, unix::fs::DirBuilderExt as _},
    path::{Path, PathBuf},
};

use domain::ids::JobId;
use rustix::{
    fs::{AtFlags, CWD, FileType, Mode, OFlags, Stat, fchown, fstat, mkdirat, openat, renameat, statat, unlinkat},
    io::Errno,
    process::{Gid, Uid, geteuid},
};
use serde::Serialize;

use crate::supervisor::Ids;

const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
const FILE: OFlags = OFlags::NOFOLLOW.union(OFlags::NONBLOCK).union(OFlags::NOCTTY).union(OFlags::CLOEXEC);
/// Folders have mode 0700 and files 0600: parameters may be confidential.
const FOLDER_MODE: Mode = Mode::RWXU;
const FILE_MODE: Mode = Mode::RUSR.union(Mode::WUSR);

/// A job's folder. File names may contain one folder: `logs/rpa.log`.
#[derive(Clone, Debug)]
pub struct JobFolder(PathBuf);

impl JobFolder {
    pub(crate) fn of(jobs_dir: &Path, job: JobId) -> Self {
        Self(jobs_dir.join(job.to_string()))
    }

    pub(crate) const fn at(path: PathBuf) -> Self {
        Self(path)
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Whether the folder exists; a link to a folder does not count.
    #[must_use]
    pub fn exists(&self) -> bool {
        self.open().is_ok()
    }

    /// Creates the folder and `logs` in it, if they do not exist.
    ///
    /// # Errors
    /// What the system says.
    pub fn create(&self) -> io::Result<()> {
        self.create_private()?;
        match mkdirat(self.open()?, "logs", FOLDER_MODE) {
            Err(error) if error != Errno::EXIST => Err(error.into()),
            // Anything else in its place is detected when a file in it is opened.
            _ => Ok(()),
        }
    }

    pub(crate) fn create_private(&self) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.0)
    }

    /// Creates the folder anew. What an interrupted run of the same job left is kept under another name.
    pub(crate) fn create_anew(&self) -> io::Result<()> {
        if self.0.symlink_metadata().is_ok() {
            let mut name = self.0.clone().into_os_string();
            name.push(".interrupted");
            let old = Self(name.into());
            old.remove()?;
            std::fs::rename(&self.0, &old.0)?;
        }
        self.create()
    }

    /// The path of a file in it, for use outside this type; the agent itself opens files only by the methods below.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// The text of a file.
    ///
    /// # Errors
    /// It does not exist, is not a regular file, or is longer than `most` bytes ([`io::ErrorKind::FileTooLarge`]).
    pub(crate) fn read(&self, name: &str, most: u64) -> io::Result<Vec<u8>> {
        read_all(self.open_file(name)?, most)
    }

    /// The text of a file that this process's user owns, and not a program of another user.
    ///
    /// # Errors
    /// As [`JobFolder::read`], and when another user owns it.
    pub(crate) fn read_own(&self, name: &str, most: u64) -> io::Result<Vec<u8>> {
        let file = self.open_file(name)?;
        if fstat(&file)?.st_uid != geteuid().as_raw() {
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, "it belongs to another user"));
        }
        read_all(file, most)
    }

    /// Opens a regular file for reading.
    ///
    /// # Errors
    /// It does not exist, or is not a regular file.
    pub(crate) fn open_file(&self, name: &str) -> io::Result<File> {
        self.open_regular(name, OFlags::RDONLY)
    }

    /// Opens a regular file for reading and writing.
    ///
    /// # Errors
    /// As [`JobFolder::open_file`].
    pub(crate) fn open_to_change(&self, name: &str) -> io::Result<File> {
        self.open_regular(name, OFlags::RDWR)
    }

    fn open_regular(&self, name: &str, access: OFlags) -> io::Result<File> {
        let (folder, name) = self.place_of(name)?;
        let file = openat(&folder, name, FILE | access, Mode::empty()).map_err(|error| match error {
            Errno::LOOP => io::Error::new(io::ErrorKind::InvalidData, "it is a link, which is not followed"),
            // A FIFO or socket without a reader, opened for writing.
            Errno::NXIO => no_regular_file(),
            error => error.into(),
        })?;
        if FileType::from_raw_mode(fstat(&file)?.st_mode) != FileType::RegularFile {
            return Err(no_regular_file());
        }
        Ok(file.into())
    }

    /// Creates a file for reading and writing, and replaces whatever has its name.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn create_file(&self, name: &str) -> io::Result<File> {
        let (folder, name) = self.place_of(name)?;
        match unlinkat(&folder, name, AtFlags::empty()) {
            Err(error) if error != Errno::NOENT => return Err(error.into()),
            _ => {}
        }
        create_new(&folder, name, OFlags::RDWR)
    }

    /// Writes a JSON file atomically: a reader sees the old text or the new one. It gets the folder's owner.
    ///
    /// # Errors
    /// What the system says.
    pub fn write_json<T: Serialize>(&self, name: &str, value: &T) -> io::Result<()> {
        self.write(name, value, true)
    }

    /// As [`JobFolder::write_json`], for [`JobFolder::read_own`].
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn write_own_json<T: Serialize>(&self, name: &str, value: &T) -> io::Result<()> {
        self.write(name, value, false)
    }

    fn write<T: Serialize>(&self, name: &str, value: &T, shared: bool) -> io::Result<()> {
        let mut text = serde_json::to_vec_pretty(value).map_err(io::Error::other)?;
        text.push(b'\n');
        let (folder, name) = self.place_of(name)?;
        // No program can have prepared something under this name.
        let temporary = format!(".{name}.{:016x}", rand::random::<u64>());
        let written = create_new(&folder, &temporary, OFlags::WRONLY)
            .and_then(|mut file| {
                file.write_all(&text)?;
                if shared { share(&folder, &file) } else { Ok(()) }
            })
            .and_then(|()| Ok(renameat(&folder, &temporary, &folder, name)?));
        if written.is_err() {
            let _not_there = unlinkat(&folder, &temporary, AtFlags::empty());
        }
        written
    }

    /// Gives the folder to another user.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn give_to(&self, ids: Ids) -> io::Result<()> {
        let (logs, _) = self.place_of("logs/x")?;
        for folder in [logs, self.open()?] {
            fchown(folder, Some(Uid::from_raw(ids.user)), Some(Gid::from_raw(ids.group)))?;
        }
        Ok(())
    }

    /// Creates a file for reading and writing with the folder's owner.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn create_shared_file(&self, name: &str) -> io::Result<File> {
        let file = self.create_file(name)?;
        share(&self.open()?, &file)?;
        Ok(file)
    }

    /// Metadata of a file, or of a link in its place.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn stat(&self, name: &str) -> io::Result<Stat> {
        let (folder, name) = self.place_of(name)?;
        Ok(statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)?)
    }

    /// Whether something has this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.stat(name).is_ok()
    }

    /// Removes a file, if it exists.
    pub(crate) fn remove_file(&self, name: &str) {
        let removed = self.place_of(name).and_then(|(folder, name)| Ok(unlinkat(folder, name, AtFlags::empty())?));
        if let Err(error) = removed
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(folder = %self.0.display(), file = name, %error, "a job's file cannot be removed");
        }
    }

    /// Removes the folder with its content, however deep, if it exists.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn remove(&self) -> io::Result<()> {
        removal::remove(&self.0)
    }

    fn open(&self) -> io::Result<OwnedFd> {
        Ok(openat(CWD, &self.0, DIRECTORY, Mode::empty())?)
    }

    /// The folder that contains a name, and the last part of the name.
    fn place_of<'a>(&self, name: &'a str) -> io::Result<(OwnedFd, &'a str)> {
        let folder = self.open()?;
        match name.split_once('/') {
            None => Ok((folder, name)),
            Some((within, name)) => Ok((openat(&folder, within, DIRECTORY, Mode::empty())?, name)),
        }
    }
}

/// Gives a new file to the folder's owner.
fn share(folder: &OwnedFd, file: &File) -> io::Result<()> {
    let owner = fstat(folder)?;
    if owner.st_uid != geteuid().as_raw() {
        fchown(file, Some(Uid::from_raw(owner.st_uid)), Some(Gid::from_raw(owner.st_gid)))?;
    }
    Ok(())
}

fn create_new(folder: &OwnedFd, name: &str, access: OFlags) -> io::Result<File> {
    Ok(openat(folder, name, FILE | access | OFlags::CREATE | OFlags::EXCL, FILE_MODE)?.into())
}

fn no_regular_file() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "it is not a regular file")
}

fn read_all(file: File, most: u64) -> io::Result<Vec<u8>> {
    let too_large = |bytes: u64| io::Error::new(io::ErrorKind::FileTooLarge, format!("it has {bytes} bytes, more than {most}"));
    let length = file.metadata()?.len();
    if length > most {
        return Err(too_large(length));
    }
    let mut text = Vec::with_capacity(usize::try_from(length).unwrap_or_default());
    // It may have grown since.
    file.take(most + 1).read_to_end(&mut text)?;
    if text.len() as u64 > most { Err(too_large(text.len() as u64)) } else { Ok(text) }
}
