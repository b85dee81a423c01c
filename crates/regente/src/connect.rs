//! Opens the database and the broker by the settings.

use std::time::Duration;

use anyhow::Context as _;
use broker::{Broker, Topology};
use runtime::Settings;
use secrecy::ExposeSecret;
use store::Database;

use crate::data_dir;

/// Opens the database and migrates its schema.
pub(crate) async fn database(settings: &Settings) -> anyhow::Result<Database> {
    data_dir::keep_database_private(settings.database_url().expose_secret())?;
    let database = unchanged(settings).await?;
    saying_why(database.migrate()).await.map_err(|error| {
        let held = matches!(error, store::Error::Conflict(_) | store::Error::Unavailable(_));
        let hint = if held { ": is another program holding it?" } else { "" };
        anyhow::Error::new(error).context(format!("cannot migrate the database's schema{hint}"))
    })?;
    Ok(database)
}

/// Opens a database that exists, with the schema that it has.
pub(crate) async fn unchanged(settings: &Settings) -> anyhow::Result<Database> {
    if let Some(missing) = data_dir::database_file(settings.database_url().expose_secret()).filter(|file| !file.exists()) {
        anyhow::bail!("there is no database {}: is this the folder of the hub, or its settings file (--config)?", missing.display());
    }
    saying_why(Database::connect(&store_settings(settings))).await.context("cannot open the database")
}

/// How long a start waits for the database without a word.
const SILENT: Duration = Duration::from_secs(2);

/// Waits, and after a while says for what: a start that hangs without a word looks like a fault.
async fn saying_why<T>(waiting: impl Future<Output = T>) -> T {
    tokio::pin!(waiting);
    if let Ok(done) = tokio::time::timeout(SILENT, &mut waiting).await {
        return done;
    }
    tracing::info!("waiting for the database: it does not answer, or another program holds its lock");
    waiting.await
}

/// Settings of the database's connections.
pub(crate) fn store_settings(settings: &Settings) -> store::Settings {
    store::Settings {
        max_connections: settings.database.max_connections,
        acquire_timeout: settings.database.acquire_timeout,
        statement_timeout: settings.database.statement_timeout,
        schema: Some(settings.database.schema.clone()).filter(|schema| !schema.is_empty()),
        ..store::Settings::new(settings.database_url().expose_secret())
    }
}

/// Starts to connect to the broker, if there is one.
pub(crate) fn broker(settings: &Settings) -> anyhow::Result<Option<Broker>> {
    let Some(url) = settings.broker_url() else { return Ok(None) };
    let topology = Topology { dead_letter_queue: settings.broker.dead_letter_queue.clone(), ..Topology::default() };
    let broker = Broker::connect_with(url.expose_secret(), "regente-hub", topology).context("broker.url")?;
    Ok(Some(broker))
}
