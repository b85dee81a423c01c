//! Sources of the master keys: the environment, a file, or, with SQLite, a generated file in the data folder. Exactly one source is used,
//! so that it is clear which key wraps the secrets.

use std::{env, fs};

use anyhow::{Context as _, bail};
use auth::secrets::MasterKeys;
use runtime::Settings;
use secrecy::SecretString;
use store::{Database, secrets::secret_master_key_ids};

use crate::data_dir::{DataDir, read_secret};

/// Environment variable with master keys.
const VARIABLE: &str = "REGENTE_MASTER_KEY";
/// The file in the data folder.
const FILE: &str = "master.key";

/// The configured master keys, if any.
pub(crate) fn given(settings: &Settings) -> anyhow::Result<Option<MasterKeys>> {
    if let Some(text) = env::var(VARIABLE).ok().filter(|text| !text.is_empty()) {
        return parse(&text.into(), VARIABLE).map(Some);
    }
    let named = &settings.secrets.key_file;
    if !named.as_os_str().is_empty() {
        let text = fs::read_to_string(named).with_context(|| format!("secrets.key_file: cannot read {}", named.display()))?;
        return parse(&text.trim().into(), &named.display().to_string()).map(Some);
    }
    let path = settings.data_dir.join(FILE);
    read_secret(&path)?.map(|text| parse(&text, &path.display().to_string())).transpose()
}

/// The master keys of a process that seals secrets. A new key is generated only for a SQLite database without secrets: hubs that share a
/// server must share the key, and a new key cannot open existing secrets.
pub(crate) async fn given_or_made(settings: &Settings, data: &DataDir, database: &Database) -> anyhow::Result<Option<MasterKeys>> {
    let given = given(settings)?;
    if given.is_some() || !database.is_sqlite() || !secret_master_key_ids(database).await?.is_empty() {
        return Ok(given);
    }
    let made = MasterKeys::generate();
    data.keep_secret(FILE, &made)?;
    tracing::info!(path = %data.path().join(FILE).display(), "generated a master key: keep a copy of it, apart from copies of the database");
    parse(&made, FILE).map(Some)
}

fn parse(text: &SecretString, source: &str) -> anyhow::Result<MasterKeys> {
    match MasterKeys::parse(text) {
        Ok(keys) => Ok(keys),
        Err(fault) => bail!("{source}: {fault}"),
    }
}
