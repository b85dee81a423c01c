//! Reconcilers of several replicas on one database.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;
use runtime::{Counts, Reconciler, Reconcilers, Shutdown, TaskError, Tasks, WriteHealth, reconcile::Terms};
use test_support::{Backend, TestDatabase, eventually};
use tokio::sync::Semaphore;
use uuid::Uuid;

/// Never due again by itself; a run lasts until the test lets it end.
struct Toy {
    runs: AtomicU64,
    under_way: AtomicU64,
    at_once: AtomicU64,
    go: Semaphore,
}

impl Toy {
    fn new() -> Arc<Self> {
        Arc::new(Self { runs: AtomicU64::new(0), under_way: AtomicU64::new(0), at_once: AtomicU64::new(0), go: Semaphore::new(0) })
    }

    fn runs(&self) -> u64 {
        self.runs.load(Ordering::SeqCst)
    }

    async fn ran(&self, runs: u64) {
        eventually("it ran", async || (self.runs() >= runs).then_some(())).await;
    }
}

impl Reconciler for Toy {
    fn name(&self) -> &'static str {
        "toy"
    }

    fn interval(&self) -> Duration {
        Duration::from_secs(86_400)
    }

    fn run_once(&self, _: DateTime<Utc>) -> BoxFuture<'_, Result<Counts, TaskError>> {
        Box::pin(async move {
            let under_way = self.under_way.fetch_add(1, Ordering::SeqCst) + 1;
            self.at_once.fetch_max(under_way, Ordering::SeqCst);
            self.runs.fetch_add(1, Ordering::SeqCst);
            self.go.acquire().await?.forget();
            self.under_way.fetch_sub(1, Ordering::SeqCst);
            Ok(Counts::from([("toys_repaired", 1)]))
        })
    }
}

struct Replica {
    reconcilers: Reconcilers,
    tasks: Tasks,
    shutdown: Shutdown,
}

impl Replica {
    async fn start(database: &store::Database, owned: Vec<Arc<dyn Reconciler>>) -> Self {
        let shutdown = Shutdown::default();
        let terms = Terms {
            metrics: runtime::metrics::Metrics::default(),
            database: database.clone(),
            clock: Arc::new(Utc::now),
            holder: Uuid::now_v7().into(),
            tick: Duration::from_millis(10),
            lease: Duration::from_secs(30),
            returns: false,
            writes: WriteHealth::default(),
            shutdown: shutdown.clone(),
        };
        let tasks = Tasks::new(terms.clock.clone(), shutdown.clone());
        let reconcilers = Reconcilers::new(terms);
        reconcilers.start(owned, &tasks).await.unwrap();
        Self { reconcilers, tasks, shutdown }
    }

    async fn stop(self) {
        self.shutdown.trigger();
        self.tasks.join(Duration::from_secs(30)).await;
    }
}

async fn one_replica_runs_it_at_a_time_and_a_nudge_is_not_lost(backend: Backend) {
    let world = TestDatabase::create(backend).await.unwrap();
    let database = store::Database::connect(world.settings()).await.unwrap();
    database.migrate().await.unwrap();
    let toy = Toy::new();
    let (first, second) = (Replica::start(&database, vec![toy.clone()]).await, Replica::start(&database, vec![toy.clone()]).await);
    toy.ran(1).await;
    // While one of them runs it: that run may have read before what the nudge is about.
    first.reconcilers.nudge("toy");
    second.reconcilers.nudge("toy");
    first.reconcilers.nudge("nobody");
    toy.go.add_permits(1);
    toy.ran(2).await;
    toy.go.add_permits(1);
    toy.ran(3).await;
    toy.go.add_permits(1);
    let outsider = Replica::start(&database, Vec::new()).await;
    let listed = eventually("the third run is noted", async || {
        let listed = outsider.reconcilers.statuses().await.unwrap();
        Some(listed).filter(|listed| listed[0].runs == 3)
    })
    .await;
    assert_eq!((listed.len(), listed[0].name.as_str(), listed[0].interval_s, listed[0].running), (1, "toy", 86_400.0, false));
    assert_eq!((listed[0].last_outcome.clone(), toy.at_once.load(Ordering::SeqCst)), (Some(serde_json::json!({"toys_repaired": 1})), 1));
    assert!(outsider.reconcilers.run_once("toy").await.is_none(), "another process owns it");
    for replica in [first, second, outsider] {
        replica.stop().await;
    }
    database.close().await.unwrap();
    world.close().await.unwrap();
}

#[tokio::test]
async fn one_replica_runs_it_at_a_time_on_sqlite() {
    one_replica_runs_it_at_a_time_and_a_nudge_is_not_lost(Backend::Sqlite).await;
}

#[tokio::test]
async fn one_replica_runs_it_at_a_time_on_postgres() {
    one_replica_runs_it_at_a_time_and_a_nudge_is_not_lost(Backend::Postgres).await;
}
