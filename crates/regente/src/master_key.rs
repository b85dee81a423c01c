//! Where the master keys come from that secrets are sealed with: the environment, a file, or, with SQLite, a file in the data folder that is
//! made when there is nothing sealed yet. One of several sources counts alone, so that nobody wonders which key wrapped what.

use std::{env, fs};

use anyhow::{Context as _, bail};
use auth::secrets::MasterKeys;
use runtime::Settings;
use secrecy::SecretString;
use store::{Database, secrets::secret_master_key_ids};

use crate::data_dir::{DataDir, read_secret};

/// The variable of the environment with master keys.
const VARIABLE: &str = "REGENTE_MASTER_KEY";
/// The file in the data folder.
const FILE: &str = "master.key";

/// The master keys that somebody gave, if anybody did.
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

/// The master keys for a process that seals secrets. Only a SQLite database without secrets gets a new one, in the data folder: whoever shares
/// a server shares the key too, and a key that is made where others were used opens nothing.
pub(crate) async fn given_or_made(settings: &Settings, data: &DataDir, database: &Database) -> anyhow::Result<Option<MasterKeys>> {
    let given = given(settings)?;
    if given.is_some() || !database.is_sqlite() || !secret_master_key_ids(database).await?.is_empty() {
        return Ok(given);
    }
    let made = MasterKeys::generate();
    data.keep_secret(FILE, &made)?;
    tracing::info!(path = %data.path().join(FILE).display(), "made a master key: keep a copy apart from the database's");
    parse(&made, FILE).map(Some)
}

fn parse(text: &SecretString, source: &str) -> anyhow::Result<MasterKeys> {
    match MasterKeys::parse(text) {
        Ok(keys) => Ok(keys),
        Err(fault) => bail!("{source}: {fault}"),
    }
}
