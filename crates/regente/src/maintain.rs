//! `regente secrets`: the master keys. Works on the database itself, while hubs run on it.

use clap::Subcommand;
use runtime::{Clocks, Secrets, Settings};
use secrecy::ExposeSecret as _;
use store::Database;

use crate::{connect, master_key, terminal, up};

/// What can be done with secrets.
#[derive(Subcommand)]
pub(crate) enum SecretsCommand {
    /// Print a new master key.
    Key,
    /// Wrap the keys of all secrets with the first master key; then the others are not needed any more.
    Rotate,
}

/// Does what `regente secrets` says.
pub(crate) fn secrets(settings: &Settings, command: &SecretsCommand) -> anyhow::Result<()> {
    match command {
        SecretsCommand::Key => Ok(terminal::line(auth::secrets::MasterKeys::generate().expose_secret())?),
        SecretsCommand::Rotate => on_database(settings, async |secrets: Secrets, _: Database| {
            let wrapped = secrets.rotate().await?;
            Ok(format!("wrapped {wrapped} secrets with the first master key; the others are not needed any more"))
        }),
    }
}

/// Opens the database with its secrets, does this, and prints what came of it.
fn on_database(settings: &Settings, work: impl AsyncFn(Secrets, Database) -> anyhow::Result<String>) -> anyhow::Result<()> {
    telemetry::init(&settings.log.filter, settings.log.format)?;
    up::runtime()?.block_on(async {
        let database = connect::database(settings).await?;
        let secrets = Secrets::new(database.clone(), Clocks::default().now, master_key::given(settings)?);
        secrets.check().await?;
        let said = work(secrets, database.clone()).await?;
        database.close().await?;
        Ok(terminal::line(&said)?)
    })
}
