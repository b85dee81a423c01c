//! `regente up` and `regente migrate`.

use anyhow::Context;
use api_gateway::Bootstrap;
use runtime::Settings;

use crate::{Hub, HubOptions, cli::UpArgs, data_dir, demo, hub, terminal};

/// Serves until a signal.
pub(crate) fn run(settings: Settings, args: UpArgs) -> anyhow::Result<()> {
    let filter = if args.demo && settings.has_default_filter() { "warn,lapin=off" } else { &settings.log.filter };
    telemetry::init(filter, settings.log.format)?;
    runtime()?.block_on(serve(settings, args))
}

async fn serve(settings: Settings, args: UpArgs) -> anyhow::Result<()> {
    let options = HubOptions { insecure_dev: args.insecure_dev, ..HubOptions::default() };
    let username = settings.admin.username.clone();
    let hub = Hub::start(settings, options).await?;
    hub.shutdown().on_signals()?;
    let local = if args.demo { Some(demo::run(&hub).await?) } else { None };
    announce(&hub, &username)?;
    hub.shutdown().wait().await;
    if let Some(local) = local {
        local.stop().await;
    }
    hub.stop().await;
    Ok(())
}

fn announce(hub: &Hub, username: &str) -> anyhow::Result<()> {
    terminal::line(&format!("Regente serves on {}  (API: {}/api/v1/openapi.json)", hub.url(), hub.url()))?;
    if let Bootstrap::Created(password) = hub.bootstrap() {
        terminal::line(&format!("Sign in as {username} with the password {password}  (shown this once; only its hash is kept)"))?;
    }
    terminal::line("Stop with Ctrl-C.")?;
    Ok(())
}

/// Brings the schema up to date.
pub(crate) fn migrate(settings: &Settings) -> anyhow::Result<()> {
    telemetry::init(&settings.log.filter, settings.log.format)?;
    runtime()?.block_on(async {
        if settings.database_url_is_default() {
            data_dir::make(&settings.data_dir)?;
        }
        let database = hub::open_database(settings).await?;
        database.close().await?;
        terminal::line("the schema is up to date")?;
        Ok(())
    })
}

/// For what runs beside the requests, which have threads of their own. All of it waits for the database and the broker: one thread is enough,
/// and a second would be woken at each step of an idle hub to find nothing to do.
pub(crate) fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().context("cannot start")
}
