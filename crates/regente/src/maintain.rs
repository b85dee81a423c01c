//! `regente secrets` and `regente keys`: management of the master keys and of the keys that sign access tokens. Uses the database directly,
//! while hubs run on it.

use clap::Subcommand;
use domain::audit::{ActorKind, Author, Change};
use runtime::{Clocks, Secrets, Settings};
use secrecy::ExposeSecret as _;
use store::Database;

use crate::{connect, master_key, terminal, up};

/// Subcommands of `regente secrets`.
#[derive(Subcommand)]
pub(crate) enum SecretsCommand {
    /// Print a new master key.
    Key,
    /// Rewrap the keys of all secrets with the first master key; the others are then no longer needed.
    Rotate,
}

/// Subcommands of `regente keys`.
#[derive(Subcommand)]
pub(crate) enum KeysCommand {
    /// Sign with a new key. Nobody is signed out: tokens of the old one are good until they end.
    Rotate,
}

/// Runs `regente keys`.
pub(crate) fn keys(settings: &Settings, KeysCommand::Rotate: &KeysCommand) -> anyhow::Result<()> {
    on_database(settings, async |secrets: Secrets, database: Database| {
        let now = database.time().await?.unwrap_or_else(chrono::Utc::now);
        let id = api_gateway::rotate_signing_key(&database, &secrets, &by_local_user(), now).await?;
        Ok(format!("access tokens are signed with the new key {id}; those that were signed before are good until they end"))
    })
}

/// Runs `regente secrets`.
pub(crate) fn secrets(settings: &Settings, command: &SecretsCommand) -> anyhow::Result<()> {
    match command {
        SecretsCommand::Key => Ok(terminal::line(auth::secrets::MasterKeys::generate().expose_secret())?),
        SecretsCommand::Rotate => on_database(settings, async |secrets: Secrets, _: Database| {
            let wrapped = secrets.rotate(&by_local_user()).await?;
            Ok(format!("rewrapped {wrapped} secrets with the first master key; the others are no longer needed"))
        }),
    }
}

/// A change by whoever runs this command on the hub's machine.
fn by_local_user() -> Change {
    let uid = nix::unistd::Uid::effective();
    let user = nix::unistd::User::from_uid(uid).ok().flatten().map_or_else(|| uid.to_string(), |user| user.name);
    Change::by(Author { actor: format!("local:{user}"), kind: ActorKind::Local, credential: None, address: None, request_id: None })
}

/// Opens the database with its secrets, runs `work` and prints its result.
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
