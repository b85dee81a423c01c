//! `regente up`, a single service, and `regente migrate`.

use anyhow::Context;
use domain::automation::EVERY_QUEUE;
use runtime::{Settings, Shutdown};

use crate::{
    Hub, HubOptions,
    cli::{ServiceArgs, UpArgs},
    connect, data_dir, demo, examples,
    local::LocalWorker,
    services, terminal,
};

/// Serves until a signal.
pub(crate) fn run(settings: Settings, args: UpArgs) -> anyhow::Result<()> {
    let filter = if args.demo && settings.has_default_filter() { "warn,lapin=off" } else { &settings.log.filter };
    telemetry::init(filter, settings.log.format)?;
    runtime()?.block_on(serve(settings, args))
}

async fn serve(settings: Settings, args: UpArgs) -> anyhow::Result<()> {
    let options = HubOptions { insecure_dev: args.insecure_dev, ..HubOptions::default() };
    let every_queue = settings.has_local_worker();
    let hub = Hub::start(settings, options).await?;
    // The hub stops last: until then the local worker reports the ends of its jobs.
    let stop = Shutdown::default();
    stop.on_signals()?;
    if args.demo {
        examples::unpack(hub.data_dir())?;
    }
    let queues = local_queues(every_queue, args.demo)?;
    let local = if queues.is_empty() { None } else { Some(LocalWorker::start(&hub, queues, args.scripts)?) };
    if args.demo {
        demo::run(&hub, &stop).await?;
    }
    announce(&hub, every_queue)?;
    let hub_stops = hub.shutdown();
    tokio::select! { () = stop.wait() => {}, () = hub_stops.wait() => {} }
    if let Some(local) = local {
        local.stop().await;
    }
    hub.stop().await;
    Ok(())
}

/// Serves one service until a signal.
pub(crate) fn run_alone(settings: Settings, name: &str, args: &ServiceArgs) -> anyhow::Result<()> {
    telemetry::init(&settings.log.filter, settings.log.format)?;
    let options = HubOptions { insecure_dev: args.insecure_dev, ..HubOptions::default() };
    let service: Vec<_> = services().into_iter().filter(|service| service.name() == name).collect();
    runtime()?.block_on(async {
        let hub = Hub::start_with(settings, options, service).await?;
        let stop = hub.shutdown();
        stop.on_signals()?;
        let url = hub.url();
        terminal::line(&format!("Regente serves on {url}  (the service {name} alone; API: {url}/api/v1/openapi.json)"))?;
        hub.announcements().iter().try_for_each(|line| terminal::line(line))?;
        terminal::line("Stop with Ctrl-C.")?;
        stop.wait().await;
        hub.stop().await;
        Ok(())
    })
}

/// Queues of the local worker: every queue, or those of the examples.
fn local_queues(every_queue: bool, demo: bool) -> anyhow::Result<Vec<String>> {
    Ok(match (every_queue, demo) {
        (true, _) => vec![EVERY_QUEUE.to_owned()],
        (false, true) => examples::registrations()?.into_iter().filter_map(|example| example.queue_name).collect(),
        (false, false) => Vec::new(),
    })
}

fn announce(hub: &Hub, every_queue: bool) -> anyhow::Result<()> {
    terminal::line(&format!("Regente serves on {}  (API: {}/api/v1/openapi.json)", hub.url(), hub.url()))?;
    hub.announcements().iter().try_for_each(|line| terminal::line(line))?;
    if every_queue {
        let folder = hub.data_dir().display();
        terminal::line(&format!("Jobs of every queue run on this machine: scripts in {folder}, and in folders that --scripts names"))?;
    }
    terminal::line("Stop with Ctrl-C.")?;
    Ok(())
}

/// Migrates the database's schema.
pub(crate) fn migrate(settings: &Settings) -> anyhow::Result<()> {
    telemetry::init(&settings.log.filter, settings.log.format)?;
    runtime()?.block_on(async {
        if settings.database_url_is_default() {
            data_dir::make(&settings.data_dir)?;
        }
        let database = connect::database(settings).await?;
        database.close().await?;
        terminal::line("the schema is up to date")?;
        Ok(())
    })
}

/// The runtime for background tasks; requests have threads of their own. The tasks mostly wait for the database and the broker, so one
/// thread is enough, and a second would be woken without work at each step of an idle hub.
pub(crate) fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().context("cannot start")
}
