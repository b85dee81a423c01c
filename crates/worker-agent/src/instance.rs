//! The instance id: which worker a work folder belongs to. It stays in the folder, which one process locks at a time, so a restarted worker
//! keeps its id and its jobs.

use std::{io, path::Path};

use uuid::Uuid;

use crate::JobFolder;

const FILE: &str = "instance.json";
const MOST_BYTES: u64 = 1024;

/// The id in this folder, created if it is missing or unreadable. The caller holds the folder's lock.
///
/// # Errors
/// What the system says.
pub(crate) fn instance_id(work_dir: &Path) -> io::Result<Uuid> {
    let folder = JobFolder::at(work_dir.to_owned());
    match folder.read_own(FILE, MOST_BYTES).and_then(|text| Ok(serde_json::from_slice(&text)?)) {
        Ok(id) => return Ok(id),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => {
            tracing::warn!(folder = %work_dir.display(), %error, "the instance id cannot be read; the worker gets a new one")
        }
    }
    let id = Uuid::new_v4();
    folder.write_json(FILE, &id)?;
    Ok(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_keeps_its_id_and_another_has_another() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let id = instance_id(one.path()).unwrap();
        assert_eq!(instance_id(one.path()).unwrap(), id);
        assert_ne!(instance_id(two.path()).unwrap(), id);
        std::fs::write(one.path().join(FILE), "half").unwrap();
        let new = instance_id(one.path()).unwrap();
        assert_eq!(instance_id(one.path()).unwrap(), new);
    }
}
