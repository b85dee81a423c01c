use std::{
    fs::{File, OpenOptions, TryLockError},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

/// A file by which one process keeps a folder to itself until this is dropped, or the process is gone.
#[derive(Debug)]
pub struct FolderLock(File);

impl FolderLock {
    /// Takes the file, which is made when missing and stays behind. Its folder must be there.
    ///
    /// # Errors
    /// [`TryLockError::WouldBlock`] when another has it, [`TryLockError::Error`] when it cannot be made or locked.
    pub fn take(path: &Path) -> Result<Self, TryLockError> {
        let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path).map_err(TryLockError::Error)?;
        file.try_lock()?;
        Ok(Self(file))
    }
}

impl Drop for FolderLock {
    fn drop(&mut self) {
        // To close it is not enough: a program that is just being started has a copy of the descriptor until it runs, and the lock is
        // held while there is any.
        if let Err(error) = self.0.unlock() {
            tracing::warn!(%error, "a folder's lock was not given back");
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
