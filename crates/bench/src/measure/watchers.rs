//! Idle watchers of live events: what they cost a hub in which nothing happens.

use std::time::Duration;

use anyhow::{Result, ensure};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde::Serialize;
use tokio::task::JoinSet;

use super::{
    crowd::{GATHERING, Idle, idle_for},
    wire::Wire,
};
use crate::{context::Bench, document, hub::Hub};

/// How long a hub is observed: two of the signs of life that each stream gets.
const IDLE: Duration = Duration::from_secs(30);

/// Cost of watchers, each way with a hub of its own: what one crowd left behind is not the other's.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Watchers {
    pub(crate) count: usize,
    pub(crate) server_sent: Beside,
    pub(crate) websockets: Beside,
}

/// A hub without watchers, and with them.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Beside {
    pub(crate) without: Idle,
    pub(crate) with: Idle,
}

impl Beside {
    /// What they add, in MiB.
    pub(crate) const fn added_mib(&self) -> f64 {
        self.with.rss_mib - self.without.rss_mib
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    ServerSent,
    WebSocket,
}

pub(crate) async fn measure(bench: &Bench) -> Result<Watchers> {
    let count = bench.options.watchers;
    Ok(Watchers {
        count,
        server_sent: beside(bench, "events", Way::ServerSent, count).await?,
        websockets: beside(bench, "sockets", Way::WebSocket, count).await?,
    })
}

async fn beside(bench: &Bench, name: &'static str, way: Way, count: usize) -> Result<Beside> {
    let hub = Hub::start(bench, &bench.site(name).await?).await?;
    let without = idle_for(&hub, IDLE).await?;
    let opened: Vec<Wire> = stream::iter(0..count).map(|_| open(&hub, way)).buffer_unordered(GATHERING).try_collect().await?;
    let mut tasks = JoinSet::new();
    for mut wire in opened {
        tasks.spawn(async move {
            match way {
                Way::ServerSent => wire.read().await,
                Way::WebSocket => wire.read_websocket().await,
            }
        });
    }
    let with = idle_for(&hub, IDLE).await?;
    if let Some(ended) = tasks.try_join_next() {
        ended??;
        ensure!(false, "a stream has ended");
    }
    tasks.shutdown().await;
    hub.stop().await?;
    let found = Beside { without, with };
    document::say(&format!("{count} watchers, {name}: {:.2} % of a core, {:.1} MiB more", with.cpu_percent, found.added_mib()))?;
    Ok(found)
}

async fn open(hub: &Hub, way: Way) -> Result<Wire> {
    let (mut wire, headers) = (Wire::connect(hub.api.host()).await?, format!("authorization: {}\r\n", hub.api.authorization()));
    match way {
        Way::ServerSent => wire.open("/api/v1/events", &headers).await?,
        Way::WebSocket => wire.open_websocket("/api/v1/ws", &headers).await?,
    }
    Ok(wire)
}
