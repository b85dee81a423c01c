use std::{
    fs::{File, OpenOptions, TryLockError},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

/// A lock file that reserves a folder for one process until this is dropped or the process ends.
#[derive(Debug)]
pub struct FolderLock(File);

impl FolderLock {
    /// Locks the file, which is created if missing and stays. Its folder must exist.
    ///
    /// # Errors
    /// [`TryLockError::WouldBlock`] when another process has the lock, [`TryLockError::Error`] when the file cannot be created or locked.
    pub fn take(path: &Path) -> Result<Self, TryLockError> {
        let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path).map_err(TryLockError::Error)?;
        file.try_lock()?;
        Ok(Self(file))
    }
}

impl Drop for FolderLock {
    fn drop(&mut self) {
        // Closing the file is not enough: a program that is just starting has a copy of the descriptor until it runs, and any copy holds
        // the lock.
        if let Err(error) = self.0.unlock() {
            tracing::warn!(%error, "a folder's lock could not be released");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_one_owner_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let first = FolderLock::take(&path).unwrap();
        assert!(matches!(FolderLock::take(&path), Err(TryLockError::WouldBlock)));
        drop(first);
        FolderLock::take(&path).unwrap();
    }

    #[test]
    fn a_program_that_is_being_started_does_not_keep_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let first = FolderLock::take(&path).unwrap();
        let _as_after_fork = first.0.try_clone().unwrap();
        drop(first);
        FolderLock::take(&path).unwrap();
    }
}
