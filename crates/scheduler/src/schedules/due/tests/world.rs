//! A database, an orchestrator that accepts jobs, and schedulers whose clock the test sets.

use std::{
    net::TcpListener,
    sync::{Arc, Mutex},
    time::Duration,
};

use chrono::{DateTime, Utc};
use domain::{
    Scope,
    ids::{AutomationId, ScheduleId},
    job::Trigger,
    policy::{Overrides, Pause},
    schedule::{Misfire, MisfirePolicy, Zones},
};
use runtime::{CalendarCache, Clock, Clocks, Context, Host, JobIntake, Parts};
use serde_json::{Map, Value, json};
use store::{
    Database,
    jobs::{FullJob, JobRow, Payload, job_list_page},
    schedules::{
        Draft, Filter, Fire, FireState, Schedule, Spec, Update, fire_list_last, schedule_get, schedule_insert, schedule_next_wake_unscoped,
        schedule_pause, schedule_resume, schedule_update,
    },
};
use test_support::{Backend, Proxy, TestDatabase};
use uuid::Uuid;

use super::super::{Due, watch::Watch};

pub(crate) fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// A clock that stays where a test sets it.
#[derive(Clone)]
pub(crate) struct TestClock(Arc<Mutex<DateTime<Utc>>>);

impl TestClock {
    pub(crate) fn new(now: &str) -> Self {
        Self(Arc::new(Mutex::new(at(now))))
    }

    pub(crate) fn now(&self) -> DateTime<Utc> {
        *self.0.lock().unwrap()
    }

    pub(crate) fn set(&self, now: DateTime<Utc>) {
        *self.0.lock().unwrap() = now;
    }

    pub(crate) fn clock(&self) -> Clock {
        let clock = self.clone();
        Arc::new(move || clock.now())
    }
}

pub(crate) struct World {
    pub(crate) database: Database,
    pub(crate) context: Context,
    pub(crate) intake: Arc<dyn JobIntake>,
    pub(crate) automation: AutomationId,
    pub(crate) clock: TestClock,
    host: Host,
    test_database: TestDatabase,
}

/// A schedule of the world's automation that is due by this expression.
pub(crate) fn cron(world: &World, expression: &str) -> Draft {
    Draft {
        automation_id: world.automation,
        name: expression.to_owned(),
        spec: Spec::Cron(expression.to_owned()),
        timezone: "UTC".to_owned(),
        calendar: None,
        window: None,
        jitter_s: 0,
        start_at: None,
        end_at: None,
        enabled: true,
        misfire: Misfire::default(),
        parameters: Map::new(),
        job: Overrides::default(),
        version_id: None,
        environment: None,
    }
}

pub(crate) fn with_policy(draft: Draft, policy: MisfirePolicy) -> Draft {
    Draft { misfire: Misfire { policy, ..Misfire::default() }, ..draft }
}

impl World {
    pub(crate) async fn start(backend: Backend, now: &str) -> Self {
        Self::start_with(backend, now, json!({})).await
    }

    /// With an automation of these settings.
    pub(crate) async fn start_with(backend: Backend, now: &str, automation: Value) -> Self {
        let test_database = TestDatabase::create(backend).await.unwrap();
        let database = test_database.open().await.unwrap();
        let mut settings = runtime::Settings::load(None).unwrap();
        settings.http.workers = 1;
        settings.worker.api_key = "a-worker-key-of-a-test".to_owned().into();
        settings.dispatch.tick = Duration::from_millis(50);
        let parts = Parts {
            elsewhere: Vec::new(),
            settings,
            database: test_database.open().await.unwrap(),
            store: test_database.settings().clone(),
            broker: None,
            clocks: Clocks::default(),
            services: vec!["orchestrator".to_owned()],
            worker_key: None,
            master_keys: None,
            insecure_dev: true,
        };
        let context = Context::new(parts).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let host = Host::start(listener, context.clone(), &[Box::new(orchestrator::Service)]).await.unwrap();
        let intake = context.job_intake("scheduler").unwrap();
        let parameter_schema = automation.get("parameter_schema").cloned();
        let draft = store::automations::Draft {
            name: "a".to_owned(),
            queue_name: "q".to_owned(),
            script_path: "x.py".to_owned(),
            parameter_schema,
            ..Default::default()
        };
        let by = test_support::change();
        let inserted = store::automations::automation_insert(&database, &Scope::All, &by, &draft, Utc::now()).await;
        let automation = inserted.unwrap().id;
        Self { database, context, intake, automation, clock: TestClock::new(now), host, test_database }
    }

    pub(crate) async fn end(self) {
        let Self { database, host, context, test_database, .. } = self;
        drop(context);
        host.stop().await;
        database.close().await.unwrap();
        test_database.close().await.unwrap();
    }

    /// A scheduler on this database.
    pub(crate) fn replica(&self) -> Due {
        self.replica_with(self.database.clone(), self.intake.clone())
    }

    pub(crate) fn replica_with(&self, database: Database, intake: Arc<dyn JobIntake>) -> Due {
        Due {
            calendars: CalendarCache::new(database.clone()),
            database,
            clock: self.clock.clock(),
            events: self.context.events.clone(),
            zones: Arc::new(Zones::bundled()),
            intake,
            nudge: Arc::default(),
            tick: Duration::from_secs(1),
        }
    }

    /// A scheduler that reaches the database through a proxy which can fail.
    pub(crate) async fn replica_through_proxy(&self) -> (Due, Proxy) {
        let settings = self.test_database.settings();
        let (before, after) = settings.url.split_once('@').unwrap();
        let (host, rest) = after.split_once('/').unwrap();
        let proxy = Proxy::start(host.to_owned()).await.unwrap();
        let url = format!("{before}@{}/{rest}", proxy.address());
        let settings = store::Settings { url, acquire_timeout: Duration::from_millis(500), ..settings.clone() };
        let database = Database::connect(&settings).await.unwrap();
        (self.replica_with(database, self.intake.clone()), proxy)
    }

    pub(crate) async fn save(&self, draft: &Draft) -> ScheduleId {
        let id = Uuid::now_v7().into();
        schedule_insert(&self.database, &test_support::change(), id, draft, self.clock.now()).await.unwrap();
        id
    }

    pub(crate) async fn get(&self, id: ScheduleId) -> Schedule {
        schedule_get(&self.database, &Scope::All, id).await.unwrap().unwrap()
    }

    pub(crate) async fn change(&self, id: ScheduleId, change: impl FnOnce(&mut Draft)) {
        let mut draft = self.get(id).await.draft;
        change(&mut draft);
        let by = test_support::change();
        let updated = schedule_update(&self.database, (&Scope::All, &by), (id, None), &draft, self.clock.now()).await.unwrap();
        assert!(matches!(updated, Update::Done(_)), "{updated:?}");
    }

    pub(crate) async fn pause(&self, until: Option<&str>) {
        let pause = Pause { at: self.clock.now(), until: until.map(at), reason: None, by: "ana".to_owned() };
        schedule_pause(&self.database, (&Scope::All, &test_support::change()), &Filter::default(), &pause).await.unwrap();
    }

    pub(crate) async fn resume(&self) {
        schedule_resume(&self.database, (&Scope::All, &test_support::change()), &Filter::default(), self.clock.now()).await.unwrap();
    }

    /// Lets a scheduler look at everything that it must look at now.
    pub(crate) async fn look(&self, due: &Due) {
        while due.run_once().await.unwrap().schedules > 0 {}
    }

    /// Moves the clock to this time as a loop experiences it: it wakes whenever a schedule must be looked at.
    pub(crate) async fn run_until(&self, due: &Due, until: &str) {
        let until = at(until);
        loop {
            let next = schedule_next_wake_unscoped(&self.database).await.unwrap();
            let Some(next) = next.filter(|next| *next <= until) else { break };
            self.clock.set(next.max(self.clock.now()));
            due.run_once().await.unwrap();
        }
        self.clock.set(until);
    }

    /// What became of a schedule's slots, in order.
    pub(crate) async fn fires(&self, id: ScheduleId) -> Vec<Fire> {
        let mut fires = fire_list_last(&self.database, &Scope::All, id, 1000).await.unwrap();
        fires.reverse();
        fires
    }

    /// The slots that have jobs, in order, after a check that these are the jobs that there are.
    pub(crate) async fn ran(&self, id: ScheduleId) -> Vec<DateTime<Utc>> {
        let created: Vec<Fire> = self.fires(id).await.into_iter().filter(|fire| fire.state == FireState::Created).collect();
        let mut kept: Vec<_> = created.iter().map(|fire| fire.job_id.unwrap()).collect();
        let mut jobs: Vec<_> = self.jobs(id).await.into_iter().map(|row| row.job.id).collect();
        kept.sort_unstable();
        jobs.sort_unstable();
        assert_eq!(kept, jobs, "every job has its slot, and every slot its job");
        created.into_iter().map(|fire| fire.slot_at).collect()
    }

    /// The jobs of a schedule.
    pub(crate) async fn jobs(&self, id: ScheduleId) -> Vec<JobRow> {
        let filter = store::jobs::Filter { trigger: Some(Trigger::Scheduled), limit: 1000, ..Default::default() };
        let page = job_list_page(&self.database, &Scope::All, &filter, Payload::Parameters, u64::MAX).await.unwrap();
        page.rows.into_iter().map(|(row, _)| row).filter(|row| row.origin.schedule_id == Some(id)).collect()
    }

    pub(crate) async fn parameters(&self, id: domain::ids::JobId) -> Map<String, Value> {
        let FullJob { parameters, .. } = store::jobs::job_get(&self.database, &Scope::All, id).await.unwrap().unwrap();
        parameters
    }

    /// Lets a scheduler see what changed elsewhere.
    pub(in crate::schedules::due) async fn watch(&self, due: &Due, watch: &mut Watch) {
        watch.look(due).await.unwrap();
    }
}
